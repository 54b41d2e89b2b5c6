#!/usr/bin/env python3
# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""clang's thread-safety analysis over our sources, its warnings as errors, without making code: check_thread_safety.py BUILD_DIR [PREFIX].

BUILD_DIR was configured with the preset clang and has the generated headers (targets rowhouse_proto and rowhouse_grpc). PREFIX: only sources
whose path from the project's root begins so.
"""
import concurrent.futures
import json
import os
import shlex
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDERS = ("common", "server", "client", "bench", "examples")


def analyse(entry):
    """What clang says of one source; empty when nothing."""
    words = shlex.split(entry["command"])
    if os.path.basename(words[0]) == "ccache":
        words = words[1:]
    place = words.index("-o")
    command = words[:place] + words[place + 2:] + ["-fsyntax-only"]
    done = subprocess.run(command, cwd=entry["directory"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return "" if done.returncode == 0 else done.stdout or f"{entry['file']}: clang ended with {done.returncode}\n"


def main():
    build_dir, prefix = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    with open(os.path.join(build_dir, "compile_commands.json"), encoding="utf-8") as file:
        entries = {entry["file"]: entry for entry in json.load(file)}  # a source of two targets once
    ours = []
    for path, entry in sorted(entries.items()):
        relative = os.path.relpath(path, ROOT)
        if relative.startswith(tuple(f"{folder}/" for folder in FOLDERS)) and relative.startswith(prefix):
            if "-Wthread-safety" not in entry["command"] and "-Werror=thread-safety" not in entry["command"]:
                print(f"{relative} is compiled without -Wthread-safety")
                return 1
            ours.append(entry)
    if not ours:
        print(f"no source in {build_dir}/compile_commands.json begins with \"{prefix}\"")
        return 1
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        findings = [text for text in pool.map(analyse, ours) if text]
    print("".join(findings), end="")
    print(f"{len(ours)} sources, {len(findings)} with findings", flush=True)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
