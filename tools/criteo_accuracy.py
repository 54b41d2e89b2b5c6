#!/usr/bin/env python3
# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Trains the DLRM of ./x demo on Criteo files through a cluster, with several seeds for each optimizer, and compares the means with
those of the same model in PyTorch.

The targets hold for a random sample of 137,139 lines of Kaggle's Criteo set in four files, of which the last tests (32,943 lines):
one epoch in file order, batch 512, all other flags as dlrm has them by default. PyTorch's figures are means of 3 seeds.
Exit status: 0 every mean AUC is within --tolerance of its target, 1 one is not, or something failed.
"""
import argparse
import ctypes
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile

# What PyTorch gets in one process: AUC, log loss, samples/s on two cores (None: not measured).
TARGETS = {
    "adagrad": {"auc": 0.7567, "log_loss": 0.4867, "samples_per_second": 83000},
    "rowwise-adagrad": {"auc": 0.7548, "log_loss": None, "samples_per_second": None},
    "untrained": {"auc": 0.705, "log_loss": None, "samples_per_second": None},
}
PR_SET_PDEATHSIG = 1
STOP_TIMEOUT_S = 60
_libc = ctypes.CDLL(None, use_errno=True)


class RunError(Exception):
    """What went wrong, for the user."""


def end_of(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()[-2000:]


def parse_flags():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build-dir", required=True, help="where bin/rowhouse and bin/dlrm are")
    parser.add_argument("--data", required=True, help="directory of Criteo files; the last by name tests")
    parser.add_argument("--servers", type=int, default=3, help="servers of the cluster (default %(default)s)")
    parser.add_argument("--memory-budget", default="256MiB", help="of each server (default %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each optimizer, with seeds 1, 2, ... (default %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="of the trainer (default %(default)s)")
    parser.add_argument("--optimizers", default=",".join(TARGETS),
                        help="of %(default)s; untrained is the control, whose embeddings stay as they began (default: all)")
    parser.add_argument("--tolerance", type=float, default=0.002, help="of a mean AUC (default %(default)s)")
    parser.add_argument("--json", help="write every run's figures and the means here")
    flags = parser.parse_args()
    flags.optimizers = flags.optimizers.split(",")
    for optimizer in flags.optimizers:
        if optimizer not in TARGETS:
            parser.error(f"--optimizers: want some of {', '.join(TARGETS)}, got {optimizer!r}")
    for name in ("servers", "seeds", "threads"):
        if getattr(flags, name) < 1:
            parser.error(f"--{name} must be at least 1, got {getattr(flags, name)}")
    return flags


def free_addresses(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
    for s in sockets:
        s.close()
    return addresses


def start_servers(flags, rowhouse, directory, addresses):
    def die_with_parent():
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    servers = []
    for i, address in enumerate(addresses):
        command = [rowhouse, "server", "--data-dir", os.path.join(directory, str(i)), "--listen", address, "--http-listen", "",
                   "--memory-budget", flags.memory_budget, "--partitions", "256", "--servers", ",".join(addresses), "--server-index", str(i)]
        with open(os.path.join(directory, f"server-{i}.log"), "wb") as log:
            servers.append(subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=die_with_parent))
    return servers


def stop(servers):
    for server in servers:
        server.terminate()
    for server in servers:
        try:
            server.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def train(flags, dlrm, directory, addresses, optimizer, seed):
    """dlrm's figures (examples/dlrm/report.cc) of one run, in tables of its own."""
    out = os.path.join(directory, f"{optimizer}-{seed}.json")
    how = ["--untrained-embeddings"] if optimizer == "untrained" else ["--optimizer", optimizer]
    done = subprocess.run([dlrm, "--data", flags.data, "--address", ",".join(addresses), "--table-prefix", f"{optimizer}-{seed}.",
                           "--numpy-rand-seed", str(seed), "--threads", str(flags.threads), "--json", out, *how],
                          check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise RunError(f"dlrm ended with status {done.returncode}; its last words:\n{done.stderr[-2000:]}")
    with open(out, encoding="utf-8") as file:
        return json.load(file)


def run_all(flags, directory):
    """The figures of every run: optimizer -> list by seed."""
    addresses = free_addresses(flags.servers)
    rowhouse, dlrm = (os.path.join(flags.build_dir, "bin", name) for name in ("rowhouse", "dlrm"))
    servers = start_servers(flags, rowhouse, directory, addresses)
    runs = {}
    try:
        ready = subprocess.run([rowhouse, "wait", "--for", "ready", "--timeout", "60s", "--address", addresses[0]], check=False,
                               stdout=subprocess.DEVNULL)
        if ready.returncode != 0:
            raise RunError("the servers are not ready; the end of the first one's log:\n" + end_of(os.path.join(directory, "server-0.log")))
        for optimizer in flags.optimizers:
            for seed in range(1, flags.seeds + 1):
                figures = train(flags, dlrm, directory, addresses, optimizer, seed)
                runs.setdefault(optimizer, []).append(figures)
                test = figures["test"]
                print(f"{optimizer}, seed {seed}: auc {test['auc']:.6f}, log loss {test['log_loss']:.6f}, "
                      f"{figures['samples_per_second']:.0f} samples/s, {figures['samples']} samples, {test['samples']} tested", flush=True)
    finally:
        stop(servers)
    return runs


def compare(flags, runs):
    """Prints the means beside their targets; a dictionary of them."""
    means = {}
    print(f"\n{'mean':<16}{'auc':>10}{'PyTorch':>9}{'off by':>9}{'log loss':>10}{'PyTorch':>9}{'samples/s':>11}{'PyTorch':>9}")
    for optimizer, all_figures in runs.items():
        target = TARGETS[optimizer]
        mean = {"auc": statistics.mean(f["test"]["auc"] for f in all_figures),
                "log_loss": statistics.mean(f["test"]["log_loss"] for f in all_figures),
                "samples_per_second": statistics.mean(f["samples_per_second"] for f in all_figures)}
        off = mean["auc"] - target["auc"]
        kept = abs(off) <= flags.tolerance

        def shown(figure, digits, target=target):
            return "-" if target[figure] is None else f"{target[figure]:.{digits}f}"
        print(f"{optimizer:<16}{mean['auc']:>10.6f}{shown('auc', 4):>9}{off:>+9.4f}{mean['log_loss']:>10.6f}{shown('log_loss', 4):>9}"
              f"{mean['samples_per_second']:>11.0f}{shown('samples_per_second', 0):>9}  "
              f"{'within' if kept else 'NOT within'} {flags.tolerance} in AUC")
        means[optimizer] = {**mean, "target": target, "kept": kept}
    return means


def main():
    flags = parse_flags()
    with tempfile.TemporaryDirectory(prefix="rowhouse-criteo-") as directory:
        try:
            runs = run_all(flags, directory)
        except (RunError, OSError) as error:
            print(f"criteo_accuracy: {error}", file=sys.stderr)
            return 1
    means = compare(flags, runs)
    if flags.json:
        with open(flags.json, "w", encoding="utf-8") as file:
            json.dump({"means": means, "runs": runs}, file, indent=2)
            file.write("\n")
    return 0 if all(mean["kept"] for mean in means.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
