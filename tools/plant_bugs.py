#!/usr/bin/env python3
# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Plants known bugs, one at a time, in a copy of the sources, and sees whether the test meant for each catches it.

  plant_bugs.py --work DIR [--only REGEX]     DIR keeps the copy and its build; what stands in docs/reliability.md comes from here

Ends with 1 when a bug is not caught, or when a test fails without one. Takes minutes: each bug is a build of what it touches.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CRASH = "tests/crash/crash_test"
CHECKPOINT = "tests/integration/checkpoint/integration_checkpoint_test"
SIMULATION = "tests/sim/simulation_test"
SEEDS, OPERATIONS = "60", "3000"  # of the simulation, for each bug
MOST_SECONDS = 900  # of a test

# name, file, what stands there, what the bug makes of it, the test program, the tests meant for it
BUGS = [
    ("acknowledged before it is on disk", "server/log/log_writer.cc",
     "bool NeedsSync() const { return bytes != 0 && durability == Durability::kSync; }",
     "bool NeedsSync() const { return false; }", CRASH, "Crash.PowerLoss"),
    ("a push sent again is applied again", "server/partition/writer_window.cc",
     "  return Verdict::kDuplicate;", "  return Verdict::kNew;", CRASH, "Crash.KilledInProcess"),
    ("the window slides without a word", "server/partition/writer_window.cc",
     "  if (seq < known.low) {", "  if (seq < known.low) return Verdict::kNew;\n  if (seq < known.low) {",
     "tests/unit/server/partition/unit_server_partition_test", "*Window*"),
    ("the redo LSN is ahead of the rows", "server/partition/partition_state.cc",
     "    redo = applied_lsn_;", "    redo = last_lsn_;", CRASH, "Crash.KilledInProcess"),
    ("rows are spilled before their pushes are on disk", "server/row/tiered_write_back.cc",
     "  if (durable && options_.before_write_back) RH_RETURN_IF_ERROR(options_.before_write_back());\n  return options_.spill->Write(puts);",
     "  (void)durable;\n  return options_.spill->Write(puts);", CRASH, "Crash.PowerLoss"),
    ("the cut of a checkpoint is where its image begins", "server/checkpoint/checkpoint_share.cc",
     "task.shares[i].cut_lsn = task.cut.lsns[i];", "task.shares[i].cut_lsn = task.start.begin_lsns[i];", CHECKPOINT, "*"),
    ("eviction drops changed rows", "server/row/tiered_evictor.cc",
     "      } else if (entry->dirty()) {", "      } else if (entry->dirty() && entry->tombstone()) {", CRASH, "Crash.*"),
    ("an initial row is another one", "server/initializer/uniform_fill.cc",
     "(uint64_t{column} + 1) * kGoldenGamma", "(uint64_t{column} + 2) * kGoldenGamma", CRASH, "Crash.KilledInProcess"),
    ("rows of an earlier start are read", "server/identity.cc",
     "  return static_cast<Generation>(last + 1);", "  return static_cast<Generation>(last);",
     "tests/unit/server/main/unit_server_main_test", "*"),
    ("the parts of a push are not counted", "server/checkpoint/cut_taker.cc",
     "if (push.parts >= push.part_count) continue;", "if (push.parts >= 1) continue;", CHECKPOINT, "*"),
    ("a restore lets the old writers go on", "server/checkpoint/restore.cc",
     "EncodeWriterFloor({.floor = chain_.back().highest_writer})", "EncodeWriterFloor({.floor = 0})", CHECKPOINT, "*"),
    ("a sweep misses deletions", "server/row/tiered_write_back.cc",
     "if (entry.dirty()) AddToBatch(&batch, table.get(), segment, entry, hash);",
     "if (entry.dirty() && !entry.tombstone()) AddToBatch(&batch, table.get(), segment, entry, hash);", CRASH, "Crash.*"),
    ("pushes are replayed with the learning rate of today", "server/table/table.cc",
     "optimizer_->Apply(slice.hyper, dim_,", "optimizer_->Apply(schema()->optimizer.hyper, dim_,", SIMULATION, "Simulation.Seeds"),
    ("an alter is not told to the other servers", "server/meta/table_catalog.cc",
     "RH_RETURN_IF_ERROR(\n      FanOut(absl::StrCat(\"table \\\"\", after.name, \"\\\" was altered to schema_version \", after.version)));\n  return after;\n}",
     "RH_RETURN_IF_ERROR(SyncNow().status());\n  return after;\n}", SIMULATION, "Simulation.Seeds"),
    ("an expiry takes the rows of the cut-off's second too", "server/table/table.cc",
     "LastPushTime(row) < slice.cutoff_unix_seconds", "LastPushTime(row) <= slice.cutoff_unix_seconds", SIMULATION, "Simulation.Seeds"),
    ("a late CreateTable makes a dropped table again", "server/meta/table_catalog.cc",
     "if (last_id.has_value() && *last_id != last)", "if (last_id.has_value() && *last_id > last)", SIMULATION, "Simulation.Seeds"),
]
# A bug that stands in two places.
ALSO = {"a restore lets the old writers go on": [("server/checkpoint/restore.cc",
                                                 "state.window.RaiseFloor({.floor = chain_.back().highest_writer});",
                                                 "state.window.RaiseFloor({.floor = 0});")],
        "an expiry takes the rows of the cut-off's second too": [("server/partition/partition_set_admin.cc",
                                                                  "LastPushTime(row.row.data()) < cutoff_unix_seconds",
                                                                  "LastPushTime(row.row.data()) <= cutoff_unix_seconds")]}


def run(command, cwd, quiet=True):
    return subprocess.run(command, cwd=cwd, stdout=subprocess.DEVNULL if quiet else None, stderr=subprocess.DEVNULL if quiet else None).returncode


def replace(path, old, new):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if text.count(old) != 1:
        raise SystemExit(f"plant_bugs: {path} has \"{old}\" {text.count(old)} times, want once: correct tools/plant_bugs.py")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace(old, new))


def copy_sources(copy):
    """Only what differs, so that a second run builds little."""
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.split("\n")
    for name in filter(None, files):
        source, target = os.path.join(ROOT, name), os.path.join(copy, name)
        if not os.path.exists(source):
            continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(source, "rb") as file:
            content = file.read()
        if not os.path.exists(target) or open(target, "rb").read() != content:
            shutil.copy(source, target)


class Copy:
    """The sources' copy and its build."""

    def __init__(self, work, jobs):
        self.sources = os.path.join(os.path.abspath(work), "source")
        self.build = os.path.join(self.sources, "build", "release")
        self.ninja = ["ninja", "-C", self.build, *(["-j", str(jobs)] if jobs else [])]
        os.makedirs(self.sources, exist_ok=True)
        copy_sources(self.sources)
        os.environ.update(CCACHE_BASEDIR=self.sources, CCACHE_NOHASHDIR="1", ROWHOUSE_SIM_SEEDS=SEEDS, ROWHOUSE_SIM_OPERATIONS=OPERATIONS,
                          CCACHE_SLOPPINESS="pch_defines,time_macros,include_file_mtime,include_file_ctime")
        if not os.path.exists(os.path.join(self.build, "build.ninja")) and run(["cmake", "--preset", "release"], self.sources) != 0:
            raise SystemExit("plant_bugs: cmake failed")

    def make(self, targets, quiet):
        return run([*self.ninja, *targets], self.sources, quiet) == 0

    def test(self, program, tests):
        """The exit code; 124: it did not end in time."""
        return run(["timeout", str(MOST_SECONDS), os.path.join(self.build, program), f"--gtest_filter={tests}"], self.sources)

    def catches(self, name, places, program, tests):
        originals = {path: open(os.path.join(self.sources, path), encoding="utf-8").read() for path, _, _ in places}
        try:
            for path, old, new in places:
                replace(os.path.join(self.sources, path), old, new)
            if not self.make([os.path.basename(program)], quiet=True):
                raise SystemExit(f"plant_bugs: \"{name}\" does not compile")
            return self.test(program, tests) not in (0, 124)  # a test that does not end has not told anything
        finally:
            for path, text in originals.items():
                with open(os.path.join(self.sources, path), "w", encoding="utf-8") as out:
                    out.write(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", required=True, metavar="DIR", help="for the copy and its build")
    parser.add_argument("--only", metavar="REGEX", default="", help="bugs whose names match")
    parser.add_argument("--jobs", type=int, metavar="N", help="compilers at a time (default: ninja's)")
    args = parser.parse_args()
    chosen = [bug for bug in BUGS if re.search(args.only, bug[0])]
    copy = Copy(args.work, args.jobs)
    filters = {}
    for bug in chosen:
        filters.setdefault(bug[4], []).append(bug[5])
    if not copy.make([os.path.basename(program) for program in filters], quiet=False):
        raise SystemExit("plant_bugs: the build failed without a bug")
    for program, tests in filters.items():
        if copy.test(program, ":".join(tests)) != 0:
            raise SystemExit(f"plant_bugs: {program} fails without a bug, or takes more than {MOST_SECONDS} s")
    missed = []
    for name, path, old, new, program, tests in chosen:
        caught = copy.catches(name, [(path, old, new), *ALSO.get(name, [])], program, tests)
        print(f"{'caught' if caught else 'MISSED'}: {name} ({os.path.basename(program)} {tests})", flush=True)
        if not caught:
            missed.append(name)
    print(f"{len(missed)} missed")
    print(f"reliability: R24 bugs planted on purpose, one at a time | {len(chosen)} | {len(missed)} | "
          f"{'each was caught by the test meant for it' if not missed else 'missed: ' + '; '.join(missed)}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
