# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""`cmake --install` into an empty prefix: what lies there, what the library shows, and a ten-line program that finds it in each of
three ways. Nothing of Rowhouse is built again."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

from cluster import BUILD, SOURCE, free_ports, promtool, run

CONSUMERS = os.path.join(SOURCE, "tests", "consumers")
README_PROGRAM = """#include <rowhouse/client.h>

#include <vector>

int main() {
  const std::vector<uint64_t> ids{7, 42};
  std::vector<float> rows(ids.size() * 16);
  const std::vector<float> gradients(rows.size(), 1.0f);
%s  return pulled.ok() && flushed.ok() && client->DescribeTable("user").ok() ? 0 : 1;
}
"""
METRICS_PROGRAM = """#include <rowhouse/client.h>

#include <cstdio>
#include <vector>

int main() {
  auto client = rowhouse::Client::Connect({.address = "local:"}).value();
  auto table = client->CreateTable({.name = "t", .dim = 2}).value();
  const std::vector<uint64_t> ids{7, 8, 9};
  std::vector<float> rows(ids.size() * 2, 1.0f);
  if (!client->Push({{table, ids, rows}}).ok()) return 1;
  if (!client->Pull({{table, ids, absl::MakeSpan(rows)}}).ok()) return 1;
  std::fputs(client->MetricsText().c_str(), stdout);
  return 0;
}
"""
HEADERS = os.path.join(SOURCE, "client", "cpp", "include", "rowhouse")


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="rowhouse-install-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.prefix = os.path.join(cls.folder, "prefix")
        run("cmake", "--install", BUILD, "--prefix", cls.prefix)
        cls.shared_object = os.path.join(cls.prefix, "lib", "librowhouse.so.0.1")

    def path(self, *names):
        return os.path.join(self.prefix, *names)


class Files(Installed):
    def test_everything_is_there(self):
        for name in ("bin/rowhouse", "lib/librowhouse.so", "lib/librowhouse.so.0.1", "include/rowhouse/client.h", "lib/pkgconfig/rowhouse.pc",
                     "lib/cmake/rowhouse/rowhouseConfig.cmake", "lib/cmake/rowhouse/rowhouseConfigVersion.cmake",
                     "share/rowhouse/proto/rowhouse/v1/embedding_service.proto", "share/doc/rowhouse/LICENSE", "share/doc/rowhouse/runbooks/RowhouseServerDown.md",
                     "lib/systemd/system/rowhouse.service", "libexec/rowhouse/dlrm", "libexec/rowhouse/criteo_synth"):
            self.assertTrue(os.path.exists(self.path(name)), name)
        self.assertFalse(os.path.exists(self.path("share/rowhouse/proto/rowhouse/internal")))
        self.assertEqual(sorted(os.listdir(self.path("include/rowhouse"))), sorted(os.listdir(HEADERS)))
        if os.path.exists(os.path.join(SOURCE, "deploy", "config", "rowhouse.yaml")):
            self.assertTrue(os.path.exists(self.path("etc/rowhouse/rowhouse.yaml")))
        self.assertIn("rowhouse ", run(self.path("bin/rowhouse"), "version").stdout)

    def test_what_the_program_says_of_itself(self):
        """Completions where the program has the command, man pages where help2man is installed: one a leaf of the command tree."""
        for shell, name in (("bash", "bash-completion/completions/rowhouse"), ("zsh", "zsh/site-functions/_rowhouse"),
                            ("fish", "fish/vendor_completions.d/rowhouse.fish")):
            said = run(self.path("bin/rowhouse"), "completion", shell, check=False)
            if said.returncode == 0:
                with open(self.path("share", name), encoding="utf-8") as file:
                    self.assertEqual(file.read(), said.stdout)
        if shutil.which("help2man"):
            pages = set(os.listdir(self.path("share/man/man1")))
            self.assertLessEqual({"rowhouse.1.gz", "rowhouse-server.1.gz", "rowhouse-table-create.1.gz", "rowhouse-row-get.1.gz"}, pages)
            self.assertNotIn("rowhouse-table.1.gz", pages)

    def test_no_path_of_the_build_machine(self):
        for name in ("lib/cmake/rowhouse", "lib/pkgconfig", "lib/systemd/system"):
            for file in os.listdir(self.path(name)):
                with open(self.path(name, file), encoding="utf-8") as text:
                    self.assertNotIn(SOURCE, text.read(), file)
        for file in ("bin/rowhouse", "lib/librowhouse.so.0.1"):
            self.assertNotRegex(run("readelf", "-d", self.path(file)).stdout, "RPATH|RUNPATH")

    def test_unit_says_the_prefix(self):
        with open(self.path("lib/systemd/system/rowhouse.service"), encoding="utf-8") as unit:
            text = unit.read()
        self.assertIn(f"ExecStart={self.path('bin/rowhouse')} server --config {self.path('etc/rowhouse/rowhouse.yaml')} ", text)

    def test_systemd_accepts_the_unit(self):
        """systemd need not run here; its checker must be there."""
        self.assertTrue(shutil.which("systemd-analyze"), "systemd-analyze is missing: ./x test installs it, or apt-get install systemd")
        unit = self.path("lib/systemd/system/rowhouse.service")
        said = run("systemd-analyze", "verify", "--man=no", unit)
        self.assertNotIn("rowhouse.service:", said.stdout + said.stderr)
        run("systemd-analyze", "security", "--offline=true", "--threshold=15", unit)

    def test_prefix_usr_is_configured_in_etc(self):
        stage = os.path.join(self.folder, "stage")
        run("cmake", "--install", BUILD, "--prefix", "/usr", "--component", "server", env=dict(os.environ, DESTDIR=stage))
        with open(os.path.join(stage, "usr/lib/systemd/system/rowhouse.service"), encoding="utf-8") as unit:
            self.assertIn("ExecStart=/usr/bin/rowhouse server --config /etc/rowhouse/rowhouse.yaml ", unit.read())
        self.assertFalse(os.path.exists(os.path.join(stage, "usr/etc")))
        self.assertFalse(os.path.exists(os.path.join(stage, "usr/include")), "another component's files")


class Library(Installed):
    def test_soname(self):
        self.assertRegex(run("readelf", "-d", self.shared_object).stdout, r"SONAME.*\[librowhouse\.so\.0\.1\]")

    def test_shows_the_public_classes_alone(self):
        lines = run("nm", "-DC", "--defined-only", self.shared_object).stdout.splitlines()
        shown = {re.sub(r"@@?ROWHOUSE_0$", "", line.split(" ", 2)[2]) for line in lines if " A " not in line}
        strangers = [name for name in shown if not name.startswith("rowhouse::Client::")]
        self.assertEqual(sorted(strangers)[:5], [])
        archive = os.path.join(BUILD, "client", "cpp", "src", "librowhouse_client.a")
        built = run("nm", "-C", "--defined-only", archive).stdout.splitlines()
        methods = {line.split(" ", 2)[2] for line in built if " T rowhouse::Client::" in line}
        self.assertGreater(len(methods), 20)
        self.assertEqual(methods - shown, set())

    def test_headers_stand_alone_and_show_abseil_only(self):
        alone = os.path.join(self.folder, "alone.cc")
        for name in sorted(os.listdir(HEADERS)):
            with open(alone, "w", encoding="utf-8") as file:
                file.write(f"#include <rowhouse/{name}>\n")
            installed = self.path("include", "rowhouse", name)
            with open(installed, encoding="utf-8") as file:
                text = file.read()
            self.assertNotRegex(text, r"grpc::|google::|protobuf::|rocksdb::|\.pb\.h", name)
            for include in re.findall(r"^\s*#\s*include\s*(\S+)", text, re.M):
                self.assertRegex(include, r'^<[a-z_]+>$|^"absl/[a-z_/]+\.h"$|^"rowhouse/[a-z_]+\.h"$', name)
            for standard in ("c++17", "c++20"):
                run("c++", f"-std={standard}", "-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only",
                    "-I", self.path("include"), alone)
            # None by way of another header either.
            used = run("c++", "-std=c++20", "-M", "-I", self.path("include"), alone).stdout
            self.assertIn(installed, used)
            self.assertNotRegex(used, r"/(grpc|grpcpp|google|rocksdb)/")


class Consumers(Installed):
    def build_folder(self, name):
        folder = os.path.join(self.folder, name)
        os.makedirs(folder, exist_ok=True)
        return folder

    def test_find_package(self):
        build = self.build_folder("find_package")
        run("cmake", "-G", "Ninja", "-S", os.path.join(CONSUMERS, "find_package"), "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}")
        run("cmake", "--build", build)
        run(os.path.join(build, "consumer"))
        linked = run("ldd", os.path.join(build, "consumer")).stdout
        self.assertIn(f"librowhouse.so.0.1 => {self.prefix}/lib/librowhouse.so.0.1", linked)

    def test_find_package_passes_the_build_tree_by(self):
        """Whose bin is in PATH, as the tutorial has it: CMake looks for packages beside each such folder."""
        source = self.build_folder("beside_path")
        with open(os.path.join(source, "CMakeLists.txt"), "w", encoding="utf-8") as file:
            file.write("cmake_minimum_required(VERSION 3.25)\nproject(beside LANGUAGES CXX)\nfind_package(rowhouse CONFIG)\n"
                       "message(STATUS \"found in <${rowhouse_DIR}>\")\n")
        environment = dict(os.environ, PATH=f"{BUILD}/bin:{os.environ['PATH']}")
        for name, words, where in (("without", (), None), ("with", (f"-DCMAKE_PREFIX_PATH={self.prefix}",), self.prefix)):
            said = run("cmake", "-G", "Ninja", "-S", source, "-B", os.path.join(source, name), *words, env=environment).stdout
            found = re.search("found in <(.*)>", said)[1]
            self.assertFalse(found.startswith(BUILD), found)
            if where is not None:
                self.assertEqual(found, os.path.join(where, "lib/cmake/rowhouse"))

    def test_find_package_of_another_version(self):
        source = self.build_folder("other_version")
        with open(os.path.join(source, "CMakeLists.txt"), "w", encoding="utf-8") as file:
            file.write("cmake_minimum_required(VERSION 3.25)\nproject(other LANGUAGES CXX)\nfind_package(rowhouse 0.999 CONFIG REQUIRED)\n")
        refused = run("cmake", "-G", "Ninja", "-S", source, "-B", os.path.join(source, "build"), f"-DCMAKE_PREFIX_PATH={self.prefix}",
                      check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("rowhouseConfig.cmake, version: 0.1", refused.stderr)

    def test_pkg_config(self):
        build = self.build_folder("pkg_config")
        makefile = os.path.join(CONSUMERS, "pkg_config", "Makefile")
        program = os.path.join(build, "consumer")
        run("make", "-C", os.path.dirname(makefile), "consumer", f"LDFLAGS=-Wl,-rpath,{self.prefix}/lib", f"OUT={program}",
            env=dict(os.environ, PKG_CONFIG_PATH=self.path("lib/pkgconfig")))
        run(program)

    def test_add_subdirectory(self):
        """Configured from the source tree, compiled and linked by the steps that come of naming one target, but with the library that is
        built already, for the same sources: to build them a second time takes minutes."""
        build = self.build_folder("add_subdirectory")
        run("cmake", "-G", "Ninja", "-S", os.path.join(CONSUMERS, "add_subdirectory"), "-B", build, "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON")
        steps = run("ninja", "-C", build, "-t", "commands", "consumer").stdout
        self.assertIn("rowhouse/lib/librowhouse.so", steps)
        for part in ("tests/", "bench/", "examples/", "client/cli/"):
            self.assertNotIn(f" rowhouse/{part}", steps)
        for part in ("rowhouse/tests", "rowhouse/bench", "rowhouse/examples"):
            self.assertFalse(os.path.exists(os.path.join(build, part)), part)
        with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
            command = next(c["command"] for c in json.load(file) if c["file"].endswith("consumer.cc"))
        for flag in ("-Werror", "-Wall", "-ffp-contract", "-fstack-protector", "_GLIBCXX_ASSERTIONS"):
            self.assertNotIn(flag, command, "a flag of ours in the project that adds us")
        run("ninja", "-C", build, next(t.split(":")[0] for t in run("ninja", "-C", build, "-t", "targets", "all").stdout.splitlines()
                                       if t.split(":")[0].endswith("consumer.cc.o")))
        found = [os.path.join(folder, name) for folder, _, names in os.walk(build) for name in names if name == "consumer.cc.o"]
        self.assertEqual(len(found), 1)
        shutil.copytree(os.path.join(BUILD, "lib"), os.path.join(build, "rowhouse", "lib"), symlinks=True, dirs_exist_ok=True)
        run("bash", "-c", steps.splitlines()[-1], cwd=build)
        run(os.path.join(build, "consumer"))

    def test_the_block_of_the_readme(self):
        """Word for word, but for a server inside of the program."""
        with open(os.path.join(SOURCE, "README.md"), encoding="utf-8") as readme:
            (block,) = re.findall(r"^```cpp\n(.*?)^```$", readme.read(), re.M | re.S)
        self.assertIn('"127.0.0.1:7600"', block)
        self.compile_and_run("readme", README_PROGRAM % block.replace("127.0.0.1:7600", "local:"))

    def test_what_the_client_counts_is_as_prometheus_wants_it(self):
        text = self.compile_and_run("metrics", METRICS_PROGRAM).stdout
        with open(os.path.join(SOURCE, "docs", "reference", "metrics.md"), encoding="utf-8") as page:
            documented = set(re.findall(r"^\| `(rowhouse_client_\w+)`", page.read(), re.M))
        self.assertEqual(set(re.findall(r"^# TYPE (\S+) (?:counter|gauge|histogram)$", text, re.M)), documented)
        self.assertRegex(text, r"(?m)^rowhouse_client_pulled_rows_total 3$")
        checked = promtool("check", "metrics", input=text)
        self.assertEqual((checked.returncode, checked.stdout), (0, ""))

    def compile_and_run(self, name, text):
        """A program of one file, built against what is installed, without CMake."""
        build = self.build_folder(name)
        source, program = os.path.join(build, name + ".cc"), os.path.join(build, name)
        with open(source, "w", encoding="utf-8") as file:
            file.write(text)
        run("c++", "-std=c++20", "-Wall", "-Wextra", "-Werror", "-Wno-missing-field-initializers", "-o", program, source,
            "-I", self.path("include"), "-L", self.path("lib"), f"-Wl,-rpath,{self.path('lib')}", "-lrowhouse",
            *run("pkg-config", "--libs", "absl_status", "absl_statusor", "absl_span").stdout.split())
        return run(program)


class Service(Installed):
    def test_tells_the_service_manager(self):
        """READY=1 when it listens, its state, WATCHDOG=1 as asked for, STOPPING=1 before the drain."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            name = os.path.join(self.folder, "notify")
            manager.bind(name)
            manager.settimeout(60)
            ports = free_ports(2)
            server = subprocess.Popen([self.path("bin/rowhouse"), "server", "--data-dir", os.path.join(self.folder, "data"),
                                       "--memory-budget", "128MiB", "--partitions", "4",
                                       "--listen", f"127.0.0.1:{ports[0]}", "--http-listen", f"127.0.0.1:{ports[1]}"],
                                      env=dict(os.environ, NOTIFY_SOCKET=name, WATCHDOG_USEC="200000"), stderr=subprocess.PIPE, text=True)
            self.addCleanup(server.stderr.close)
            try:
                self.assertTrue(manager.recv(4096).startswith(b"READY=1\nSTATUS="))
                self.assertTrue(manager.recv(4096).startswith(b"WATCHDOG=1"))
                run(self.path("bin/rowhouse"), "table", "create", "t", "--dim", "4", "--address", f"127.0.0.1:{ports[0]}")
                server.send_signal(signal.SIGTERM)
                while not (message := manager.recv(4096)).startswith(b"STOPPING=1"):
                    self.assertRegex(message, b"^WATCHDOG=1|^STATUS=")
                self.assertEqual(server.wait(60), 0, server.stderr.read())
            finally:
                server.kill()
                server.wait()


if __name__ == "__main__":
    unittest.main()
