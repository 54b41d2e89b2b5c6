#!/usr/bin/env python3
# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""./x check: clang-format, clang-tidy on what changed, layers, sizes and repetition, docs map, buf lint, golden files, shellcheck."""
import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
GOLDEN = os.path.join("tests", "golden")
SUMS = os.path.join(GOLDEN, "SHA256SUMS")
PYPI = ["buf-bin==1.75.0", "lizard==1.24.3"]


def lines(command):
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()


def sources(*patterns):
    return [f for f in lines(["git", "ls-files", "-co", "--exclude-standard", *patterns]) if os.path.exists(os.path.join(ROOT, f))]


def check_format():
    return subprocess.run(["clang-format-14", "--dry-run", "-Werror", *sources("*.cc", "*.h")], cwd=ROOT).returncode == 0


def included_by(headers):
    """A source for each header: the one that implements it, else one that includes it. Headers are looked at through their sources."""
    found = set()
    for header in headers:
        own = os.path.splitext(header)[0] + ".cc"
        if os.path.exists(os.path.join(ROOT, own)):
            found.add(own)
            continue
        users = subprocess.run(["git", "grep", "-l", "-F", f'#include "{header}"', "--", "*.cc"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        found.update(users.stdout.splitlines()[:1])
    return found


def check_tidy(base, most):
    """clang-tidy on the sources and headers that differ from `base`; its configuration is .clang-tidy."""
    if subprocess.run(["git", "rev-parse", "--verify", "-q", base], cwd=ROOT, stdout=subprocess.DEVNULL).returncode != 0:
        print(f"  {base} does not exist here: nothing to compare with")
        return True
    names = lines(["git", "diff", "--name-only", "--diff-filter=d", base, "--", "*.cc", "*.h"])
    changed = sorted({f for f in names if f.endswith(".cc")} | included_by([f for f in names if f.endswith(".h")]))
    if not changed:
        return True
    if len(changed) > most:
        print(f"  {len(changed)} sources differ from {base}; looking at {most} of them (--most-tidy says how many)")
        changed = changed[:: max(1, len(changed) // most)][:most]
    build_dir = "build/clang"  # its compile commands have nothing that only GCC reads
    if not os.path.exists(os.path.join(ROOT, build_dir, "compile_commands.json")):
        if subprocess.run(["./x", "build", "clang", "rowhouse_proto", "rowhouse_grpc"], cwd=ROOT).returncode != 0:
            return False
    with open(os.path.join(ROOT, build_dir, "compile_commands.json"), encoding="utf-8") as file:
        compiled = {os.path.relpath(entry["file"], ROOT) for entry in json.load(file)}
    changed = [f for f in changed if f in compiled]  # not those of test builds only
    command = ["xargs", "-P", str(os.cpu_count()), "-n", "1", "clang-tidy-14", "-p", build_dir, "--quiet", "--warnings-as-errors=*",
               "--extra-arg=-Wno-unknown-warning-option"]
    result = subprocess.run(command, cwd=ROOT, input="\n".join(changed), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if result.returncode != 0:
        print(result.stdout)
    return result.returncode == 0


def check_layers():
    return subprocess.run([sys.executable, "tools/check_layers.py"], cwd=ROOT).returncode == 0


def check_docs_map():
    return subprocess.run([sys.executable, "tools/check_docs_map.py"], cwd=ROOT).returncode == 0


def pypi_tool(name):
    """The command line of a program that PYPI brings, installed apart from the system's Python by the pip that ./x unpacks."""
    folder = os.path.join(ROOT, ".rowhouse", "pypi")
    tool = os.path.join(folder, "bin", name)
    if not os.path.exists(tool):
        pip = os.path.join(ROOT, ".rowhouse", "tools", "pip.whl", "pip")
        subprocess.run(["/usr/bin/python3", pip, "install", "-q", "--disable-pip-version-check", "--root-user-action=ignore", "--upgrade",
                        "--target", folder, *PYPI], check=True)
    return ["env", f"PYTHONPATH={folder}", tool]


def check_sizes():
    return subprocess.run([sys.executable, "tools/check_sizes.py", *pypi_tool("lizard")], cwd=ROOT).returncode == 0


def check_buf():
    return subprocess.run([*pypi_tool("buf"), "lint", "proto"], cwd=ROOT).returncode == 0


def check_golden():
    """Golden files are promises to every client language: their sums change only together with SHA256SUMS."""
    expected = {}
    with open(os.path.join(ROOT, SUMS), encoding="ascii") as sums:
        for line in sums:
            digest, name = line.split()
            expected[name] = digest
    found = {}
    for name in sorted(os.listdir(os.path.join(ROOT, GOLDEN))):
        if name != "SHA256SUMS":
            with open(os.path.join(ROOT, GOLDEN, name), "rb") as file:
                found[name] = hashlib.sha256(file.read()).hexdigest()
    for name in sorted(set(expected) | set(found)):
        if expected.get(name) != found.get(name):
            print(f"  {GOLDEN}/{name}: differs from {SUMS}")
    return expected == found


def check_shell():
    return shutil.which("shellcheck") is not None and subprocess.run(["shellcheck", "x", ".ci/run", "deploy/docker/make_base_image", "bench/peers/install.sh"], cwd=ROOT).returncode == 0


def main():
    parser = argparse.ArgumentParser(prog="./x check", description=__doc__)
    parser.add_argument("--base", default="HEAD~1", help="commit to compare with for clang-tidy (default HEAD~1)")
    parser.add_argument("--most-tidy", type=int, default=40, help="look at no more changed sources than this with clang-tidy (default 40)")
    args = parser.parse_args()
    checks = {"clang-format": check_format, "layers": check_layers, "sizes and repetition": check_sizes, "docs map": check_docs_map, "golden files": check_golden,
              "shellcheck": check_shell, "buf lint": check_buf, "clang-tidy on what changed": lambda: check_tidy(args.base, args.most_tidy)}
    failed = []
    for name, check in checks.items():
        ok = check()
        print(f"{'ok    ' if ok else 'FAILED'} {name}", flush=True)
        if not ok:
            failed.append(name)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
