# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Every command found by walking --help: with nobody there, into a closed pipe, in each format, on a terminal of 20 columns; zsh; logs."""
import collections
import csv
import fcntl
import io
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unittest

import yaml
from cli_tree import BOUND_SECONDS, WithLocalCluster, at_once, options
from cluster import ROWHOUSE, SOURCE, _die_with_parent, wait_until

FAILURE, USAGE, UNHEALTHY, TIMEOUT = 1, 2, 3, 4
FIVE = ["table", "wide", "json", "yaml", "csv"]
# Commands that have other formats than the five, and why.
OTHER_FORMATS = {
    ("bench", "pull"): ["text", "csv", "json"],  # a report for people, its figures, and everything: compare reads that
    ("bench", "push"): ["text", "csv", "json"],
    ("bench", "mixed"): ["text", "csv", "json"],
    ("log", "dump"): ["table", "json"],  # records of many shapes, as many as there are: a line each
}
# For people they say one line, with a part of what programs get.
PROSE = (("checkpoint", "create"), ("checkpoint", "barrier"), ("checkpoint", "verify"), ("bench", "pull"), ("bench", "push"), ("bench", "mixed"))
# They measure: a figure may be one thing, another, and the first again.
MEASURING, MEASURED = (("check",), ("top",)), ("resident_bytes",)
UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
SECONDS = {"h": 3600, "m": 60, "s": 1, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


def has_formats(text):
    return [option.choices for option in options(text) if option.name == "--output" and option.choices]


def strings(value):
    """All texts in a JSON value."""
    if isinstance(value, (dict, list)):
        return set().union(*(strings(item) for item in (value.values() if isinstance(value, dict) else value)))
    return {value} if isinstance(value, str) and value else set()


def settled(words, text):
    """Without the figures of commands that measure."""
    return re.sub(r"[\d.]+", "#", text) if words in MEASURING else text


def documents(words, text):
    """Of JSON; a stream has one a line."""
    return [json.loads(line) for line in text.splitlines()] if words == ("log", "dump") else json.loads(text)


def parts(cell):
    """The cell, or the scalars of the JSON objects in it."""
    found, at = [], 0
    if not cell.startswith("{"):
        return [cell]
    while at < len(cell):
        value, at = json.JSONDecoder().raw_decode(cell, at)
        found += [item if isinstance(item, str) else json.dumps(item) for item in value.values() if item is not None]
        at += 1  # the space between
    return found


def says(token, number):
    """Whether what people read is the number: 1.5KiB, 20ms, 12.34%, 7/s, four digits."""
    size = re.fullmatch(r"(\d+)(?:\.(\d))?([KMGT]iB|B)", token)
    if size:
        low = (int(size[1]) + int(size[2] or 0) / 10) * UNITS[size[3]]
        return low <= number <= low + (UNITS[size[3]] / 10 if size[3] != "B" else 0)
    if re.fullmatch(r"(?:[\d.]+(?:h|ms|us|ns|m|s))+", token):
        read = sum(float(amount) * SECONDS[unit] for amount, unit in re.findall(r"([\d.]+)(h|ms|us|ns|m|s)", token))
        return abs(read - number) <= 1e-3 * abs(number)
    plain = re.fullmatch(r"(-?[\d.]+(?:e[+-]?\d+)?)(%|/s)?", token)
    try:
        read = float(plain[1]) / (100 if plain[2] == "%" else 1) if plain else None
    except ValueError:  # an address
        return False
    return plain is not None and abs(read - number) <= max(1e-3 * abs(number), 0.5 if plain[2] == "/s" else 0)


def shows(text, cell):
    """Whether the text for people has the cell of CSV."""
    if cell in text or cell in ("true", "false") and {"true": "stored", "false": "initial"}[cell] in text:
        return True
    try:
        number = float(cell)
    except ValueError:
        return False
    return any(says(token, number) for token in set(text.split()))


class Walk(WithLocalCluster):
    def line(self, words, tag="x"):
        """A command that does what it is for, here."""
        return self.cluster.up() if words == ("cluster", "up") else [*words, *self.cluster.arguments(words, tag)]

    def test_nobody_there(self):
        port = self.cluster.spare[0]
        leaves = [words for words, text in self.leaves if any(option.name == "--address" for option in options(text))]
        self.assertGreater(len(leaves), 30)
        before = self.cluster.snapshot()
        lines = [[*self.line(words), "--address", f"127.0.0.1:{port}", "--timeout", "1s"] for words in leaves]
        for words, done in zip(leaves, at_once(self.cluster.run_apart, lines)):
            with self.subTest(command=" ".join(words)):
                self.assertIn(str(port), done.stderr)
                if words == ("debug", "bundle"):  # "What cannot be had is said in missing.txt; the bundle is made all the same."
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertIn("missing.txt", done.stdout)
                    continue
                self.assertEqual(done.returncode, TIMEOUT, done.stderr)
                self.assertEqual((done.stdout, done.left), ("", []))
        done = self.cluster.run_apart("healthcheck", "--http-address", f"127.0.0.1:{port}")
        self.assertEqual((done.returncode, done.stdout), (UNHEALTHY, ""))
        self.assertIn(str(port), done.stderr)
        self.assertEqual(self.cluster.snapshot(), before)

    def test_readers_that_are_gone(self):
        log = self.line(("log", "dump"))
        for words in (["config", "print-defaults"], ["completion", "bash"], ["generate", "alerts"], ["checkpoint", "list"], ["cluster", "logs", "0"],
                      [*log, "-o", "json"], log, ["table", "list"], ["table", "dump", "walked", "--format", "csv"], ["table", "list", "-o", "json"],
                      ["server", "info"], ["checkpoint", "describe", "first"], ["--help"], ["version"], ["top", "--interval", "100ms"],
                      ["cluster", "logs", "0", "-f"], ["reference"]):
            with self.subTest(command=" ".join(words)):
                reader, writer = os.pipe()
                os.close(reader)
                try:
                    done = subprocess.run([ROWHOUSE, *words], stdout=writer, stderr=subprocess.PIPE, text=True, env=self.cluster.environment,
                                          timeout=BOUND_SECONDS, check=False)
                finally:
                    os.close(writer)
                self.assertEqual(done.returncode, FAILURE, done.stderr)
                self.assertRegex(done.stderr, r"\A(note: .*\n)?\Z")

    def test_readers_of_one_line(self):
        for words in (["config", "print-defaults"], ["completion", "bash"], ["generate", "alerts"], ["checkpoint", "list"], ["cluster", "logs", "0"],
                      [*self.line(("log", "dump")), "-o", "json"], ["table", "list"], ["table", "dump", "walked", "--format", "csv"]):
            with self.subTest(command=" ".join(words)):
                process = subprocess.Popen([ROWHOUSE, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                           env=self.cluster.environment, preexec_fn=_die_with_parent)
                first = process.stdout.readline()
                process.stdout.close()
                said = process.stderr.read()
                process.stderr.close()
                self.assertIn(process.wait(timeout=BOUND_SECONDS), (0, FAILURE), said)
                self.assertTrue(first.endswith("\n"))
                self.assertRegex(said, r"\A(note: .*\n)?\Z")

    def test_documented_formats(self):
        with open(os.path.join(SOURCE, "docs", "reference", "cli.md"), encoding="utf-8") as page:
            sections = dict(part.split("\n", 1) for part in page.read().split("\n### rowhouse ")[1:])
        with_formats = 0
        for words, text in self.leaves:
            for choices in has_formats(text):
                self.assertEqual(choices, OTHER_FORMATS.get(words, FIVE), words)
                self.assertRegex(sections[" ".join(words)], rf"(?m)^\| `-o`, `--output` .*One of: {', '.join(choices)} \|$")
                with_formats += 1
        self.assertGreater(with_formats, 25)

    def in_format(self, words, format, tag):
        done = self.cluster.run_apart(*self.line(words, tag), "-o", format)
        self.assertEqual(done.returncode, 0, f"{words} -o {format}: {done.stderr}")
        return done.stdout

    def test_every_format(self):
        for words, text in self.leaves:
            for choices in has_formats(text):
                with self.subTest(command=" ".join(words)):
                    said = {format: self.in_format(words, format, format) for format in choices}
                    again = self.in_format(words, "json", "again")
                    self.check_formats(words, said, again)

    def check_formats(self, words, said, again):
        whole = documents(words, said["json"])
        self.assertTrue(whole)
        stable = {settled(words, word) for word in strings(whole)} & {settled(words, word) for word in strings(documents(words, again))}
        for format, text in said.items():
            self.assertTrue(text.strip(), format)
            self.assertNotIn("\x1b", text)
        if "yaml" in said:
            of_yaml = yaml.safe_load(said["yaml"][len("---\n"):] if words == ("top",) else said["yaml"])
            self.assertLessEqual(stable, {settled(words, word) for word in strings(of_yaml)})
            kinds = [(type(value), list(value[0] if isinstance(value, list) else value)) for value in (whole, of_yaml)]
            self.assertEqual(*kinds)
        if "csv" in said:
            head, *rows = csv.reader(io.StringIO(said["csv"], newline=""))
            self.assertEqual(len(set(head)), len(head))
            self.assertEqual({len(row) for row in rows}, {len(head)})
            if isinstance(whole, list):
                self.assertEqual(len(rows), len(whole))
        if "wide" in said and words not in PROSE:
            for format in ("csv", "wide"):
                for word in stable:
                    self.assertIn(word, settled(words, said[format]).replace('""', '"'), format)
            self.assertLessEqual(len(said["table"].split()), len(said["wide"].split()))
        if words[0] == "checkpoint" and words in PROSE:
            self.assertRegex(said["table"], r"\A(whole )?checkpoint (\w+-table|first)\b.*\n\Z")

    def test_other_formats_are_refused(self):
        for words, choices in OTHER_FORMATS.items():
            for format in set(FIVE) - set(choices):
                done = self.cluster.run_apart(*self.line(words), "-o", format)
                self.assertEqual((done.returncode, done.stdout), (USAGE, ""), words)
                self.assertIn("--output", done.stderr)

    def on_terminal(self, columns, *words):
        """What a terminal of that width is sent, of a command that succeeds."""
        terminal, end = pty.openpty()
        fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen([ROWHOUSE, *words], stdin=end, stdout=end, stderr=subprocess.DEVNULL, cwd=self.cluster.directory,
                                   env={**self.cluster.environment, "TERM": "xterm"}, preexec_fn=_die_with_parent)
        os.close(end)
        sent, deadline = b"", time.monotonic() + BOUND_SECONDS
        while select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0]:
            try:
                block = os.read(terminal, 65536)
            except OSError:  # the other side is closed
                break
            sent += block
        os.close(terminal)
        if time.monotonic() >= deadline:
            process.kill()
        self.assertEqual(process.wait(timeout=BOUND_SECONDS), 0, (words, sent))
        return sent.decode().replace("\r\n", "\n")

    def test_twenty_columns(self):
        tried = 0
        for words, text in self.leaves:
            if words in PROSE or "csv" not in (has_formats(text) or [[]])[0]:
                continue
            with self.subTest(command=" ".join(words)):
                self.check_narrow(words)
                tried += 1
        self.assertGreater(tried, 18)

    def check_narrow(self, words):
        """Cells that are the same before and after are those that the terminal must have had between."""
        def piped(format, tag):
            return settled(words, self.cluster.run(*self.line(words, tag), "-o", format, check=True).stdout)
        first = {format: piped(format, "1" + format) for format in ("csv", "table")}
        wide, narrow = (settled(words, self.on_terminal(20, *self.line(words, format), "-o", format)) for format in ("wide", "table"))
        last = {format: piped(format, "2" + format) for format in ("csv", "table")}
        before, after = (list(csv.reader(io.StringIO(one["csv"], newline=""))) for one in (first, last))
        cells = [a for row, other in zip(before[1:], after[1:]) for name, a, b in zip(before[0], row, other)
                 if a == b and a and name not in MEASURED]
        self.assertTrue(cells)
        for cell in cells:
            for part in parts(cell):
                self.assertTrue(shows(wide, part), f"{part} is not in {wide}")
        # Not wide: every word of the table that a pipe gets, in as many places.
        expected = collections.Counter(first["table"].split()) & collections.Counter(last["table"].split())
        titles = collections.Counter(first["table"].splitlines()[0].split())
        missing = expected - titles - collections.Counter(narrow.split())
        self.assertFalse(missing, f"{missing} of {first['table']} is not in {narrow}")
        for row in first["table"].splitlines():
            if len(row) > 20 and len(re.split(r" {2,}", row)) > 2:  # of several columns
                self.assertNotIn(row, narrow.splitlines(), "a line that the terminal breaks")

    def test_twenty_columns_of_what_has_no_formats(self):
        text = self.on_terminal(20, "debug", "bundle", "--out", "narrow.tar.gz")
        self.assertRegex(text, r"(?m)^FILE +config-origins\.txt\nBYTES +\d+$")
        for words in (["cluster", "logs", "0"], ["log", "dump", self.cluster.arguments(("log", "dump"))[0]]):
            self.assertEqual(self.on_terminal(20, *words), self.cluster.run(*words, check=True).stdout, "what others parse is as wide as it is")

    def test_zsh_completion(self):
        place = self.cluster.path("zsh")
        os.mkdir(place)
        with open(os.path.join(place, "_rowhouse"), "w", encoding="utf-8") as file:
            file.write(self.cluster.run("completion", "zsh", check=True).stdout)
        child, terminal = pty.fork()
        if child == 0:
            _die_with_parent()
            os.execvpe("zsh", ["zsh", "-f", "-i"], {**self.cluster.environment, "TERM": "xterm"})
        self.addCleanup(os.waitpid, child, 0)
        self.addCleanup(os.kill, child, signal.SIGKILL)
        self.addCleanup(os.close, terminal)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        heard = bytearray()

        def hears(words):
            if select.select([terminal], [], [], 0)[0]:
                heard.extend(os.read(terminal, 65536))
            text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", heard.decode(errors="replace"))
            return all(re.search(rf"(?<![\w-]){word}(?![\w-])", text) for word in words)
        os.write(terminal, f"fpath=({place} $fpath); autoload -Uz compinit; compinit -u -D; unsetopt beep; LISTMAX=999; print com''pletes\n".encode())
        wait_until(lambda: hears(["completes"]), "zsh to be ready", BOUND_SECONDS)
        for typed, offered in (("rowhouse table ", ["describe", "drop", "digest"]), ("rowhouse table describe ", ["doomed", "walked"]),
                               ("rowhouse table list -o ", ["json", "yaml"]), ("rowhouse checkpoint verify ", ["first"]),
                               ("rowhouse table create --l", ["--learning-rate"]), ("rowhouse wait --", ["--address", "--timeout"])):
            with self.subTest(typed=typed):
                heard.clear()
                os.write(terminal, b"\x15" + typed.encode() + b"\t")  # on a line that is empty
                wait_until(lambda offered=offered: hears(offered), f"zsh to offer {offered} after {typed!r}", 20)

    def test_logs_of_a_server(self):
        for server in range(self.cluster.SERVERS):
            text = self.cluster.run("cluster", "logs", str(server), check=True).stdout
            self.assertRegex(text, rf"(?m)^data directory {re.escape(self.cluster.state)}/server-{server}, log in it$")
            with open(os.path.join(self.cluster.state, f"server-{server}.log"), encoding="utf-8") as file:
                self.assertTrue(file.read().startswith(text))
        nowhere = self.cluster.path("nowhere")
        for words, code, said in ((["0", "--dir", nowhere], FAILURE, f"no local cluster in {nowhere}.*rowhouse cluster up"),
                                  (["7"], USAGE, "server is 7, this cluster has servers 0 to 1")):
            done = self.cluster.run("cluster", "logs", *words)
            self.assertEqual((done.returncode, done.stdout), (code, ""))
            self.assertRegex(done.stderr, said)
        self.assertFalse(os.path.exists(nowhere))


if __name__ == "__main__":
    unittest.main()
