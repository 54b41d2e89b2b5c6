# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""The whole command tree, walked through --help: every leaf has examples, and every example does what it says on a real cluster. Then
what goes wrong around commands: nobody there, readers that leave, narrow terminals, no home, a full disk, Ctrl-C."""
import csv
import fcntl
import io
import json
import os
import pty
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import time
import types
import unittest

import numpy
from cluster import ROWHOUSE, SOURCE, Cluster, _die_with_parent, free_ports, run, wait_until
from wire import Client, pb

ENDLESS = ("rowhouse top", "rowhouse cluster logs 0 -f", "rowhouse server --")  # these run until they are stopped
BOUND_SECONDS = 60


def help_of(*words):
    return run(ROWHOUSE, *words, "--help").stdout


def children(text):
    """Names below the line "Subcommands:"."""
    part = re.search(r"^Subcommands:\n((?:  .*\n)+)", text, re.M)
    return re.findall(r"^  ([a-z]\S*)", part[1], re.M) if part else []


def examples(text):
    part = re.search(r"^Examples:\n((?:  .*(?:\n|\Z))+)", text, re.M)
    return [line.strip() for line in part[1].splitlines()] if part else []


def walk(words=()):
    """(words, help) of each command that runs."""
    text = help_of(*words)
    below = children(text)
    if not below or words == ("server",):
        yield words, text
    for child in below:
        yield from walk((*words, child))


def consecutive_ports(count):
    """The first of that many ports that are free in a row."""
    while True:
        first = free_ports(1)[0]
        if len({p for p in range(first, first + count) if not in_use(p)}) == count:
            return first


def in_use(port):
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
            return False
        except OSError:
            return True


class Tree(unittest.TestCase):
    def test_every_leaf_has_examples(self):
        leaves = list(walk())
        self.assertGreater(len(leaves), 35)
        for words, text in leaves:
            lines = examples(text)
            self.assertTrue(lines, words)
            for line in lines:
                self.assertTrue(line.startswith("rowhouse " + " ".join(words)), (words, line))

    def test_reference_page_is_what_the_program_says(self):
        with open(os.path.join(SOURCE, "docs", "reference", "cli.md"), encoding="utf-8") as page:
            self.assertEqual(page.read(), run(ROWHOUSE, "reference").stdout, "rowhouse reference > docs/reference/cli.md writes it anew")


class Examples(unittest.TestCase):
    """Each example in a cluster made by `rowhouse cluster up`, whose default ports and places are replaced by the test's own."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="rowhouse-e2e-tree-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.port = consecutive_ports(6)
        self.http_port = self.port + 3
        self.addresses = [f"127.0.0.1:{self.port + i}" for i in range(3)]
        os.mkdir(self.path("bin"))
        os.symlink(ROWHOUSE, self.path("bin", "rowhouse"))
        for place in (".local/share/bash-completion/completions", ".zsh/completions", ".config/fish/completions", "work", "docs/reference", "work/docs/reference"):
            os.makedirs(self.path(place), exist_ok=True)
        with open(self.path("rowhouse.yaml"), "w", encoding="utf-8") as config:
            config.write(f"memory:\n  budget: 256MiB\ndata:\n  dir: {self.path('data')}\n")
        self.environment = {"PATH": self.path("bin") + ":" + os.environ["PATH"], "HOME": self.directory, "LC_ALL": "C.UTF-8",
                            "XDG_STATE_HOME": self.path("state"), "ROWHOUSE_ADDRESS": self.addresses[0],
                            "ROWHOUSE_HTTP_ADDRESS": f"127.0.0.1:{self.http_port}"}
        self.addCleanup(self.take_down)

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def shell(self, line, check=True):
        return run("bash", "-o", "pipefail", "-c", line, check=check, timeout=BOUND_SECONDS, env=self.environment, cwd=self.path("work"))

    def take_down(self, *states):
        for state in states or (self.path("state", "rowhouse"), self.path("try")):
            if os.path.exists(os.path.join(state, "cluster.json")):
                self.shell(f"rowhouse cluster down --delete-data --yes --dir {state}")

    def up(self):
        """Three servers with the tables that examples speak of."""
        self.take_down(self.path("try"))
        self.shell(f"rowhouse cluster up -n 3 --memory-budget 128MiB --port {self.port} --http-port {self.http_port}")
        for table in ("user --dim 16 --optimizer adagrad --learning-rate 0.05", "item --dim 64", "session --dim 4 --track-last-push-time"):
            done = self.shell(f"rowhouse table create {table} --if-not-exists", check=False)
            if done.returncode != 0:  # an example made it another way
                self.shell(f"rowhouse table drop {table.split()[0]} --yes && rowhouse table create {table}")

    def prepare(self, words, line):
        """What the example needs to be true."""
        if words[:2] == ("cluster", "up"):
            self.take_down()
            return
        self.up()
        self.shell("rowhouse table alter user --frozen false")
        if words == ("table", "create"):
            for table in ("user", "item"):
                self.shell(f"rowhouse table drop {table} --yes", check=False)
        if words == ("cluster", "start"):
            self.shell("rowhouse cluster kill 1")
        if words == ("writer", "end"):
            Client(types.SimpleNamespace(addresses=self.addresses), "trainer-0")

    def adapt(self, words, line):
        """The example with the test's ports and places."""
        for old, new in (("/var/lib/rowhouse", self.path("data")), ("/etc/rowhouse/rowhouse.yaml", self.path("rowhouse.yaml")),
                         ("127.0.0.1:7601", self.addresses[1]), ("127.0.0.1:7680", f"127.0.0.1:{self.http_port}"), ("./try", self.path("try"))):
            line = line.replace(old, new)
        if words[:2] == ("cluster", "up"):
            line += f" --port {self.port} --http-port {self.http_port}"
        if words == ("server",):
            first, second, http = free_ports(3)
            line += (f" --listen 127.0.0.1:{second} --http-listen 127.0.0.1:{http} --data-dir {self.path('data', str(first))}"
                     f" --servers 127.0.0.1:{first},127.0.0.1:{second}")
            line += "" if "--server-index" in line else " --server-index 1"
            line = re.sub(r"--data-dir \S*/data ", "", line)  # the example's own, given a second time
        if words == ("check",):
            line += f" --listen {self.addresses[0]} --http-listen 127.0.0.1:{self.http_port}"
        return line

    def expected(self, words, line):
        embedded = {"prometheus": "deploy/prometheus/prometheus.yml", "alerts": "deploy/prometheus/alerts.yml",
                    "compose": "docker-compose.yml", "systemd": "deploy/systemd/rowhouse.service"}
        if words[0] == "generate" and not os.path.exists(os.path.join(SOURCE, embedded[words[1]])):
            return 1
        return 0

    def run_until_stopped(self, line):
        """Starts it, waits for its first output, presses Ctrl-C; the exit code."""
        with open(self.path("endless"), "w+b") as output:
            process = subprocess.Popen(["bash", "-c", line], stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=self.environment,
                                       cwd=self.path("work"), start_new_session=True, preexec_fn=_die_with_parent)
            try:
                wait_until(lambda: os.path.getsize(output.name) > 0 or process.poll() is not None, f"output of {line}", BOUND_SECONDS)
                self.assertIsNone(process.poll(), line)
                os.killpg(process.pid, signal.SIGINT)
                return process.wait(timeout=BOUND_SECONDS)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()

    def wait_for_end(self, server):
        """Until a server of the local cluster that drains has ended."""
        with open(self.path("state", "rowhouse", f"server-{server}.pid"), encoding="ascii") as file:
            pid = file.read().split()[0]

        def ended():
            try:
                with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
                    return stat.read().rpartition(")")[2].split()[0] == "Z"
            except OSError:
                return True
        wait_until(ended, f"server {server} to end after its drain", BOUND_SECONDS)

    def test_every_example_runs(self):
        ran = 0
        for words, text in walk():
            for line in examples(text):
                with self.subTest(example=line):
                    self.prepare(words, line)
                    adapted = self.adapt(words, line)
                    if line.startswith(ENDLESS) and "--once" not in line:
                        self.assertIn(self.run_until_stopped(adapted), (0, 130) if "|" in line else (0,), adapted)
                    else:
                        done = self.shell(adapted, check=False)
                        # A reader that goes away, as head does, is the shell's to judge.
                        codes = (0, 1) if "| head" in line else (self.expected(words, line),)
                        self.assertIn(done.returncode, codes, f"{adapted}\n{done.stdout}\n{done.stderr}")
                    if words == ("server", "drain"):
                        self.wait_for_end(1)
                    ran += 1
        self.assertGreater(ran, 40)

    def test_what_completion_offers(self):
        self.up()
        script = self.path("completion")
        self.shell(f"rowhouse completion bash > {script}")
        ask = ('source {0}; COMP_WORDS=({1}); COMP_CWORD=$((${{#COMP_WORDS[@]}}-1)); COMP_LINE="{1}"; '
               'compopt() {{ :; }}; _rowhouse; printf "%s\\n" "${{COMPREPLY[@]}}"')

        def offered(line):
            return self.shell(ask.format(script, line)).stdout.split()
        self.assertIn("describe", offered("rowhouse table d"))
        self.assertEqual(offered("rowhouse table describe us"), ["user"])
        self.assertEqual(offered("rowhouse table list -o js"), ["json"])
        self.assertIn("--learning-rate", offered("rowhouse table create --l"))
        self.assertEqual(offered("rowhouse completion z"), ["zsh"])
        if shutil.which("zsh"):
            self.shell(f"rowhouse completion zsh > {script}; zsh -n {script}")
        if shutil.which("fish"):
            self.shell(f"rowhouse completion fish > {script}; fish -n {script}")
            asked = self.shell(f"fish -c 'source {script}; complete -C \"rowhouse table describe us\"'").stdout
            self.assertEqual(asked.split(), ["user"])

    def test_generated_files_are_those_of_the_tree(self):
        with open(os.path.join(SOURCE, "deploy", "systemd", "rowhouse.service"), encoding="utf-8") as unit:
            self.assertEqual(self.shell("rowhouse generate systemd").stdout, unit.read())

    def test_cluster_survives_kill_and_start(self):
        self.up()
        self.shell("rowhouse cluster kill 1")
        self.assertEqual(self.shell("rowhouse status", check=False).returncode, 3)
        again = self.shell("rowhouse cluster kill 1", check=False)
        self.assertEqual(again.returncode, 1)
        self.assertIn("rowhouse cluster start 1", again.stderr)
        self.shell("rowhouse cluster start 1")
        self.assertEqual(self.shell("rowhouse status").returncode, 0)
        self.shell("rowhouse cluster down")
        self.shell("rowhouse cluster down")  # nothing runs: nothing to do
        self.up()
        self.assertIn("user", self.shell("rowhouse table list").stdout)
        refused = self.shell("rowhouse cluster down --delete-data", check=False)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("--yes", refused.stderr)
        self.assertEqual(self.shell("rowhouse status").returncode, 0, "it was stopped before it asked")

    def test_up_names_the_port_that_is_taken(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", self.port))
            taken.listen()
            done = self.shell(f"rowhouse cluster up -n 1 --port {self.port} --http-port {self.http_port}", check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(str(self.port), done.stderr)


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
            self.assertIn(done.returncode, (1, 4), words)
            self.assertIn(str(port), done.stderr, words)
            self.assertEqual(done.stdout, "", words)

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
        for words in (("status",), ("table", "list"), ("table", "describe", "big"), ("row", "get", "big", "1"), ("writer", "list"),
                      ("server", "info"), ("table", "digest", "big"), ("top", "--once", "--interval", "100ms")):
            self.assertNotIn("\x1b", self.cli(*words).stdout, words)
            json.loads(self.cli(*words, "-o", "json").stdout)
            self.assertTrue(self.cli(*words, "-o", "yaml").stdout, words)
            self.assertGreaterEqual(len(list(csv.reader(io.StringIO(self.cli(*words, "-o", "csv").stdout, newline="")))), 2, words)

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
        with tempfile.TemporaryDirectory() as directory:
            fifo = os.path.join(directory, "big.csv.tmp")
            os.mkfifo(fifo)  # what the dump writes to blocks it until somebody reads
            held = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
            self.addCleanup(os.close, held)
            process = subprocess.Popen([ROWHOUSE, "table", "dump", "big", "--format", "csv", "-o", os.path.join(directory, "big.csv"),
                                        "--address", self.cluster.addresses[0]], stderr=subprocess.PIPE, text=True, preexec_fn=_die_with_parent)
            wait_until(lambda: has_open(process.pid, fifo) or process.poll() is not None, "the dump to write", BOUND_SECONDS)
            self.assertIsNone(process.poll(), "it ended before it was interrupted")
            with open(fifo, "rb") as reader:
                reader.read(10)
                process.send_signal(signal.SIGINT)
                while reader.read(65536):
                    pass
            self.assertEqual(process.wait(timeout=30), -signal.SIGINT)
            self.assertIn("interrupted", process.stderr.read())
            process.stderr.close()
            self.assertEqual(os.listdir(directory), [])

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
