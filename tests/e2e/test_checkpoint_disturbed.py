# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Checkpoints that are interrupted, whose servers are killed in each of their phases, and those of a schedule."""
import contextlib
import fcntl
import json
import os
import signal
import subprocess
import time
import unittest

import grpc
import numpy as np
from checkpoints import Checkpointed, CUT, DONE, fill, IMAGE, LOG, measured, pb, PUBLISH, restore, Restored, temporary, WAITING
from cluster import ROWHOUSE, _die_with_parent, wait_until
from wire import Client


class Disturbed(unittest.TestCase):
    """Servers that are killed and commands that are interrupted, on a cluster with so many rows that a checkpoint takes its time."""
    ROWS, DIM = 400_000, 32
    CHANGED = 60_000  # rows that are pushed once more while a checkpoint waits for its cut, so that its log takes some time

    @classmethod
    def setUpClass(cls):
        cls.cluster = Checkpointed(servers=3, partitions=16, keep_log=False, budget="256MiB")
        cls.cluster.__enter__()
        cls.addClassCleanup(cls.cluster.__exit__, None, None, None)
        cls.client = Client(cls.cluster, "filler")
        cls.table = fill(cls.client, "big", cls.ROWS, cls.DIM)
        job = cls.cluster.make("create", "good")
        measured(f"{cls.ROWS} rows of {cls.DIM}: {job['bytes_written'] / 2**20:.0f} MiB in {job['seconds']:.2f} s, held {job['hold_seconds'] * 1e3:.1f} ms")
        cls.digest = cls.cluster.digest()

    def begin(self, **fields):
        """By plain gRPC: (service, job). Begun at once, whatever was killed a moment ago."""
        service = self.cluster.service()
        return service, service.BeginCheckpoint(pb.BeginCheckpointRequest(name="bad", **fields), timeout=10).job

    def await_phase(self, service, phases):
        """As fast as it can ask; the phase seen."""
        deadline = time.monotonic() + 60
        while True:
            job = service.GetCheckpointJob(pb.GetCheckpointJobRequest(), timeout=10).job
            if job.phase in phases:
                return job.phase
            if job.phase >= DONE:
                self.assertEqual(job.error, "", f"ended before {phases}")
                return job.phase
            self.assertLess(time.monotonic(), deadline, f"still in phase {job.phase}")

    def half_a_push(self):
        """One part of a push of two, whose other part comes later: the cut waits for it. The requests, for whoever completes it."""
        ids = np.concatenate([self.client.ids_of_server(self.table, server, 1) for server in (1, 2)])
        self.client.seq += 1
        requests = {}
        for server, (indices, partitions) in self.client.split(self.table, ids).items():
            requests[server] = self.client.push_request(self.table, ids[indices], np.zeros((1, self.DIM), np.float32), seq=self.client.seq,
                                                        low=self.client.seq, part_count=2)
            self.client.seq -= 1
        self.client.call(self.client.servers[1].Push, requests[1])
        return requests

    def push_again(self):
        """A log of some size, and the same rows as before."""
        for begin in range(0, self.CHANGED, 20000):
            self.client.push(self.table, np.arange(begin, begin + 20000, dtype=np.uint64), np.zeros((20000, self.DIM), np.float32))

    def kill_in(self, phase, victim):
        """Begins one, kills the server once it is in the phase, starts it again. The phase that was seen last."""
        service, job = self.begin(wait_for_cut=phase != IMAGE)
        half = None
        if phase != IMAGE:
            self.assertEqual(self.await_phase(service, [WAITING]), WAITING)
        if phase in (LOG, PUBLISH):
            self.push_again()
        if phase == CUT:
            half = self.half_a_push()
        if phase not in (IMAGE, WAITING):
            with contextlib.suppress(grpc.RpcError):
                service.CutCheckpoint(pb.CutCheckpointRequest(id=job.id), timeout=0.01)
        seen = self.await_phase(service, [phase])
        self.cluster.kill(victim)
        self.cluster.start(victim)
        self.cluster.wait_ready()
        if half is not None:
            self.client.call(self.client.servers[2].Push, half[2])
        return seen

    def check_after(self, what):
        """It has ended; the good one is as it was; nothing is left of the other; pushes go on."""
        wait_until(lambda: self.cluster.checkpoint("status", check=False).returncode == 1 or self.cluster.job()["ended"], f"its end, {what}", 60)
        wait_until(lambda: not any(name.endswith(".partial") for name in self.cluster.left()), f"no .partial, {what}", 30)
        if "bad" in self.cluster.left():  # it was complete
            self.cluster.checkpoint("verify", "bad")
            self.cluster.checkpoint("delete", "bad", "--yes")
        self.assertEqual(self.cluster.left(), ["good"])
        self.client.push(self.table, np.arange(64, dtype=np.uint64), np.zeros((64, self.DIM), np.float32))

    def kill_each_server_in(self, phase, attempts=1):
        name = pb.CheckpointPhase.Name(phase)
        for victim in range(3):
            for attempt in range(attempts):
                seen = self.kill_in(phase, victim)
                self.check_after(f"{name}, server {victim}")
                if seen == phase:
                    break
            measured(f"kill -9 of server {victim} in {name}: seen {pb.CheckpointPhase.Name(seen)} at attempt {attempt + 1}")
            if attempts == 1:
                self.assertEqual(seen, phase)

    def test_killed_in_the_image(self):
        self.kill_each_server_in(IMAGE)

    def test_killed_while_it_waits(self):
        self.kill_each_server_in(WAITING)

    def test_killed_in_the_cut(self):
        self.kill_each_server_in(CUT)

    def test_killed_in_the_log(self):
        self.kill_each_server_in(LOG)

    def test_killed_while_it_is_published(self):
        self.kill_each_server_in(PUBLISH, attempts=2)  # which takes milliseconds

    def test_the_good_one_restores(self):
        """After whatever kills came before: names are in alphabetical order, and so are the tests."""
        self.cluster.checkpoint("verify", "good")
        self.assertEqual(self.cluster.digest(), self.digest, "of the servers that were killed; what was pushed meanwhile were zeros")
        data = temporary(self)
        restore(self.cluster.folder("good"), "--data-dir", data, "--servers", 1)
        with Restored(data, 1, 16, keep_log=False, budget="256MiB") as restored:
            self.assertEqual(restored.digest(), self.digest)

    def test_ctrl_c_leaves_nothing(self):
        half = self.half_a_push()  # so that it does not end before it is interrupted
        process = subprocess.Popen([ROWHOUSE, "checkpoint", "create", "bad", "--address", self.cluster.addresses[0]], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, preexec_fn=_die_with_parent)
        wait_until(lambda: "bad.partial" in self.cluster.left() or process.poll() is not None, "files", 30)
        self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, out + error)
        self.assertIn("nothing of it is left: cancelled", error)
        self.assertEqual(self.cluster.left(), ["good"])
        self.assertEqual(self.cluster.job()["phase"], "cancelled")
        self.client.call(self.client.servers[2].Push, half[2])

    def test_ctrl_c_during_verify_changes_nothing(self):
        before = tree(self.cluster.folder("good"))
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        os.write(writer, b"x" * 4096)  # it is full: whoever tells how far it is waits
        process = subprocess.Popen([ROWHOUSE, "checkpoint", "verify", "good", "--directory", os.path.dirname(self.cluster.folder("good"))],
                                   stdout=subprocess.PIPE, stderr=writer, text=True, preexec_fn=_die_with_parent)
        os.close(writer)
        wait_until(lambda: writes_to_stderr(process.pid) or process.poll() is not None, "it to tell that it reads", 60)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        os.close(reader)
        self.assertEqual((process.returncode, out), (-signal.SIGINT, ""))
        self.assertEqual(tree(self.cluster.folder("good")), before)

    def test_cancelled_by_a_command(self):
        service, _ = self.begin(wait_for_cut=True)
        self.await_phase(service, [WAITING])
        self.assertIn('"bad" is being made', self.cluster.checkpoint("create", "other", check=False).stderr)
        self.assertEqual(self.cluster.checkpoint("cancel").stdout, "checkpoint bad cancelled; nothing of it is left\n")
        self.assertEqual(self.cluster.left(), ["good"])

    def test_interrupted_offline_restore(self):
        data = os.path.join(temporary(self), "restored")
        for number, code in ((signal.SIGINT, 128 + signal.SIGINT), (signal.SIGKILL, -signal.SIGKILL)):
            process = subprocess.Popen([ROWHOUSE, "checkpoint", "restore", self.cluster.folder("good"), "--data-dir", data, "--servers", "4"],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=_die_with_parent)
            wait_until(lambda: os.path.exists(f"{data}/restoring.partial/server-1") or process.poll() is not None, "the second server", 60)
            process.send_signal(number)
            self.assertEqual(process.wait(timeout=60), code)
            self.assertEqual(os.path.exists(data), number == signal.SIGKILL)
        self.assertEqual(os.listdir(data), ["restoring.partial"])
        restore(self.cluster.folder("good"), "--data-dir", data, "--servers", "4")
        self.assertEqual(sorted(os.listdir(data)), [f"server-{i}" for i in range(4)])

    def test_interrupted_first_start(self):
        cluster = Checkpointed(servers=1, partitions=16, keep_log=False, extra=["--restore-from", self.cluster.folder("good")], budget="256MiB")
        self.addCleanup(cluster.__exit__, None, None, None)
        cluster.start(0)
        marker = os.path.join(cluster.data_dir(0), "RESTORING")
        wait_until(lambda: os.path.exists(marker) or cluster.processes[0].poll() is not None, "the restore", 60)
        cluster.kill(0)
        self.assertTrue(os.path.exists(marker))
        asked, cluster.extra = cluster.extra, []
        cluster.start(0)
        self.assertEqual(cluster.processes[0].wait(timeout=60), 1)
        with open(cluster.log_path(0), encoding="utf-8") as log:
            self.assertIn("holds an interrupted restore: start with --restore-from again, or empty it", log.read())
        cluster.extra = asked
        begin = time.monotonic()
        cluster.start(0)
        cluster.wait_ready()
        measured(f"first start from {self.ROWS} rows of {self.DIM}: ready after {time.monotonic() - begin:.2f} s")
        self.assertEqual(cluster.digest(), self.digest)


class Schedule(unittest.TestCase):
    def test_by_default_it_is_on_and_the_first_has_time(self):
        with Checkpointed(servers=1, partitions=4, keep_log=False, budget="128MiB") as cluster:
            shown = json.loads(cluster.checkpoint("schedule", "-o", "json").stdout)
            self.assertEqual((shown["every_seconds"], shown["keep"], shown["checkpoints"]), (1800, 5, []))
            # A directory that is an hour old and has none yet gets one with its next start.
            cluster.stop(0)
            hour_ago = time.time() - 3600
            os.utime(os.path.join(cluster.data_dir(0), "IDENTITY"), (hour_ago, hour_ago))
            cluster.start(0)
            cluster.wait_ready()
            wait_until(lambda: [name for name in cluster.names() if name.startswith("scheduled-")], "the first", 30)

    def test_off_is_none(self):
        with Checkpointed(servers=1, partitions=4, keep_log=False, extra=["--checkpoint-every", "off"], budget="128MiB") as cluster:
            self.assertIn("Nothing is scheduled.", cluster.checkpoint("schedule").stdout)

    def test_by_schedule_and_by_another_after_sighup(self):
        directory = temporary(self)
        config = os.path.join(directory, "rowhouse.yaml")

        def write(every, keep):
            with open(config, "w", encoding="utf-8") as file:
                file.write(f"checkpoint:\n  every: {every}\n  keep: {keep}\n")
        write("1s", 2)
        with Checkpointed(servers=2, partitions=8, keep_log=False, extra=["--config", config], budget="128MiB") as cluster:
            cluster.cli("table", "create", "user", "--dim", "4")
            cluster.make("create", "by-hand")
            seen, most = set(), 0

            def scheduled():
                nonlocal most
                names = [name for name in cluster.left() if name.startswith("scheduled-") and not name.endswith(".partial")]
                most = max(most, len(names))
                seen.update(names)
                return names
            wait_until(lambda: scheduled() and len(seen) >= 5, "five of them", 30)
            self.assertLessEqual(most, 3, "two, and the one just made")
            shown = json.loads(cluster.checkpoint("schedule", "-o", "json").stdout)
            self.assertEqual((shown["every_seconds"], shown["keep"], shown["directory"]), (1, 2, cluster.checkpoints))
            self.assertTrue(shown["checkpoints"])
            write("1s", 1)
            for process in cluster.processes:
                process.send_signal(signal.SIGHUP)
            wait_until(lambda: json.loads(cluster.checkpoint("schedule", "-o", "json").stdout)["keep"] == 1, "the new value", 30)
            wait_until(lambda: len(scheduled()) == 1, "one to stay", 30)
            write("0s", 1)
            cluster.processes[0].send_signal(signal.SIGHUP)
            wait_until(lambda: "Nothing is scheduled." in cluster.checkpoint("schedule").stdout, "no schedule", 30)
            self.assertIn("by-hand", cluster.names(), "it is not one of the schedule's")
            for name in scheduled():
                cluster.checkpoint("verify", name)


def tree(folder):
    """Path -> size and time of change of all files below."""
    found = {}
    for directory, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(directory, name)
            found[path] = (os.stat(path).st_size, os.stat(path).st_mtime_ns)
    return found


def writes_to_stderr(pid):
    """Whether the process waits in a call on its stderr."""
    try:
        with open(f"/proc/{pid}/syscall", encoding="ascii") as call:
            return call.read().split()[1:2] == ["0x2"]
    except OSError:  # it ended
        return False


if __name__ == "__main__":
    unittest.main()
