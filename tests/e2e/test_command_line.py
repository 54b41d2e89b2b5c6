# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""The rowhouse program against real servers: what an operator types, and what is refused with which words."""
import json
import os
import signal
import subprocess
import tempfile
import unittest

import numpy
from cluster import ROWHOUSE, Cluster, free_ports, run, wait_until


class CommandLine(unittest.TestCase):
    def test_tables_rows_and_dump(self):
        with Cluster(servers=2, partitions=8) as cluster:
            cluster.cli("wait", "--for", "ready", "--timeout", "30s")
            cluster.cli("table", "create", "users", "--dim", "4", "--optimizer", "adagrad", "--learning-rate", "0.1")
            self.assertIn("users", cluster.cli("table", "list").stdout)
            described = json.loads(cluster.cli("table", "describe", "users", "-o", "json").stdout)
            self.assertEqual(described["dim"], 4)
            again = cluster.cli("table", "create", "users", "--dim", "4", check=False)
            self.assertEqual(again.returncode, 1)
            self.assertIn("users", again.stderr)
            self.assertIn("initial", cluster.cli("row", "get", "users", "7").stdout)
            path = os.path.join(cluster.directory, "users.npy")
            cluster.cli("table", "dump", "users", "--format", "npy", "-o", path)
            dumped = [f for f in os.listdir(cluster.directory) if f.endswith(".npy")]
            self.assertTrue(dumped)
            for name in dumped:
                self.assertEqual(len(numpy.load(os.path.join(cluster.directory, name))), 0)
            self.assertEqual(len(cluster.cli("table", "digest").stdout.split()[0]), 64)

    def test_status_names_every_server(self):
        with Cluster(servers=3, partitions=8) as cluster:
            text = cluster.cli("status").stdout
            for address in cluster.addresses:
                self.assertIn(address, text)
            self.assertEqual(run(ROWHOUSE, "healthcheck", "--http-address", cluster.http[1]).returncode, 0)
            cluster.kill(1)
            self.assertEqual(run(ROWHOUSE, "healthcheck", "--http-address", cluster.http[1], check=False).returncode, 3)

    def test_metrics_are_served(self):
        with Cluster() as cluster:
            self.assertTrue(any(name.startswith("rowhouse_memory_bytes") for name in cluster.metrics(0)))
            self.assertEqual(cluster.http_code(0, "/livez"), 200)

    def test_sigterm_drains_and_exits_with_zero(self):
        with Cluster() as cluster:
            self.assertEqual(cluster.stop(0), 0)

    def test_unreachable_server_is_said(self):
        port = free_ports(1)[0]
        answer = run(ROWHOUSE, "wait", "--for", "ready", "--timeout", "1s", "--address", f"127.0.0.1:{port}", check=False)
        self.assertEqual(answer.returncode, 4)
        self.assertIn(str(port), answer.stderr)

    def test_version(self):
        self.assertRegex(run(ROWHOUSE, "version").stdout, r"\d+\.\d+\.\d+")

    def test_closed_pipe_leaves_no_trace(self):
        with Cluster() as cluster:
            for i in range(50):
                cluster.cli("table", "create", f"t{i}", "--dim", "2")
            done = subprocess.run(["bash", "-c", f"{ROWHOUSE} table list --address {cluster.addresses[0]} | head -n 1"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
            self.assertEqual(done.stderr, "")


class Refusals(unittest.TestCase):
    """Each start that must fail, with the words that say what to do."""

    def refused(self, cluster, index=0, changes=(), words=(), code=None):
        command = cluster.command(index)
        for flag, value in changes:
            if flag in command:
                command[command.index(flag) + 1] = value
            else:
                command += [flag] + ([value] if value is not None else [])
        done = run(*command, check=False, timeout=60)
        self.assertNotEqual(done.returncode, 0)
        if code is not None:
            self.assertEqual(done.returncode, code)
        for word in words:
            self.assertIn(word, done.stderr)
        return done

    def test_second_process_on_a_data_directory(self):
        with Cluster() as cluster:
            other = free_ports(2)
            changes = [("--listen", f"127.0.0.1:{other[0]}"), ("--http-listen", f"127.0.0.1:{other[1]}"), ("--servers", f"127.0.0.1:{other[0]}")]
            self.refused(cluster, changes=changes, words=[str(cluster.processes[0].pid)])

    def test_port_in_use(self):
        with Cluster() as cluster:
            directory = os.path.join(cluster.directory, "other")
            self.refused(cluster, changes=[("--data-dir", directory), ("--http-listen", f"127.0.0.1:{free_ports(1)[0]}")],
                         words=[cluster.addresses[0].rpartition(":")[2]])

    def test_data_directory_of_another_cluster_shape(self):
        with Cluster(partitions=8) as cluster:
            cluster.stop(0)
            self.refused(cluster, changes=[("--partitions", "16")], words=["8", "16"])
            ports = free_ports(1)
            self.refused(cluster, changes=[("--servers", f"{cluster.addresses[0]},127.0.0.1:{ports[0]}")], words=["servers"])

    def test_address_that_other_machines_reach(self):
        with tempfile.TemporaryDirectory() as directory:
            done = run(ROWHOUSE, "server", "--data-dir", directory, "--listen", "0.0.0.0:0", check=False, timeout=60)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("--insecure-listen", done.stderr)

    def test_budget_below_the_smallest(self):
        with tempfile.TemporaryDirectory() as directory:
            done = run(ROWHOUSE, "server", "--data-dir", directory, "--memory-budget", "64MiB", check=False, timeout=60)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("128", done.stderr)

    def test_bad_unit_and_unknown_flag_are_usage_errors(self):
        for arguments in (["--memory-budget", "12XB"], ["--no-such-flag"]):
            done = run(ROWHOUSE, "server", "--data-dir", "/nonexistent", *arguments, check=False, timeout=60)
            self.assertEqual(done.returncode, 2, done.stderr)

    def test_unknown_config_key_names_the_nearest(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "rowhouse.yaml")
            with open(path, "w", encoding="ascii") as file:
                file.write(f"data_dir: {directory}/data\nmemory_bugdet: 256MiB\n")
            done = run(ROWHOUSE, "server", "--config", path, check=False, timeout=60)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("memory_budget", done.stderr)

    def test_too_few_file_descriptors(self):
        with tempfile.TemporaryDirectory() as directory:
            command = f"ulimit -n 64; exec {ROWHOUSE} server --data-dir {directory} --listen 127.0.0.1:0 --http-listen ''"
            done = run("bash", "-c", command, check=False, timeout=60)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("64", done.stderr)

    def test_data_directory_that_is_a_file(self):
        with tempfile.NamedTemporaryFile() as file:
            done = run(ROWHOUSE, "server", "--data-dir", file.name, "--listen", "127.0.0.1:0", "--http-listen", "", check=False, timeout=60)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(file.name, done.stderr)


if __name__ == "__main__":
    unittest.main()
