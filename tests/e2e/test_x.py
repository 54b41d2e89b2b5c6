# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""./x itself: one at a time builds in a folder, help needs nothing, and who cannot install or write is told what helps.

In a copy of its files, with programs in place of dpkg-query, cmake and ninja: nothing is compiled or installed."""
import fcntl
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

from cluster import SOURCE, wait_until

sys.path.insert(0, os.path.join(SOURCE, "tools"))
import run_checks  # noqa: E402
import run_tests  # noqa: E402

ROOT = pathlib.Path(SOURCE)
FILES = ("x", "tools/build.py", "tools/folder_owner.py")
COMMANDS = ("demo", "up", "down", "test", "build", "check", "bench", "fmt", "clean")
NOBODY = 65534
PROGRAMS = {
    "dpkg-query": '[ ! -e nothing-is-installed ] && echo "install ok installed"\n',
    "cmake": 'mkdir -p build/$2 && touch build/$2/build.ninja\n',
    # Builds until there is a file named go; a second one in the same folder is noted. When told to stop it waits for may-stop.
    "ninja": """
        mkdir "$2/inside" || { echo "$2: two at once" >> wrong; exit 1; }
        stop() { echo "stopping $$" >> said; until [ -e may-stop ] || [ ! -e x ]; do sleep 0.02; done; rmdir "$2/inside"; exit 130; }
        trap 'stop "$@"' TERM INT
        [ ! -e during ] || . ./during
        echo "building $$" >> said
        until [ -e go ] || [ ! -e x ]; do sleep 0.02 & wait $!; done
        rmdir "$2/inside"
        echo "built $$" >> said
    """,
}


class Checkout:
    """The files of ./x in a folder of their own. As a context manager it ends what is left of the programs that it started."""

    def __init__(self, uid=None):
        self.uid, self.started = uid, []
        self.temporary = tempfile.TemporaryDirectory(prefix="rowhouse-e2e-")
        self.root = pathlib.Path(self.temporary.name, "checkout")
        for name in FILES:
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, path)
        self.programs = pathlib.Path(self.temporary.name, "bin")
        self.programs.mkdir()
        for name, text in PROGRAMS.items():
            (self.programs / name).write_text(f"#!/bin/bash\n{text}", encoding="ascii")
            (self.programs / name).chmod(0o755)
        os.chmod(self.temporary.name, 0o755)
        if uid is not None:
            for path in (self.root, *self.root.rglob("*")):
                os.chown(path, uid, uid)

    def x(self, *words):
        """Starts ./x; what it says goes to the file err-N."""
        path = os.path.join(self.temporary.name, f"err-{len(self.started)}")
        with open(path, "wb") as err:
            process = subprocess.Popen([str(self.root / "x"), *words], cwd=self.root, stdin=subprocess.DEVNULL, stdout=err, stderr=err,
                                       start_new_session=True, user=self.uid, group=self.uid, extra_groups=None if self.uid is None else [],
                                       env={"PATH": f"{self.programs}:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": self.temporary.name})
        process.said = lambda: pathlib.Path(path).read_text(encoding="utf-8")
        self.started.append(process)
        return process

    def end(self, process, code=0):
        """Waits for it; what it said."""
        got = process.wait(timeout=120)
        if got != code:
            raise AssertionError(f"ended with {got}:\n{process.said()}")
        return process.said()

    def touch(self, name):
        (self.root / name).touch()

    def lines(self, word):
        """What ninjas have said of this: their process ids."""
        path = self.root / "said"
        return [int(line.split()[1]) for line in path.read_text(encoding="ascii").splitlines() if line.startswith(word + " ")] if path.exists() else []

    def wait_for(self, word, count=1):
        wait_until(lambda: len(self.lines(word)) >= count, f"{count} times {word}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.touch("go")
        self.touch("may-stop")
        for process in self.started:
            if process.poll() is None:
                process.terminate()
            process.wait()
        self.temporary.cleanup()


class OneAtATime(unittest.TestCase):
    def assert_waits(self, process, holder):
        wait_until(lambda: "waiting until it is done" in process.said() or process.poll() is not None, "the second to wait")
        self.assertIn(f"x: build/release is being built by ./x build release ours (process {holder.pid}); waiting", process.said())

    def test_second_says_for_whom_it_waits(self):
        with Checkout() as checkout:
            first = checkout.x("build", "release", "ours")
            checkout.wait_for("building")
            second = checkout.x("build", "release", "theirs")
            self.assert_waits(second, first)
            self.assertEqual(len(checkout.lines("building")), 1)
            checkout.touch("go")
            checkout.end(first)
            self.assertIn("== building release", checkout.end(second))
            self.assertEqual(len(checkout.lines("built")), 2)
            self.assertFalse((checkout.root / "wrong").exists())

    def test_another_folder_is_not_waited_for(self):
        with Checkout() as checkout:
            first = checkout.x("build", "release")
            checkout.wait_for("building")
            second = checkout.x("build", "asan")
            checkout.wait_for("building", 2)
            checkout.touch("go")
            checkout.end(first)
            self.assertNotIn("waiting", checkout.end(second))

    def test_killed_one_stops_building_and_then_lets_go(self):
        with Checkout() as checkout:
            first = checkout.x("build", "release", "ours")
            checkout.wait_for("building")
            second = checkout.x("build", "release")
            self.assert_waits(second, first)
            first.kill()
            checkout.wait_for("stopping")
            checkout.touch("may-stop")
            checkout.wait_for("building", 2)
            checkout.touch("go")
            checkout.end(second)
            self.assertFalse((checkout.root / "wrong").exists(), "the second began while the first one's ninja was at work")

    def test_all_of_it_killed_leaves_no_lock(self):
        with Checkout() as checkout:
            first = checkout.x("build", "release")
            checkout.wait_for("building")
            os.killpg(first.pid, signal.SIGKILL)
            wait_until(lambda: not os.path.exists(f"/proc/{checkout.lines('building')[0]}"), "ninja to be gone")
            (checkout.root / "build" / "release" / "inside").rmdir()
            checkout.touch("go")
            self.assertNotIn("waiting", checkout.end(checkout.x("build", "release")))

    def test_ctrl_c_gives_up_waiting(self):
        with Checkout() as checkout:
            first = checkout.x("build", "release", "ours")
            checkout.wait_for("building")
            second = checkout.x("build", "release")
            self.assert_waits(second, first)
            os.killpg(second.pid, signal.SIGINT)
            self.assertIn(second.wait(timeout=120), (130, -signal.SIGINT))
            self.assertNotIn("Traceback", second.said())
            checkout.touch("go")
            checkout.end(first)

    def test_what_a_build_leaves_running_has_no_lock(self):
        with Checkout() as checkout:
            (checkout.root / "during").write_text("setsid sleep 1000 > /dev/null 2>&1 & echo $! > daemon\n", encoding="ascii")
            checkout.touch("go")
            checkout.end(checkout.x("build", "release"))
            daemon = int((checkout.root / "daemon").read_text(encoding="ascii"))
            try:
                (checkout.root / "during").unlink()
                open_files = [os.readlink(path) for path in pathlib.Path(f"/proc/{daemon}/fd").iterdir()]
                self.assertGreater(len(open_files), 2)
                self.assertEqual([path for path in open_files if path.endswith(".lock")], [])
                self.assertNotIn("waiting", checkout.end(checkout.x("build", "release")))
            finally:
                os.kill(daemon, signal.SIGKILL)

    def test_what_runs_after_the_build_may_build(self):
        """As tests call ./x: the lock is for building, not for what comes after it."""
        with Checkout() as checkout:
            checkout.touch("go")
            (checkout.root / "tools" / "demo.py").write_text("import subprocess\nsubprocess.run(['./x', 'build', 'release'], check=True)\n", encoding="ascii")
            self.assertNotIn("waiting", checkout.end(checkout.x("demo")))
            self.assertEqual(len(checkout.lines("built")), 2)

    def test_build_that_would_wait_for_itself_fails(self):
        with Checkout() as checkout:
            (checkout.root / "during").write_text("rm during; ./x build release; echo \"inner $?\" >> said\n", encoding="ascii")
            checkout.touch("go")
            said = checkout.end(checkout.x("build", "release", "ours"))
            self.assertIn("is being built by ./x build release ours", said)
            self.assertIn("it would wait for itself", said)
            self.assertEqual(checkout.lines("inner"), [1])

    def test_clean_does_not_wait(self):
        with Checkout() as checkout:
            first = checkout.x("build", "release", "ours")
            checkout.wait_for("building")
            said = checkout.end(checkout.x("clean"), 1)
            self.assertIn(f"build/release is being built by ./x build release ours (process {first.pid}): wait for it, or stop it", said)
            self.assertTrue((checkout.root / "build" / "release" / "build.ninja").exists())
            checkout.touch("go")
            checkout.end(first)
            checkout.end(checkout.x("clean"))
            self.assertFalse((checkout.root / "build").exists())

    def test_lock_that_clean_removed_is_made_anew(self):
        with Checkout() as checkout:
            lock = checkout.root / "build" / "release.lock"
            lock.parent.mkdir()
            with open(lock, "wb") as held:
                fcntl.flock(held, fcntl.LOCK_EX)
                first = checkout.x("build", "release", "ours")
                wait_until(lambda: "is being built by another ./x; waiting" in first.said(), "the first to wait")
                shutil.rmtree(lock.parent)
            checkout.wait_for("building")
            self.assert_waits(checkout.x("build", "release"), first)

    def test_failure_of_ninja_and_of_cmake(self):
        with Checkout() as checkout:
            (checkout.root / "during").write_text("rmdir $2/inside; exit 7\n", encoding="ascii")
            checkout.end(checkout.x("build", "debug"), 7)
            (checkout.programs / "cmake").write_text("#!/bin/sh\necho no compiler; exit 1\n", encoding="ascii")
            said = checkout.end(checkout.x("build", "release"), 1)
            self.assertIn("x: cmake could not configure build/release:\nno compiler\n", said)


class Help(unittest.TestCase):
    def test_needs_no_python_no_packages_and_no_root(self):
        with tempfile.TemporaryDirectory(prefix="rowhouse-e2e-") as directory:
            programs = pathlib.Path(directory, "bin")
            programs.mkdir()
            for name in ("bash", "dirname", "readlink", "cat"):
                (programs / name).symlink_to(shutil.which(name))
            x = shutil.copy(ROOT / "x", directory)  # without tools/: what is not in ./x itself cannot be run

            def says(*words):
                done = subprocess.run([shutil.which("bash"), x, *words], env={"PATH": str(programs)}, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
                self.assertEqual((done.returncode, done.stderr), (0, ""), words)
                return done.stdout
            for words in ((), ("--help",), ("-h",), ("help",)):
                self.assertEqual(re.findall(r"^  (\w+)  ", says(*words), re.M), list(COMMANDS))
            for command in COMMANDS:
                self.assertTrue(says(command, "--help").startswith(f"usage: ./x {command}"), command)
                self.assertEqual(says(command, "more", "-h"), says(command, "--help"))

    def test_tells_of_every_flag(self):
        x = (ROOT / "x").read_text(encoding="utf-8")
        for command, tool in (("test", run_tests), ("check", run_checks)):
            text = re.search(rf"^help_{command}\(\) {{\n(.*?)\n}}", x, re.M | re.S)[1]
            flags = set(re.findall(r'add_argument\("(--[\w-]+)"', pathlib.Path(tool.__file__).read_text(encoding="utf-8")))
            self.assertGreater(len(flags), 1)
            self.assertEqual(set(re.findall(r"--[\w-]+", text)), flags)
        self.assertEqual([lane for lane in run_tests.LANES if not re.search(rf"\b{lane}\b", x[x.index("help_test()"):x.index("command_test()")])], [])


@unittest.skipIf(os.geteuid() != 0, "needs root to act as another user")
class AnotherUser(unittest.TestCase):
    def test_packages_that_root_must_install(self):
        with Checkout(NOBODY) as checkout:
            checkout.touch("nothing-is-installed")
            for name in ("bash", "dirname", "readlink", "cat", "id"):
                (checkout.programs / name).symlink_to(shutil.which(name))
            (checkout.programs / "env").symlink_to("/usr/bin/env")
            text = (checkout.root / "x").read_text(encoding="utf-8")
            (checkout.root / "x").write_text(text.replace("#!/usr/bin/env bash\n", f"#!/bin/bash\nPATH={checkout.programs}\n"), encoding="utf-8")
            said = checkout.end(checkout.x("build"), 1)
        packages = re.search(r'^BUILD_PACKAGES="([^"]*)"', text, re.M)[1].split()
        self.assertIn(f"{len(packages)} Debian packages are missing", said)
        self.assertIn(f"\napt-get update && apt-get install -y --no-install-recommends {' '.join(packages)}\n", said)

    def test_build_folder_of_root(self):
        with Checkout(NOBODY) as checkout:
            checkout.touch("go")
            os.chown(checkout.root / "go", NOBODY, NOBODY)
            checkout.end(checkout.x("build", "release"))
            (checkout.root / "said").unlink()
            for path in (checkout.root / "build" / "release" / "build.ninja", checkout.root / "build" / "release", checkout.root / "build" / "release.lock"):
                os.chown(path, 0, 0)
                said = checkout.end(checkout.x("build", "release"), 1)
                shown = path.relative_to(checkout.root)
                self.assertIn(f"x: {shown} belongs to root, and nobody may not write it: an earlier ./x ran as root", said)
                self.assertIn("as root:   chown -R nobody: build  ", said)
                self.assertNotIn("Traceback", said)
                self.assertEqual(checkout.lines("building"), [])
                os.chown(path, NOBODY, NOBODY)
            checkout.end(checkout.x("build", "release"))

    def test_checkout_of_root(self):
        with Checkout(NOBODY) as checkout:
            os.chown(checkout.root, 0, 0)
            said = checkout.end(checkout.x("build", "release"), 1)
            self.assertIn(f"this checkout, {checkout.root}, belongs to root, and nobody may not write in it", said)


if __name__ == "__main__":
    unittest.main()
