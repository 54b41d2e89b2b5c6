# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""The cluster in containers: ./x up to healthy, confined, watched by Prometheus; the demo trains; servers are killed during a training
and its rows end as its twin's; memory within limits; ./x down leaves nothing. And what ./x up and ./x down say when they cannot.

Needs a Docker engine; ends with exit code 77 where there is none. The image is made from this build, tagged rowhouse:e2e."""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse
import urllib.request

import yaml
from cluster import BUILD, DLRM, ROWHOUSE, SOURCE, SYNTH, run, wait_until, x_would_build_nothing
from containers import BUDGET_BYTES, MARGIN_BYTES, MIB, ROWS, SKIPPED, Cgroup, Project, engine_runs, note

TOOL = os.path.join(SOURCE, "tools", "compose.py")
SERVERS = ("server-0", "server-1", "server-2")
BATCHES = ROWS // 32
KILLS = ((200, "server-1"), (1000, "server-0"), (1800, "server-2"))  # at this batch, this server
TRAINING = ["--arch-sparse-feature-size", "8", "--arch-mlp-bot", "13-32-8", "--arch-mlp-top", "32-1", "--mini-batch-size", "32",
            "--max-batches", str(BATCHES), "--table-prefix", "kill.", "--retry-timeout", "300", "--reproducible", "--digest",
            "--print-freq", "1"]
MOST_IMAGE_BYTES = 300 << 20  # half of it or more is the base image, which this machine may have made otherwise


class Compose(unittest.TestCase):
    """One walk through the life of a cluster."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="rowhouse-e2e-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.project = Project("e2e")
        self.peaks = {}
        self.before = self.project.what_there_is()

    def test_life_of_a_cluster(self):
        self.addCleanup(self.project.remove)
        self.start()
        self.check_confined()
        self.check_demo()
        self.check_prometheus()
        trained = self.train_through_kills()
        self.check_memory()
        self.assertEqual(trained["digest"], self.twin()["digest"])
        digest = self.digest_of_rows()
        self.check_down_that_keeps_data(digest)
        self.assertEqual(self.project.x("down").stdout, "removed: containers, network, volumes\n")
        self.assertEqual(self.project.what_there_is(), self.before)
        note("./x down: nothing is left")
        self.assertEqual(self.project.x("down").returncode, 0)  # again

    def start(self):
        began = time.monotonic()
        said = self.project.up().stdout
        self.assertRegex(said, r"^three servers are healthy: image (made|unchanged) in [\d.]+ s, started in [\d.]+ s\n")
        image = json.loads(run("docker", "image", "inspect", self.project.inspect("server-0")["Image"]).stdout)[0]
        image_bytes = image["Size"]
        if os.path.exists(os.path.join(SOURCE, ".git")):
            self.assertRegex(image["Config"]["Labels"]["org.opencontainers.image.revision"], "^[0-9a-f]{40}(-dirty)?$")
            self.assertRegex(image["Config"]["Labels"]["org.opencontainers.image.created"], "^[0-9T:-]{19}Z$")
        note(f"./x up: {time.monotonic() - began:.1f} s; {said.splitlines()[0]}; image of {image_bytes / 1e6:.0f} MB")
        self.assertLess(image_bytes, MOST_IMAGE_BYTES)
        for index in range(3):
            self.assertIn(f"127.0.0.1:{self.project.environment[f'ROWHOUSE_PORT_{index}']}", said)
            with urllib.request.urlopen(f"http://127.0.0.1:{self.project.environment[f'ROWHOUSE_HTTP_PORT_{index}']}/readyz", timeout=5) as answer:
                self.assertEqual(answer.status, 200)
        containers = self.project.what_there_is()["containers"]
        began = time.monotonic()
        # Again, and as a person types it where a build belongs to no test: ./x builds, in its own folder, what it finds built.
        plain = x_would_build_nothing("rowhouse", "dlrm", "criteo_synth")
        self.assertIn("image unchanged", (self.project.x("up") if plain else self.project.up()).stdout)
        note(f"./x up {'' if plain else '--build-dir '}again: {time.monotonic() - began:.1f} s")
        self.assertEqual(self.project.what_there_is()["containers"], containers)
        run("docker", "kill", self.project.container("server-1"))
        self.project.up()  # brings back what is missing
        self.assertEqual(self.project.inspect("server-1")["State"]["Health"]["Status"], "healthy")
        self.assertEqual(self.project.what_there_is()["containers"], containers)

    def check_confined(self):
        for service in SERVERS:
            found = self.project.inspect(service)
            host = found["HostConfig"]
            self.assertEqual((host["ReadonlyRootfs"], host["CapDrop"], host["Privileged"]), (True, ["ALL"], False))
            self.assertIn("no-new-privileges:true", host["SecurityOpt"])
            self.assertEqual((host["Memory"], host["MemorySwap"]), (BUDGET_BYTES + MARGIN_BYTES,) * 2)
            self.assertEqual({binding["HostIp"] for bindings in host["PortBindings"].values() for binding in bindings}, {"127.0.0.1"})
            self.assertEqual(found["Config"]["User"], "rowhouse:rowhouse")
            processes = run("docker", "top", found["Id"], "-o", "pid,comm").stdout.splitlines()[1:]
            self.assertEqual({line.split()[1] for line in processes}, {"rowhouse"})  # no shell, no init; a health check at times
        refused = self.project.compose("exec", "-T", "server-0", "/usr/bin/touch", "/usr/bin/x", check=False)
        self.assertIn("Read-only file system", refused.stderr)
        self.assertEqual(self.project.compose("exec", "-T", "server-0", "/usr/bin/id", "-u").stdout, "7600\n")

    def check_demo(self):
        began = time.monotonic()
        self.project.compose("--profile", "demo", "up", "trainer")
        trainer = self.project.inspect("trainer")
        said = run("docker", "logs", trainer["Id"])
        self.assertEqual(trainer["State"]["ExitCode"], 0, said.stderr)
        auc = float(re.search(r"^auc +([\d.]+)$", said.stdout, re.M)[1])
        note(f"docker-compose --profile demo up trainer: {time.monotonic() - began:.1f} s, AUC {auc}")
        self.assertGreater(auc, 0.7)
        self.assertEqual(self.project.inspect("trainer-data")["State"]["ExitCode"], 0)

    def check_prometheus(self):
        began = time.monotonic()
        self.project.compose("--profile", "monitoring", "up", "-d", "prometheus")
        address = f"http://127.0.0.1:{self.project.environment['ROWHOUSE_PROMETHEUS_PORT']}"

        def ask(path):
            with urllib.request.urlopen(address + path, timeout=5) as answer:
                return json.load(answer)["data"]

        def scraped():
            try:
                found = ask("/api/v1/query?" + urllib.parse.urlencode({"query": "rowhouse_memory_budget_bytes"}))["result"]
            except OSError:
                return False
            return sorted(f["metric"]["instance"] for f in found if f["value"][1] == str(BUDGET_BYTES)) == [f"{s}:7680" for s in SERVERS]
        wait_until(scraped, "Prometheus to have scraped three servers")
        wait_until(lambda: self.project.inspect("prometheus")["State"]["Health"]["Status"] == "healthy", "Prometheus to be healthy")
        self.assertIn("RowhouseServerDown", [rule["name"] for group in ask("/api/v1/rules")["groups"] for rule in group["rules"]])
        note(f"docker-compose --profile monitoring up -d: {time.monotonic() - began:.1f} s")

    def note_peak(self, service):
        state = self.project.inspect(service)["State"]
        if state["Running"]:
            group = Cgroup(state["Pid"])
            self.assertEqual(group.limit_bytes(), BUDGET_BYTES + MARGIN_BYTES)
            self.assertEqual(group.out_of_memory_kills(), 0)
            peaks = self.peaks.setdefault(service, [0, 0])
            self.peaks[service] = [max(peaks[0], group.peak_bytes()), max(peaks[1], group.unreclaimable_bytes())]

    def train_through_kills(self):
        name, log = f"{self.project.name}-training", os.path.join(self.folder, "training.log")
        began = time.monotonic()
        self.project.compose("--profile", "demo", "run", "--detach", "-T", "--name", name, "trainer", "--json", "/var/lib/rowhouse/result.json",
                             *TRAINING)
        with open(log, "wb") as file, subprocess.Popen(["docker", "logs", "--follow", name], stdout=file, stderr=file) as follower:
            try:
                for at_batch, service in KILLS:
                    self.kill_and_start(service, at_batch, log, follower)
            finally:
                code = run("docker", "wait", name).stdout if sys.exc_info()[0] is None else run("docker", "kill", name, check=False).stdout
                follower.wait()
        self.assertEqual(code, "0\n", self.text(log)[-4000:])
        note(f"{BATCHES} batches through {len(KILLS)} kills: {time.monotonic() - began:.1f} s")
        run("docker", "cp", f"{name}:/var/lib/rowhouse/result.json", self.folder)
        with open(os.path.join(self.folder, "result.json"), encoding="ascii") as file:
            figures = json.load(file)
        self.assertEqual(figures["iterations"], BATCHES)
        self.assertGreaterEqual(figures["storage"]["retries"], len(KILLS))
        return figures

    @staticmethod
    def text(path):
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def kill_and_start(self, service, at_batch, log, follower):
        """docker kill when the training is past `at_batch`; the trainer must miss the server, and go on when it is back."""
        def batches():
            done = re.findall(r"training: finished it (\d+) ", self.text(log))
            if follower.poll() is not None:
                raise AssertionError(f"the trainer ended:\n{self.text(log)[-4000:]}")
            return int(done[-1]) if done else 0

        wait_until(lambda: batches() >= at_batch, f"batch {at_batch}")
        self.note_peak(service)
        container = self.project.container(service)
        run("docker", "kill", container)
        self.assertEqual(self.project.inspect(service)["State"]["Running"], False)
        done, said = batches(), len(self.text(log))
        self.assertLess(done, BATCHES, "the training was over before the kill")
        wait_until(lambda: "trying again" in self.text(log)[max(0, said - 1000):], f"the trainer to miss {service}")
        run("docker", "start", container)
        wait_until(lambda: batches() > done + 2, f"the training to go on after {service} came back")
        note(f"docker kill {service} at batch {done}, started again: the training went on")

    def twin(self):
        """The same training in one process, outside of containers, on data that is the same."""
        data, result = os.path.join(self.folder, "data"), os.path.join(self.folder, "twin.json")
        run(SYNTH, "--out", data, "--rows", str(ROWS), "--test-rows", "20000", "--cardinality-scale", "0.2")
        run(DLRM, "--data", data, "--in-process-twin", "--json", result, *TRAINING)
        with open(result, encoding="ascii") as file:
            return json.load(file)

    def digest_of_rows(self):
        digest = self.project.rowhouse("table", "digest")
        note(f"rowhouse table digest: {digest.strip()}")
        self.assertRegex(digest, r"^[0-9a-f]{64}  52 tables, \d+ rows$")  # those of the demo and of the training
        return digest

    def check_memory(self):
        for server in json.loads(self.project.rowhouse("status", "-o", "json")):
            peak = int(server["peak_resident_bytes"])
            service = server["address"].split(":")[0]
            self.note_peak(service)
            charged, kept = self.peaks[service]
            note(f"{service}: process {peak / MIB:.1f} MiB of {BUDGET_BYTES // MIB} MiB; container {charged / MIB:.1f} MiB, without page cache "
                 f"{kept / MIB:.1f} MiB, of {(BUDGET_BYTES + MARGIN_BYTES) // MIB} MiB")
            self.assertLessEqual(peak, BUDGET_BYTES)
            self.assertLessEqual(charged, BUDGET_BYTES + MARGIN_BYTES)
            self.assertLessEqual(kept, BUDGET_BYTES + MARGIN_BYTES // 4, "the margin is not what docker-compose.yml says")
            self.assertFalse(self.project.inspect(service)["State"]["OOMKilled"])

    def check_down_that_keeps_data(self, digest):
        said = self.project.x("down", "--keep-data").stdout
        self.assertIn(f"{self.project.name}_server-0", said)
        self.assertEqual(self.project.of_project("ps", "--all") + self.project.of_project("network", "ls"), [])
        self.project.up()
        self.assertEqual(self.digest_of_rows(), digest)


class Trouble(unittest.TestCase):
    """What ./x up and ./x down say when they cannot."""

    def refused(self, code, *arguments, **variables):
        done = run("/usr/bin/python3", "-B", TOOL, *arguments, check=False, env=dict(os.environ, **variables))
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stderr

    def fake_docker(self, script):
        """A PATH on which docker is this script, and docker-compose is not."""
        folder = tempfile.mkdtemp(prefix="rowhouse-e2e-")
        self.addCleanup(shutil.rmtree, folder)
        path = os.path.join(folder, "docker")
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + script)
        os.chmod(path, 0o755)
        return folder

    def test_usage(self):
        self.assertIn("--timeout must be at least 1 second, got 0", self.refused(2, "up", "--timeout", "0"))
        self.assertIn("invalid int value: 'soon'", self.refused(2, "up", "--timeout", "soon"))
        self.assertIn("/nowhere is no build directory", self.refused(2, "up", "--build-dir", "/nowhere"))
        self.assertIn("not allowed with argument", self.refused(2, "up", "--build-dir", BUILD, "--from-source"))
        self.assertIn("unrecognized arguments: --all", self.refused(2, "down", "--all"))
        self.assertIn("required: command", self.refused(2))

    def test_help_needs_nothing(self):
        for command in ("up", "down"):
            done = run(os.path.join(SOURCE, "x"), command, "--help", env=dict(os.environ, DOCKER_HOST="unix:///nowhere"))
            self.assertIn(f"usage: ./x {command}", done.stdout)

    def test_engine_that_does_not_run(self):
        for command in ("up", "down"):
            said = self.refused(1, command, DOCKER_HOST="unix:///nowhere/docker.sock")
            self.assertIn(f"x {command}: the Docker engine does not answer: start it", said)

    def test_engine_that_may_not_be_used(self):
        path = self.fake_docker("echo 'permission denied while trying to connect to the Docker daemon socket' >&2; exit 1\n")
        self.assertIn("join the group docker", self.refused(1, "up", PATH=path))

    def test_missing_programs(self):
        self.assertIn("there is no docker program", self.refused(1, "up", PATH="/nowhere"))
        path = self.fake_docker('[ "$1" = info ]\n')
        self.assertIn("neither docker-compose nor the compose plugin", self.refused(1, "up", PATH=path))

    def test_base_image_without_sources(self):
        """Neither registry nor apt sources: what is missing is named."""
        configuration = os.path.join(self.fake_docker("exit 1\n"), "apt.conf")
        with open(configuration, "w", encoding="utf-8") as file:
            file.write('Dir::Etc::sourcelist "/dev/null";\nDir::Etc::sourceparts "/dev/null";\n')
        done = run(os.path.join(SOURCE, "deploy", "docker", "make_base_image"), "rowhouse:never", check=False,
                   env=dict(os.environ, APT_CONFIG=configuration))
        self.assertEqual(done.returncode, 1)
        self.assertIn("apt has no source of Debian 12", done.stderr)

    def test_server_that_cannot_start(self):
        project = Project("trouble", ROWHOUSE_MEMORY_BUDGET="1MiB")
        before = project.what_there_is()
        self.addCleanup(project.remove)
        done = project.up(check=False)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("not healthy: server-0 (", done.stderr)
        self.assertIn("BUDGET is 1MiB, want 128MiB", done.stderr)
        self.assertIn("./x down removes them", done.stderr)
        project.environment["ROWHOUSE_MEMORY_BUDGET"] = "128MiB"
        self.assertIn("three servers are healthy", project.up().stdout)  # over what the failed start left
        project.x("down")
        self.assertEqual(project.what_there_is(), before)

    def test_time_that_is_over(self):
        project = Project("time")
        self.addCleanup(project.remove)
        done = project.up("--timeout", "1", check=False)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("not healthy after 1 s: server-0", done.stderr)
        project.x("down")

    def test_port_that_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            project = Project("port", ROWHOUSE_HTTP_PORT_0=str(taken.getsockname()[1]))
            before = project.what_there_is()
            self.addCleanup(project.remove)
            done = project.up(check=False)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn("address already in use", done.stderr)
            project.x("down")
            self.assertEqual(project.what_there_is(), before)


class FromSource(unittest.TestCase):
    """The image whose programs are compiled in its own build: 8 minutes on two idle cores."""

    def test_image_is_made_and_serves(self):
        if os.environ.get("ROWHOUSE_E2E_FULL") != "1":
            self.skipTest("ROWHOUSE_E2E_FULL=1 runs it")
        project = Project("source")
        self.addCleanup(project.remove)
        said = run(os.path.join(SOURCE, "x"), "up", "--from-source", env=project.environment, timeout=3600).stdout
        self.assertIn("three servers are healthy", said)
        self.assertIn("ready", project.rowhouse("status"))
        project.x("down")
        self.assertEqual(project.what_there_is()["containers"], set())


class Files(unittest.TestCase):
    """What docker-compose makes of the files; test_container_files.py reads them without it."""

    def test_compose_file(self):
        project = Project("file")
        for variable in [v for v in project.environment if v.startswith("ROWHOUSE_") and v != "ROWHOUSE_BUILD_DIR"]:
            del project.environment[variable]
        text = project.compose("--profile", "demo", "--profile", "monitoring", "config").stdout
        with open(os.path.join(SOURCE, "docker-compose.yml"), encoding="utf-8") as file:
            written = file.read()
        self.assertNotRegex(written, r"(?m)^version:")
        version = run(ROWHOUSE, "version").stdout.split()[1]
        self.assertEqual(set(re.findall(r"image: (\S+)", text)), {f"rowhouse:{version}", f"rowhouse-prometheus:{version}"})
        services = yaml.safe_load(text)["services"]
        drain_seconds = float(re.search(r"drain\.timeout\s+(\d+)s", run(ROWHOUSE, "config", "show").stdout)[1])
        for server in SERVERS:
            self.assertGreater(float(services[server]["stop_grace_period"].rstrip("s")), drain_seconds + 5)
            self.assertEqual(services[server]["healthcheck"]["test"][:3], ["CMD", "/usr/bin/rowhouse", "healthcheck"])
            self.assertEqual(services["trainer"]["depends_on"][server]["condition"], "service_healthy")

    def test_generated_files_stand_alone(self):
        """docker-compose takes what the program writes, in a directory without a checkout."""
        with tempfile.TemporaryDirectory(prefix="rowhouse-compose-") as directory:
            place = os.path.join(directory, "cluster")
            said = run(ROWHOUSE, "generate", "compose", "--out", place).stdout
            names = {"docker-compose.yml", "prometheus.yml", "alerts.yml", "prometheus.Dockerfile"}
            self.assertEqual(set(said.split()), {os.path.join(place, name) for name in names})
            self.assertEqual(set(os.listdir(place)), names)
            with open(os.path.join(place, "docker-compose.yml"), encoding="utf-8") as file:
                self.assertEqual(file.read(), run(ROWHOUSE, "generate", "compose").stdout)
            project = Project("standalone")
            config = run(*project.program, "--project-directory", place, "--file", os.path.join(place, "docker-compose.yml"),
                         "--profile", "demo", "--profile", "monitoring", "config", env=project.environment, cwd=place).stdout
            services = yaml.safe_load(config)["services"]
            self.assertNotIn("build", services["server-0"])
            self.assertNotIn(SOURCE, config)
            again = run(ROWHOUSE, "generate", "compose", "--out", place, check=False)
            self.assertEqual(again.returncode, 1)
            self.assertIn("exists and may have been edited: remove it, or give another --out", again.stderr)


if __name__ == "__main__":
    if not engine_runs():
        print("skipped: no Docker here")
        sys.exit(SKIPPED)
    unittest.main()
