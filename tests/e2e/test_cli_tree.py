# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""The whole command tree, walked through --help: every leaf has examples, and every example does what it says on a real cluster."""
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import types
import unittest

from cli_tree import consecutive_ports, examples, walk
from cluster import ROWHOUSE, SOURCE, _die_with_parent, free_ports, run, wait_until
from wire import Client

ENDLESS = ("rowhouse top", "rowhouse cluster logs 0 -f", "rowhouse server --")  # these run until they are stopped
BOUND_SECONDS = 60


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
        line = (f"rowhouse cluster up -n 3 --memory-budget 128MiB --port {self.port} --http-port {self.http_port}"
                f" --checkpoint-directory {self.path('data', 'checkpoints')} --checkpoint-keep-log")
        done = self.shell(line, check=False)
        if done.returncode != 0:  # an example has begun another one, which runs
            self.assertIn("rowhouse cluster down first", done.stderr)
            self.take_down()
            self.shell(line)
        for table in ("user --dim 16 --optimizer adagrad --learning-rate 0.05", "item --dim 64", "session --dim 4 --track-last-push-time"):
            done = self.shell(f"rowhouse table create {table} --if-not-exists", check=False)
            if done.returncode != 0:  # an example made it another way
                self.shell(f"rowhouse table drop {table.split()[0]} --yes && rowhouse table create {table}")

    def one_checkpoint(self, line):
        """That of the examples, unless it is what the example makes."""
        wait_until(lambda: '"ended": null' not in self.shell("rowhouse checkpoint status -o json", check=False).stdout, "an earlier one to end")
        for name in reversed(self.shell("rowhouse checkpoint list -o csv | tail -n +2 | cut -d, -f1").stdout.split()):
            self.shell(f"rowhouse checkpoint delete {name} --yes")
        if line != "rowhouse checkpoint create monday":
            self.shell("rowhouse checkpoint create monday")

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
        if words == ("bench", "compare"):
            self.shell("rowhouse bench pull --rows 1000 --dim 4 --warm-up 0s --duration 2s --out before.json && cp before.json after.json")
        if words[0] == "checkpoint":
            self.one_checkpoint(line)
        if words == ("cluster", "start"):
            self.shell("rowhouse cluster kill 1")
        if words == ("writer", "end"):
            Client(types.SimpleNamespace(addresses=self.addresses), "trainer-0")

    def adapt(self, words, line):
        """The example with the test's ports and places."""
        if words[0] == "log":  # of a server that runs
            return line.replace("/var/lib/rowhouse", self.path("state", "rowhouse", "server-0"))
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
        self.shell(f"rowhouse completion zsh > {script}; zsh -n {script}")
        self.shell(f"rowhouse completion fish > {script}; fish -n {script}")
        asked = self.shell(f"fish -c 'source {script}; complete -C \"rowhouse table describe us\"'").stdout
        self.assertEqual(asked.split(), ["user"])
        self.shell(f"rowhouse checkpoint create offered; rowhouse completion bash > {script}")
        self.assertEqual(offered("rowhouse checkpoint describe off"), ["offered"])
        self.shell(f"rowhouse completion fish > {script}")
        asked = self.shell(f"fish -c 'source {script}; complete -C \"rowhouse checkpoint verify off\"'").stdout
        self.assertEqual(asked.split(), ["offered"])
        self.shell("rowhouse checkpoint delete offered --yes")

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


if __name__ == "__main__":
    unittest.main()
