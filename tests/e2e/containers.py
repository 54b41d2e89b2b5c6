# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""For tests of containers: docker-compose.yml as a project of its own, and what the kernel charges to a container."""
import json
import os
import re
import shutil
import sys
import time

from cluster import BUILD, SOURCE, free_ports, run

SKIPPED = 77  # exit code of a test that needs an engine where there is none
MIB = 1 << 20
BUDGET_BYTES, MARGIN_BYTES = 128 * MIB, 128 * MIB  # the smallest budget; the margin that docker-compose.yml states
ROWS = 100_000  # the demo's
IMAGE = "rowhouse:e2e"
BEGAN = time.monotonic()


def note(text):
    print(f"\n    {time.monotonic() - BEGAN:5.1f} s  {text}", end="", file=sys.stderr, flush=True)


class Project:
    """docker-compose.yml under a name and on ports of its own; nothing of it is left at the end."""

    def __init__(self, name, **variables):
        ports = [str(p) for p in free_ports(7)]
        names = [f"ROWHOUSE_PORT_{i}" for i in range(3)] + [f"ROWHOUSE_HTTP_PORT_{i}" for i in range(3)] + ["ROWHOUSE_PROMETHEUS_PORT"]
        self.name = f"rowhouse-{name}-{os.getpid()}"
        self.environment = dict(os.environ, COMPOSE_PROJECT_NAME=self.name, ROWHOUSE_IMAGE=IMAGE, ROWHOUSE_TRAINER_ROWS=str(ROWS),
                                ROWHOUSE_MEMORY_BUDGET=f"{BUDGET_BYTES // MIB}MiB", ROWHOUSE_MEMORY_LIMIT=str(BUDGET_BYTES + MARGIN_BYTES),
                                **dict(zip(names, ports)))
        self.environment.update(variables)
        # The plugin is in no package of Debian 12, so CI has docker-compose 1.29; where the plugin is, the same tests are tests of it.
        self.program = ["docker", "compose"] if run("docker", "compose", "version", check=False).returncode == 0 else ["docker-compose"]

    def x(self, *arguments, check=True):
        return run(os.path.join(SOURCE, "x"), *arguments, check=check, env=self.environment, timeout=800)

    def up(self, *arguments, check=True):
        return self.x("up", "--build-dir", BUILD, *arguments, check=check)

    def compose(self, *arguments, check=True):
        return run(*self.program, "--project-directory", SOURCE, "--file", os.path.join(SOURCE, "docker-compose.yml"), *arguments, check=check,
                   env=self.environment, timeout=600)

    def container(self, service):
        found = self.of_project("ps", "--all", "--filter", f"label=com.docker.compose.service={service}", "--filter",
                                "label=com.docker.compose.oneoff=False")
        if len(found) != 1:
            raise AssertionError(f"{service} has {len(found)} containers")
        return found[0]

    def inspect(self, service):
        return json.loads(run("docker", "inspect", self.container(service)).stdout)[0]

    def rowhouse(self, *arguments):
        return self.compose("exec", "-T", "server-0", "rowhouse", *arguments, "--insecure").stdout

    def of_project(self, *command):
        return run("docker", *command, "--quiet", "--filter", f"label=com.docker.compose.project={self.name}").stdout.split()

    def what_there_is(self):
        """Containers of the project; all networks and volumes, so that one without a name or label is seen."""
        return {"containers": set(self.of_project("ps", "--all")), "networks": set(run("docker", "network", "ls", "--quiet").stdout.split()),
                "volumes": set(run("docker", "volume", "ls", "--quiet").stdout.split())}

    def remove(self):
        self.compose("--profile", "demo", "--profile", "monitoring", "down", "--volumes", "--remove-orphans", "--timeout", "5", check=False)


class Cgroup:
    """What the kernel charges to a container; cgroup v1 and v2."""

    def __init__(self, pid):
        with open(f"/proc/{pid}/cgroup", encoding="ascii") as file:
            groups = dict(line.strip().split(":", 2)[1:] for line in file)
        self.v1 = "memory" in groups
        self.path = "/sys/fs/cgroup/memory" + groups["memory"] if self.v1 else "/sys/fs/cgroup" + groups[""]

    def read(self, name):
        with open(os.path.join(self.path, name), encoding="ascii") as file:
            return file.read()

    def peak_bytes(self):
        return int(self.read("memory.max_usage_in_bytes" if self.v1 else "memory.peak"))

    def limit_bytes(self):
        return int(self.read("memory.limit_in_bytes" if self.v1 else "memory.max"))

    def out_of_memory_kills(self):
        return int(re.search(r"^oom_kill (\d+)$", self.read("memory.oom_control" if self.v1 else "memory.events"), re.M)[1])

    def unreclaimable_bytes(self):
        """All but page cache: what must fit."""
        text = self.read("memory.stat")
        value = lambda key: int((re.search(rf"^{key} (\d+)$", text, re.M) or [0, 0])[1])
        return value("total_rss") + int(self.read("memory.kmem.usage_in_bytes")) if self.v1 else value("anon") + value("kernel")


def engine_runs():
    return shutil.which("docker") is not None and run("docker", "info", check=False).returncode == 0
