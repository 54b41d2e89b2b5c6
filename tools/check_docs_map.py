#!/usr/bin/env python3
# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""docs/architecture.md names every folder with sources, and no folder that is gone; docs/flow.md names only symbols that exist."""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def main():
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, stdout=subprocess.PIPE,
                           text=True).stdout.splitlines()
    folders = {os.path.dirname(f) for f in files if f.endswith((".cc", ".h", ".py", ".proto")) and os.path.exists(os.path.join(ROOT, f))}
    folders.discard("")
    bad = []
    named = set(re.findall(r"`([a-z_]+(?:/[a-z_0-9]+)*)/`", read("docs/architecture.md")))
    for folder in sorted(folders):
        # Unit test folders mirror the source tree, integration tests have a folder for each subject: no line of their own.
        if folder not in named and not folder.startswith(("tests/unit/", "tests/integration/")):
            bad.append(f"docs/architecture.md does not name {folder}/")
    for folder in sorted(named):
        if not os.path.isdir(os.path.join(ROOT, folder)):
            bad.append(f"docs/architecture.md names {folder}/, which is gone")
    for link in re.findall(r"\]\((?!http)([^)#]+)", read("docs/flow.md")):
        if not os.path.exists(os.path.normpath(os.path.join(ROOT, "docs", link))):
            bad.append(f"docs/flow.md links to {link}, which is gone")
    for symbol, link in re.findall(r"\[`(\w+)::(?:\w+)`\]\(([^)#]+)", read("docs/flow.md")):
        path = os.path.normpath(os.path.join("docs", link))
        if os.path.exists(os.path.join(ROOT, path)) and symbol not in read(path):
            bad.append(f"docs/flow.md: {path} does not speak of {symbol}")
    print("\n".join(bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
