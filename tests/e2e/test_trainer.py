# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""dlrm as a user runs it: two at once, saved and loaded, interrupted, watched on a terminal, given a damaged file."""
import json
import os
import pty
import re
import signal
import subprocess
import tempfile
import threading
import unittest

import numpy as np
from cluster import DLRM, SYNTH, Cluster, free_ports, run, wait_until
from wire import Client

ROWS, TEST_ROWS, BATCH = 6000, 2000, 64
BATCHES = -(-ROWS // BATCH)
SMALL = {"--arch-sparse-feature-size": "8", "--arch-mlp-bot": "13-32-8", "--arch-mlp-top": "32-1", "--mini-batch-size": str(BATCH)}
ENDLESS = ["--nepochs", "1000000"]  # until a test has seen enough
COLUMNS = 26
TIME = r"(?:\d+h \d\dm|\d+m \d\ds|\d+s)"


def die_with_test(process):
    if process.poll() is None:
        process.kill()
    process.wait()


class Trainer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="rowhouse-e2e-")
        cls.addClassCleanup(directory.cleanup)
        cls.directory = directory.name
        cls.data = os.path.join(directory.name, "data")
        run(SYNTH, "--out", cls.data, "--rows", str(ROWS), "--test-rows", str(TEST_ROWS))
        cls.cluster = Cluster(servers=2, partitions=16)
        cls.cluster.__enter__()
        cls.addClassCleanup(cls.cluster.__exit__, None, None, None)

    def command(self, name, *arguments):
        """For tables of this name's own. Arguments replace what they name."""
        defaults = {"--data": self.data, "--address": ",".join(self.cluster.addresses), "--table-prefix": f"{name}.",
                    "--json": self.result(name), **SMALL}
        return [DLRM, *(word for flag, value in defaults.items() if flag not in arguments for word in (flag, value)), *arguments]

    def result(self, name):
        return os.path.join(self.directory, f"{name}.json")

    def figures(self, name):
        with open(self.result(name), encoding="ascii") as file:
            return json.load(file)

    def train(self, name, *arguments):
        done = run(*self.command(name, *arguments))
        return self.figures(name), done

    def start(self, name, *arguments, **kwargs):
        process = subprocess.Popen(self.command(name, *arguments), **kwargs)
        self.addCleanup(die_with_test, process)
        return process

    def stored_ids(self, prefix):
        """For each column, as `rowhouse table dump` writes them."""
        ids = []
        for column in range(1, COLUMNS + 1):
            path = os.path.join(self.directory, "dump")
            self.cluster.cli("table", "dump", f"{prefix}.C{column}", "-o", path)
            ids.append(sorted(np.load(path + ".ids.npy").tolist()))
        return ids

    def pushed_rows(self):
        return sum(value for server in range(self.cluster.count) for name, value in self.cluster.metrics(server).items()
                   if name.startswith("rowhouse_pushed_rows_total"))

    def assert_healthy(self):
        for server in range(self.cluster.count):
            self.assertEqual(self.cluster.http_code(server, "/readyz"), 200)

    # ---- several at once

    def test_two_trainers_train_each_batch_once(self):
        alone, _ = self.train("alone")
        self.assertEqual((alone["iterations"], alone["samples"]), (BATCHES, ROWS))
        ranks = [self.start("both", "--rank", str(rank), "--world-size", "2", "--json", self.result(f"rank{rank}"),
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for rank in (0, 1)]
        for process in ranks:
            self.assertEqual(process.wait(timeout=300), 0)
        both = [self.figures(f"rank{rank}") for rank in (0, 1)]
        # All of them together, so each once: ids of every batch are there, and no batch was counted twice.
        self.assertEqual([f["iterations"] for f in both], [(BATCHES + 1) // 2, BATCHES // 2])
        self.assertEqual(sum(f["samples"] for f in both), ROWS)
        self.assertEqual(self.stored_ids("both"), self.stored_ids("alone"))
        # A writer each, both living, none of them the other's next incarnation.
        client = Client(self.cluster, "onlooker")
        states = [client.admin.WriterState(client.admin_pb.WriterStateRequest(name=f"both.trainer-{rank}"), timeout=30) for rank in (0, 1)]
        self.assertEqual([state.dead for state in states], [False, False])
        self.assertNotEqual(states[0].writer, states[1].writer)
        for state in states:
            self.assertTrue(state.partitions, "it has pushed")

    def test_rank_outside_of_the_world_is_refused(self):
        done = run(*self.command("outside", "--rank", "2", "--world-size", "2"), check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--rank must be below --world-size 2, got 2", done.stderr)

    # ---- save, load, evaluate

    def test_saved_and_loaded_gives_the_same_auc(self):
        model = os.path.join(self.directory, "model")
        trained, _ = self.train("saved", "--save", model)
        pushed, ids = self.pushed_rows(), self.stored_ids("saved")
        loaded, _ = self.train("saved", "--load", model, "--eval-only")
        self.assertEqual(loaded["test"], trained["test"])  # floats: to the last digit
        self.assertEqual(loaded["iterations"], 0)
        self.assertEqual((self.pushed_rows(), self.stored_ids("saved")), (pushed, ids), "an evaluation wrote")
        fresh, _ = self.train("saved", "--eval-only")  # and the file matters
        self.assertNotEqual(fresh["test"]["auc"], trained["test"]["auc"])

    def test_model_of_another_shape_or_damaged_is_refused(self):
        model = os.path.join(self.directory, "other")
        self.train("other", "--max-batches", "2", "--save", model)
        done = run(*self.command("other", "--load", model, "--eval-only", "--arch-mlp-top", "48-1"), check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(model, done.stderr)
        os.truncate(model, os.path.getsize(model) - 1)
        done = run(*self.command("other", "--load", model, "--eval-only"), check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(model, done.stderr)

    # ---- Ctrl-C

    def test_ctrl_c_ends_it_and_keeps_what_was_pushed(self):
        log = os.path.join(self.directory, "interrupted.log")
        model = os.path.join(self.directory, "interrupted.model")
        with open(log, "w", encoding="utf-8") as output:
            process = self.start("interrupted", *ENDLESS, "--print-freq", "5", "--save", model, stdout=output, stderr=output)

        def text():
            with open(log, encoding="utf-8") as output:
                return output.read()
        wait_until(lambda: "training, epoch 0: finished it 20 " in text(), "the training to be under way")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=60), 130, text())
        self.assertIn("interrupted       what was pushed is kept; not tested", text())
        figures = self.figures("interrupted")
        self.assertTrue(figures["interrupted"])
        self.assertIsNone(figures["test"])
        self.assertGreaterEqual(figures["iterations"], 20)
        self.assert_healthy()
        tested, _ = self.train("interrupted", "--load", model, "--eval-only")
        self.assertEqual(tested["test"]["samples"], TEST_ROWS)
        self.assertEqual(tested["storage"]["stored_rows"], figures["storage"]["stored_rows"])

    # ---- progress

    def read_terminal(self, name, seen):
        """What a training writes to a terminal until the pattern is seen; then it is interrupted. Its last words, too."""
        terminal, side = pty.openpty()
        process = self.start(name, *ENDLESS, stdout=subprocess.DEVNULL, stderr=side)
        os.close(side)
        text = []

        def read():
            try:
                while data := os.read(terminal, 65536):
                    text.append(data.decode())
            except OSError:  # the other side was closed
                pass
        reader = threading.Thread(target=read)
        reader.start()
        try:
            wait_until(lambda: re.search(seen, "".join(text)), f"{seen} on the terminal")
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(timeout=60), 130)
        finally:
            die_with_test(process)
            reader.join()
            os.close(terminal)
        return "".join(text)

    def test_bar_on_a_terminal(self):
        bar = r"\r\x1b\[Ktraining, epoch \d+ \[[#.]{28}\] +\d+%  \d+ samples/s  loss \d\.\d{4}  " + TIME + " left"
        text = self.read_terminal("terminal", bar + "(.|\n)*" + bar)
        self.assertNotIn("finished it", text)
        self.assertTrue(text.endswith("\r\x1b[K"), "the bar is left on the terminal")

    def test_lines_in_a_pipe(self):
        _, done = self.train("pipe", "--print-freq", "10")
        lines = [line for line in done.stderr.splitlines() if line.startswith("training")]
        self.assertEqual(len(lines), 1 + BATCHES // 10, done.stderr)
        self.assertEqual(lines[0], "training: begins")
        self.assertIn("testing: begins\n", done.stderr)  # before its first hundred batches, which may take a while
        for number, line in enumerate(lines[1:], 1):
            self.assertRegex(line, rf"^training: finished it {10 * number} \(\d+%\), \d+\.\d\d ms/it, loss \d\.\d{{6}}, \d+ samples/s, {TIME} left$")
        for control in ("\r", "\x1b"):
            self.assertNotIn(control, done.stderr + done.stdout)

    def test_closing_figures(self):
        figures, done = self.train("closing")
        test = figures["test"]
        for text in (f"auc               {test['auc']:.6f}", f"log loss          {test['log_loss']:.6f}",
                     f"normalised entropy {test['normalized_entropy']:.6f}", f"calibration       {test['calibration']:.4f}",
                     f"{figures['ms_per_iteration']:.2f} ms/it", f"{figures['samples_per_second']:.0f} samples/s",
                     f"{100 * figures['wait_share']:.1f}% waiting for rows", f"rows              {figures['storage']['stored_rows']} stored"):
            self.assertIn(text, done.stdout)

    # ---- bad input

    def damaged(self, name, *changes):
        """A copy of the training file in which lines (from 1) are changed."""
        with open(self.training_file(), encoding="ascii") as file:
            lines = file.read().splitlines()[:200]
        for number, change in changes:
            fields = lines[number - 1].split("\t")
            change(fields)
            lines[number - 1] = "\t".join(fields)
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")
        return path

    def training_file(self):
        return os.path.join(self.data, sorted(f for f in os.listdir(self.data) if f.endswith(".tsv"))[0])

    def read_file(self, path, *arguments):
        return run(DLRM, "--in-process-twin", "--train-files", path, "--test-files", self.training_file(), "--json", self.result("bad"),
                   *(word for pair in SMALL.items() for word in pair), *arguments, check=False)

    def test_bad_lines_are_said_skipped_and_counted(self):
        def too_few(fields):
            del fields[-1]

        def bad_number(fields):
            fields[3] = "12x"

        def bad_id(fields):
            fields[14] = "xyz"
        path = self.damaged("bad.tsv", (7, too_few), (9, bad_number), (11, bad_id))
        done = self.read_file(path)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"skipped           3 bad lines, the first: {path}:7: expected 40 columns, got 39", done.stdout)
        figures = self.figures("bad")
        self.assertEqual((figures["skipped_lines"], figures["samples"]), (3, 197))
        for line, change, words in ((7, too_few, "expected 40 columns, got 39"), (9, bad_number, 'column 4: expected an integer or nothing, got "12x"'),
                                    (11, bad_id, 'column 15: expected 1 to 8 hex digits or nothing, got "xyz"')):
            path = self.damaged(f"bad{line}.tsv", (line, change))
            done = self.read_file(path, "--strict")
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"{path}:{line}: {words}", done.stderr)

    def test_good_file_is_read_when_strict(self):
        done = self.read_file(self.damaged("good.tsv"), "--strict")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.figures("bad")["skipped_lines"], 0)

    def test_nobody_there_is_told_in_flags_with_the_ways_out(self):
        done = run(DLRM, "--data", self.data, "--address", f"127.0.0.1:{free_ports(1)[0]}", "--retry-timeout", 1, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"dlrm: UNAVAILABLE: .*see --retry-timeout\); `rowhouse cluster up` starts a cluster, --address says where one is")
        self.assertNotIn("retry_timeout", done.stderr)

    def test_options_of_a_local_server(self):
        for arguments, words in ((["--local-partitions", "3"], "--local-partitions: want a power of two from 1 to 16384, got 3"),
                                 (["--local-partitions", "32768"], "want a power of two from 1 to 16384, got 32768"),
                                 (["--local-memory-budget", "12XB"], '--local-memory-budget: "12XB" is no size')):
            done = run(DLRM, "--data", self.data, "--address", "local:", *arguments, check=False)
            self.assertEqual(done.returncode, 2)
            self.assertIn(words, done.stderr)
        for flag in ("--local-partitions=4", "--local-memory-budget=1GiB"):
            for where in (["--address", self.cluster.addresses[0]], ["--address", "local:", "--in-process-twin"]):
                done = run(DLRM, "--data", self.data, flag, *where, check=False)
                self.assertEqual(done.returncode, 2)
                self.assertIn(f"{flag.partition('=')[0]} is for --address local: only", done.stderr)
        done = run(DLRM, "--data", self.data, "--address", "local:", "--local-memory-budget", "64MiB", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("128", done.stderr)


if __name__ == "__main__":
    unittest.main()
