#!/usr/bin/env python3
# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Trains a DLRM through a small Rowhouse cluster on this machine and checks what Rowhouse promises.

Starts the servers, trains through them on a file of tables several times larger than their memory, tests, trains the in-process
twin and a control on the same file, and prints the figures. Stops and removes all it started, also after Ctrl-C or an error.
Exit status: 0 all promises kept, 1 a promise was missed or something failed, 130 interrupted.
"""
import argparse
import ctypes
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import folder_owner

ROOT = pathlib.Path(__file__).resolve().parent.parent
READY_TIMEOUT_S = 30
STOP_TIMEOUT_S = 60
TRAINER_STOP_TIMEOUT_S = 10
WARM_START_S = 15          # a run that finds its data begins to train within this
ROWS_OVER_MEMORY = 4       # rows written / memory of all servers
SPILL_SHARE = 0.2          # of pulled rows, read from spill
CONTROL_GAP = 0.05         # AUC above untrained embeddings
TWIN_GAP, QUICK_TWIN_GAP = 0.003, 0.01
# Rows of 64 floats and 64 accumulators, ids of the long tails about four times each: most of a table is cold, and is read again.
FULL = ["--rows", "650000", "--test-rows", "60000", "--tail-spread", "0.5"]
FULL_MODEL = ["--arch-sparse-feature-size", "64", "--arch-mlp-bot", "13-64-64", "--arch-mlp-top", "64-1", "--pushes-in-flight", "4"]
QUICK = ["--rows", "120000", "--test-rows", "20000", "--cardinality-scale", "0.2"]
VARIES = """The AUC through Rowhouse is a little different in each run: batches are pulled ahead of the last pushes, and it
is a matter of time which of these a row has already."""
QUICK_CHECKS_LESS = f"""--quick allows a gap of {QUICK_TWIN_GAP} to the twin, not {TWIN_GAP}, for its fewer samples tell an AUC less exactly. Its rows
are fewer than the servers' memory, so it does not check that they are more and that many are read from spill."""
FULL_DISK_BYTES, QUICK_DISK_BYTES = 12 << 30, 2 << 30
PR_SET_PDEATHSIG = 1


class DemoError(Exception):
    """What went wrong, for the user."""


def parse_bytes(text):
    match = re.fullmatch(r"(\d+)\s*(B|KiB|MiB|GiB)?", text)
    if not match:
        raise argparse.ArgumentTypeError(f"expected bytes as 128MiB or 1GiB, got {text!r}")
    return int(match[1]) * {None: 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}[match[2]]


def format_bytes(count):
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.2f} GiB"


def parse_flags():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build-dir", required=True, type=pathlib.Path,
                        help="where bin/rowhouse, bin/dlrm and bin/criteo_synth are")
    parser.add_argument("--data", type=pathlib.Path, help="train on these Criteo files instead of synthetic ones")
    parser.add_argument("--json", type=pathlib.Path, help="write the figures here")
    parser.add_argument("--servers", type=int, default=3, help="servers of the cluster (default %(default)s)")
    parser.add_argument("--memory-budget", type=parse_bytes, default="128MiB", help="of each server (default %(default)s)")
    parser.add_argument("--keep", action="store_true", help="keep the servers' data and logs")
    parser.add_argument("--quick", action="store_true",
                        help="a fifth of the data, half a minute; checks two promises less")
    flags = parser.parse_args()
    if not 1 <= flags.servers <= 64:
        parser.error(f"--servers must be 1 to 64, got {flags.servers}")
    return flags


class Processes:
    """Every process of the demo. Each has a session of its own, so that Ctrl-C reaches the demo alone, which then stops them by
    pid. Should the demo be killed, the kernel kills them: of what they would still do nobody reads the result, and a trainer that
    stops by itself waits for servers that have gone before it."""

    def __init__(self):
        self.running = []
        self.pid = os.getpid()
        self.libc = ctypes.CDLL(None, use_errno=True)

    def die_with_demo(self):
        self.libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self.pid:  # it was killed just now
            os._exit(1)

    def start(self, command, **kwargs):
        process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, start_new_session=True,
                                   preexec_fn=self.die_with_demo, **kwargs)
        self.running.append(process)
        return process

    def stop(self, processes, timeout_s=STOP_TIMEOUT_S):
        """SIGTERM to all, SIGKILL to what is left after the timeout. The pids that had to be killed."""
        for process in processes:
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + timeout_s
        killed = []
        for process in processes:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                killed.append(process.pid)
        self.running = [process for process in self.running if process not in processes]
        return killed

    def stop_all(self):
        """Trainers first, so that they do not see their servers go."""
        trainers = [process for process in self.running if process.args[1] != "server"]
        self.stop(trainers, TRAINER_STOP_TIMEOUT_S)
        self.stop(list(self.running))


def find_programs(build_dir):
    programs = {name: build_dir / "bin" / name for name in ("rowhouse", "dlrm", "criteo_synth")}
    for path in programs.values():
        if not os.access(path, os.X_OK):
            raise DemoError(f"{path} is missing: build first (./x build)")
    return programs


def make_data(processes, programs, home, quick):
    """The synthetic data set, made once. Its directory, its figures, and whether it was there."""
    directory, parameters = home / ("quick" if quick else "full"), QUICK if quick else FULL
    made_by = hashlib.sha256(programs["criteo_synth"].read_bytes()).hexdigest() + " " + " ".join(parameters)
    marker = directory / "made.json"
    try:
        figures = json.loads(marker.read_text())
        if figures["made_by"] == made_by:
            return directory, figures, True
    except (OSError, ValueError, KeyError):
        pass
    print("making the data (once) ...", flush=True)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    figures_file = directory / "figures.json"
    command = [programs["criteo_synth"], "--out", directory, "--json", figures_file, *parameters]
    process = processes.start(command)
    if process.wait() != 0:
        raise DemoError(f"criteo_synth failed with status {process.returncode}")
    figures = json.loads(figures_file.read_text())
    figures["made_by"] = made_by
    marker.write_text(json.dumps(figures))  # last: a directory without it is made anew
    return directory, figures, False


def free_addresses(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
    for s in sockets:
        s.close()
    return addresses


class Cluster:
    """The servers of one run, their data under `directory`."""

    def __init__(self, processes, rowhouse, directory, count, memory_budget):
        addresses = free_addresses(2 * count)
        self.processes, self.addresses, self.http, self.servers = processes, addresses[:count], addresses[count:], []
        self.logs = [directory / f"server-{i}.log" for i in range(count)]
        self.peaks = []
        for i in range(count):
            command = [rowhouse, "server", "--data-dir", directory / f"server-{i}", "--listen", self.addresses[i],
                       "--http-listen", self.http[i], "--memory-budget", str(memory_budget), "--partitions", "256",
                       "--servers", ",".join(self.addresses), "--server-index", str(i)]
            with open(self.logs[i], "wb") as log:
                self.servers.append(processes.start(command, stdout=log, stderr=subprocess.STDOUT))

    def describe_dead(self):
        for process, log in zip(self.servers, self.logs):
            if process.poll() is not None:
                lines = log.read_text(errors="replace").splitlines()[-10:]
                return f"server {process.pid} ended with status {process.returncode}; the end of its log:\n" + "\n".join(lines)
        return None

    def wait_ready(self):
        deadline = time.monotonic() + READY_TIMEOUT_S
        waiting = list(self.http)
        while waiting:
            dead = self.describe_dead()
            if dead:
                raise DemoError(dead)
            try:
                with urllib.request.urlopen(f"http://{waiting[0]}/readyz", timeout=2):
                    waiting.pop(0)
                    continue
            except (urllib.error.URLError, OSError):
                pass
            if time.monotonic() > deadline:
                raise DemoError(f"the server at http://{waiting[0]} is not ready after {READY_TIMEOUT_S} s; "
                                "--keep keeps the logs")
            time.sleep(0.05)

    def read_peaks(self):
        """Peak resident bytes (VmHWM) of each server so far."""
        self.peaks = []
        for process in self.servers:
            status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
            self.peaks.append(int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024)

    def stop(self):
        """The problems found in stopping."""
        problems = [f"server {pid} did not stop on SIGTERM and was killed" for pid in self.processes.stop(self.servers)]
        return problems + [f"server {p.pid} ended with status {p.returncode}" for p in self.servers if p.returncode != 0]


def model_of(flags):
    """The trainer's flags beside its data: your own files are trained with the trainer's defaults."""
    return FULL_MODEL if flags.data is None and not flags.quick else []


def train_through(processes, programs, cluster, data, directory, model):
    result = directory / "rowhouse.json"
    process = processes.start([programs["dlrm"], "--data", data, *model, "--address", ",".join(cluster.addresses), "--json", result,
                               "--durability", "async"], stdout=subprocess.DEVNULL)
    if process.wait() != 0:
        raise DemoError(cluster.describe_dead() or f"dlrm failed with status {process.returncode}")
    return json.loads(result.read_text())


def train_twin_and_control(processes, programs, data, directory, model):
    """Both at once, a core each; the twin shows its progress."""
    results, running = {}, {}
    for name, extra in (("twin", []), ("control", ["--untrained-embeddings"])):
        results[name] = directory / f"{name}.json"
        command = [programs["dlrm"], "--data", data, *model, "--in-process-twin", "--json", results[name], *extra]
        running[name] = processes.start(command, stdout=subprocess.DEVNULL,
                                        stderr=None if name == "twin" else subprocess.DEVNULL)
    for name, process in running.items():
        if process.wait() != 0:
            raise DemoError(f"dlrm ({name}) failed with status {process.returncode}")
    return tuple(json.loads(results[name].read_text()) for name in ("twin", "control"))


def check_promises(flags, run):
    """(promise, kept, figures) of everything that this run must show."""
    trained, twin, control = run["rowhouse"], run["twin"], run["control"]
    storage, budget = trained["storage"], flags.memory_budget
    auc, twin_auc, control_auc = (figures["test"]["auc"] for figures in (trained, twin, control))
    gap = QUICK_TWIN_GAP if flags.quick else TWIN_GAP
    above = CONTROL_GAP if flags.data is None else 0  # how much ids tell is a property of the data
    ratio = storage["stored_bytes"] / (budget * flags.servers)
    promises = [
        ("every row that training made is stored, once", storage["stored_rows"] == twin["storage"]["stored_rows"],
         f"{storage['stored_rows']} rows, twin {twin['storage']['stored_rows']}"),
        (f"AUC within {gap} of the twin", abs(auc - twin_auc) <= gap, f"{auc:.6f}, twin {twin_auc:.6f}"),
        (f"AUC at least {above} above untrained embeddings", auc >= control_auc + above,
         f"{auc:.6f}, control {control_auc:.6f}"),
        ("peak memory of each server within its budget", max(run["peaks"]) <= budget,
         ", ".join(format_bytes(peak) for peak in run["peaks"]) + f" of {format_bytes(budget)}"),
        ("servers stop cleanly on SIGTERM", not run["stop_problems"], "; ".join(run["stop_problems"]) or "all did"),
    ]
    if run["data_was_there"]:
        promises.append((f"training begins within {WARM_START_S} s", run["start_seconds"] <= WARM_START_S,
                         f"{run['start_seconds']:.1f} s"))
    if not flags.quick and flags.data is None:
        promises.append((f"rows written are at least {ROWS_OVER_MEMORY} times the memory of all servers",
                         ratio >= ROWS_OVER_MEMORY, f"{format_bytes(storage['stored_bytes'])} = {ratio:.2f} times"))
        promises.append((f"at least {100 * SPILL_SHARE:.0f}% of pulled rows are read from spill",
                         storage["spill_read_share"] >= SPILL_SHARE,
                         f"{100 * storage['spill_read_share']:.2f}% of {storage['pulled_rows']} pulled rows"))
    return promises


def print_figures(flags, run, promises):
    trained, storage = run["rowhouse"], run["rowhouse"]["storage"]
    best = run["bayes_auc"]
    total = flags.memory_budget * flags.servers
    print(f"""
AUC through Rowhouse     {trained['test']['auc']:.6f}
    best possible        {"unknown" if best is None else f"{best:.6f}"}
    twin in one process  {run['twin']['test']['auc']:.6f}
    untrained embeddings {run['control']['test']['auc']:.6f}
rows written             {storage['stored_rows']} ({format_bytes(storage['stored_bytes'])}), budgets {format_bytes(total)} in all
read from spill          {100 * storage['spill_read_share']:.2f}% of {storage['pulled_rows']} pulled rows
on disk                  spill {format_bytes(storage['spill_disk_bytes'])}, log {format_bytes(storage['log_disk_bytes'])}
speed                    {trained['samples_per_second']:.0f} samples/s, {trained['ms_per_iteration']:.2f} ms/it, \
{100 * trained['wait_share']:.0f}% waiting for servers
time                     {run['start_seconds']:.1f} s to start, {trained['train_seconds']:.0f} s training, \
{trained['test_seconds']:.0f} s testing, {run['oracle_seconds']:.0f} s twin and control
""")
    for promise, kept, figures in promises:
        print(f"{'kept  ' if kept else 'MISSED'}  {promise}: {figures}")
    print(f"\n{VARIES}" + (f"\n{QUICK_CHECKS_LESS}" if flags.quick else ""), flush=True)


def run_demo(flags, processes, home, directory):
    begin = time.monotonic()
    programs = find_programs(flags.build_dir)
    needed = QUICK_DISK_BYTES if flags.quick else FULL_DISK_BYTES
    if shutil.disk_usage(home).free < needed:
        raise DemoError(f"{home} has less than {format_bytes(needed)} free")
    figures, was_there = {"bayes_auc": None}, True
    data = flags.data
    if data is None:
        data, figures, was_there = make_data(processes, programs, home, flags.quick)
    cluster = Cluster(processes, programs["rowhouse"], directory, flags.servers, flags.memory_budget)
    cluster.wait_ready()
    run = {"bayes_auc": figures["bayes_auc"], "data_was_there": was_there, "start_seconds": time.monotonic() - begin}
    print(f"{flags.servers} servers of {format_bytes(flags.memory_budget)} ready after {run['start_seconds']:.1f} s; training",
          flush=True)
    run["rowhouse"] = train_through(processes, programs, cluster, data, directory, model_of(flags))
    cluster.read_peaks()
    run["peaks"] = cluster.peaks
    print("stopping the servers", flush=True)
    run["stop_problems"] = cluster.stop()
    print("training the twin and the control on the same file", flush=True)
    oracle_begin = time.monotonic()
    run["twin"], run["control"] = train_twin_and_control(processes, programs, data, directory, model_of(flags))
    run["oracle_seconds"] = time.monotonic() - oracle_begin
    promises = check_promises(flags, run)
    print_figures(flags, run, promises)
    if flags.json:
        run["promises"] = [{"promise": p, "kept": kept, "figures": text} for p, kept, text in promises]
        flags.json.write_text(json.dumps(run, indent=2) + "\n")
    return 0 if all(kept for _, kept, _ in promises) else 1


def remove_left_overs(home):
    """Directories of runs whose process is gone (killed before it could clean up)."""
    for directory in home.glob("run-*"):
        pid = directory.name.removeprefix("run-")
        if pid.isdigit() and not pathlib.Path(f"/proc/{pid}").exists() and not (directory / "keep").exists():
            shutil.rmtree(directory, ignore_errors=True)


def interrupt(_signal, _frame):
    raise KeyboardInterrupt


def main():
    flags = parse_flags()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    home = ROOT / ".rowhouse" / "demo"
    try:
        folder_owner.check(ROOT, ".rowhouse/demo")
    except folder_owner.ForeignFolder as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    home.mkdir(parents=True, exist_ok=True)
    remove_left_overs(home)
    directory = home / f"run-{os.getpid()}"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    if flags.keep:
        (directory / "keep").touch()
    processes = Processes()
    try:
        status = run_demo(flags, processes, home, directory)
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted, stopping all", file=sys.stderr)
        status = 130
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):  # a second Ctrl-C must not leave servers behind
            signal.signal(number, signal.SIG_IGN)
        processes.stop_all()
        if flags.keep:
            print(f"kept {directory}", file=sys.stderr)
        else:
            shutil.rmtree(directory, ignore_errors=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
