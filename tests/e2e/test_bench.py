# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""`rowhouse bench` against a real server: what it prints, what it leaves behind (nothing), and how it ends."""
import csv
import io
import json
import os
import signal
import subprocess
import tempfile
import unittest

from cluster import ROWHOUSE, Cluster, _die_with_parent, free_ports, run, wait_until

SMALL = ("--rows", "2000", "--batch", "64", "--warm-up", "0s")
HOURS = (*SMALL, "--duration", "5h")  # ended by the test


def setUpModule():
    global cluster
    cluster = Cluster(partitions=16).__enter__()
    unittest.addModuleCleanup(cluster.__exit__, None, None, None)


class Bench(unittest.TestCase):
    def bench(self, *words, check=True):
        return cluster.cli("bench", *words, check=check)

    def report(self, *words):
        return json.loads(self.bench(*words, "-o", "json").stdout)

    def begin(self, *words, address=None):
        """A run that goes on until it is told to stop."""
        process = subprocess.Popen([ROWHOUSE, "bench", *words, "--address", address or cluster.addresses[0]], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, preexec_fn=_die_with_parent)

        def end():
            if process.poll() is None:
                process.kill()
            process.communicate()
        self.addCleanup(end)
        return process

    def assert_nothing_left(self):
        self.assertEqual(json.loads(cluster.cli("table", "list", "-o", "json").stdout), [])
        self.assertEqual(json.loads(cluster.cli("writer", "list", "-o", "json").stdout), [])

    def server_rows(self, what):
        """Of tables that are there."""
        return sum(server[what] for server in cluster.status())

    def requests(self, method):
        """That the server has answered well."""
        return sum(value for name, value in cluster.metrics(0).items()
                   if name.startswith("rowhouse_requests_total") and f'method="{method}"' in name and 'code="OK"' in name)

    def assert_sound(self, call):
        self.assertGreater(call["calls"], 0)
        self.assertEqual(call["failed_calls"], 0)
        latency = call["latency_seconds"]
        ordered = [latency[key] for key in ("p50", "p90", "p99", "p99.9", "max")]
        self.assertEqual(ordered, sorted(ordered))
        self.assertGreater(ordered[0], 0)

    def test_pull_as_json(self):
        before = self.requests("Pull")
        report = self.report("pull", *SMALL, "--dim", "8", "--duration", "2s", "--tables", "3", "--pooling", "2", "--zipf", "0.99", "--clients", "2", "--in-flight", "2")
        self.assertEqual(report["setup"]["servers"][0]["address"], cluster.addresses[0])
        self.assertEqual(report["setup"]["servers"][0]["version"], report["setup"]["client_version"])
        self.assertEqual(report["workload"]["tables"], 3)
        self.assertEqual(list(report["results"]), ["pull"])
        pull = report["results"]["pull"]
        self.assert_sound(pull)
        ids = 3 * 64 * 2
        self.assertAlmostEqual(pull["rows_per_second"], pull["calls_per_second"] * ids, delta=1e-6 * pull["rows_per_second"])
        self.assertAlmostEqual(pull["megabytes_per_second"], pull["rows_per_second"] * 8 * 4 / 1e6, delta=1e-6 * pull["megabytes_per_second"])
        self.assertEqual(len(pull["samples"]["calls"]), 2)
        self.assertEqual(sum(pull["samples"]["calls"]), pull["calls"])
        self.assertGreaterEqual(self.requests("Pull") - before, pull["calls"])
        self.assert_nothing_left()

    def test_push_and_its_text(self):
        before = self.requests("Push")
        done = self.bench("push", *SMALL, "--duration", "1s", "--optimizer", "adagrad", "--durability", "volatile")
        self.assertRegex(done.stdout, r"(?m)^CALL +CALLS/S +ROWS/S +MB/S +P50 +P90 +P99 +P99.9 +MAX +CALLS +FAILED$")
        self.assertRegex(done.stdout, r"(?m)^push +[1-9]")
        self.assertIn("adagrad, volatile", done.stdout)
        self.assertEqual(done.stderr, "")
        self.assertGreater(self.requests("Push"), before)
        self.assert_nothing_left()

    def test_mixed_has_both_apart(self):
        report = self.report("mixed", *SMALL, "--duration", "1s", "--push-share", "0.3", "--in-flight", "3")
        self.assertEqual(list(report["results"]), ["pull", "push"])
        for call in report["results"].values():
            self.assert_sound(call)
        rows = list(csv.DictReader(io.StringIO(self.bench("mixed", *SMALL, "--duration", "1s", "-o", "csv").stdout)))
        self.assertEqual([row["call"] for row in rows], ["pull", "push"])
        self.assertGreater(float(rows[0]["p99.9_seconds"]), 0)
        self.assert_nothing_left()

    def test_open_loop_keeps_its_rate(self):
        report = self.report("pull", *SMALL, "--rate", "20", "--in-flight", "2", "--duration", "2s")
        loop = report["run"]["open_loop"]
        self.assertEqual(loop["intended_starts"], 40)
        self.assertLessEqual(report["results"]["pull"]["calls"], 40)
        self.assertIn("late_starts", loop)

    def test_fill_pushes_every_row(self):
        report = self.report("pull", *SMALL, "--duration", "1s", "--tables", "2", "--fill", "--keep")
        self.assertTrue(report["workload"]["fill"])
        tables = json.loads(cluster.cli("table", "list", "-o", "json").stdout)
        self.assertEqual(len(tables), 2)
        for table in tables:
            self.assertTrue(table["name"].startswith("bench_"))
            stats = json.loads(cluster.cli("table", "stats", table["name"], "-o", "json").stdout)
            self.assertIn(2000, [line["stored_rows"] for line in stats])
            cluster.cli("table", "drop", table["name"], "--yes")
        self.assert_nothing_left()

    def test_ctrl_c_prints_what_was_measured_and_leaves_nothing(self):
        for signal_sent in (signal.SIGINT, signal.SIGTERM):
            process = self.begin("pull", *HOURS, "-o", "json")
            wait_until(lambda: self.server_rows("pulled_rows") > 6400, "a hundred calls")
            process.send_signal(signal_sent)
            out, err = process.communicate(timeout=60)
            self.assertEqual(process.returncode, -signal_sent, err)
            report = json.loads(out)
            self.assertTrue(report["run"]["interrupted"])
            self.assertGreater(report["results"]["pull"]["calls"], 0)
            self.assert_nothing_left()

    def test_ctrl_c_while_filling_leaves_nothing(self):
        process = self.begin("pull", "--rows", "100000000", "--dim", "4", "--fill")
        wait_until(lambda: self.server_rows("pushed_rows") > 0, "rows to be filled")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, -signal.SIGINT, err)
        self.assertEqual(out, "")
        self.assertIn("interrupted", err)
        self.assert_nothing_left()

    def test_goes_on_after_errors(self):
        with Cluster(partitions=8) as other:
            process = self.begin("pull", *HOURS, "--timeout", "300ms", "-o", "json", address=other.addresses[0])

            def pulled():
                return sum(server["pulled_rows"] for server in other.status())
            wait_until(lambda: pulled() > 6400, "a hundred calls")
            other.kill(0)
            for _ in range(3):  # each gives up later than a call of the run does
                self.assertNotEqual(other.cli("status", "--timeout", "600ms", check=False).returncode, 0)
            other.start(0)
            other.wait_ready()
            wait_until(lambda: pulled() > 6400, "a hundred calls of the new process")
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
            self.assertEqual(process.returncode, -signal.SIGINT, err)
            pull = json.loads(out)["results"]["pull"]
            self.assertGreater(pull["failed_calls"], 0)
            self.assertEqual(pull["failed_calls"], sum(tally["calls"] for tally in pull["errors"].values()))
            self.assertGreater(pull["calls"], 100)
            self.assertEqual(json.loads(other.cli("table", "list", "-o", "json").stdout), [])

    def test_no_server_is_an_error(self):
        done = run(ROWHOUSE, "bench", "pull", "--address", f"127.0.0.1:{free_ports(1)[0]}", "--timeout", "300ms", check=False)
        self.assertIn(done.returncode, (1, 4))
        self.assertIn("127.0.0.1", done.stderr)

    def test_compare(self):
        with tempfile.TemporaryDirectory() as directory:
            files = [os.path.join(directory, name) for name in ("a.json", "b.json", "other.json")]
            for path, dim in zip(files, ("8", "8", "16")):
                printed = self.bench("pull", *SMALL, "--dim", dim, "--duration", "3s", "--out", path, "-o", "json").stdout
                with open(path, encoding="utf-8") as file:
                    self.assertEqual(file.read(), printed)
            a, b, other = files
            lines = json.loads(run(ROWHOUSE, "bench", "compare", a, b, "-o", "json").stdout)
            calls = next(line for line in lines if line["figure"] == "calls_per_second")
            self.assertLessEqual(calls["ratio_low"], calls["ratio"])
            self.assertLessEqual(calls["ratio"], calls["ratio_high"])
            self.assertIn(calls["verdict"], ("better", "worse", "same"))
            itself = json.loads(run(ROWHOUSE, "bench", "compare", a, a, "--fail-if-slower", "0", "-o", "json").stdout)
            self.assertEqual({line["verdict"] for line in itself} - {None}, {"same"})
            self.assertEqual(run(ROWHOUSE, "bench", "compare", a, b).stdout.splitlines()[0].split(),
                             ["CALL", "FIGURE", "A", "B", "B/A", "LOW", "HIGH", "VERDICT"])

            refused = run(ROWHOUSE, "bench", "compare", a, other, check=False)
            self.assertEqual(refused.returncode, 2)
            self.assertIn("dim (8 and 16)", refused.stderr)
            self.assertEqual(run(ROWHOUSE, "bench", "compare", a, other, "--force").returncode, 0)

            with open(a, encoding="utf-8") as file:
                slower = json.load(file)
            slower["results"]["pull"]["calls_per_second"] /= 4
            slower["results"]["pull"]["samples"]["calls"] = [calls // 4 for calls in slower["results"]["pull"]["samples"]["calls"]]
            slow = os.path.join(directory, "slow.json")
            with open(slow, "w", encoding="utf-8") as file:
                json.dump(slower, file)
            failed = run(ROWHOUSE, "bench", "compare", a, slow, "--fail-if-slower", "20", check=False)
            self.assertEqual(failed.returncode, 1, failed.stdout + failed.stderr)
            self.assertIn("slower by more than 20%", failed.stderr)
            self.assertIn("worse", failed.stdout)
            self.assertEqual(run(ROWHOUSE, "bench", "compare", a, slow, "--fail-if-slower", "99").returncode, 0)

    def test_compare_refuses_other_files(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "x.json")
            for text in ("", "{", "[1]", '{"kind": "rowhouse bench"}'):
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
                done = run(ROWHOUSE, "bench", "compare", path, path, check=False)
                self.assertEqual(done.returncode, 2, text)
                self.assertIn(path, done.stderr)
            done = run(ROWHOUSE, "bench", "compare", path + ".not", path, check=False)
            self.assertEqual(done.returncode, 2)
            self.assertIn(path + ".not", done.stderr)
            done = run(ROWHOUSE, "bench", "compare", path, path, "--fail-if-slower", "101", check=False)
            self.assertEqual(done.returncode, 2)
            self.assertIn("--fail-if-slower", done.stderr)

    def test_bad_flags(self):
        cases = ((("pull", "--pooling", "0"), "--pooling is 0"), (("pull", "--zipf", "-0.5"), "--zipf is -0.5"),
                 (("pull", "--push-share", "0.5"), "--push-share"), (("push", "--push-share", "0.5"), "--push-share"),
                 (("pull", "--rate", "0"), "--rate is 0"), (("pull", "--tables", "5000"), "1 to 4096"),
                 (("pull", "--duration", "10"), "--duration"), (("pull", "--warm-up", "2 parsecs"), "--warm-up"),
                 (("mixed", "--push-share", "1"), "--push-share is 1"), (("pull", "--batch", "many"), "--batch"),
                 (("pull", "--preset", "bert"), "--preset"), (("push", "--durability", "maybe"), "--durability"),
                 (("push", "--optimizer", "adam"), "--optimizer"), (("pull", "--clients", "1000"), "--clients is 1000"),
                 (("pull", "--out", "/nowhere/x.json"), "--out is /nowhere/x.json"), (("pull", "--out", "/tmp"), "--out is /tmp"),
                 (("pull", "-o", "yaml"), "--output"), (("pull", "--timeout", "5"), "5"))
        for words, named in cases:
            with self.subTest(words=words):
                done = self.bench(*words, check=False)
                self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
                self.assertIn(named, done.stderr)
        self.assert_nothing_left()


if __name__ == "__main__":
    unittest.main()
