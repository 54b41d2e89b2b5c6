#!/usr/bin/env python3
# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Trains the DLRM on Criteo files through a cluster with several seeds and optimizers; prints each AUC and the means as JSON."""
import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build-dir", required=True, help="where bin/rowhouse and bin/dlrm are")
    parser.add_argument("--data", required=True, help="directory of Criteo files; the last by name tests")
    parser.add_argument("--servers", type=int, default=3)
    parser.add_argument("--memory-budget", default="256MiB")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--optimizers", default="adagrad,rowwise-adagrad")
    parser.add_argument("--untrained", action="store_true", help="also the control with untrained embeddings")
    args = parser.parse_args()
    program = lambda name: os.path.join(args.build_dir, "bin", name)  # noqa: E731
    results = []
    with tempfile.TemporaryDirectory(prefix="rowhouse-criteo-") as directory:
        addresses = [f"127.0.0.1:{p}" for p in free_ports(args.servers)]
        processes = []
        try:
            for i in range(args.servers):
                processes.append(subprocess.Popen([program("rowhouse"), "server", "--data-dir", f"{directory}/{i}", "--listen", addresses[i],
                                                   "--http-listen", "", "--memory-budget", args.memory_budget, "--servers", ",".join(addresses),
                                                   "--server-index", str(i), "--log-level", "error"]))
            subprocess.run([program("rowhouse"), "wait", "--for", "ready", "--timeout", "60s", "--address", addresses[0]], check=True)
            runs = [(o, s, []) for o in args.optimizers.split(",") for s in range(1, args.seeds + 1)]
            if args.untrained:
                runs.append(("untrained", 1, ["--untrained-embeddings"]))
            for optimizer, seed, extra in runs:
                out = f"{directory}/{optimizer}-{seed}.json"
                flags = ["--optimizer", optimizer] if optimizer != "untrained" else []
                subprocess.run([program("dlrm"), "--data", args.data, "--address", addresses[0], "--table-prefix", f"{optimizer}{seed}.",
                                "--numpy-rand-seed", str(seed), "--print-freq", "1000000", "--json", out, *flags, *extra], check=True,
                               stdout=subprocess.DEVNULL)
                with open(out, encoding="utf-8") as file:
                    figures = json.load(file)
                results.append({"optimizer": optimizer, "seed": seed, **figures})
                print(json.dumps(results[-1]), file=sys.stderr, flush=True)
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait()
    means = {}
    for optimizer in dict.fromkeys(r["optimizer"] for r in results):
        means[optimizer] = statistics.mean(r["auc"] for r in results if r["optimizer"] == optimizer)
    print(json.dumps({"mean_auc": means}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
