# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""The image's Dockerfile, docker-compose.yml and what `rowhouse generate compose` writes, read as files, and the Dockerfile's compiling done
here: needs no Docker engine. test_compose.py runs them."""
import difflib
import glob
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import unittest.mock

import yaml
from cluster import BUILD, DLRM, ROWHOUSE, SOURCE, SYNTH, run
from containers import MARGIN_BYTES

sys.path.insert(0, os.path.join(SOURCE, "tools"))
import compose as tool  # noqa: E402

ROOT = pathlib.Path(SOURCE)
SERVERS = ("server-0", "server-1", "server-2")
UNITS = {"m": 1 << 20, "MiB": 1 << 20, "g": 1 << 30, "GiB": 1 << 30}
CLOSING_SECONDS = 5  # beside draining, for the files
IN_THE_BASE_IMAGE = {"libc6", "libgcc-s1"}
# How docker-compose.yml without a checkout differs from the one in the checkout, and where its other files are from.
STANDALONE_CHANGES = """
-# A fixed cluster of three servers on one machine, for docker-compose 1.29 and for the compose plugin. ./x up makes the image and starts it.
+# A fixed cluster of three servers on one machine, for docker-compose 1.29 and for the compose plugin.
-#   ROWHOUSE_IMAGE=rowhouse:0.1.0        made from source when it is not there
+#   ROWHOUSE_IMAGE=rowhouse:0.1.0        must be there: loaded, pulled, or made by ./x up in a checkout
-  build: {context: ., dockerfile: deploy/Dockerfile, target: runtime}
-    build: {context: deploy/docker, dockerfile: prometheus.Dockerfile}
+    build: {context: ., dockerfile: prometheus.Dockerfile}
-      - ./deploy/docker/prometheus.yml:/etc/rowhouse-prometheus/prometheus.yml:ro
-      - ./deploy/prometheus/alerts.yml:/etc/rowhouse-prometheus/alerts.yml:ro
+      - ./prometheus.yml:/etc/rowhouse-prometheus/prometheus.yml:ro
+      - ./alerts.yml:/etc/rowhouse-prometheus/alerts.yml:ro
"""
STANDALONE_COPIES = {"prometheus.yml": "deploy/docker/prometheus.yml", "alerts.yml": "deploy/prometheus/alerts.yml",
                     "prometheus.Dockerfile": "deploy/docker/prometheus.Dockerfile"}


def read(*names):
    return ROOT.joinpath(*names).read_text(encoding="utf-8")


def default(value):
    """A value of docker-compose.yml when no variable is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


def bytes_of(text):
    number, unit = re.fullmatch(r"(\d+)([a-zA-Z]+)", default(text)).groups()
    return int(number) * UNITS[unit]


class Compose(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.document = yaml.safe_load(read("docker-compose.yml"))
        cls.services = cls.document["services"]

    def test_limit_is_the_budget_and_the_margin(self):
        for name in SERVERS:
            service = self.services[name]
            budget = service["environment"]["ROWHOUSE__MEMORY__BUDGET"]
            self.assertEqual(bytes_of(service["mem_limit"]) - bytes_of(budget), MARGIN_BYTES, name)
            self.assertEqual(service["memswap_limit"], service["mem_limit"], f"{name} could swap")
            self.assertRegex(budget, r"^\$\{ROWHOUSE_MEMORY_BUDGET:-")
            self.assertRegex(service["mem_limit"], r"^\$\{ROWHOUSE_MEMORY_LIMIT:-")

    def test_defaults_are_those_that_its_head_tells(self):
        told = dict(re.findall(r"^#   (ROWHOUSE_\w+)=(\S+)", read("docker-compose.yml"), re.M))
        self.assertGreater(len(told), 5)
        used = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", read("docker-compose.yml")))
        self.assertEqual({name: used.get(name) for name in told}, told)

    def test_every_service_is_confined(self):
        for name, service in self.services.items():
            with self.subTest(service=name):
                self.assertIs(service["read_only"], True)
                self.assertEqual((service["cap_drop"], service["security_opt"]), (["ALL"], ["no-new-privileges:true"]))
                self.assertFalse({"privileged", "cap_add", "network_mode", "pid", "user"} & set(service))
                self.assertGreater(bytes_of(service["mem_limit"]), 0)
                for port in service.get("ports", ()):
                    self.assertRegex(default(port), r"^127\.0\.0\.1:\d+:\d+$")

    def test_data_is_in_named_volumes(self):
        named = set(self.document["volumes"])
        for name, service in self.services.items():
            for volume in service["volumes"]:
                source, _, target = volume.partition(":")
                if source.startswith("./"):
                    self.assertTrue(target.endswith(":ro") and (ROOT / source).is_file(), volume)
                else:
                    self.assertIn(source, named, name)
        for name in SERVERS:
            self.assertEqual(self.services[name]["volumes"], [f"{name}:/var/lib/rowhouse"])  # of its own
        self.assertIn('VOLUME ["/var/lib/rowhouse"]', read("deploy", "Dockerfile"))

    def test_a_stop_is_given_the_time_to_drain(self):
        drain_seconds = float(re.search(r"drain\.timeout\s+(\d+)s", run(ROWHOUSE, "config", "show").stdout)[1])
        for name in SERVERS:
            self.assertGreater(float(self.services[name]["stop_grace_period"].rstrip("s")), drain_seconds + CLOSING_SECONDS)

    def test_addresses_are_the_same_inside_and_outside(self):
        for index, name in enumerate(SERVERS):
            environment, (grpc, http) = self.services[name]["environment"], self.services[name]["ports"]
            port = 7600 + index
            self.assertEqual(environment["ROWHOUSE__CLUSTER__SERVERS"].split(",")[index], f"{name}:{port}")
            self.assertEqual((environment["ROWHOUSE__CLUSTER__SERVER_INDEX"], environment["ROWHOUSE__LISTEN__GRPC"]), (str(index), f"0.0.0.0:{port}"))
            self.assertEqual((default(grpc), default(http)), (f"127.0.0.1:{port}:{port}", f"127.0.0.1:{7680 + index}:7680"))


class Generated(unittest.TestCase):
    def test_files_are_those_of_the_tree(self):
        """All that `rowhouse generate compose --out` writes, but for the lines that speak of a checkout."""
        with tempfile.TemporaryDirectory(prefix="rowhouse-compose-") as directory:
            run(ROWHOUSE, "generate", "compose", "--out", directory)
            written = {path.name: path.read_text(encoding="utf-8") for path in pathlib.Path(directory).iterdir()}
        compose = written.pop("docker-compose.yml")
        self.assertEqual(written, {name: read(path) for name, path in STANDALONE_COPIES.items()})
        changes = difflib.unified_diff(read("docker-compose.yml").splitlines(), compose.splitlines(), lineterm="", n=0)
        self.assertEqual([line for line in changes if not re.match(r"---|\+\+\+|@@", line)], STANDALONE_CHANGES.strip().splitlines())
        self.assertEqual(compose, run(ROWHOUSE, "generate", "compose").stdout)


def stages():
    """Instructions of deploy/Dockerfile by stage, each on one line."""
    text = re.sub(r"(?m)^\s*#.*\n", "", read("deploy", "Dockerfile"))
    found = {}
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if begin := re.match(r"FROM (\S+) AS (\S+)$", line):
            found[begin[2]] = []
        elif line.strip():
            found[list(found)[-1]].append(line)
    return found


def packages_of(instructions):
    return [word for line in instructions for part in re.findall(r"apt-get install ([^>&|]*)", line) for word in part.split()
            if not word.startswith("-")]


def packages_of_libraries(*programs):
    """The Debian packages that have the shared libraries which programs name."""
    libraries = set()  # their paths without /usr, which dpkg may know by either name
    for program in programs:
        paths = dict(re.findall(r"^\s*(\S+) => (/\S+)", run("ldd", program).stdout, re.M))
        needed = re.findall(r"NEEDED\s+(\S+)", run("objdump", "-p", program).stdout)
        libraries |= {os.path.realpath(paths[name]).removeprefix("/usr") for name in needed if name in paths}  # all but the loader
    said = run("dpkg-query", "-S", *libraries, *(f"/usr{path}" for path in libraries), check=False).stdout  # fails, as half are not known
    owners = {path.removeprefix("/usr"): package for package, path in re.findall(r"^([a-z0-9.+-]+)(?::\w+)?: (/\S+)$", said, re.M)}
    if libraries - set(owners):
        raise AssertionError(f"of no package: {sorted(libraries - set(owners))}")
    return set(owners.values())


class Ignore:
    """.dockerignore: the last pattern that matches a path or a folder above it decides."""

    def __init__(self):
        lines = [line.strip() for line in read(".dockerignore").splitlines()]
        self.rules = [(line.startswith("!"), self.pattern(line.lstrip("!"))) for line in lines if line and not line.startswith("#")]

    @staticmethod
    def pattern(text):
        pieces = re.split(r"(\*\*/|\*|\?)", text.strip("/"))
        return re.compile("".join({"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}.get(piece, re.escape(piece)) for piece in pieces))

    def takes(self, path):
        """Whether the build may read it."""
        above = [path, *(parent.as_posix() for parent in pathlib.PurePosixPath(path).parents)]
        taken = True
        for keep, pattern in self.rules:
            if any(pattern.fullmatch(name) for name in above if name != "."):
                taken = keep
        return taken


class Dockerfile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stages = stages()
        cls.copied = [source for lines in cls.stages.values() for line in lines if line.startswith("COPY ") and "--from=" not in line
                      for source in line.split()[1:-1]]

    def test_stages(self):
        self.assertEqual(list(self.stages), ["base", "runtime-from-tree", "build", "runtime"])
        self.assertGreater(len(self.copied), 10)

    def test_packages_to_build_are_those_of_x(self):
        of_x = re.search(r'^BUILD_PACKAGES="([^"]*)"', read("x"), re.M)[1].split()
        wanted = packages_of(self.stages["build"])
        self.assertGreater(len(wanted), 20)
        self.assertEqual(sorted(set(wanted) - set(of_x)), [])
        # ./x installs these too, for tests, a cache of the compiler and the commit's name, which no image build needs.
        self.assertEqual(sorted(set(of_x) - set(wanted)), ["ccache", "git", "libgmock-dev", "libgtest-dev"])

    def test_packages_to_run_are_those_of_the_libraries(self):
        needed = packages_of_libraries(ROWHOUSE, DLRM, SYNTH) - IN_THE_BASE_IMAGE
        listed = set(packages_of(self.stages["base"]))
        self.assertEqual(sorted(listed - needed), [])
        come_along = set(re.findall(r"(?:^|, )([a-z0-9.+-]+)", run("dpkg-query", "-W", "-f", "${Depends}\n", *listed).stdout, re.M))
        self.assertEqual(sorted(needed - listed - come_along), [])

    def test_what_is_copied_is_there_and_not_ignored(self):
        ignore = Ignore()
        for source in self.copied:
            if source == ".rowhouse/image/tre[e]":  # made by ./x up; a pattern, for without a tree nothing is copied
                self.assertTrue(ignore.takes(".rowhouse/image/tree/usr/bin/rowhouse"))
                continue
            self.assertTrue((ROOT / source).exists(), source)
            self.assertTrue(ignore.takes(source), source)
            for path in glob.iglob(str(ROOT / source / "**"), recursive=True):
                relative = os.path.relpath(path, ROOT)
                self.assertEqual(ignore.takes(relative), "__pycache__" not in relative, relative)
        for out in ("docs/README.md", "build/release/bin/rowhouse", ".git/HEAD", ".rowhouse/tools/promtool", "tests/CMakeLists.txt"):
            self.assertFalse(ignore.takes(out), out)

    def test_what_the_build_reads_is_copied(self):
        wanted = set(re.findall(r"^ *add_subdirectory\((\w+)\)", read("CMakeLists.txt"), re.M)) - {"bench", "tests"}  # these are off there
        wanted |= set(re.search(r"set\(ROWHOUSE_EMBEDDED ([^)]*)\)", read("client", "cli", "embed_files.cmake"))[1].split())
        self.assertGreater(len(wanted), 8)
        for path in sorted(wanted):
            self.assertTrue(any(pathlib.PurePosixPath(path).is_relative_to(source) for source in self.copied), path)

    def test_what_is_copied_compiles_to_the_same_tree(self):
        """What `./x up` does where it compiles in the image build, without an engine: the instructions of the stage `build`, but for the
        packages, on nothing but what it copies. The compiler's cache has what the build of this test compiled; half a minute."""
        with tempfile.TemporaryDirectory(prefix="rowhouse-stage-") as directory:
            source, tree = pathlib.Path(directory, "source"), pathlib.Path(directory, "tree")
            source.mkdir()
            self.copy_what_is_copied(source)
            environment = dict(os.environ, JOBS="0", CCACHE_BASEDIR=str(source), CCACHE_NOHASHDIR="1",
                               CCACHE_SLOPPINESS="pch_defines,time_macros,include_file_mtime,include_file_ctime")
            steps = [line.removeprefix("RUN ") for line in self.stages["build"] if line.startswith("RUN ") and "apt-get" not in line]
            self.assertEqual(len(steps), 3)
            for step in steps:
                step = re.sub(r"(?<=[ =])/tree\b", str(tree), step).replace("/tmp/configure.log", f"{directory}/configure.log")
                done = subprocess.run(["nice", "sh", "-c", step], cwd=source, env=environment, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
                self.assertEqual(done.returncode, 0, done.stdout[-4000:])
            self.assertEqual(run(tree / "usr" / "bin" / "rowhouse", "version").stdout, run(ROWHOUSE, "version").stdout)
            here = pathlib.Path(directory, "here")
            for component in tool.COMPONENTS:
                run("cmake", "--install", BUILD, "--prefix", "/usr", "--component", component, env=dict(os.environ, DESTDIR=str(here)))
            trees = [{path.relative_to(root).as_posix() for path in root.rglob("*")} for root in (tree, here)]
            self.assertEqual(sorted(trees[0] ^ trees[1]), [])

    def copy_what_is_copied(self, to):
        ignore = Ignore()

        def left_out(folder, names):
            return {name for name in names if not ignore.takes(os.path.relpath(os.path.join(folder, name), ROOT))}
        for line in self.stages["build"]:
            for name in line.split()[1:-1] if line.startswith("COPY ") else ():
                if (ROOT / name).is_dir():
                    shutil.copytree(ROOT / name, to / name, ignore=left_out)
                else:
                    shutil.copy(ROOT / name, to)

    def test_image_labels(self):
        labels = dict(re.findall(r'(org\.opencontainers\.image\.\w+(?:\.\w+)?)="([^"]+)"', read("deploy", "Dockerfile")))
        self.assertEqual(labels["org.opencontainers.image.version"], run(ROWHOUSE, "version").stdout.split()[1])
        self.assertEqual(labels["org.opencontainers.image.licenses"], "Apache-2.0")
        for name in ("source", "revision", "created"):
            self.assertEqual(labels[f"org.opencontainers.image.{name}"], f"${name.upper()}")

    def test_what_labels_say_of_the_source(self):
        with tempfile.TemporaryDirectory(prefix="rowhouse-origin-") as directory:
            self.assertEqual(tool.origin_arguments(directory), [], "no checkout")
            environment = dict(os.environ, GIT_CONFIG_GLOBAL="/dev/null", GIT_COMMITTER_DATE="2026-01-02T03:04:05+02:00",
                               GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a@example.com", GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a@example.com")

            def git(*words):
                return run("git", "-C", directory, *words, env=environment).stdout.strip()
            git("init", "-q")
            git("commit", "-q", "--allow-empty", "-m", "first")
            head = git("rev-parse", "HEAD")
            facts = [f"--build-arg=REVISION={head}", "--build-arg=CREATED=2026-01-02T01:04:05Z"]
            self.assertEqual(tool.origin_arguments(directory), facts)
            for remote, published in (("https://user:secret@example.com/o/rowhouse.git", "https://example.com/o/rowhouse"),
                                      ("git@example.com:o/rowhouse.git", "https://example.com/o/rowhouse"),
                                      ("ssh://git@example.com/o/rowhouse", "https://example.com/o/rowhouse"), ("/srv/rowhouse.git", None)):
                git("config", "remote.origin.url", remote)
                self.assertEqual(tool.origin_arguments(directory), facts + ([f"--build-arg=SOURCE={published}"] if published else []))
            with open(os.path.join(directory, "new"), "w", encoding="utf-8"):
                pass
            self.assertIn(f"--build-arg=REVISION={head}-dirty", tool.origin_arguments(directory))


class WhereItIsCompiled(unittest.TestCase):
    """On Debian 12 here, and the programs are copied into the image; elsewhere, or when asked, in the image build."""

    def build_image(self, debian_12, *words):
        """What ./x up would run: the commands, and whether a tree is made, with nothing of it done."""
        with unittest.mock.patch.object(sys, "argv", ["compose.py", "up", *words]):
            flags = tool.parse_flags()
        commands, trees = [], []

        def note(command, **_):
            commands.append([str(word) for word in command])
            return subprocess.CompletedProcess(command, 0)

        def answer(*command, **_):
            text = "services:\n  server-0:\n    image: rowhouse:test\n" if command[-1] == "config" else "0123\n"
            if command[:2] == ("docker", "build"):
                commands.append([str(word) for word in command])
            return subprocess.CompletedProcess(command, 0, text, "")
        with unittest.mock.patch.multiple(tool, is_debian_12=lambda: debian_12, run=answer, make_install_tree=trees.append,
                                          origin_arguments=lambda _: []), unittest.mock.patch.object(tool.subprocess, "run", note):
            tool.build_image(["docker-compose"], flags)
        return commands, trees

    def assert_compiled_in_the_image(self, commands, trees):
        self.assertEqual(trees, [])
        self.assertEqual([command[:2] for command in commands], [["docker", "build"]])
        self.assertIn("--target runtime ", " ".join(commands[0]) + " ")

    def test_here_on_debian_12(self):
        commands, trees = self.build_image(True)
        self.assertEqual(commands[0][1:], ["build", "release", "rowhouse", "dlrm", "criteo_synth"])
        self.assertEqual(os.path.basename(commands[0][0]), "x")
        self.assertEqual(trees, [ROOT / "build" / "release"])
        self.assertEqual(commands[1][:2], ["docker", "build"])
        self.assertIn("--target runtime-from-tree ", " ".join(commands[1]) + " ")

    def test_in_the_image_elsewhere(self):
        self.assert_compiled_in_the_image(*self.build_image(False))

    def test_in_the_image_when_asked(self):
        self.assert_compiled_in_the_image(*self.build_image(True, "--from-source"))


if __name__ == "__main__":
    unittest.main()
