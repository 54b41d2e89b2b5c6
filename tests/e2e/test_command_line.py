# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""The rowhouse program against real servers: what an operator types, and what is refused with which words."""
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

import grpc
import numpy
from cluster import ROWHOUSE, SOURCE, Cluster, free_ports, run, wait_until
from wire import STUBS, Client, code_and_words, pb, plain_grpc


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

    def test_sigterm_drains_and_exits_with_zero(self):
        with Cluster() as cluster:
            self.assertEqual(cluster.stop(0), 0)

    def test_budget_above_the_machines_memory_is_said(self):
        with Cluster(budget="1000GiB") as cluster:
            with open(cluster.log_path(0), encoding="utf-8") as log:
                self.assertIn("--memory-budget 1000GiB is more than this machine's memory of ", log.read())

    def test_unreachable_server_is_said(self):
        port = free_ports(1)[0]
        answer = run(ROWHOUSE, "wait", "--for", "ready", "--timeout", "1s", "--address", f"127.0.0.1:{port}", check=False)
        self.assertEqual(answer.returncode, 4)
        self.assertIn(str(port), answer.stderr)

    def test_version(self):
        text = run(ROWHOUSE, "version").stdout
        self.assertRegex(text, r"^rowhouse \d+\.\d+\.\d+\n$")
        self.assertEqual(run(ROWHOUSE, "--version").stdout, text)
        self.assertEqual(json.loads(run(ROWHOUSE, "version", "-o", "json").stdout), {"program": "rowhouse", "version": text.split()[1]})
        self.assertEqual(run(ROWHOUSE).stdout, run(ROWHOUSE, "--help").stdout)

    def test_closed_pipe_leaves_no_trace(self):
        with Cluster() as cluster:
            for i in range(50):
                cluster.cli("table", "create", f"t{i}", "--dim", "2")
            done = subprocess.run(["bash", "-c", f"{ROWHOUSE} table list --address {cluster.addresses[0]} | head -n 1"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
            self.assertEqual(done.stderr, "")


class Rows(unittest.TestCase):
    """`table dump` and `row get` beside a model that was told the same pushes, bit by bit."""
    DIM = 5

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(servers=2, partitions=8)
        cls.cluster.__enter__()
        cls.addClassCleanup(cls.cluster.__exit__, None, None, None)
        cls.client = Client(cls.cluster, "rows")
        cls.model = {}  # table -> (ids, rows)
        cls.push_values()
        cls.push_gradients()

    @classmethod
    def push_values(cls):
        """Every kind of number that a row may hold."""
        table = cls.client.create_table("values", cls.DIM)
        special = [0.0, -0.0, 1e-45, -1.1754942e-38, 3.4028235e38, -3.4028235e38, 0.1, 1 / 3, 16777217.0, 1e-7]
        rows = numpy.resize(numpy.array(special, numpy.float32), (700, cls.DIM))
        rows[2:] = numpy.random.default_rng(7).standard_normal((698, cls.DIM)).astype(numpy.float32)
        ids = numpy.random.default_rng(8).permutation(700).astype(numpy.uint64) * numpy.uint64(0x9E3779B97F4A7C15)  # all 64 bits are used
        for server, (indices, _) in cls.client.split(table, ids).items():
            cls.client.push_rows(table, ids[indices], rows[indices], pb.PUSH_KIND_VALUE, server)
        cls.model["values"] = (ids, rows)

    @classmethod
    def push_gradients(cls):
        """Adagrad from uniform initial rows, three pushes."""
        schema = cls.client.schema_pb
        optimizer = schema.Optimizer(learning_rate=0.25, adagrad=schema.AdagradOptimizer(epsilon=1e-8))
        table = cls.client.create_table("gradients", cls.DIM, optimizer=optimizer, seed=99)
        ids = numpy.arange(40, dtype=numpy.uint64)
        rows = plain_grpc.uniform_rows(99, ids, cls.DIM, -1.0, 1.0)
        state = numpy.zeros_like(rows)
        for step in range(3):
            gradients = numpy.random.default_rng(step).standard_normal(rows.shape).astype(numpy.float32)
            cls.client.push(table, ids, gradients)
            plain_grpc.adagrad(rows, state, gradients, 0.25, 1e-8)
        cls.model["gradients"] = (ids, rows)

    def assert_same_bits(self, got, expected):
        self.assertEqual(got.dtype, numpy.float32)
        self.assertEqual(got.shape, expected.shape)
        self.assertTrue(numpy.array_equal(got.view(numpy.uint32), expected.view(numpy.uint32)))

    def test_dump_is_what_was_pushed(self):
        for name, (ids, rows) in self.model.items():
            path = os.path.join(self.cluster.directory, f"{name}-dump")
            self.assertIn(str(len(ids)), self.cluster.cli("table", "dump", name, "--format", "npy", "-o", path).stdout)
            dumped_ids, dumped_rows = numpy.load(path + ".ids.npy"), numpy.load(path + ".rows.npy")
            self.assertEqual(dumped_ids.dtype, numpy.uint64)
            self.assertEqual(sorted(dumped_ids.tolist()), sorted(ids.tolist()))
            place = {int(id_): i for i, id_ in enumerate(ids)}
            self.assert_same_bits(dumped_rows, rows[[place[int(id_)] for id_ in dumped_ids]])
            hashes = plain_grpc.routing_hash(self.table_id(name), dumped_ids)
            self.assertTrue((numpy.diff(hashes.astype(object)) > 0).all(), "rows come in the order of their hashes")

    def table_id(self, name):
        return int(json.loads(self.cluster.cli("table", "describe", name, "-o", "json").stdout)["table_id"])

    def test_dump_to_a_place_that_is_not_there(self):
        done = self.cluster.cli("table", "dump", "values", "-o", "/nonexistent/dump", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nonexistent/dump", done.stderr)

    def test_row_get_is_what_was_pushed(self):
        for name, (ids, rows) in self.model.items():
            wanted = [str(id_) for id_ in ids[:30]]
            got = json.loads(self.cluster.cli("row", "get", name, *wanted, "-o", "json").stdout)
            self.assertEqual([row["id"] for row in got], wanted)  # text: JSON's numbers would round them
            self.assertTrue(all(row["stored"] for row in got))
            self.assert_same_bits(numpy.array([row["row"] for row in got], numpy.float32), rows[:30])
            lines = [re.findall(r"[^\s,\[\]]+", line) for line in self.cluster.cli("row", "get", name, *wanted).stdout.splitlines()]
            self.assertEqual([line[:2] for line in lines], [[id_, "stored"] for id_ in wanted])
            self.assert_same_bits(numpy.array([[numpy.float32(word) for word in line[2:]] for line in lines]), rows[:30])

    def test_row_get_of_an_id_that_was_never_pushed(self):
        (row,) = json.loads(self.cluster.cli("row", "get", "gradients", "1000000", "-o", "json").stdout)
        self.assertFalse(row["stored"])
        expected = plain_grpc.uniform_rows(99, [1000000], self.DIM, -1.0, 1.0)
        self.assert_same_bits(numpy.array([row["row"]], numpy.float32), expected)
        self.assertEqual(sum(server["stored_rows"] for server in self.cluster.status()), 740, "reading made a row")

    def test_row_get_refuses_what_is_no_id_and_no_table(self):
        for arguments, word in ((("values", "12x"), "12x"), (("values", "18446744073709551616"), "18446744073709551616"), (("absent", "1"), "absent")):
            done = self.cluster.cli("row", "get", *arguments, check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(word, done.stderr)


class Watching(unittest.TestCase):
    """Metrics and logs."""
    FAMILIES = {
        "gauge": ["rowhouse_build_info", "rowhouse_memory_bytes", "rowhouse_memory_peak_bytes", "rowhouse_memory_limit_bytes",
                  "rowhouse_memory_budget_bytes", "rowhouse_resident_bytes", "rowhouse_resident_peak_bytes", "rowhouse_rows",
                  "rowhouse_spill_disk_bytes", "rowhouse_log_disk_bytes", "rowhouse_log_segments", "rowhouse_log_queued_bytes",
                  "rowhouse_sweep_lag_bytes"],
        "counter": ["rowhouse_pulled_rows_total", "rowhouse_spill_read_rows_total", "rowhouse_pushed_rows_total", "rowhouse_push_parts_total",
                    "rowhouse_duplicate_parts_total", "rowhouse_skipped_rows_total", "rowhouse_sweeps_total", "rowhouse_log_records_total",
                    "rowhouse_log_written_bytes_total", "rowhouse_spill_looked_up_rows_total",
                    "rowhouse_requests_total", "rowhouse_request_bytes_total", "rowhouse_response_bytes_total"],
        "histogram": ["rowhouse_request_seconds", "rowhouse_request_rows", "rowhouse_log_sync_seconds", "rowhouse_spill_read_seconds"]}

    def test_every_family_of_metrics_is_served_and_counts(self):
        with Cluster(servers=1, partitions=4) as cluster:
            client = Client(cluster)
            table = client.create_table("watched", 4)
            client.push(table, range(10), numpy.ones((10, 4), numpy.float32))
            client.pull(table, range(25))
            with plain_text(cluster, "/metrics") as answer:
                text = answer.read().decode()
                self.assertTrue(answer.headers["Content-Type"].startswith("text/plain"))
            types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
            helps = dict(re.findall(r"^# HELP (\S+) (.+)$", text, re.M))
            for kind, names in self.FAMILIES.items():
                for name in names:
                    self.assertEqual(types.get(name), kind, name)
                    self.assertIn(name, helps)
            documented = documented_metrics()
            self.assertTrue(documented)
            for name in documented:
                self.assertIn(name, types, "docs/ names it")
            metrics = cluster.metrics(0)
            for name, value in (('rowhouse_pushed_rows_total{table="watched"}', 10), ('rowhouse_pulled_rows_total{table="watched"}', 25),
                                ('rowhouse_rows{table="watched",tier="stored"}', 10), ("rowhouse_memory_budget_bytes", 256 << 20),
                                ("rowhouse_duplicate_parts_total", 0)):
                self.assertEqual(metrics.get(name), value, name)
            self.assertGreater(metrics["rowhouse_log_records_total"], 0)
            self.assertLessEqual(metrics["rowhouse_resident_peak_bytes"], metrics["rowhouse_memory_budget_bytes"])
            version = re.search(r"\d+\.\d+\.\d+", run(ROWHOUSE, "version").stdout)[0]
            self.assertEqual(metrics[f'rowhouse_build_info{{version="{version}"}}'], 1)

    def test_health_pages(self):
        with Cluster() as cluster:
            self.assertEqual([cluster.http_code(0, path) for path in ("/livez", "/readyz", "/nothing-here")], [200, 200, 404])

    def test_log_as_json_lines(self):
        with Cluster(servers=2, partitions=4, extra=["--log-format", "json", "--log-level", "debug"]) as cluster:
            cluster.cli("table", "create", "logged", "--dim", "4")
            done = cluster.cli("table", "create", "bad\"name\n", "--dim", "4", check=False)
            self.assertNotEqual(done.returncode, 0)
            with grpc.insecure_channel(cluster.addresses[0]) as channel:  # the caller's own id
                STUBS[1].AdminServiceStub(channel).GetServerInfo(STUBS[0].GetServerInfoRequest(), timeout=10, metadata=(("x-request-id", "abc-1"),))
            self.assertEqual([cluster.stop(i) for i in (0, 1)], [0, 0])
            for index in (0, 1):
                with open(cluster.log_path(index), encoding="utf-8") as log:
                    lines = [json.loads(line) for line in log]  # all of them
                self.assertGreater(len(lines), 2)
                for line in lines:
                    self.assertRegex(line["ts"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.]\d+Z$")
                    self.assertIn(line["level"], ("debug", "info", "warn", "error"))
                    self.assertRegex(line["module"], "^[a-z]+$")
                    self.assertTrue(line["msg"])
                self.assertEqual((lines[-1]["module"], lines[-1]["msg"]), ("cli", "stopped"))
                mine = [line["msg"] for line in lines if line.get("request_id") == "abc-1"]
                self.assertEqual(len(mine), 1 if index == 0 else 0, mine)
                if index == 0:
                    self.assertRegex(mine[0], r"^request abc-1: .*AdminService/GetServerInfo from .*: OK, ")


def documented_metrics():
    """Names in the pages for operators: `rowhouse_x` or `rowhouse_x{label=...}`."""
    names = set()
    for page in ("docs/operating.md", "docs/how-to/watch-it.md"):
        path = os.path.join(SOURCE, page)
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                names |= set(re.findall(r"`(rowhouse_[a-z_]+)[`{]", file.read()))
    return names


def plain_text(cluster, path):
    return urllib.request.urlopen(f"http://{cluster.http[0]}{path}", timeout=10)


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
                         words=[cluster.addresses[0].rpartition(":")[2]], code=1)
            self.assertFalse(os.path.exists(directory), "nothing is written before the address is had")
            self.refused(cluster, words=[str(cluster.processes[0].pid)])  # the very same server twice

    def test_readyz_says_what_a_starting_server_waits_for(self):
        cluster = Cluster(servers=2)
        try:
            cluster.start(1)
            wait_until(lambda: cluster.http_code(1, "/livez") == 200, "server 1 to answer on HTTP")
            self.assertEqual(cluster.http_code(1, "/readyz"), 503)
            with self.assertRaises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"http://{cluster.http[1]}/readyz", timeout=5)
            self.assertIn("starting: opening the data directory; a first start asks server 0", refused.exception.read().decode())
            self.assertEqual(cluster.metrics(1)["rowhouse_ready"], 0)
            cluster.start(0)
            cluster.wait_ready()
            self.assertEqual(cluster.metrics(1)["rowhouse_ready"], 1)
        finally:
            cluster.__exit__()

    def test_data_directory_of_another_cluster_shape(self):
        with Cluster(partitions=8) as cluster:
            cluster.stop(0)
            self.refused(cluster, changes=[("--partitions", "16")], words=["8", "16"])

    def test_changed_server_list(self):
        with Cluster(servers=2, partitions=8) as cluster:
            for index in (0, 1):
                cluster.stop(index)
            was = ",".join(cluster.addresses)
            asked = f"{cluster.addresses[0]},127.0.0.1:{free_ports(1)[0]}"
            self.refused(cluster, changes=[("--servers", asked)], code=1,
                         words=[cluster.data_dir(0), f"was made with --servers {was}", f"asks for {asked}", "use another directory"])
            more = f"{was},127.0.0.1:{free_ports(1)[0]}"
            self.refused(cluster, changes=[("--servers", more)], code=1, words=[f"--servers {was}", f"asks for {more}"])
            cluster.start(0)  # and as it was made, it starts
            cluster.start(1)
            cluster.wait_ready()

    def test_data_directory_of_another_server(self):
        with Cluster(servers=2, partitions=8) as cluster:
            cluster.stop(0)
            cluster.stop(1)
            self.refused(cluster, changes=[("--data-dir", cluster.data_dir(1))], code=1,
                         words=[cluster.data_dir(1), "was made with --server-index 1", "asks for 0"])

    def test_data_directory_of_another_cluster(self):
        """Server 1 meets a server 0 that is not the one that it knew."""
        with Cluster(servers=2, partitions=8) as cluster:
            cluster.stop(0)
            cluster.stop(1)
            os.rename(cluster.data_dir(0), cluster.data_dir(0) + ".old")
            cluster.start(0)  # as if it were a new cluster
            cluster.start(1)

            def ended():
                return any(process.poll() is not None for process in cluster.processes)
            wait_until(ended, "a server to refuse the other")
            with open(cluster.log_path(1), encoding="utf-8") as log:
                text = log.read()
            self.assertEqual(cluster.processes[1].poll(), 1, text)
            self.assertRegex(text, rf"error: data directory {cluster.data_dir(1)} is of cluster [0-9a-f]{{16}} .*, "
                                   rf"server 0 \({cluster.addresses[0]}\) is of cluster [0-9a-f]{{16}} .*: correct --data-dir or --servers")

    def test_data_directory_of_a_newer_format(self):
        with Cluster() as cluster:
            cluster.stop(0)
            path = os.path.join(cluster.data_dir(0), "IDENTITY")
            with open(path, encoding="ascii") as file:
                text = file.read()
            with open(path, "w", encoding="ascii") as file:
                file.write(re.sub(r'("format_version": )1\b', r"\g<1>99", text))
            self.refused(cluster, code=1, words=[path, "99", "newer"])

    def test_data_directory_that_cannot_be_written(self):
        done = run(ROWHOUSE, "server", "--data-dir", "/proc/rowhouse", "--listen", "127.0.0.1:0", "--http-listen", "", check=False, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("/proc/rowhouse", done.stderr)

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
        for arguments, words in ((["--memory-budget", "12XB"], ("--memory-budget", '"12XB"', '"XB" is no unit', "MiB", "512MiB")),
                                 (["--drain-timeout", "30"], ("--drain-timeout", '"30"', "unit")),
                                 (["--memory-budget", "-1GiB"], ("--memory-budget", '"-1GiB"', "whole number")),
                                 (["--no-such-flag"], ("--no-such-flag",))):
            done = run(ROWHOUSE, "server", "--data-dir", "/nonexistent", *arguments, check=False, timeout=60)
            self.assertEqual(done.returncode, 2, done.stderr)
            for word in words:
                self.assertIn(word, done.stderr)

    def test_unknown_config_key_names_the_nearest(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "rowhouse.yaml")
            with open(path, "w", encoding="ascii") as file:
                file.write(f"data:\n  dir: {directory}/data\nmemory:\n  bugdet: 256MiB\n")
            done = run(ROWHOUSE, "server", "--config", path, check=False, timeout=60)
            self.assertNotEqual(done.returncode, 0)
            for word in ("rowhouse.yaml:4", "bugdet", "memory.budget"):
                self.assertIn(word, done.stderr)

    def test_too_few_file_descriptors(self):
        with tempfile.TemporaryDirectory() as directory:
            command = f"ulimit -n 64; exec {ROWHOUSE} server --data-dir {directory} --listen 127.0.0.1:0 --http-listen ''"
            done = run("bash", "-c", command, check=False, timeout=60)
            self.assertEqual(done.returncode, 1)
            for word in ("may open 64 files", "needs 1024", "ulimit -n"):
                self.assertIn(word, done.stderr)

    def test_data_directory_that_is_a_file(self):
        with tempfile.NamedTemporaryFile() as file:
            done = run(ROWHOUSE, "server", "--data-dir", file.name, "--listen", "127.0.0.1:0", "--http-listen", "", check=False, timeout=60)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(file.name, done.stderr)


if __name__ == "__main__":
    unittest.main()
