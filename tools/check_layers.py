#!/usr/bin/env python3
# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Who may include whom. Fails on an include that the arrows below do not allow, and on library headers outside their folders."""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Folder -> folders of ours whose headers it may include, beside its own. The longest matching prefix counts.
MAY_INCLUDE = {
    "common": [],
    "common/routing": ["common"],
    "common/schema": ["common"],
    "server/optimizer": ["common", "common/schema"],
    "server/initializer": ["common", "common/schema"],
    "server/spill": ["common", "common/routing"],
    "server/row": ["common", "common/routing", "server/spill"],
    "server/log": ["common", "common/schema"],
    "server/table": ["common", "common/schema", "server/row", "server/log", "server/optimizer", "server/initializer"],
    "server/partition": ["common", "common/routing", "common/schema", "server/table", "server/log", "server/row", "server/optimizer"],
    # The catalog puts what the cluster agreed on into this server's tables and partitions.
    "server/meta": ["common", "common/routing", "common/schema", "server/table", "server/partition", "server/log"],
    "server/checkpoint": ["common", "common/routing", "common/schema", "server/optimizer", "server/partition", "server/log", "server/row", "server/table", "server/spill", "server/meta"],
    "server/rpc": ["common", "common/routing", "common/schema", "server/partition", "server/table", "server/log", "server/row", "server/meta",
                   "server/checkpoint"],
    # The composition root.
    "server": ["*"],
    # "local:" is one of the two places that compose client and server; only its transport may.
    "client/cpp": ["common", "common/routing", "common/schema"],
    "client/cpp/src/local_transport": ["common", "client/cpp", "server", "server/rpc"],
    "client/cpp/src/local_server": ["common", "client/cpp", "server", "server/rpc"],
    # The rowhouse binary is the other.
    "client/cli": ["common", "common/routing", "common/schema", "client/cpp", "server"],
    # It reads what servers have left on a disk.
    "client/cli/log": ["common", "common/schema", "client/cli", "server/log"],
    # It reads and restores checkpoints without a server.
    "client/cli/checkpoint": ["common", "common/routing", "common/schema", "client/cpp", "client/cli", "server", "server/checkpoint"],
    "client/cli/bench": ["common", "client/cpp", "client/cli", "server"],
    "bench": ["*"],
    "examples": ["common", "client/cpp"],
    "tests": ["*"],
}
# Header prefixes of libraries -> where they may be included.
LIBRARIES = {
    r"rocksdb/": ["server/spill", "tests/contract", "tests/unit/server/spill", "tests/crash", "bench"],
    r"(grpc|grpcpp)/|.*\.grpc\.pb\.h": ["server/rpc", "server/meta", "server/server.cc", "client/cpp", "tests", "bench"],
    r"rowhouse/.*\.pb\.h": ["common/schema", "server/rpc", "server/meta", "client/cpp", "tests", "bench"],
    r"hwy/": ["server/optimizer"],
    r"httplib\.h": ["server", "client/cli", "tests"],
    r"Eigen/": ["examples", "tests/unit/examples"],
}
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.M)
OURS = ("common/", "server/", "client/", "bench/", "examples/", "tests/", "rowhouse/client.h")


def layer_of(path):
    best = max((k for k in MAY_INCLUDE if path == k or path.startswith(k + "/") or path.startswith(k + ".")), key=len, default=None)
    return best


def target_layer(include):
    if include.startswith("rowhouse/") and not include.endswith(".pb.h"):
        return "client/cpp"
    return layer_of(os.path.dirname(include)) if include.startswith(OURS) else None


def main():
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.cc", "*.h"], cwd=ROOT, check=True,
                           stdout=subprocess.PIPE, text=True).stdout.splitlines()
    bad = []
    for path in files:
        full = os.path.join(ROOT, path)
        if not os.path.exists(full):
            continue
        layer = layer_of(path)
        if layer is None:
            bad.append(f"{path}: in no folder that tools/check_layers.py names")
            continue
        with open(full, encoding="utf-8") as source:
            text = source.read()
        for include in INCLUDE.findall(text):
            target = target_layer(include)
            allowed = MAY_INCLUDE[layer]
            if target is not None and target != layer and "*" not in allowed and target not in allowed:
                bad.append(f"{path}: {layer} may not include {include} ({target})")
            for pattern, places in LIBRARIES.items():
                if re.match(pattern, include) and not any(path == p or path.startswith(p + "/") for p in places):
                    bad.append(f"{path}: {include} may be included only in {', '.join(places)}")
    print("\n".join(bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
