# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""tools/run_tests.py: a test that skips itself does not pass unseen."""
import contextlib
import io
import os
import subprocess
import sys
import tempfile
import textwrap
import unittest

from cluster import SOURCE

sys.path.insert(0, os.path.join(SOURCE, "tools"))
import run_tests  # noqa: E402

PROGRAM = """
    import sys
    import unittest

    class Some(unittest.TestCase):
        def test_that_passes(self):
            pass

        @unittest.skip("always")
        def test_by_decorator(self):
            pass

        def test_by_call(self):
            print("\\nsomething in between", file=sys.stderr)
            self.skipTest("it isn't the day")

        @unittest.skip("with words of its own")
        def test_with_a_docstring(self):
            "First line."

    class Whole(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            raise unittest.SkipTest("nothing to mount")

        def test_never_seen(self):
            pass

    unittest.main()
"""
SKIPPED = ["e2e_x.Some.test_by_call", "e2e_x.Some.test_by_decorator", "e2e_x.Some.test_with_a_docstring", "e2e_x.Whole.setUpClass"]


def output_of(program, *arguments):
    with tempfile.TemporaryDirectory(prefix="rowhouse-e2e-") as directory:
        path = os.path.join(directory, "program.py")
        with open(path, "w", encoding="ascii") as file:
            file.write(textwrap.dedent(program))
        done = subprocess.run([sys.executable, "-B", path, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=60, check=False)
    return done.stdout


class Skips(unittest.TestCase):
    def judged(self, output, allowed):
        totals, printed = run_tests.Totals(), io.StringIO()
        run_tests.note_skips_inside(totals, "e2e_x", output)
        with contextlib.redirect_stdout(printed):
            run_tests.judge_skips(totals, allowed)
        return totals, printed.getvalue()

    def test_each_skip_is_found_by_name(self):
        skipped, ran = run_tests.skips_inside("e2e_x", output_of(PROGRAM, "-v"))
        self.assertEqual(sorted(skipped), SKIPPED)
        self.assertEqual(ran, 4)

    def test_skip_without_a_reason_fails(self):
        totals, printed = self.judged(output_of(PROGRAM, "-v"), {name: "a reason" for name in SKIPPED[1:]})
        self.assertEqual(totals.failures, [f"{SKIPPED[0]} was skipped, and tests/allowed_skips.txt gives no reason for it"])
        self.assertEqual(printed.splitlines(), [f"skipped: {name}: a reason" for name in SKIPPED[1:]])
        totals, _ = self.judged(output_of(PROGRAM, "-v"), {name: "" for name in SKIPPED})
        self.assertEqual(totals.failed, 4)

    def test_listed_skips_pass(self):
        totals, _ = self.judged(output_of(PROGRAM, "-v"), {name: "a reason" for name in SKIPPED})
        self.assertEqual(totals.failures, [])

    def test_skips_without_names_fail(self):
        totals, _ = self.judged(output_of(PROGRAM), {name: "a reason" for name in SKIPPED})
        self.assertEqual(totals.failed, 1)

    def test_program_that_runs_nothing_fails(self):
        totals, _ = self.judged(output_of("import unittest\nunittest.main()\n", "-v"), {})
        self.assertEqual(totals.failures, ["e2e_x ran no test"])
        totals, _ = self.judged("", {})
        self.assertEqual(totals.failures, ["e2e_x ran no test"])

    def test_list_of_reasons_names_tests_that_exist(self):
        for name, reason in run_tests.allowed_skips().items():
            self.assertTrue(reason, name)
            file, _, test = name.partition(".")
            if file.startswith(run_tests.UNITTEST_PREFIX):
                with open(os.path.join(SOURCE, "tests", "e2e", file.replace("e2e_", "test_", 1) + ".py"), encoding="utf-8") as source:
                    text = source.read()
                if test:
                    self.assertIn(f"def {test.rpartition('.')[2]}(", text)
                else:  # the whole program
                    self.assertIn("sys.exit(SKIPPED)", text)


if __name__ == "__main__":
    unittest.main()
