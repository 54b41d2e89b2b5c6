# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""A server in a container whose memory limit is the server's budget, with rows eight times that, under pulls and pushes together: the kernel
never kills it, and its own peak stays within the budget. Three minutes of load, with the filling; half an hour with
ROWHOUSE_E2E_FULL=1 or ROWHOUSE_CRASH_FULL=1.

Needs a Docker engine; ends with exit code 77 where there is none."""
import argparse
import json
import os
import pathlib
import sys
import threading
import time
import unittest

from cluster import BUILD, ROWHOUSE, SOURCE, free_ports, run, wait_until
from containers import BUDGET_BYTES, IMAGE, MIB, SKIPPED, Cgroup, engine_runs, note

DIM = 64
ROWS = 8 * BUDGET_BYTES // (4 * DIM)
FULL = os.environ.get("ROWHOUSE_E2E_FULL") == "1" or os.environ.get("ROWHOUSE_CRASH_FULL", "0") != "0"
LOAD_S = 1800 if FULL else 180
LEAST_MIXED_S = 60
SAMPLE_S = 1


def make_image():
    sys.path.insert(0, os.path.join(SOURCE, "tools"))
    os.environ["ROWHOUSE_IMAGE"] = IMAGE
    import compose as tool
    tool.ensure_base_image()
    tool.build_image(tool.compose_program(), argparse.Namespace(from_source=False, build_dir=pathlib.Path(BUILD)))


class Watch(threading.Thread):
    """What the container's memory was at most, page cache left out, until it is told to stop."""

    def __init__(self, group):
        super().__init__(daemon=True)
        self.group, self.over, self.peak_bytes = group, threading.Event(), 0

    def run(self):
        while not self.over.wait(SAMPLE_S):
            self.peak_bytes = max(self.peak_bytes, self.group.unreclaimable_bytes())


class ContainerMemory(unittest.TestCase):
    def setUp(self):
        make_image()
        self.name = f"rowhouse-memory-{os.getpid()}"
        port, http = free_ports(2)
        self.address = f"127.0.0.1:{port}"
        self.addCleanup(run, "docker", "rm", "--force", "--volumes", self.name, check=False)
        run("docker", "run", "--detach", "--name", self.name, "--network", "host", "--read-only", "--tmpfs", "/tmp", "--memory", str(BUDGET_BYTES),
            "--memory-swap", str(BUDGET_BYTES), "--volume", "/var/lib/rowhouse", IMAGE, "server", "--data-dir", "/var/lib/rowhouse/data",
            "--memory-budget", f"{BUDGET_BYTES // MIB}MiB", "--listen", self.address, "--http-listen", f"127.0.0.1:{http}")
        wait_until(lambda: run(ROWHOUSE, "healthcheck", "--http-address", f"127.0.0.1:{http}", check=False).returncode == 0, "the server to be ready")

    def state(self):
        return json.loads(run("docker", "inspect", self.name).stdout)[0]["State"]

    def bench(self, *flags):
        """One run of `rowhouse bench mixed` on tables of eight budgets; its JSON."""
        done = run(ROWHOUSE, "bench", "mixed", "--address", self.address, "--timeout", "120s", "--rows", str(ROWS), "--dim", str(DIM),
                   "--batch", "4096", "--zipf", "0.99", "--clients", "2", "--in-flight", "2", "-o", "json", *flags, timeout=LOAD_S + 1200)
        return json.loads(done.stdout)

    def status(self):
        (server,) = json.loads(run(ROWHOUSE, "status", "--address", self.address, "-o", "json").stdout)
        return server

    def test_limit_is_the_budget_and_the_rows_are_eight_times_that(self):
        group = Cgroup(self.state()["Pid"])
        self.assertEqual(group.limit_bytes(), BUDGET_BYTES)
        watch = Watch(group)
        watch.start()
        began = time.monotonic()
        self.bench("--fill", "--keep", "--duration", f"{max(LEAST_MIXED_S, LOAD_S - 100)}s")
        took = time.monotonic() - began
        watch.over.set()
        watch.join()
        status = self.status()
        seen = (f"{took:.0f} s of load; VmHWM {status['peak_resident_bytes'] / MIB:.1f} MiB, container without page cache "
                f"{watch.peak_bytes / MIB:.1f} MiB, of {BUDGET_BYTES // MIB} MiB; {ROWS} rows of {ROWS * DIM * 4 // BUDGET_BYTES} budgets; "
                f"{status['pulled_rows']} rows pulled, {status['spill_read_rows']} of them from spill, {status['pushed_rows']} pushed")
        note(seen)
        state = self.state()
        self.assertEqual((state["Running"], state["OOMKilled"]), (True, False))
        self.assertEqual(group.out_of_memory_kills(), 0)
        self.assertLessEqual(status["peak_resident_bytes"], BUDGET_BYTES, "VmHWM")
        self.assertGreater(watch.peak_bytes, 0)
        self.assertEqual(status["stored_rows"], ROWS)
        self.assertGreater(status["spill_read_rows"], 0)
        self.assertEqual(run("docker", "stop", "--time", "60", self.name).returncode, 0)
        self.assertEqual(self.state()["ExitCode"], 0)
        print(f"\nreliability: R10 container limit = budget, rows 8 x budget, mixed load | 1 | 0 | {seen}", flush=True)


if __name__ == "__main__":
    if not engine_runs():
        print("skipped: no Docker here")
        sys.exit(SKIPPED)
    unittest.main()
