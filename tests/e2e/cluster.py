# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Real server processes for the end-to-end tests: started on free ports of 127.0.0.1, always stopped, by process id."""
import ctypes
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

BUILD = os.environ["ROWHOUSE_BUILD_DIR"]
ROWHOUSE = os.path.join(BUILD, "bin", "rowhouse")
DLRM = os.path.join(BUILD, "bin", "dlrm")
SYNTH = os.path.join(BUILD, "bin", "criteo_synth")
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WAIT_SECONDS = 120
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def free_ports(count):
    """Different ports that were free a moment ago. Not from the range that the kernel gives to outgoing connections: while a server
    is down, one of those (a client's that tries to reach it, even) could take its port."""
    ports = set()
    while len(ports) < count:
        port = random.randrange(10000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                ports.add(port)
            except OSError:
                pass
    return list(ports)


def _die_with_parent():
    """So that servers end with a test that was killed."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def wait_until(condition, what, seconds=WAIT_SECONDS):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for: {what}")
        time.sleep(0.02)


def run(*command, check=True, timeout=300, **kwargs):
    """Runs a program to its end; its output is text."""
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout, **kwargs)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def x_would_build_nothing(*targets):
    """Whether ./x takes the programs under test, and has nothing to build for them: by a dry run. One of the real build file says nothing:
    there the first step is to look for new source files, and what would come after that is not known."""
    build = os.path.join(SOURCE, "build", "release")
    if os.path.realpath(BUILD) != os.path.realpath(build):
        return False
    with open(os.path.join(build, "build.ninja"), encoding="utf-8") as file:
        text = re.sub(r"^build build\.ninja: RERUN_CMAKE.*\n(  .*\n)*", "", file.read(), flags=re.M)
    with tempfile.NamedTemporaryFile("w", prefix="rowhouse-e2e-", suffix=".ninja", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        dry = subprocess.run(["ninja", "-C", build, "-f", file.name, "-n", *targets], stdout=subprocess.PIPE, text=True, check=False)
    return "ninja: no work to do." in dry.stdout


def promtool(*arguments, **kwargs):
    """Runs Prometheus' own checker; stdout has all that it says."""
    program = shutil.which("promtool") or os.path.join(SOURCE, ".rowhouse", "tools", "promtool")  # where ./x test unpacks it
    if not os.path.exists(program):
        raise AssertionError("promtool is missing: ./x test unpacks it, or apt-get install prometheus")
    return subprocess.run([program, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **kwargs)


class Cluster:
    """A fixed cluster in a temporary directory. Use as a context manager."""

    def __init__(self, servers=1, partitions=16, budget="256MiB", extra=()):
        self.count, self.partitions, self.budget, self.extra = servers, partitions, budget, list(extra)
        self.directory = tempfile.mkdtemp(prefix="rowhouse-e2e-")
        ports = free_ports(2 * servers)
        self.addresses = [f"127.0.0.1:{p}" for p in ports[:servers]]
        self.http = [f"127.0.0.1:{p}" for p in ports[servers:]]
        self.processes = [None] * servers

    def command(self, index):
        return [ROWHOUSE, "server", "--data-dir", self.data_dir(index), "--listen", self.addresses[index], "--http-listen", self.http[index],
                "--memory-budget", self.budget, "--partitions", str(self.partitions), "--servers", ",".join(self.addresses),
                "--server-index", str(index), *self.extra]

    def data_dir(self, index):
        return os.path.join(self.directory, f"server{index}")

    def log_path(self, index):
        return os.path.join(self.directory, f"server{index}.log")

    def start(self, index):
        with open(self.log_path(index), "a", encoding="utf-8") as log:
            self.processes[index] = subprocess.Popen(self.command(index), stdout=log, stderr=log, preexec_fn=_die_with_parent)

    def wait_ready(self):
        for index, process in enumerate(self.processes):
            def ready(i=index, p=process):
                if p.poll() is not None:
                    with open(self.log_path(i), encoding="utf-8") as log:
                        raise AssertionError(f"server {i} ended with {p.returncode}:\n{log.read()[-4000:]}")
                return self.http_code(i, "/readyz") == 200
            wait_until(ready, f"server {index} to be ready")

    def http_code(self, index, path):
        try:
            with urllib.request.urlopen(f"http://{self.http[index]}{path}", timeout=5) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def metrics(self, index):
        """name{labels} -> value."""
        with urllib.request.urlopen(f"http://{self.http[index]}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line and not line.startswith("#")}

    def kill(self, index):
        self.processes[index].send_signal(signal.SIGKILL)
        self.processes[index].wait()

    def stop(self, index):
        """SIGTERM; the exit code."""
        self.processes[index].send_signal(signal.SIGTERM)
        return self.processes[index].wait(timeout=WAIT_SECONDS)

    def peak_resident_bytes(self, index):
        with open(f"/proc/{self.processes[index].pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        raise AssertionError("no VmHWM")

    def cli(self, *arguments, check=True, timeout=300):
        return run(ROWHOUSE, *arguments, "--address", self.addresses[0], check=check, timeout=timeout)

    def status(self):
        return json.loads(self.cli("status", "-o", "json").stdout)

    def __enter__(self):
        try:
            for index in range(self.count):
                self.start(index)
            self.wait_ready()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
