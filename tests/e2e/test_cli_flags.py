# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Wrong values for every flag that --help shows: exit code 2, the flag by its name, nothing on stdout and nothing done."""
import unittest

from cli_tree import WithLocalCluster, at_once, options

WHOLE, REAL = ("UINT", "INT", "N", "UNIX_SECONDS"), ("FLOAT", "PERCENT")
SIZES = ("--memory-budget", "--log-segment-bytes", "--disk-low-water")
TIMES = ("--timeout", "--interval", "--duration", "--warm-up", "--older-than")
USAGE, UNHEALTHY = 2, 3


def wrong_values(option):
    """What the flag cannot have, by its type in the help."""
    if option.choices:
        return ["nonsense", ""]
    if option.type in WHOLE:
        return ["x", "-1", ""]
    if option.type in REAL:
        return ["x", "nan" if option.type == "PERCENT" else "1.5.2", ""]
    if option.type == "BYTES" or option.name in SIZES:
        return ["soon", "12 parsecs", "-5MiB", ""]
    if option.type == "DURATION" or option.name in TIMES:
        return ["soon", "12 parsecs", "5", "-5s", ""]
    return []


def without(arguments, flag):
    """Given twice, a flag would be wrong for that."""
    if flag not in arguments:
        return arguments
    at = arguments.index(flag)
    return arguments[:at] + arguments[at + 2:]


# `check` looks at the configuration as well: a bad one is a finding of it, on stdout.
def is_finding(words, option):
    return words == ("check",) and option.name != "--output"


class Flags(WithLocalCluster):
    def setUp(self):
        self.before = self.cluster.snapshot()
        self.addCleanup(lambda: self.assertEqual(self.cluster.snapshot(), self.before, "something was done"))

    def refused(self, words, *arguments):
        return self.cluster.run_apart(*words, *arguments)

    def check_refused(self, done, named, code=USAGE):
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertRegex(done.stderr, named)
        self.assertEqual((done.stdout, list(done.left)), ("", []), done.stderr)

    def test_the_help_is_understood(self):
        """All of the walk below stands on this."""
        of = {(words, option.name): option for words, text in self.leaves for option in options(text)}
        self.assertEqual(of[("table", "create"), "--dim"].type, "UINT")
        self.assertEqual(of[("table", "create"), "--if-not-exists"].type, "")
        self.assertEqual(of[("table", "create"), "--initial-accumulator"].type, "FLOAT")
        self.assertEqual(of[("table", "create"), "--unseen"].choices, ["initial", "zeros"])
        self.assertEqual(of[("cluster", "up"), "--servers"].type, "UINT")
        self.assertEqual(of[("server",), "--log-sync-interval"].type, "DURATION")
        self.assertTrue(of[("cluster", "kill"), "SERVER"].positional)
        self.assertEqual(of[("row", "get"), "ID"].type, "TEXT")
        for (words, name), option in of.items():
            self.assertTrue(option.positional or name.startswith("--"), (words, name))

    def walk_flags(self, takes):
        """Each wrong value of each flag that `takes` wants, in an otherwise right command line."""
        cases, lines = [], []
        for words, text in self.leaves:
            for option in options(text):
                if option.positional or not takes(option):
                    continue
                rest = without(without(self.cluster.arguments(words), option.name), "-n" if option.name == "--servers" else option.name)
                for value in wrong_values(option):
                    cases.append((words, option))
                    lines.append((words, *rest, option.name, value))
        for (words, option), line, done in zip(cases, lines, at_once(self.refused, lines)):
            with self.subTest(command=" ".join(words), flag=option.name, value=line[-1]):
                if is_finding(words, option):
                    self.assertEqual(done.returncode, UNHEALTHY, done.stdout + done.stderr)
                    self.assertRegex(done.stdout, rf"(?m)^FAIL +config .*{option.name}\b")
                else:
                    self.check_refused(done, rf"{option.name}\b")
        return len(lines)

    def test_numbers(self):
        self.assertGreater(self.walk_flags(lambda option: option.type in WHOLE + REAL), 100)

    def test_words(self):
        self.assertGreater(self.walk_flags(lambda option: option.choices), 50)

    def test_sizes_and_times(self):
        self.assertGreater(self.walk_flags(lambda option: option.type in ("BYTES", "DURATION") or option.name in SIZES + TIMES), 100)

    def test_numbers_of_servers(self):
        found = [words for words, text in self.leaves if any(option.name == "SERVER" for option in options(text))]
        self.assertEqual(found, [("server", "drain"), ("cluster", "kill"), ("cluster", "start"), ("cluster", "logs")])
        for words in found:
            rest = self.cluster.arguments(words)[1:]
            for value, named in (("x", "SERVER"), ("-1", "SERVER|-1"), ("", "SERVER"), ("7", "server.* 7.*servers 0 to 1"), ("2", "servers 0 to 1"),
                                 ("4294967296", "SERVER|4294967296")):
                with self.subTest(command=" ".join(words), value=value):
                    self.check_refused(self.refused(words, value, *rest), named)

    def test_ranges(self):
        create, alter, plan = ("table", "create", "t"), ("table", "alter", "walked"), ("table", "plan", "--rows", "10")
        expire, log = ("row", "expire", "doomed", "--yes"), self.cluster.arguments(("log", "dump"))[0]
        restore = ("checkpoint", "restore", *self.cluster.arguments(("checkpoint", "restore")))
        wrong = [
            (create, "--dim 0", "dim is 0, allowed are 1 to"), (create, "--dim 70000", "dim is 70000, allowed are 1 to"),
            (create, "--dim 4294967297", "--dim"), (create, "--dim 4 --learning-rate -1", "learning.rate is -1"),
            (create, "--dim 4 --learning-rate nan", "--learning-rate: 'nan' is not a number"), (create, "--dim 4 --learning-rate 1e99", "learning.rate"),
            (create, "--dim 4 --optimizer adagrad --epsilon x", "--epsilon"), (create, "--dim 4 --optimizer adagrad --epsilon inf", "--epsilon: 'inf' is not a number"),
            (create, "--dim 4 --epsilon 1", "--epsilon means nothing to --optimizer sgd"),
            (create, "--dim 4 --optimizer adagrad --initial-accumulator x", "--initial-accumulator"),
            (create, "--dim 4 --optimizer adagrad --initial-accumulator -1", "initial.accumulator is -1"),
            (create, "--dim 4 --optimizer nonsense", "--optimizer is \"nonsense\""),
            (create, "--dim 4 --durability nonsense", "--durability is \"nonsense\""),
            (create, "--dim 4 --initializer nonsense", "--initializer is \"nonsense\""), (create, "--dim 4 --initializer uniform:1", "--initializer"),
            (create, "--dim 4 --initializer uniform:2,1", "initializer.low is 2"), (create, "--dim 4 --initializer constant:nan", "initializer"),
            (create, "--dim 4 --unseen nonsense", "--unseen"), (create, "--dim 4 --padding-id nonsense", "--padding-id"),
            (create, "--dim 4 --padding-id 9 --num-rows 9", "padding.id is 9.*num.rows"), (create, "", "--dim is required"),
            (alter, "--learning-rate -1", "learning.rate is -1"), (alter, "--learning-rate nan", "--learning-rate: 'nan' is not a number"),
            (alter, "--epsilon 1", "--epsilon"), (alter, "--nan nonsense", "--nan"), (alter, "--frozen nonsense", "--frozen"),
            (alter, "", "nothing to alter"), (("table", "dump", "walked"), "--format nonsense", "--format"),
            (plan, "--dim x", "--dim"), (plan, "--dim 0", "--dim is 0"), (plan, "--dim 4 --hot-share 2", "--hot-share is 2"),
            (plan, "--dim 4 --hot-share nan", "--hot-share: 'nan' is not a number"), (plan, "--dim 4 --servers 0", "--servers is 0"),
            (plan, "--dim 4 --optimizer nonsense", "--optimizer"), (plan, "--dim 4 --log-segment-bytes 1", "--log-segment-bytes is 1"),
            (expire, "--before x", "--before"), (expire, "--before 99999999999", "--before"), (expire, "", "--older-than.*--before"), (("row", "get", "walked"), "x", "x.*is not a whole number"),
            (("row", "get", "walked"), "18446744073709551616", "is not a whole number"),
            (("row", "delete", "doomed", "--yes"), "1 x", "x.*is not a whole number"),
            (("writer", "end", "walker", "--yes"), "--id x", "--id"), (("wait",), "--for x", "--for"),
            (("healthcheck",), "--http-address x", "--http-address"), (("log", "dump", log), "--table x", "--table"),
            (("log", "dump", log), "--writer x", "--writer"), (("server", "info"), "--server 2", "--server is 2.*servers 0 to 1"),
            (restore, "--servers x", "--servers"), (restore, "--servers 0", "servers"), (restore, "--partitions 3", "partitions"),
            (("checkpoint", "create", "c"), "--base first", "--base requires --incremental"),
            (("checkpoint", "create", "a/b"), "", "name \"a/b\""), (("cluster", "up", "--dir", "new"), "--http-port x", "--http-port"),
            (("cluster", "up", "--dir", "new"), "--http-port 80", "--http-port is 80"), (("cluster", "up", "--dir", "new"), "-n 17", "-n is 17"),
            (("cluster", "up", "--dir", "new"), "--partitions 3", "--partitions is 3"),
            (("cluster", "up", "--dir", "new"), "--memory-budget 1MiB", "--memory-budget is 1MiB"),
            (("debug", "bundle", "--out", "b"), "--http x", "--http"), (("status",), "--address nowhere", "nowhere"),
            (("wait", "--timeout", "2s"), "--address nowhere", "nowhere"), (("wait", "--timeout", "2s"), "--address 192.0.2.1:1", "--insecure"),
            (("debug", "bundle", "--out", "b"), "--address nowhere", "nowhere"),
            (("top", "--once"), "--interval 99ms", "--interval is 99ms"), (("status",), "--timeout 0s", "--timeout is 0s"),
            (("bench", "pull", "--rows", "9", "--dim", "2", "--duration", "100ms"), "--timeout 25h", "--timeout is 25h, allowed are 1ms to 24h"),
            (("bench", "pull"), "--push-share 0.5", "--push-share"), (("bench", "mixed"), "--push-share 1", "--push-share"),
            (("bench", "pull"), "--clients 257", "--clients is 257"), (("bench", "pull"), "--out nowhere/x", "--out is nowhere/x"),
        ]
        lines = [(words, *extra.split()) for words, extra, _ in wrong]
        for (words, extra, named), done in zip(wrong, at_once(self.refused, lines)):
            with self.subTest(command=" ".join(words), extra=extra):
                self.check_refused(done, f"(?s){named}")


if __name__ == "__main__":
    unittest.main()
