# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""The command tree as --help tells it, a local cluster to try it on, and how each command is called there."""
import csv
import io
import itertools
import os
import re
import shutil
import socket
import subprocess
import tempfile
import types
import unittest
from concurrent.futures import ThreadPoolExecutor

import numpy
from cluster import ROWHOUSE, free_ports, run
from wire import Client

BOUND_SECONDS = 60
AT_ONCE = 6  # commands; most of them wait


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


def options(text):
    """What follows the words of a command, as lines such as "  -o,--output TEXT:{table,json}=table": name (the long one of a flag), type
    (empty for a switch), choices, positional."""
    found = []
    for line in re.findall(r"^  (?=-|[A-Z]+ [A-Z])(.*)$", text, re.M):
        name, kind, choices = re.match(r"(?:-\w,)?(\S+?)(?: ([A-Z][A-Z_,.]*)(?::\{(.*?)\})?(?=[ =]|$).*|  .*|$)", line).groups()
        found.append(types.SimpleNamespace(name=name, type=kind or "", choices=choices.split(",") if choices else [],
                                           positional=not name.startswith("-")))
    return found


def in_use(port):
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
            return False
        except OSError:
            return True


def consecutive_ports(count):
    """The first of that many ports that are free in a row."""
    while True:
        first = free_ports(1)[0]
        if len({p for p in range(first, first + count) if not in_use(p)}) == count:
            return first


def at_once(function, cases):
    """function(*case) of each, several at a time; a time-out becomes the result."""
    def one(case):
        try:
            return function(*case)
        except subprocess.TimeoutExpired as late:
            return types.SimpleNamespace(returncode=f"still running after {late.timeout} s", stdout="", stderr="", left=[])
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, cases))


class LocalCluster:
    """Two servers of `rowhouse cluster up`, with tables of a few rows, a writer and a checkpoint. A context manager."""
    SERVERS, ROWS, DIM = 2, 5, 3

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="rowhouse-e2e-walk-")
        self.port = consecutive_ports(2 * self.SERVERS)
        self.addresses = [f"127.0.0.1:{self.port + i}" for i in range(self.SERVERS)]
        self.http = [f"127.0.0.1:{self.port + self.SERVERS + i}" for i in range(self.SERVERS)]
        self.state, self.checkpoints = self.path("state", "rowhouse"), self.path("checkpoints")
        self.environment = {"PATH": os.path.dirname(ROWHOUSE) + ":" + os.environ["PATH"], "HOME": self.directory, "LC_ALL": "C.UTF-8",
                            "XDG_STATE_HOME": self.path("state"), "ROWHOUSE_ADDRESS": self.addresses[0],
                            "ROWHOUSE_HTTP_ADDRESS": self.http[0]}
        self.spare = free_ports(2)  # where nobody listens
        self.numbers = itertools.count(1)  # a change is one only when the value is another

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def run(self, *words, check=False, **kwargs):
        return run(ROWHOUSE, *words, check=check, **{"timeout": BOUND_SECONDS, "env": self.environment, "cwd": self.directory, **kwargs})

    def run_apart(self, *words):
        """In an empty directory of its own; `left` has what is in it afterwards."""
        with tempfile.TemporaryDirectory(dir=self.directory) as place:
            done = self.run(*words, cwd=place)
            done.left = os.listdir(place)
            if os.path.exists(os.path.join(place, "new", "cluster.json")):  # it was begun
                self.run("cluster", "down", "--dir", os.path.join(place, "new"))
        return done

    def arguments(self, words, tag="x"):
        """What a command wants so that it does what it is for; what it makes is named by the tag, in the directory it runs in."""
        bench = ["--rows", "50", "--dim", "2", "--batch", "8", "--warm-up", "0s", "--duration", "100ms"]
        address = ["--listen", self.addresses[0], "--http-listen", self.http[0]]
        log = os.path.join(self.state, "server-0", "log")
        return {
            "server": ["--data-dir", "data", "--listen", f"127.0.0.1:{self.spare[0]}", "--http-listen", f"127.0.0.1:{self.spare[1]}"],
            "server info": [], "server drain": ["1", "--yes"],
            "table create": [f"made-{tag}", "--dim", "4"], "table list": [], "table describe": ["walked"], "table drop": ["doomed", "--yes"],
            "table alter": ["doomed", "--learning-rate", str(next(self.numbers) / 64)], "table stats": ["walked"],
            "table plan": ["--rows", "1000", "--dim", "4"], "table digest": ["walked"], "table dump": ["walked", "--format", "csv"],
            "row get": ["walked", "1", "99"], "row delete": ["doomed", "1"], "row expire": ["doomed", "--before", "5", "--yes"],
            "writer list": [], "writer end": ["walker", "--yes"], "status": [], "wait": [], "healthcheck": [], "version": [],
            "config print-defaults": [], "config validate": [self.path("good.yaml")], "config show": [], "top": ["--once", "--interval", "100ms"],
            "bench pull": bench, "bench push": bench, "bench mixed": bench, "bench compare": [self.path("a.json"), self.path("b.json")],
            "check": ["--data-dir", self.path("checked"), *address, "--memory-budget", "128MiB"],
            "debug bundle": ["--out", "bundle.tar.gz"], "log dump": [log], "log verify": [log],
            "checkpoint create": [f"full-{tag}"], "checkpoint barrier": [f"barrier-{tag}"], "checkpoint list": [],
            "checkpoint describe": ["first"], "checkpoint verify": ["first"], "checkpoint delete": ["first", "--yes"],
            "checkpoint cancel": [], "checkpoint status": [], "checkpoint schedule": [],
            "checkpoint restore": [os.path.join(self.checkpoints, "first"), "--data-dir", f"restored-{tag}"],
            "cluster up": ["--dir", "new", "-n", "1", "--port", str(self.spare[0]), "--http-port", str(self.spare[1])],
            "cluster down": [], "cluster kill": ["1"], "cluster start": ["1"], "cluster logs": ["0"],
            "generate prometheus": [], "generate alerts": [], "generate systemd": [], "generate compose": [],
            "completion bash": [], "completion zsh": [], "completion fish": [],
        }[" ".join(words)]

    def up(self):
        """The cluster's own `cluster up`, which does nothing while it runs."""
        return ["cluster", "up", "-n", str(self.SERVERS), "--port", str(self.port), "--http-port", str(self.port + self.SERVERS),
                "--partitions", "8", "--memory-budget", "128MiB", "--checkpoint-directory", self.checkpoints, "--checkpoint-keep-log"]

    def rows(self, *words):
        """Of a command's CSV, by the names of its columns."""
        return list(csv.DictReader(io.StringIO(self.run(*words, "-o", "csv", check=True).stdout, newline="")))

    def snapshot(self):
        """What wrong command lines must not change."""
        servers = [[row["pid"], row["state"], row["stored_rows"]] for row in self.rows("status")]
        writers = [[row["name"], row["id"]] for row in self.rows("writer", "list")]
        return servers, writers, self.rows("table", "list"), self.rows("checkpoint", "list")

    def __enter__(self):
        try:
            self.run(*self.up(), check=True)
            client = Client(self, "walker")
            for name in ("walked", "doomed"):
                table = client.create_table(name, self.DIM, track_last_push_time=True)
                client.push(table, numpy.arange(self.ROWS, dtype=numpy.uint64), numpy.ones((self.ROWS, self.DIM), numpy.float32))
            self.run("checkpoint", "create", "first", check=True)
            for name in ("a.json", "b.json"):
                self.run("bench", "pull", *self.arguments(("bench", "pull")), "--out", name, check=True)
            with open(self.path("good.yaml"), "w", encoding="utf-8") as file:
                file.write(self.run("config", "print-defaults", check=True).stdout)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_):
        if os.path.exists(os.path.join(self.state, "cluster.json")):
            self.run("cluster", "down")
        shutil.rmtree(self.directory, ignore_errors=True)


class WithLocalCluster(unittest.TestCase):
    """The tests of a class have one local cluster, and every command of the tree."""

    @classmethod
    def setUpClass(cls):
        cls.cluster = LocalCluster()
        cls.cluster.__enter__()
        cls.addClassCleanup(cls.cluster.__exit__, None, None, None)
        cls.leaves = list(walk())
