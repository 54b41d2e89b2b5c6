# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""The first thing that a newcomer types: it keeps its promises, writes its figures, starts fast the second time; Ctrl-C in the middle
leaves nothing behind, and a kill no process. Through `./x demo` where that has nothing to build, else through tools/demo.py."""
import functools
import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from cluster import BUILD, SOURCE, run, wait_until, x_would_build_nothing

HOME = os.path.join(SOURCE, ".rowhouse", "demo")
WARM_START_S = 15
PROGRESS = re.compile(r"training: finished it (\d+) \(\d+%\), ([\d.]+) ms/it")


@functools.cache
def demo_command():
    """./x demo, when it would start at once. A build belongs to no test."""
    if x_would_build_nothing("rowhouse", "dlrm", "criteo_synth"):
        return [os.path.join(SOURCE, "x"), "demo"]
    return [sys.executable, "-B", os.path.join(SOURCE, "tools", "demo.py"), "--build-dir", BUILD]


class Demo:
    """A demo in a session of its own, so that Ctrl-C can be given to it as a terminal does: to the whole group."""

    def __init__(self, *arguments):
        command = demo_command()
        self.begin = time.monotonic()
        self.process = subprocess.Popen([*command, "--quick", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        start_new_session=True)
        self.lines = []  # (seconds since the begin, line)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append((time.monotonic() - self.begin, line.rstrip()))

    def text(self):
        return "\n".join(line for _, line in list(self.lines))

    def wait(self, seconds=600):
        code = self.process.wait(timeout=seconds)
        self.reader.join()
        self.process.stdout.close()
        return code

    def first_progress(self):
        """(seconds since the begin, batches, milliseconds of a batch) of the first line of it."""
        for at, line in list(self.lines):
            found = PROGRESS.match(line.split("\r")[-1])
            if found:
                return at, int(found[1]), float(found[2])
        return None

    def run_directory(self):
        """./x becomes tools/demo.py, so the process id is the same."""
        return os.path.join(HOME, f"run-{self.process.pid}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()  # it stops its servers
        self.wait()


def processes_that_name(text):
    """{pid: command line} of those that have the text in it, but for zombies."""
    found = {}
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                words = file.read().decode(errors="replace").split("\0")
        except OSError:  # gone
            continue
        if any(text in word for word in words):
            found[int(path.split("/")[2])] = words
    return found


def flag_values(commands, flag):
    return [words[words.index(flag) + 1] for words in commands.values() if flag in words]


def is_free(address):
    host, _, port = address.rpartition(":")
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # closed connections may linger; a listener is still told
        try:
            s.bind((host, int(port)))
        except OSError:
            return False
    return True


class DemoTest(unittest.TestCase):
    def assert_nothing_left(self, demo):
        self.assertFalse(os.path.exists(demo.run_directory()), "the run's directory is left")
        self.assertEqual(processes_that_name(demo.run_directory()), {}, "processes are left")

    def check_whole_run(self):
        with tempfile.TemporaryDirectory(prefix="rowhouse-e2e-") as directory:
            path = os.path.join(directory, "figures.json")
            with Demo("--json", path) as first:
                self.assertEqual(first.wait(), 0, first.text())
            with open(path, encoding="utf-8") as file:
                figures = json.load(file)
        self.assertTrue(all(promise["kept"] for promise in figures["promises"]), figures["promises"])
        self.assertGreaterEqual(len(figures["promises"]), 5)
        self.assertNotIn("MISSED", first.text())
        auc, twin, control = (figures[who]["test"]["auc"] for who in ("rowhouse", "twin", "control"))
        self.assertLess(abs(auc - twin), 0.01)
        self.assertGreater(auc, control + 0.05)
        self.assertLess(auc, figures["bayes_auc"])
        self.assertEqual(len(figures["peaks"]), 3)
        self.assertIn(f"AUC through Rowhouse     {auc:.6f}", first.text())
        self.assertIn("--quick allows a gap of 0.01 to the twin, not 0.003", first.text())
        for phase in ("training: begins", "testing: begins", "stopping the servers"):
            self.assertIn(phase, first.text())
        self.assert_nothing_left(first)

    def check_second_run(self):
        """Finds its data, trains within the promised time, and is interrupted in the middle of it."""
        with Demo() as second:
            wait_until(lambda: second.process.poll() is not None or second.first_progress(), "the first line of progress", 300)
            self.assertIsNone(second.process.poll(), second.text())
            at, batches, ms = second.first_progress()
            began = at - batches * ms / 1000
            self.assertNotIn("making the data", second.text())
            print(f"\n{' '.join(demo_command())}: the second run trains {began:.1f} s after its start", file=sys.stderr)
            self.assertLessEqual(began, WARM_START_S)
            running = processes_that_name(second.run_directory())
            servers = {pid: words for pid, words in running.items() if words[1] == "server"}
            self.assertEqual(len(servers), 3, running)
            self.assertGreater(len(running), 3, "no trainer is running")
            addresses = flag_values(servers, "--listen") + flag_values(servers, "--http-listen")
            self.assertFalse(any(map(is_free, addresses)), "so that the check below can fail")
            os.killpg(second.process.pid, signal.SIGINT)
            self.assertEqual(second.wait(120), 130, second.text())
        self.assertIn("interrupted", second.text())
        self.assertNotIn("Traceback", second.text())
        self.assert_nothing_left(second)
        for pid in running:
            self.assertFalse(os.path.exists(f"/proc/{pid}"), f"{running[pid]} is left")
        for address in addresses:
            self.assertTrue(is_free(address), f"something listens at {address}")

    def check_killed_run(self):
        """Its processes are stopped beforehand: only the kernel's own kill ends them then, not a signal that they would handle."""
        with Demo() as third:
            wait_until(lambda: third.process.poll() is not None or third.first_progress(), "the first line of progress", 300)
            self.assertIsNone(third.process.poll(), third.text())
            running = processes_that_name(third.run_directory())
            self.assertEqual(len(running), 4, running)
            try:
                for pid in running:
                    os.kill(pid, signal.SIGSTOP)
                third.process.kill()
                third.process.wait()  # not for the end of its output: what is left would hold that open
                wait_until(lambda: not processes_that_name(third.run_directory()), "its processes to be gone")
            finally:
                for pid in processes_that_name(third.run_directory()):
                    os.kill(pid, signal.SIGKILL)
        shutil.rmtree(third.run_directory())  # as the next demo would

    def test_promises_second_run_and_ctrl_c(self):
        with self.subTest("a whole run"):
            self.check_whole_run()
        with self.subTest("a second run, interrupted"):
            self.check_second_run()
        with self.subTest("a third run, killed"):
            self.check_killed_run()

    def test_build_directory_without_programs_is_said(self):
        with tempfile.TemporaryDirectory(prefix="rowhouse-e2e-") as directory:
            done = subprocess.run([sys.executable, "-B", os.path.join(SOURCE, "tools", "demo.py"), "--build-dir", directory], check=False,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("bin/rowhouse is missing: build first (./x build)", done.stderr)


class WrongUsage(unittest.TestCase):
    def test_is_told_before_packages_and_compiling(self):
        for words, said in ((["--quik"], "there is no --quik"), (["--servers", "3", "extra"], "there is no extra"),
                            (["--data", "/nonexistent"], "--data is /nonexistent, want a directory")):
            done = run(os.path.join(SOURCE, "x"), "demo", *words, check=False, timeout=30)
            self.assertEqual((done.returncode, done.stdout), (2, ""), words)
            self.assertIn(said, done.stderr)


if __name__ == "__main__":
    unittest.main()
