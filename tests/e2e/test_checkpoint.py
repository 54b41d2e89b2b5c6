# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Checkpoints as users make and restore them, of real servers that are pushed to all the time: whole, restored to other numbers of servers
and partitions; and what is refused."""
import contextlib
import json
import os
import pty
import re
import shutil
import subprocess
import time
import unittest

import numpy as np
from checkpoints import Checkpointed, fill, Load, measured, restore, Restored, temporary
from cluster import Cluster, ROWHOUSE, free_ports, run, wait_until
from wire import Client


class RoundTrip(unittest.TestCase):
    """One cluster under load; what it makes is read by all tests."""

    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.cluster = cls.stack.enter_context(Checkpointed(servers=3, partitions=16))
        with Load(cls.cluster) as cls.load:
            wait_until(lambda: cls.load.pushes > 20, "some pushes")
            before, begin = cls.load.client.seq - 1, time.monotonic()
            jobs = [cls.cluster.make("create", "full"), cls.cluster.make("create", "first", "--incremental"), cls.cluster.make("barrier", "noon"),
                    cls.cluster.make("create", "second", "--incremental")]
            cls.before, cls.pushes, cls.seconds = before, cls.load.pushes, time.monotonic() - begin
        cls.jobs = {job["name"]: job for job in jobs}
        cls.digest = cls.cluster.digest()
        cls.cluster.make("create", "whole")
        cls.cluster.make("create", "last", "--incremental", "--base", "second")
        with Load(cls.cluster, "another", cls.load.tables) as more:  # what the last checkpoint is not to have
            wait_until(lambda: more.pushes > 10, "some more pushes")
        cls.cluster.make("barrier", "late", "--base", "last")
        cls.late = cls.cluster.digest()

    def test_made_while_training_went_on(self):
        for name, job in self.jobs.items():
            self.assertEqual((job["phase"], job["error"], job["cut_attempts"]), ("done", None, 1), name)
            measured(f"{name}: {job['rows_written']} rows, {job['bytes_written']} bytes in {job['seconds']:.2f} s, held {job['hold_seconds'] * 1e3:.1f} ms")
        self.assertGreater(self.pushes, 20)
        self.assertEqual(self.jobs["noon"]["rows_written"], 0)
        self.assertEqual(self.jobs["second"]["base"], "first", "a barrier is no base of rows")
        self.assertLess(max(job["hold_seconds"] for job in self.jobs.values()), 2)

    def test_listed_and_whole(self):
        names = ["full", "first", "noon", "second", "whole", "last", "late"]
        self.assertEqual(self.cluster.names(), names)
        self.assertEqual(self.cluster.left(), sorted(names))
        with_directory = run(ROWHOUSE, "checkpoint", "list", "--directory", self.cluster.checkpoints, "-o", "json")
        self.assertEqual(with_directory.stdout, self.cluster.checkpoint("list", "-o", "json").stdout)
        for name in names:
            self.assertRegex(self.cluster.checkpoint("verify", name).stdout, rf"^checkpoint {name} is whole")
        offline = run(ROWHOUSE, "checkpoint", "verify", "late", "--directory", self.cluster.checkpoints, "-o", "json")
        self.assertEqual(json.loads(offline.stdout)["checkpoints"], 5)

    def test_describe_says_what_the_manifest_says(self):
        one = json.loads(self.cluster.checkpoint("describe", "first", "-o", "json").stdout)
        self.assertEqual([link["name"] for link in one["chain"]], ["full", "first"])
        self.assertEqual([table["name"] for table in one["tables"]], ["user", "item"])
        self.assertEqual([writer["name"] for writer in one["writers"]], ["trainer"])
        self.assertGreaterEqual(one["writers"][0]["complete_seq"], self.before, "acknowledged before it was begun")
        self.assertEqual(one["incomplete"], [])
        self.assertEqual([server["server"] for server in one["servers"]], [0, 1, 2])
        self.assertEqual([share["partition"] for share in one["partitions"]], list(range(16)))
        for form in ("table", "wide", "yaml", "csv"):
            text = self.cluster.checkpoint("describe", "first", "-o", form).stdout
            for word in ("first", "full", "user", "trainer"):
                self.assertIn(word, text, form)

    def test_plain_lines_in_a_pipe(self):
        done = self.cluster.checkpoint("create", "piped")
        self.addCleanup(self.cluster.checkpoint, "delete", "piped", "--yes")
        self.assertRegex(done.stdout, r"^checkpoint piped: \d+ rows, \S+ in \d+\.\d\ds; pushes were held for \S+\n$")
        self.assertRegex(done.stderr, r"^checkpoint piped: image, \d+%, \d+ of \d+ rows, ")
        self.assertNotIn("\r", done.stderr)

    def test_bar_on_a_terminal(self):
        self.addCleanup(self.cluster.checkpoint, "delete", "watched", "--yes")
        terminal, side = pty.openpty()
        done = subprocess.run([ROWHOUSE, "checkpoint", "create", "watched", "--address", self.cluster.addresses[0]], stdout=subprocess.PIPE, stderr=side,
                              text=True, check=True, timeout=60)
        os.close(side)
        text = b""
        with contextlib.suppress(OSError):  # the other side was closed
            while data := os.read(terminal, 65536):
                text += data
        os.close(terminal)
        bar = rb"\r\x1b\[Kcheckpoint watched \[[#.]{28}\] +\d+%  image  \d+ of \d+ rows, \S+ written, \d+ rows/s"
        self.assertRegex(text, b"^" + bar)
        self.assertTrue(text.endswith(b"\r\x1b[K"), "the bar stays")
        self.assertRegex(done.stdout, r"^checkpoint watched: \d+ rows, ")

    def check_restored(self, data, servers, partitions, digest):
        with Restored(data, servers, partitions, budget="128MiB") as restored:
            self.assertEqual(restored.digest(), digest, (servers, partitions))
            client = Client(restored, "trainer")  # and it takes pushes
            table = client.admin.DescribeTable(client.admin_pb.DescribeTableRequest(name="user"), timeout=30).schema
            client.push(table, np.arange(4, dtype=np.uint64), np.ones((4, Load.DIM), np.float32))
            self.assertNotEqual(restored.digest(), digest)

    def test_restored_to_any_number_of_servers(self):
        for source, servers, partitions in (("last", 1, 16), ("whole", 2, 64), ("last", 5, 8)):
            data = temporary(self)
            done = restore(self.cluster.folder(source), "--data-dir", data, "--servers", servers, "--partitions", partitions)
            self.assertEqual(sorted(os.listdir(data)), [f"server-{i}" for i in range(servers)])
            self.assertIn(f"--data-dir {data}/server-0 --partitions {partitions}", done.stdout)
            self.check_restored(data, servers, partitions, self.digest)

    def test_restored_until_a_barrier(self):
        data = temporary(self)
        restore(self.cluster.folder("last"), "--data-dir", data, "--until", "late", "--servers", 2)
        self.check_restored(data, 2, 16, self.late)
        done = restore(self.cluster.folder("whole"), "--data-dir", data + "/2", "--until", "late", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("barrier late does not stand on whole but on full, first, second, last", done.stderr)
        done = restore(self.cluster.folder("full"), "--data-dir", data + "/2", "--until", "last", check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--until is last, which is no barrier but incremental", done.stderr)

    def test_dry_run_makes_nothing(self):
        data = os.path.join(temporary(self), "restored")
        done = restore(self.cluster.folder("last"), "--data-dir", data, "--servers", 3, "--dry-run", "-o", "json")
        self.assertEqual({key: json.loads(done.stdout)[key] for key in ("kind", "checkpoints_read", "tables", "servers", "partitions", "incomplete_pushes")},
                         {"kind": "incremental", "checkpoints_read": 4, "tables": 2, "servers": 3, "partitions": 16, "incomplete_pushes": 0})
        self.assertFalse(os.path.exists(data))

    def test_first_start_from_a_checkpoint(self):
        with Checkpointed(servers=3, partitions=32, extra=["--restore-from", self.cluster.folder("last")], checkpoints=self.cluster.checkpoints) as restored:
            self.assertEqual(restored.digest(), self.digest)
            client = Client(restored, "trainer")
            state = client.admin.WriterState(client.admin_pb.WriterStateRequest(name="trainer"), timeout=30)
            self.assertGreaterEqual(state.restored_seq, self.before)
            for index in range(3):  # a start later on leaves it alone
                self.assertEqual(restored.stop(index), 0)
            for index in range(3):
                restored.start(index)
            restored.wait_ready()
            self.assertEqual(restored.digest(), self.digest)
            done = restored.checkpoint("create", "mine", "--incremental", "--base", "last", check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("another cluster or history", done.stderr)

    def test_local_cluster_on_restored_directories(self):
        state = os.path.join(temporary(self), "local")
        restore(self.cluster.folder("last"), "--data-dir", state, "--servers", 2)
        port, http = free_ports(2)
        words = ("--dir", state, "--port", port, "--http-port", http, "--partitions", 16, "--memory-budget", "128MiB")
        done = run(ROWHOUSE, "cluster", "up", "-n", 3, *words, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("restored data of 2 servers", done.stderr)
        self.addCleanup(run, ROWHOUSE, "cluster", "down", "--dir", state, "--delete-data", "--yes", check=False)
        run(ROWHOUSE, "cluster", "up", "-n", 2, *words, "--checkpoint-directory", self.cluster.checkpoints)
        self.assertEqual(run(ROWHOUSE, "table", "digest", "--address", f"127.0.0.1:{port}").stdout, self.digest)
        listed = run(ROWHOUSE, "checkpoint", "list", "--address", f"127.0.0.1:{port}")
        self.assertIn("whole", listed.stdout)


class Refused(unittest.TestCase):
    """What is asked wrongly, or of files that are not right, is refused in words, and nothing is made."""

    @classmethod
    def setUpClass(cls):
        cls.cluster = Checkpointed(servers=2, partitions=8, keep_log=False, budget="128MiB")
        cls.cluster.__enter__()
        cls.addClassCleanup(cls.cluster.__exit__, None, None, None)
        with Load(cls.cluster) as load:
            wait_until(lambda: load.pushes > 10, "some pushes")
            cls.cluster.make("create", "monday")
            cls.cluster.make("create", "tuesday", "--incremental")

    def setUp(self):
        self.before = self.cluster.left()

    def tearDown(self):
        self.assertEqual(self.cluster.left(), self.before)

    def refused(self, *words, code=1, cluster=None):
        done = (cluster or self.cluster).checkpoint(*words, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stderr

    def test_name_taken(self):
        self.assertIn('"monday" exists', self.refused("create", "monday"))

    def test_bad_names(self):
        for name in ("a/b", ".hidden", "x.partial", "a" * 129, "ü"):
            self.assertIn("name", self.refused("create", name, code=2), name)

    def test_base_unknown(self):
        error = self.refused("create", "x", "--incremental", "--base", "mondey")
        self.assertIn("mondey", error)
        self.assertIn("monday", error, "the nearest is named")

    def test_base_of_a_full_one(self):
        self.assertIn("--incremental", self.refused("create", "x", "--base", "monday", code=2))

    def test_barrier_without_the_log(self):
        self.assertIn("--checkpoint-keep-log", self.refused("barrier", "noon"))

    def test_delete_of_a_base(self):
        error = self.refused("delete", "monday", "--yes")
        self.assertIn("tuesday", error)
        self.assertIn("tuesday", run(ROWHOUSE, "checkpoint", "delete", "monday", "--yes", "--directory", self.cluster.checkpoints, check=False).stderr)
        self.assertIn("--yes", self.refused("delete", "tuesday", code=2), "nobody is there to be asked")

    def test_unknown_names(self):
        for verb in (["describe"], ["verify"], ["delete", "--yes"]):
            for where in ([], ["--directory", self.cluster.checkpoints]):
                self.assertIn("nowhere", self.refused(*verb, "nowhere", *where))
        self.assertIn("/nowhere", self.refused("list", "--directory", "/nowhere"))

    def test_directory_that_is_elsewhere(self):
        """The servers' directory as a machine sees it that does not have it."""
        hidden = self.cluster.checkpoints + ".moved"
        os.rename(self.cluster.checkpoints, hidden)
        self.addCleanup(os.rename, hidden, self.cluster.checkpoints)
        self.before = []
        error = self.refused("verify", "monday")
        self.assertIn("--directory", error)
        self.assertIn(self.cluster.checkpoints, error)
        run(ROWHOUSE, "checkpoint", "verify", "tuesday", "--directory", hidden)

    def test_nothing_to_cancel(self):
        self.assertEqual(self.cluster.checkpoint("cancel").stdout, "no checkpoint is being made\n")

    def test_no_server(self):
        done = run(ROWHOUSE, "checkpoint", "create", "--address", "127.0.0.1:1", "--timeout", "100ms", check=False)
        self.assertEqual(done.returncode, 4, done.stderr)

    def test_no_checkpoint_directory(self):
        with Cluster(servers=1, partitions=4, budget="128MiB") as plain:
            for words in (("create",), ("barrier",), ("verify", "x"), ("delete", "x", "--yes")):
                done = plain.cli("checkpoint", *words, check=False)
                self.assertEqual(done.returncode, 1, words)
                self.assertIn("directory", done.stderr, words)
            self.assertIn("--checkpoint-directory", plain.cli("checkpoint", "create", check=False).stderr)
            self.assertIn("none", plain.cli("checkpoint", "schedule").stdout)
            self.assertEqual(json.loads(plain.cli("checkpoint", "list", "-o", "json").stdout), [])
            self.assertEqual(plain.cli("checkpoint", "status", check=False).returncode, 1)

    def small_disk(self, options):
        if os.geteuid() != 0:
            self.skipTest("only root can mount a small disk")
        directory = temporary(self)
        mounted = run("mount", "-t", "tmpfs", "-o", options, "rowhouse-e2e", directory, check=False)
        if mounted.returncode != 0:
            self.skipTest("no small disk can be mounted: " + mounted.stderr.strip())
        self.addCleanup(run, "umount", directory)
        return directory

    def failed_create(self, directory, words):
        with Checkpointed(servers=2, partitions=4, keep_log=False, checkpoints=directory, budget="128MiB") as cluster:
            client = Client(cluster, "filler")
            table = fill(client, "big", 20000, 32)
            error = self.refused("create", "x", cluster=cluster)
            self.assertIn(words, error)
            self.assertIn(directory, error)
            self.assertEqual(cluster.left(), [])
            client.push(table, np.arange(4, dtype=np.uint64), np.ones((4, 32), np.float32))
            self.assertIn(words, cluster.job()["error"])
            self.assertEqual(cluster.job()["phase"], "failed")
            self.assertEqual(cluster.metrics(0)['rowhouse_checkpoints_total{result="failed"}'], 1)

    def test_directory_on_a_full_disk(self):
        self.failed_create(self.small_disk("size=1m"), "No space left on device")

    def test_directory_that_is_read_only(self):
        self.failed_create(self.small_disk("ro"), "Read-only file system")

    def test_servers_with_different_directories(self):
        one, other = temporary(self), temporary(self)
        own = {index: ["--checkpoint-directory", path] for index, path in enumerate((one, other))}
        with Checkpointed(servers=2, partitions=4, own=own, checkpoints=one, budget="128MiB") as cluster:
            self.assertIn("--checkpoint-directory must be one directory that all servers reach", self.refused("create", "x", cluster=cluster))
            self.assertEqual(cluster.left(), [])

    # ---- restores

    def files_of(self, name):
        """One of each kind: paths below the checkpoint's folder."""
        kinds = {}
        for folder, _, names in os.walk(self.cluster.folder(name)):
            for file in names:
                path = os.path.relpath(os.path.join(folder, file), self.cluster.folder(name))
                if os.path.getsize(os.path.join(folder, file)):
                    kinds.setdefault(re.sub(r"\d+", "", os.path.basename(path)), path)
        return kinds

    def test_damaged_file_is_named_and_nothing_is_made(self):
        kinds = self.files_of("monday")
        self.assertEqual(sorted(kinds), ["MANIFEST.json", "SERVER.json", "rows-.img", "segment-.log"])
        for path in kinds.values():
            copy = temporary(self)
            for name in ("monday", "tuesday"):
                shutil.copytree(self.cluster.folder(name), os.path.join(copy, name))
            damaged, data = os.path.join(copy, "monday", path), os.path.join(copy, "restored")
            with open(damaged, "r+b") as file:
                file.seek(os.path.getsize(damaged) // 2)
                byte = file.read(1)[0]
                file.seek(-1, os.SEEK_CUR)
                file.write(bytes([byte ^ 1]))
            for name in ("monday", "tuesday"):
                for extra in ([], ["--dry-run"]):
                    done = restore(os.path.join(copy, name), "--data-dir", data, "--servers", 2, *extra, check=False)
                    self.assertEqual(done.returncode, 1, done.stdout)
                    self.assertIn(path, done.stderr)
                    self.assertFalse(os.path.exists(data))
                done = run(ROWHOUSE, "checkpoint", "verify", name, "--directory", copy, check=False)
                self.assertEqual(done.returncode, 1)
                self.assertIn(path, done.stderr)
            server = self.server_that_ends(data, "--restore-from", os.path.join(copy, "monday"))
            self.assertIn(path, server)
            self.assertLessEqual(set(os.listdir(data)) if os.path.exists(data) else set(), {"LOCK"})

    def server_that_ends(self, data, *words):
        """What a server alone says on its way out."""
        done = run(ROWHOUSE, "server", "--data-dir", data, "--listen", "127.0.0.1:0", "--http-listen", "", "--memory-budget", "128MiB",
                   "--partitions", "8", *words, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        return done.stderr

    def test_restore_into_a_directory_that_is_not_empty(self):
        data = temporary(self)
        os.makedirs(os.path.join(data, "server-1", "spill"))
        done = restore(self.cluster.folder("monday"), "--data-dir", data, "--servers", 2, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"{data}/server-1", done.stderr)
        self.assertEqual(os.listdir(data), ["server-1"])

    def test_restore_of_what_is_no_checkpoint(self):
        data = os.path.join(temporary(self), "restored")
        for path in (self.cluster.checkpoints, "/nowhere"):
            done = restore(path, "--data-dir", data, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("MANIFEST.json", done.stderr)
        done = restore(self.cluster.folder("monday"), "--data-dir", data, "--servers", 3, "--partitions", 3, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertFalse(os.path.exists(data))

    def test_start_from_a_checkpoint_on_rows_of_another(self):
        data = temporary(self)
        restore(self.cluster.folder("monday"), "--data-dir", data)
        error = self.server_that_ends(os.path.join(data, "server-0"), "--restore-from", self.cluster.folder("tuesday"))
        self.assertIn(self.cluster.folder("monday"), error)
        self.assertIn("use an empty --data-dir", error)

    def test_other_server_with_another_checkpoint(self):
        own = {index: ["--restore-from", self.cluster.folder(name)] for index, name in enumerate(("monday", "tuesday"))}
        cluster = Checkpointed(servers=2, partitions=8, keep_log=False, own=own, budget="128MiB")
        self.addCleanup(cluster.__exit__, None, None, None)
        cluster.start(0)
        cluster.start(1)
        self.assertEqual(cluster.processes[1].wait(timeout=60), 1)
        with open(cluster.log_path(1), encoding="utf-8") as log:
            self.assertIn("server 0 was restored from another checkpoint", log.read())


if __name__ == "__main__":
    unittest.main()
