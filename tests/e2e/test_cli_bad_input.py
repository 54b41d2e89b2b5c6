# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""What goes wrong around commands: nobody there, readers that leave, narrow terminals, no home, a full disk, Ctrl-C, wrong words."""
import csv
import fcntl
import io
import json
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import time
import unittest

import numpy
from cli_tree import consecutive_ports
from cluster import ROWHOUSE, Cluster, _die_with_parent, free_ports, run, wait_until
from wire import Client, pb

BOUND_SECONDS = 60


class BadInput(unittest.TestCase):
    ROWS, DIM = 6000, 64

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(servers=2, partitions=8)
        cls.cluster.__enter__()
        cls.addClassCleanup(cls.cluster.__exit__, None, None, None)
        client = Client(cls.cluster, "rows")
        table = client.create_table("big", cls.DIM)
        ids = numpy.arange(cls.ROWS, dtype=numpy.uint64)
        rows = numpy.random.default_rng(11).standard_normal((cls.ROWS, cls.DIM)).astype(numpy.float32)
        for server, (indices, _) in client.split(table, ids).items():
            client.push_rows(table, ids[indices], rows[indices], pb.PUSH_KIND_VALUE, server)

    def cli(self, *words, **kwargs):
        return self.cluster.cli(*words, **kwargs)

    def piped(self, line):
        return subprocess.run(["bash", "-c", line], env={**os.environ, "ROWHOUSE_ADDRESS": self.cluster.addresses[0]}, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=BOUND_SECONDS, check=False)

    def test_nobody_there(self):
        port = free_ports(1)[0]
        for words in (("status",), ("table", "list"), ("table", "stats"), ("row", "get", "t", "1"), ("writer", "list"), ("server", "info"),
                      ("top", "--once"), ("table", "digest"), ("row", "delete", "t", "1"), ("writer", "end", "w", "--yes"),
                      ("server", "drain", "0", "--yes"), ("table", "alter", "t", "--frozen", "true"), ("table", "dump", "t", "--format", "csv")):
            done = run(ROWHOUSE, *words, "--address", f"127.0.0.1:{port}", "--timeout", "300ms", check=False)
            self.assertEqual(done.returncode, 4, words)
            self.assertIn(str(port), done.stderr, words)
            self.assertRegex(done.stderr, r"gave up after \d+ attempts? in \d+ ms; see --timeout", words)
            self.assertRegex(done.stderr, "^no server answers yet: .*; trying again for up to 300ms .--timeout.\nerror: .*`rowhouse cluster up`", words)
            self.assertEqual(done.stdout, "", words)
        for words in (("table", "create", "t", "--dim", "4"), ("wait",), ("bench", "pull", "--rows", "10")):
            done = run(ROWHOUSE, *words, "--address", f"127.0.0.1:{port}", "--timeout", "300ms", check=False)
            self.assertEqual(done.returncode, 4, words)
            self.assertIn("see --timeout", done.stderr, words)
            self.assertNotIn("may still", done.stderr, "nobody was asked for anything")
        done = run(ROWHOUSE, "healthcheck", "--http-address", f"127.0.0.1:{port}", check=False)
        self.assertEqual((done.returncode, done.stderr), (3, f"unhealthy: 127.0.0.1:{port} does not answer: nothing accepts connections there: "
                                                             "no server runs, or it listens on another address\n"))

    def test_errors_name_flags_and_commands(self):
        for words, said in ((("row", "get", "absent", "1"), "`rowhouse table list` names those that do"),
                            (("table", "list", "--timeout", "25h"), "--timeout is 25h, allowed are 1ms to 24h"),
                            (("table", "list", "--timeout", "5"), "--timeout: \"5\" is no time")):
            done = self.cli(*words, check=False)
            self.assertNotEqual(done.returncode, 0, words)
            self.assertIn(said, done.stderr)
        done = run(ROWHOUSE, "status", "--address", "192.0.2.1:7600", check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("give --insecure when the network between is trusted", done.stderr)

    def test_a_timeout_may_be_longer_than_one_call(self):
        self.assertEqual(self.cli("table", "list", "--timeout", "1h").returncode, 0)

    def test_create_while_the_server_of_the_meta_store_is_down(self):
        with Cluster(servers=2, partitions=8) as cluster:
            words = ("--address", cluster.addresses[1], "--timeout", "1s")
            run(ROWHOUSE, "table", "create", "before", "--dim", "2", *words)
            cluster.kill(0)
            for command, said in ((("create", "late", "--dim", "2"), "the table may still come to exist: look with `rowhouse table list`"),
                                  (("create", "late", "--dim", "2", "--if-not-exists"), "the table may still come to exist"),
                                  (("alter", "before", "--frozen", "true"), "the change may still be made: look with `rowhouse table describe`"),
                                  (("drop", "before", "--yes"), "the table may still be dropped: look with `rowhouse table list`")):
                done = run(ROWHOUSE, "table", *command, *words, check=False)
                self.assertEqual(done.returncode, 4, done.stderr)
                self.assertIn(said, done.stderr)
                self.assertIn("see --timeout", done.stderr)

    def test_readers_that_leave(self):
        for line in (f"{ROWHOUSE} table dump big --format csv | head -n 2", f"{ROWHOUSE} table list | head -n 1",
                     f"{ROWHOUSE} top --interval 100ms | head -n 2"):
            done = self.piped(line)
            self.assertEqual((done.returncode, done.stderr), (0, ""), line)
            self.assertTrue(done.stdout, line)

    def test_every_format_says_the_same(self):
        rows = json.loads(self.cli("table", "stats", "big", "-o", "json").stdout)
        self.assertEqual(rows[-1]["server"], "total")
        self.assertEqual(rows[-1]["stored_rows"], self.ROWS)
        table = list(csv.DictReader(io.StringIO(self.cli("table", "stats", "big", "-o", "csv").stdout, newline="")))
        self.assertEqual([row["stored_rows"] for row in table], [str(row["stored_rows"]) for row in rows])
        self.assertIn(f"stored_rows: {self.ROWS}", self.cli("table", "stats", "big", "-o", "yaml").stdout)
        (row,) = json.loads(self.cli("row", "get", "big", "-1", "-o", "json").stdout)
        self.assertEqual(row["id"], str(2**64 - 1))
        self.assertEqual(self.cli("row", "get", "big", "-1").stdout, self.cli("row", "get", "big", str(2**64 - 1)).stdout)
        self.assertRegex(self.cli("row", "delete", "big", "-5").stdout, "1 id deleted")
        self.cli("table", "create", "padded", "--dim", "2", "--padding-id", "-1")
        self.assertEqual(json.loads(self.cli("table", "describe", "padded", "-o", "json").stdout)["padding_id"], str(2**64 - 1))
        for words in (("status",), ("table", "list"), ("table", "describe", "big"), ("row", "get", "big", "1"), ("writer", "list"),
                      ("server", "info"), ("table", "digest", "big"), ("top", "--once", "--interval", "100ms")):
            self.assertNotIn("\x1b", self.cli(*words).stdout, words)
            json.loads(self.cli(*words, "-o", "json").stdout)
            self.assertTrue(self.cli(*words, "-o", "yaml").stdout, words)
            self.assertGreaterEqual(len(list(csv.reader(io.StringIO(self.cli(*words, "-o", "csv").stdout, newline="")))), 2, words)

    def test_top_is_a_stream(self):
        def stream(format, lines):
            return self.piped(f"{ROWHOUSE} top --interval 100ms -o {format} | head -n {lines}").stdout.splitlines()
        looks = [json.loads(line) for line in stream("json", 3)]
        self.assertEqual([[server["server"] for server in look] for look in looks], [[0, 1]] * 3)
        times = [look[0]["time"] for look in looks]
        self.assertEqual(sorted(set(times)), times, "each is later than the one before")
        rows = list(csv.DictReader(stream("csv", 5)))
        self.assertEqual([row["server"] for row in rows], ["0", "1"] * 2, "one header")
        self.assertEqual(stream("yaml", 1), ["---"])

    def on_terminal(self, words, columns, keys=b"", until=None, press=None):
        """(exit status, what a terminal of that width was sent)."""
        child, terminal = pty.fork()
        if child == 0:
            _die_with_parent()
            os.execve(ROWHOUSE, [ROWHOUSE, *words], {**os.environ, "ROWHOUSE_ADDRESS": self.cluster.addresses[0], "TERM": "xterm"})
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        if keys:
            os.write(terminal, keys)
        sent, pressed, deadline = b"", False, time.monotonic() + BOUND_SECONDS
        while time.monotonic() < deadline:
            try:
                block = os.read(terminal, 65536)
            except OSError:  # the other side is closed
                break
            if not block:
                break
            sent += block
            if until is not None and not pressed and until in sent:
                os.write(terminal, press)
                pressed = True
        os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), sent.decode()

    def test_twenty_columns(self):
        for words in (["status"], ["table", "list"], ["table", "stats"], ["server", "info"], ["row", "get", "big", "1"], ["--help"],
                      ["table", "plan", "--rows", "10", "--dim", "4"]):
            code, text = self.on_terminal(words, 20)
            self.assertEqual(code, 0, text)
            self.assertTrue(text.strip(), words)
        code, text = self.on_terminal(["status"], 20)
        for address in self.cluster.addresses:
            self.assertIn(address, text, "cut off")

    def test_top_ends_on_q_and_on_ctrl_c(self):
        for columns in (20, 200):
            for press in (b"q", b"\x03"):
                code, text = self.on_terminal(["top", "--interval", "100ms"], columns, until=b"\x1b[J", press=press)
                self.assertEqual(code, 0, text)
                self.assertTrue(text.endswith("\x1b[?25h\x1b[?1049l"), "the terminal is as it was")

    def test_destruction_is_asked_for(self):
        self.cli("table", "create", "doomed", "--dim", "2")
        code, text = self.on_terminal(["table", "drop", "doomed"], 80, keys=b"doom\n")
        self.assertEqual(code, 1, text)
        self.assertIn("doomed", self.cli("table", "list").stdout)
        code, text = self.on_terminal(["table", "drop", "doomed"], 80, keys=b"doomed\n")
        self.assertEqual(code, 0, text)
        self.assertNotIn("doomed", self.cli("table", "list").stdout)
        for words in (["table", "drop", "big"], ["row", "delete", "big", "1", "2"], ["row", "expire", "big", "--older-than", "1d"],
                      ["writer", "end", "rows"], ["server", "drain", "0"]):
            done = self.cli(*words, check=False)
            self.assertEqual(done.returncode, 2, words)
            self.assertIn("--yes", done.stderr)

    def test_no_home(self):
        done = run(ROWHOUSE, "cluster", "up", check=False, env={"PATH": os.environ["PATH"]})
        self.assertEqual(done.returncode, 1)
        self.assertIn("--dir", done.stderr)

    def test_alter_and_its_refusals(self):
        self.cli("table", "create", "plain", "--dim", "2")
        changed = json.loads(self.cli("table", "alter", "plain", "--learning-rate", "0.25", "--nan", "allow", "-o", "json").stdout)
        self.assertIn({"field": "learning_rate", "old": 0.01, "new": 0.25}, changed)
        self.assertIn({"field": "allow_nan", "old": False, "new": True}, changed)
        version = json.loads(self.cli("table", "describe", "plain", "-o", "json").stdout)["schema_version"]
        same = ("table", "alter", "plain", "--learning-rate", "0.25", "--nan", "allow")
        self.assertEqual(self.cli(*same).stdout, f"nothing to change: table plain is so already, schema_version {version}\n")
        self.assertEqual(json.loads(self.cli(*same, "-o", "json").stdout), [])
        self.assertEqual(json.loads(self.cli("table", "describe", "plain", "-o", "json").stdout)["schema_version"], version)
        for words, word in ((("plain",), "nothing to alter"), (("plain", "--epsilon", "1"), "no epsilon"), (("absent", "--frozen", "true"), "absent"),
                            (("plain", "--durability", "hard"), "hard")):
            done = self.cli("table", "alter", *words, check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(word, done.stderr)

    def test_expire_needs_a_table_that_keeps_times(self):
        done = self.cli("row", "expire", "big", "--older-than", "1d", "--yes", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("track_last_push_time", done.stderr)

    def test_deleted_row_reads_as_never_pushed(self):
        client = Client(self.cluster, "deleter")
        client.push(client.create_table("deleted", 2), [7, 8, 9], numpy.ones((3, 2), numpy.float32))
        self.assertIn("stored", self.cli("row", "get", "deleted", "7").stdout)
        self.cli("row", "delete", "deleted", "7")
        self.cli("row", "delete", "deleted", "8", "--yes", "9")
        self.assertEqual([line.split()[1] for line in self.cli("row", "get", "deleted", "7", "8", "9").stdout.splitlines()], ["initial"] * 3)

    def test_servers_that_are_not(self):
        for words in (("server", "info", "--server", "2"), ("server", "drain", "2", "--yes")):
            done = self.cli(*words, check=False)
            self.assertEqual(done.returncode, 2)
            self.assertIn("0 to 1", done.stderr)

    def test_full_disk_during_dump(self):
        if os.geteuid() != 0:
            self.skipTest("only root can mount a small disk")
        with tempfile.TemporaryDirectory() as directory:
            mounted = run("mount", "-t", "tmpfs", "-o", "size=1m", "rowhouse-e2e", directory, check=False)
            if mounted.returncode != 0:
                self.skipTest("no small disk can be mounted: " + mounted.stderr.strip())
            try:
                for words in (["-o", directory + "/big"], ["--format", "csv", "-o", directory + "/big.csv"]):
                    done = self.cli("table", "dump", "big", *words, check=False)
                    self.assertEqual(done.returncode, 1)
                    self.assertIn("No space left on device", done.stderr)
                    self.assertIn(directory, done.stderr)
                    self.assertEqual(os.listdir(directory), [])
                done = self.piped(f"{ROWHOUSE} table dump big --format csv > {directory}/redirected")
                self.assertEqual(done.returncode, 1)
                self.assertIn("No space left on device", done.stderr)
                done = self.cli("debug", "bundle", "--out", directory + "/redirected/x.tar.gz", check=False)
                self.assertEqual(done.returncode, 1)
            finally:
                run("umount", directory)

    def test_ctrl_c_while_waiting(self):
        port = free_ports(1)[0]
        process = subprocess.Popen([ROWHOUSE, "wait", "--address", f"127.0.0.1:{port}", "--timeout", "60s"], stderr=subprocess.PIPE,
                                   preexec_fn=_die_with_parent)
        wait_until(lambda: catches_pipe(process.pid), "the command to be in its main function")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=10), -signal.SIGINT)
        process.stderr.close()

    def test_ctrl_c_during_dump_leaves_no_file(self):
        for form, name, file in (("csv", "big.csv", "big.csv"), ("npy", "big", "big.rows.npy")):
            with tempfile.TemporaryDirectory() as directory:
                fifo = os.path.join(directory, file + ".tmp")
                os.mkfifo(fifo)  # what the dump writes to blocks it until somebody reads
                held = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
                self.addCleanup(os.close, held)
                process = subprocess.Popen([ROWHOUSE, "table", "dump", "big", "--format", form, "-o", os.path.join(directory, name),
                                            "--address", self.cluster.addresses[0]], stderr=subprocess.PIPE, text=True, preexec_fn=_die_with_parent)
                wait_until(lambda: has_open(process.pid, fifo) or process.poll() is not None, "the dump to write", BOUND_SECONDS)  # noqa: B023
                self.assertIsNone(process.poll(), "it ended before it was interrupted")
                with open(fifo, "rb") as reader:
                    reader.read(10)
                    process.send_signal(signal.SIGINT)
                    while reader.read(65536):
                        pass
                self.assertEqual(process.wait(timeout=30), -signal.SIGINT)
                process.stderr.close()
                self.assertEqual(os.listdir(directory), [], "the files of ids and of rows")

    def test_ctrl_c_during_digest_prints_none(self):
        def scans():
            return sum(count for name, count in self.cluster.metrics(0).items()
                       if name.startswith("rowhouse_requests_total") and 'method="Scan"' in name)
        before = scans()
        stopped = self.cluster.processes[1]
        stopped.send_signal(signal.SIGSTOP)  # whoever asks it waits
        try:
            process = subprocess.Popen([ROWHOUSE, "table", "digest", "big", "--address", self.cluster.addresses[0]], stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True, preexec_fn=_die_with_parent)
            wait_until(lambda: scans() > before or process.poll() is not None, "the rows of server 0 to be read", BOUND_SECONDS)
            process.send_signal(signal.SIGINT)
            out, error = process.communicate(timeout=30)
            self.assertEqual((process.returncode, out), (-signal.SIGINT, ""), error)
        finally:
            stopped.send_signal(signal.SIGCONT)
        self.assertRegex(self.cli("table", "digest", "big").stdout, "^[0-9a-f]{64} ")

    def test_ctrl_c_ends_what_waits_for_a_server(self):
        port = free_ports(1)[0]
        with tempfile.TemporaryDirectory() as directory:
            for words in (("table", "dump", "t", "-o", directory + "/t"), ("debug", "bundle", "--out", directory + "/b.tar.gz"),
                          ("table", "digest"), ("row", "expire", "t", "--yes", "--older-than", "1d"), ("server", "drain", "0", "--yes")):
                process = subprocess.Popen([ROWHOUSE, *words, "--address", f"127.0.0.1:{port}", "--timeout", "200s"], stderr=subprocess.DEVNULL,
                                           preexec_fn=_die_with_parent)
                wait_until(lambda: catches_pipe(process.pid), "the command to be in its main function")
                process.send_signal(signal.SIGINT)
                self.assertEqual(process.wait(timeout=10), -signal.SIGINT, words)
            self.assertEqual(os.listdir(directory), [])

    def test_ctrl_c_ends_also_what_would_put_things_in_order_first(self):
        """When the server does not answer: some seconds later, by the signal."""
        port = free_ports(1)[0]
        processes = [subprocess.Popen([ROWHOUSE, *words, "--address", f"127.0.0.1:{port}", "--timeout", "200s"], stderr=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL, preexec_fn=_die_with_parent)
                     for words in (("top",), ("checkpoint", "create"), ("checkpoint", "barrier"))]
        for process in processes:
            wait_until(lambda: catches_pipe(process.pid), "the command to be in its main function")  # noqa: B023
            process.send_signal(signal.SIGINT)
        self.assertEqual([process.wait(timeout=60) for process in processes], [-signal.SIGINT] * len(processes))

    def test_ctrl_c_in_cluster_up_leaves_no_server(self):
        with tempfile.TemporaryDirectory() as directory:
            where = os.path.join(directory, "cluster")
            port = consecutive_ports(6)
            words = [ROWHOUSE, "cluster", "up", "-n", "3", "--dir", where, "--port", str(port), "--http-port", str(port + 3),
                     "--memory-budget", "128MiB", "--partitions", "16"]
            for _ in range(10):  # one that is up before it hears the signal is none that was interrupted
                process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=_die_with_parent)
                wait_until(lambda: os.path.exists(os.path.join(where, "server-0.pid")), "the first server to be started", BOUND_SECONDS)
                process.send_signal(signal.SIGINT)
                said = process.communicate(timeout=60)[1]
                if process.returncode != 0:
                    break
                run(ROWHOUSE, "cluster", "down", "--dir", where, "--delete-data", "--yes")
            self.assertEqual((process.returncode, said), (128 + signal.SIGINT, "error: interrupted\n"))
            self.assertEqual(commands_with(where), [])
            run(*words)  # and it works after that
            run(ROWHOUSE, "cluster", "down", "--dir", where, "--delete-data", "--yes")
            self.assertEqual(commands_with(where), [])

    def test_a_first_cluster_up_that_fails_binds_the_next_to_nothing(self):
        with tempfile.TemporaryDirectory() as directory, socket.socket() as other:
            where = os.path.join(directory, "cluster")
            port = consecutive_ports(6)
            words = [ROWHOUSE, "cluster", "up", "--dir", where, "--http-port", str(port + 3), "--memory-budget", "128MiB"]
            other.bind(("127.0.0.1", port + 2))
            other.listen()
            done = run(*words, "-n", "3", "--port", port, "--partitions", "16", check=False)
            self.assertEqual((done.returncode, done.stderr), (1,
                f"error: --port is {port}, and server 2 cannot listen on 127.0.0.1:{port + 2}: Address already in use: choose another --port, "
                "or end what listens there\n"))
            self.assertEqual(commands_with(where), [])
            # Servers that were started leave nothing either.
            checkpoints = os.path.join(directory, "file")
            open(checkpoints, "w").close()
            done = run(*words, "-n", "2", "--port", port, "--restore-from", checkpoints, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("server-0.log", done.stderr)
            self.assertEqual([name for name in os.listdir(where) if not name.endswith(".log")], ["lock"])
            run(*words, "-n", "1", "--port", port, "--partitions", "32")
            run(ROWHOUSE, "cluster", "down", "--dir", where, "--delete-data", "--yes")
            self.assertFalse(os.path.exists(where))

    def test_what_is_no_plain_file_is_written_and_not_replaced(self):
        with tempfile.TemporaryDirectory() as directory:
            fifo, link, target = (os.path.join(directory, name) for name in ("fifo", "link", "target.csv"))
            os.mkfifo(fifo)
            process = subprocess.Popen([ROWHOUSE, "table", "dump", "big", "--format", "csv", "-o", fifo, "--address", self.cluster.addresses[0]],
                                       preexec_fn=_die_with_parent)
            with open(fifo, "rb") as reader:
                lines = reader.read().count(b"\n")
            self.assertEqual(process.wait(timeout=30), 0)
            self.assertEqual(lines, self.ROWS + 1)
            os.symlink("target.csv", link)
            self.cli("table", "dump", "big", "--format", "csv", "-o", link)
            self.assertTrue(os.path.islink(link))
            with open(target, "rb") as dumped:
                self.assertEqual(dumped.read().count(b"\n"), self.ROWS + 1)
            self.assertEqual(sorted(os.listdir(directory)), ["fifo", "link", "target.csv"])
            done = self.cli("table", "dump", "big", "--format", "csv", "-o", directory, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("is a directory", done.stderr)

    def test_wrong_words_name_the_nearest(self):
        for words, wrong, right in ((("tabel", "list"), "tabel", "table"), (("table", "lst"), "lst", "list"),
                                    (("completion", "bsh"), "bsh", "bash"), (("table", "list", "--adress", "x"), "--adress", "--address"),
                                    (("server", "--memory-bugdet", "1GiB"), "--memory-bugdet", "--memory-budget")):
            done = run(ROWHOUSE, *words, check=False)
            self.assertEqual(done.returncode, 2, words)
            self.assertRegex(done.stderr, rf"^error: 'rowhouse.*{wrong}.*did you mean '?{right}'?\?")
            self.assertEqual(done.stdout, "")

    def test_check_fails_for_what_is_wrong(self):
        with tempfile.TemporaryDirectory() as directory:
            base = ["check", "--data-dir", directory, "--listen", self.cluster.addresses[0], "--http-listen", self.cluster.http[0]]
            self.assertEqual(run(ROWHOUSE, *base, "--memory-budget", "128MiB").returncode, 0)
            port = free_ports(1)[0]
            cases = ((["--memory-budget", "60TiB"], "FAIL", "memory"), (["--memory-budget", "1MiB"], "FAIL", "config"),
                     (["--servers", f"{self.cluster.addresses[0]},127.0.0.1:{port}"], "FAIL", f"reach 127.0.0.1:{port}"),
                     (["--data-dir", "/proc/nowhere"], "FAIL", "disk"))
            for extra, verdict, name in cases:
                words = base[:1] + base[3:] if "--data-dir" in extra else base
                begun = time.monotonic()
                done = run(ROWHOUSE, *words, *extra, check=False)
                self.assertLess(time.monotonic() - begun, 12)
                self.assertEqual(done.returncode, 3, done.stdout + done.stderr)
                self.assertRegex(done.stdout, rf"(?m)^{verdict}\s+{re.escape(name)}\s")
            done = run("bash", "-c", 'ulimit -n 64; exec "$@"', "bash", ROWHOUSE, *base, "--memory-budget", "128MiB", check=False)
            self.assertEqual(done.returncode, 3, done.stdout + done.stderr)
            self.assertRegex(done.stdout, r"(?m)^FAIL\s+open files\s+limit 64, want at least \d+ \(ulimit -n\)")

    def test_bundle_has_everything_and_no_secret(self):
        with tempfile.TemporaryDirectory() as directory:
            log, out = os.path.join(directory, "server.log"), os.path.join(directory, "b.tar.gz")
            with open(log, "w", encoding="utf-8") as file:
                file.write("line\nAuthorization: Bearer abcdef123456\n")
            done = self.cli("debug", "bundle", "--out", out, "--log", log)
            run("tar", "xzf", out, "-C", directory)
            top = os.path.join(directory, "rowhouse-debug")
            names = {os.path.relpath(os.path.join(place, name), top) for place, _, files in os.walk(top) for name in files}
            self.assertEqual(names, {"versions.txt", "environment.txt", "status.json", "metrics/server-0.txt", "metrics/server-1.txt",
                                     "config-origins.txt", "logs/0-server.log"})
            for name in names:
                self.assertIn(name, done.stdout)
            with open(os.path.join(top, "logs", "0-server.log"), encoding="utf-8") as file:
                self.assertEqual(file.read(), "line\nAuthorization: Bearer [redacted]\n")
            with open(os.path.join(top, "status.json"), encoding="utf-8") as file:
                self.assertEqual([server["state"] for server in json.load(file)], ["ready", "ready"])

    def test_bundle_says_what_is_missing(self):
        port = free_ports(1)[0]
        with tempfile.TemporaryDirectory() as directory:
            out = os.path.join(directory, "b.tar.gz")
            for wrong in (("--timeout", "5"), ("--address", "nonsense"), ("--http", "nonsense")):  # of the command line, not of the bundle
                done = run(ROWHOUSE, "debug", "bundle", "--out", out, *wrong, check=False)
                self.assertEqual((done.returncode, done.stdout, os.listdir(directory)), (2, "", []), wrong)
            done = run(ROWHOUSE, "debug", "bundle", "--out", out, "--log", "/nowhere", "--config", "/nowhere.yaml", "--address",
                       f"127.0.0.1:{port}", "--timeout", "1s")
            run("tar", "xzf", out, "-C", directory)
            with open(os.path.join(directory, "rowhouse-debug", "missing.txt"), encoding="utf-8") as file:
                missing = file.read()
            for what in (f"127.0.0.1:{port}", "--log /nowhere", "/nowhere.yaml"):
                self.assertIn(what, missing)
            self.assertTrue(done.stderr.startswith("no server answers yet: "), done.stderr)
            self.assertEqual(done.stderr.partition("\n")[2], "missing:\n" + missing)


def commands_with(text):
    """The command lines of living processes that have it in them."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                line = file.read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it ended
            continue
        if text in line:
            found.append(line)
    return found


def has_open(pid, path):
    """Whether the process has the file open."""
    place = f"/proc/{pid}/fd"
    try:
        return any(os.path.realpath(os.path.join(place, fd)) == path for fd in os.listdir(place))
    except OSError:  # it ended
        return False


def catches_pipe(pid):
    """Whether the process ignores SIGPIPE: the first thing that the program does."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        ignored = int(re.search(r"^SigIgn:\s*(\S+)", status.read(), re.M)[1], 16)
    return ignored >> (signal.SIGPIPE - 1) & 1 == 1


if __name__ == "__main__":
    unittest.main()
