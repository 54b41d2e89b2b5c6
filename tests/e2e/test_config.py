# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""The configuration of a server: `rowhouse config`, the pages made by it, bad values with their origins, and SIGHUP."""
import json
import os
import re
import signal
import tempfile
import unittest

from cluster import ROWHOUSE, SOURCE, Cluster, run, wait_until
from wire import Client

PAGES = {("print-defaults",): "deploy/config/rowhouse.yaml", ("reference",): "docs/reference/config.md"}


def clean_environment(**more):
    """Without what the caller's own environment says to servers."""
    return {**{name: value for name, value in os.environ.items() if not re.match("ROWHOUSE__|ROWHOUSE_CONFIG$", name)}, **more}


def config(*arguments, check=True, environment=None):
    return run(ROWHOUSE, "config", *arguments, check=check, timeout=60, env=clean_environment(**(environment or {})))


class Files(unittest.TestCase):
    """With a folder for config files."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="rowhouse-config-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def file(self, text, name="rowhouse.yaml"):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path


class Commands(Files):
    def test_pages_in_the_tree_are_what_the_program_prints(self):
        for arguments, page in PAGES.items():
            with open(os.path.join(SOURCE, page), encoding="utf-8") as file:
                self.assertEqual(file.read(), config(*arguments).stdout,
                                 f"{page} is old: rowhouse config {' '.join(arguments)} > {page}")

    def test_defaults_are_valid_with_and_without_the_comment_signs(self):
        text = config("print-defaults").stdout
        keys = re.findall(r"^  #([a-z_]+): ", text, re.M)
        self.assertEqual(len(keys), len(config("show", "-o", "csv").stdout.splitlines()) - 1)
        self.assertEqual(text.count("  # Reloads on SIGHUP: "), len(keys))
        for name, content in (("comments.yaml", text), ("values.yaml", re.sub(r"(?m)^  #([a-z_]+: )", r"  \1", text))):
            path = self.file(content, name)
            self.assertEqual(config("validate", path).stdout, f"{path} is valid\n")
            shown = config("show", "--config", path, "-o", "json").stdout
            self.assertEqual(shown, config("show", "-o", "json").stdout)

    def test_validate_names_file_and_line(self):
        for text, message in (("memory:\n  buget: 1GiB\n", ':2: unknown key "memory.buget"; did you mean "memory.budget"?'),
                              ("a: 1\n\nmemory: [\n", ":4: "),
                              ("drain:\n  timeout: 30\n", ':2: drain.timeout: "30" is no time'),
                              ("threads:\n\n  io: 0\n", ":3: threads.io is 0, want 1 to 256"),
                              ("cluster:\n  server_index: 1\n", ":2)")):
            path = self.file(text)
            done = config("validate", path, check=False)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertTrue(done.stderr.startswith("error: "), done.stderr)
            self.assertIn(path + message, done.stderr)

    def test_validate_of_no_file(self):
        done = config("validate", os.path.join(self.folder, "absent.yaml"), check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("absent.yaml: No such file", done.stderr)
        self.assertEqual(config("validate", check=False).returncode, 2)

    def test_validate_looks_at_the_file_alone(self):
        done = config("validate", self.file("memory:\n  budget: 1GiB\n"), environment={"ROWHOUSE__MEMORY__BUDGET": "nonsense"})
        self.assertEqual(done.returncode, 0)

    def test_show_names_each_origin(self):
        path = self.file("memory:\n  budget: 1GiB\nthreads:\n  io: 2\n  workers: 3\n")
        arguments = ("show", "--origin", "--worker-threads", "5")
        environment = {"ROWHOUSE__THREADS__IO": "4", "ROWHOUSE_CONFIG": path}
        lines = {line.split()[0]: line.split()[1:] for line in config(*arguments, environment=environment).stdout.splitlines()}
        self.assertEqual(lines["KEY"], ["VALUE", "ORIGIN"])
        self.assertEqual(lines["memory.budget"], ["1GiB", f"{path}:2"])
        self.assertEqual(lines["threads.io"], ["4", "ROWHOUSE__THREADS__IO"])
        self.assertEqual(lines["threads.workers"], ["5", "--worker-threads"])
        self.assertEqual(lines["drain.timeout"], ["10s", "default"])
        shown = json.loads(config(*arguments, "-o", "json", environment=environment).stdout)
        self.assertEqual(shown["threads"]["io"], {"value": 4, "origin": "ROWHOUSE__THREADS__IO"})
        self.assertEqual(shown["memory"]["budget"], {"value": "1GiB", "origin": f"{path}:2"})

    def test_show_as_yaml_is_a_config_file(self):
        flags = ("--servers", "127.0.0.1:7600,127.0.0.1:7601", "--drain-timeout", "90s", "--log-modules", "rpc=debug", "--insecure-listen")
        path = self.file(config("show", "-o", "yaml", *flags).stdout)
        config("validate", path)
        self.assertEqual(config("show", "--config", path, "-o", "csv").stdout, config("show", "-o", "csv", *flags).stdout)
        self.assertEqual(json.loads(config("show", "--config", path, "-o", "json").stdout)["cluster"]["servers"],
                         ["127.0.0.1:7600", "127.0.0.1:7601"])

    def test_show_refuses_what_a_server_would(self):
        done = config("show", "--server-index", "1", check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--server-index is 1, but --servers is empty", done.stderr)


class Refused(Files):
    """A server that is told nonsense does not start, and says where the nonsense is."""

    def refused(self, words, *flags, text=None, **environment):
        if text is not None:
            flags = ("--config", self.file(text), *flags)
        done = run(ROWHOUSE, "server", "--data-dir", os.path.join(self.folder, "data"), *flags, check=False, timeout=60,
                   env=clean_environment(**environment))
        self.assertEqual(done.returncode, 2, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "data")))

    def test_unknown_variable(self):
        self.refused(["unknown environment variable ROWHOUSE__MEMORY__BUGDET; did you mean ROWHOUSE__MEMORY__BUDGET?"],
                     ROWHOUSE__MEMORY__BUGDET="1GiB")

    def test_unknown_section(self):
        self.refused([':1: unknown section "memroy"; did you mean "memory"?'], text="memroy:\n  budget: 1GiB\n")

    def test_wrong_type_unit_and_range_of_a_variable(self):
        self.refused(['ROWHOUSE__THREADS__IO: "many" is not a whole number'], ROWHOUSE__THREADS__IO="many")
        self.refused(['ROWHOUSE__MEMORY__BUDGET: "4XB" is no size', '"XB" is no unit'], ROWHOUSE__MEMORY__BUDGET="4XB")
        self.refused(["ROWHOUSE__DRAIN__TIMEOUT is 11m, want 0s to 10m"], ROWHOUSE__DRAIN__TIMEOUT="11m")

    def test_wrong_value_of_a_flag(self):
        self.refused(["--io-threads is 0, want 1 to 256"], "--io-threads", "0")
        self.refused(['--log-modules: "rcp" is no module of the log'], "--log-modules", "rcp=debug")
        self.refused(['--log-slow-request: "5" is no time'], "--log-slow-request", "5")

    def test_contradictions_name_both_and_where_they_were_set(self):
        self.refused(["--server-index is 2, want 0 to 1", "--servers is set by ROWHOUSE__CLUSTER__SERVERS", "--server-index is set by", ":2)"],
                     text="cluster:\n  server_index: 2\n", ROWHOUSE__CLUSTER__SERVERS="127.0.0.1:7600,127.0.0.1:7601")
        self.refused(["--listen is 127.0.0.1:7609", "--servers has 127.0.0.1:7600"],
                     "--listen", "127.0.0.1:7609", "--servers", "127.0.0.1:7600,127.0.0.1:7601")
        data = os.path.join(self.folder, "data")
        self.refused([f"--log-dir is {data}/spill/log", "--data-dir"], "--log-dir", f"{data}/spill/log")


class Configured(Cluster):
    """One server that has a config file, or with text=None only flags."""

    def __init__(self, text):
        super().__init__(servers=1, partitions=4)
        self.config = os.path.join(self.directory, "rowhouse.yaml")
        self.flags = [] if text is None else ["--config", self.config]
        if text is not None:
            self.write(text)

    def write(self, text):
        """The file is never seen half written."""
        with open(self.config + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(self.config + ".new", self.config)

    def command(self, index):
        return [ROWHOUSE, "server", "--data-dir", self.data_dir(index), "--listen", self.addresses[index], "--http-listen", self.http[index],
                "--partitions", str(self.partitions), *self.flags]

    def log(self):
        with open(self.log_path(0), encoding="utf-8") as log:
            return log.read()

    def hang_up(self):
        self.processes[0].send_signal(signal.SIGHUP)

    def wait_logged(self, words, times=1):
        wait_until(lambda: self.log().count(words) >= times or self.processes[0].poll() is not None, f"the log to say {words}")
        if self.log().count(words) < times:
            raise AssertionError(f"the server ended without saying {words}:\n{self.log()}")


class Hangup(unittest.TestCase):
    def test_a_module_says_more_from_then_on(self):
        with Configured("logging:\n  level: info\n") as cluster:
            cluster.cli("table", "list")
            self.assertNotIn(" debug ", cluster.log())
            cluster.write("logging:\n  modules: rpc=debug\n")
            cluster.hang_up()
            cluster.wait_logged("logging.modules is rpc=debug now")
            cluster.cli("table", "list")
            cluster.wait_logged(" debug [rpc] request ")
            self.assertRegex(cluster.log(), r" debug \[rpc\] request \d+: /rowhouse\.v1\.AdminService/\w+ from ipv4:\S+ OK, \d+ bytes in, ")

    def test_what_reloads_is_applied_and_the_rest_warned_of(self):
        with Configured("memory:\n  budget: 256MiB\nlogging:\n  level: debug\n") as cluster:
            cluster.write("memory:\n  budget: 300MiB\nlogging:\n  level: warn\ndrain:\n  timeout: 3s\n")
            cluster.hang_up()
            cluster.wait_logged(" warn [server] SIGHUP: these need a restart and stay as they are: memory.budget (is 256MiB, "
                                f"{cluster.config}:2 says 300MiB)\n")
            self.assertIn(f" info [server] SIGHUP: logging.level is warn now, was debug ({cluster.config}:4)\n", cluster.log())
            self.assertIn(f" info [server] SIGHUP: drain.timeout is 3s now, was 10s ({cluster.config}:6)\n", cluster.log())
            self.assertEqual(cluster.metrics(0)["rowhouse_memory_budget_bytes"], 256 << 20)
            said = cluster.cli("server", "drain", "0", "--yes").stdout
            self.assertIn("ends within 3s", said)
            self.assertEqual(cluster.processes[0].wait(timeout=60), 0)
            self.assertNotIn("draining", cluster.log(), "a message of level info under level warn")

    def test_slow_requests_are_logged_from_a_reload_on(self):
        with Configured("logging:\n  slow_request: 0s\n") as cluster:
            client = Client(cluster)
            table = client.create_table("wide", 1024)
            rows = range(2000)  # two million numbers to draw, which no processor does in a millisecond
            client.pull(table, rows)
            self.assertNotIn("slow request", cluster.log())
            cluster.write("logging:\n  slow_request: 1ms\n")
            cluster.hang_up()
            cluster.wait_logged("logging.slow_request is 1ms now, was 0s")
            client.pull(table, rows)
            cluster.wait_logged(" warn [rpc] slow request ")

    def test_a_wrong_file_changes_nothing(self):
        with Configured("drain:\n  timeout: 4s\n") as cluster:
            for text, message in (("drain:\n  timeout: 5s\nmemory:\n  buget: 1\n", f'{cluster.config}:4: unknown key "memory.buget"'),
                                  ("drain:\n  timeout: 5s\nthreads:\n  io: 0\n", f"{cluster.config}:4: threads.io is 0"),
                                  ("drain: [\n", f"{cluster.config}:2: ")):
                cluster.write(text)
                cluster.hang_up()
                cluster.wait_logged(f" error [server] SIGHUP: nothing changes, the config is wrong: {message}")
            os.remove(cluster.config)
            cluster.hang_up()
            cluster.wait_logged(f"open {cluster.config}: No such file")
            self.assertNotIn("now, was", cluster.log())
            self.assertEqual(cluster.http_code(0, "/readyz"), 200)
            self.assertEqual(cluster.stop(0), 0)

    def test_without_a_file_it_is_ignored(self):
        with Configured(None) as cluster:
            for time in (1, 2):
                cluster.hang_up()
                cluster.wait_logged(" info [server] SIGHUP: this server has no config file (--config) to read again; nothing changes\n", time)
            self.assertEqual(cluster.http_code(0, "/readyz"), 200)
            self.assertEqual(cluster.stop(0), 0)

    def test_during_the_start_it_is_kept_for_later(self):
        cluster = Configured("drain:\n  timeout: 4s\n")
        cluster.start(0)
        try:
            cluster.wait_logged("data directory")
            cluster.hang_up()
            cluster.wait_ready()
            cluster.wait_logged("SIGHUP: ")
            self.assertEqual(cluster.stop(0), 0)
        finally:
            cluster.__exit__(None, None, None)


if __name__ == "__main__":
    unittest.main()
