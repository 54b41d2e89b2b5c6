# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""The Debian packages: made from the build, installed in a clean container, run there as the unit would, removed, purged, nothing left.

The container needs a Docker engine, the rest does not. The base image is made by debootstrap if it is not there.
"""
import glob
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import unittest

from cluster import BUILD, SOURCE, run, wait_until
from containers import engine_runs

IMAGE = "rowhouse-base:bookworm"
CONSUMER = os.path.join(SOURCE, "tests", "consumers", "find_package")
NAMES = ("librowhouse-dev", "librowhouse0.1", "rowhouse")
COMPLETIONS = {"bash": "/usr/share/bash-completion/completions/rowhouse", "zsh": "/usr/share/zsh/vendor-completions/_rowhouse",
               "fish": "/usr/share/fish/vendor_completions.d/rowhouse.fish"}


def mirror():
    """Where this machine has its Debian packages from."""
    for path in (*sorted(glob.glob("/etc/apt/sources.list.d/*.sources")), "/etc/apt/sources.list"):
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                found = re.search(r"^(?:URIs:|deb(?: \[[^]]*\])?)\s+(\S+)", file.read(), re.M)
            if found:
                return found[1]
    raise AssertionError("no Debian mirror in /etc/apt/sources.list or /etc/apt/sources.list.d/*.sources")


def make_base_image():
    if run("docker", "image", "inspect", IMAGE, check=False).returncode == 0:
        return
    root = tempfile.mkdtemp(prefix="rowhouse-base-")
    try:
        run("debootstrap", "--variant=minbase", "bookworm", root, mirror(), timeout=900)
        archive = subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE)
        run("docker", "import", "-", IMAGE, stdin=archive.stdout)
        archive.stdout.close()
        if archive.wait() != 0:
            raise AssertionError("tar could not pack the base image")
    finally:
        shutil.rmtree(root)


class Container:
    """A clean Debian with this machine's package sources, proxies and certificates; gone at the end."""

    def __init__(self, packages):
        proxies = [f"--env={name}" for name in ("http_proxy", "https_proxy", "no_proxy") if name in os.environ]
        self.name = f"rowhouse-deb-{os.getpid()}"
        run("docker", "run", "--detach", "--name", self.name, f"--volume={packages}:/packages:ro",
            "--volume=/etc/ssl/certs:/etc/ssl/certs:ro", *proxies, IMAGE, "sleep", "infinity")
        self.shell("rm -f /etc/dpkg/dpkg.cfg.d/docker*")  # a slim image leaves out man pages, which are looked at here
        sources = [path for path in ("/etc/apt/sources.list", "/etc/apt/sources.list.d/debian.sources") if os.path.exists(path)]
        if sources:
            self.shell("rm -f /etc/apt/sources.list")
            for path in sources:
                run("docker", "cp", path, f"{self.name}:{path}")
        proxy = run("apt-config", "dump", "--format", "%f \"%v\";%n", "Acquire::http::Proxy", "Acquire::https::Proxy").stdout
        self.shell(f"printf %s {shlex.quote(proxy)} >/etc/apt/apt.conf.d/90proxy")

    def shell(self, command, user="root", check=True, timeout=600):
        return run("docker", "exec", "--user", user, "--env=DEBIAN_FRONTEND=noninteractive", self.name, "sh", "-c", command,
                   check=check, timeout=timeout)

    def remove(self):
        run("docker", "rm", "--force", self.name)


class Packages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="rowhouse-deb-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        run("cpack", "-G", "DEB", "--config", os.path.join(BUILD, "CPackConfig.cmake"), "-B", cls.folder, timeout=600)
        os.chmod(cls.folder, 0o755)
        cls.debs = sorted(glob.glob(os.path.join(cls.folder, "*.deb")))

    def test_three_packages_with_the_libraries_they_need(self):
        self.assertEqual([os.path.basename(path).split("_")[0] for path in self.debs], list(NAMES))
        needs = {path: run("dpkg-deb", "--field", path, "Depends").stdout for path in self.debs}
        for word in ("libgrpc++1.51", "librocksdb7.8", "libmimalloc2.0", "adduser"):
            self.assertIn(word, needs[self.debs[2]])
        self.assertRegex(needs[self.debs[0]], r"librowhouse0\.1 \(= [0-9.]+\), libabsl-dev")
        self.assertNotIn("-dev", needs[self.debs[1]] + needs[self.debs[2]])
        # Configuration is a conffile: an upgrade does not overwrite what somebody wrote there.
        self.assertEqual(run("dpkg-deb", "--info", self.debs[2], "conffiles").stdout, "/etc/rowhouse/rowhouse.yaml\n")

    def test_without_man_pages_there_is_no_package(self):
        empty = os.path.join(self.folder, "empty")
        os.makedirs(empty)
        refused = run("cmake", f"-DCPACK_TEMPORARY_DIRECTORY={empty}", "-P", os.path.join(SOURCE, "cmake", "package_check.cmake"),
                      check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("install help2man and try again", refused.stderr)

    def test_development_package_builds_a_program(self):
        """Unpacked here: a compiler in the container would be hundreds of MB."""
        root = os.path.join(self.folder, "root")
        for deb in self.debs[:2]:
            run("dpkg-deb", "--extract", deb, root)
        build = os.path.join(self.folder, "consumer")
        run("cmake", "-G", "Ninja", "-S", CONSUMER, "-B", build, f"-DCMAKE_PREFIX_PATH={root}/usr")
        run("cmake", "--build", build)
        run(os.path.join(build, "consumer"))

    def test_round_trip(self):
        if not engine_runs():
            self.skipTest("needs a Docker engine")
        make_base_image()
        container = Container(self.folder)
        self.addCleanup(container.remove)
        container.shell("apt-get update -qq")
        before = container.shell("dpkg-query -W -f '${Package}\\n'").stdout.split()
        install = "apt-get install -y -qq --no-install-recommends"
        said = container.shell(f"{install} {' '.join(f'/packages/{name}_*.deb' for name in NAMES)}").stdout
        self.assertIn("edit /etc/rowhouse/rowhouse.yaml, then: systemctl enable --now rowhouse", said)
        self.check_installed(container)
        self.run_as_the_unit_does(container)
        self.check_kept_configuration(container)
        self.check_removal(container, before)

    def check_installed(self, container):
        for path in ("/usr/bin/rowhouse", "/etc/rowhouse/rowhouse.yaml", "/usr/lib/systemd/system/rowhouse.service",
                     "/usr/lib/librowhouse.so.0.1", "/usr/share/man/man1/rowhouse.1.gz", "/usr/share/doc/rowhouse/copyright",
                     "/usr/lib/librowhouse.so", "/usr/include/rowhouse/client.h", "/usr/lib/cmake/rowhouse/rowhouseConfig.cmake",
                     "/usr/lib/pkgconfig/rowhouse.pc", "/usr/share/rowhouse/proto/rowhouse/v1/embedding_service.proto"):
            container.shell(f"test -s {path}")
        for shell, path in COMPLETIONS.items():
            container.shell(f"rowhouse completion {shell} | cmp - {path}")
        self.assertRegex(container.shell("gzip -dc /usr/share/man/man1/rowhouse-table-create.1.gz").stdout, "(?i)create a table")
        self.assertRegex(container.shell("getent passwd rowhouse").stdout,
                         "^rowhouse:x:[0-9]+:[0-9]+:.*:/var/lib/rowhouse:/usr/sbin/nologin$")
        self.assertEqual(container.shell("stat -c '%U:%G %a' /var/lib/rowhouse").stdout, "rowhouse:rowhouse 750\n")
        self.assertRegex(container.shell("rowhouse version").stdout, r"^rowhouse \d+\.\d+\.\d+")
        self.assertEqual(container.shell(f"dpkg --verify {' '.join(NAMES)}").stdout, "")

    def check_kept_configuration(self, container):
        """A second installation over the first one keeps what the operator wrote, and the rows."""
        container.shell("echo '# mine' >>/etc/rowhouse/rowhouse.yaml")
        said = container.shell("apt-get install -y -qq --reinstall /packages/rowhouse_*.deb").stdout
        self.assertNotIn("systemctl enable --now", said)
        self.assertIn("# mine\n", container.shell("cat /etc/rowhouse/rowhouse.yaml").stdout)
        container.shell("test -e /var/lib/rowhouse/log")

    def run_as_the_unit_does(self, container):
        start = re.search(r"^ExecStart=(.*)$", container.shell("cat /usr/lib/systemd/system/rowhouse.service").stdout, re.M)[1]
        server = subprocess.Popen(["docker", "exec", "--user", "rowhouse", "--workdir", "/var/lib/rowhouse", container.name, "sh", "-c",
                                   f"echo $$ >/tmp/pid; exec {start}"], stderr=subprocess.PIPE, text=True)
        try:
            container.shell("rowhouse wait --timeout 60s", user="nobody")
            container.shell("rowhouse table create user --dim 4", user="nobody")
            self.assertIn("user", container.shell("rowhouse table list", user="nobody").stdout)
            container.shell("kill -TERM $(cat /tmp/pid) && rm /tmp/pid")
            wait_until(lambda: server.poll() is not None, "the server to stop after SIGTERM")
            self.assertEqual(server.returncode, 0, server.stderr.read())
        finally:
            if server.poll() is None:
                server.send_signal(signal.SIGKILL)  # the client; the server goes with its container
                server.wait()
            server.stderr.close()
        self.assertIn("IDENTITY", container.shell("ls /var/lib/rowhouse").stdout.upper())

    def check_removal(self, container, before):
        said = container.shell(f"apt-get remove -y -qq {' '.join(NAMES)}").stdout
        self.assertIn("/var/lib/rowhouse and its rows are kept", said)
        self.assertNotEqual(container.shell("command -v rowhouse", check=False).returncode, 0)
        container.shell("test -e /var/lib/rowhouse/log && test -e /etc/rowhouse/rowhouse.yaml")
        said = container.shell(f"apt-get purge -y -qq {' '.join(NAMES[1:])}").stdout  # of the first one nothing was left
        self.assertIn("deleting /var/lib/rowhouse with all rows", said)
        # Its dependencies go as apt removes any; what is left then is what was there before.
        container.shell("apt-get autoremove --purge -y -qq")
        self.assertLessEqual(set(container.shell("dpkg-query -W -f '${Package}\\n'").stdout.split()), set(before))
        self.assertEqual(container.shell("find / -xdev -name '*rowhouse*' -not -path '/proc/*' -not -path '/packages/*'").stdout, "")
        self.assertEqual(container.shell("find / -xdev '(' -nouser -o -nogroup ')' -not -path '/proc/*'").stdout, "")
        self.assertNotEqual(container.shell("getent passwd rowhouse", check=False).returncode, 0)


if __name__ == "__main__":
    unittest.main()
