#!/usr/bin/env python3
# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Plants known bugs, one at a time, in a copy of the sources, and sees whether the test meant for each catches it.

  plant_bugs.py --work DIR [--only NAME]     DIR keeps the copy and its build; what stands in docs/reliability.md comes from here

Ends with 1 when a bug is not caught, or when a test fails without one. Takes minutes: each bug is a build of what it touches.
"""
import argparse
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CRASH = "tests/crash/crash_test"
CHECKPOINT = "tests/integration/checkpoint/integration_checkpoint_test"

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
]
# A bug that stands in two places.
ALSO = {"a restore lets the old writers go on": [("server/checkpoint/restore.cc",
                                                 "state.window.RaiseFloor({.floor = chain_.back().highest_writer});",
                                                 "state.window.RaiseFloor({.floor = 0});")]}


def run(command, cwd, quiet=True):
    return subprocess.run(command, cwd=cwd, stdout=subprocess.DEVNULL if quiet else None, stderr=subprocess.DEVNULL if quiet else None).returncode


def replace(path, old, new):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if text.count(old) != 1:
        raise SystemExit(f"plant_bugs: {path} has \"{old}\" {text.count(old)} times, want once: correct tools/plant_bugs.py")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace(old, new))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", required=True, metavar="DIR", help="for the copy and its build")
    parser.add_argument("--only", metavar="NAME", help="bugs whose name contains this")
    args = parser.parse_args()
    copy, build = os.path.join(args.work, "source"), os.path.join(args.work, "source", "build", "release")
    os.makedirs(args.work, exist_ok=True)
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.split("\n")
    for name in filter(None, files):  # only what differs, so that a second run builds little
        source, target = os.path.join(ROOT, name), os.path.join(copy, name)
        if not os.path.exists(source):
            continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(source, "rb") as file:
            content = file.read()
        if not os.path.exists(target) or open(target, "rb").read() != content:
            shutil.copy(source, target)
    programs = sorted({bug[4] for bug in BUGS})
    targets = [os.path.basename(program) for program in programs]
    os.environ["CCACHE_BASEDIR"], os.environ["CCACHE_NOHASHDIR"] = copy, "1"
    if not os.path.exists(os.path.join(build, "build.ninja")) and run(["cmake", "--preset", "release"], copy) != 0:
        raise SystemExit("plant_bugs: cmake failed")
    if run(["ninja", "-C", build, *targets], copy, quiet=False) != 0:
        raise SystemExit("plant_bugs: the build failed without a bug")
    for program in programs:
        if run([os.path.join(build, program)], copy) != 0:
            raise SystemExit(f"plant_bugs: {program} fails without a bug")
    missed = []
    for name, path, old, new, program, tests in BUGS:
        if args.only and args.only not in name:
            continue
        places = [(path, old, new), *ALSO.get(name, [])]
        originals = {place[0]: open(os.path.join(copy, place[0]), encoding="utf-8").read() for place in places}
        for place in places:
            replace(os.path.join(copy, place[0]), place[1], place[2])
        if run(["ninja", "-C", build, os.path.basename(program)], copy) != 0:
            raise SystemExit(f"plant_bugs: \"{name}\" does not compile")
        caught = run(["timeout", "300", os.path.join(build, program), f"--gtest_filter={tests}"], copy) != 0
        print(f"{'caught' if caught else 'MISSED'}: {name} ({os.path.basename(program)} {tests})", flush=True)
        if not caught:
            missed.append(name)
        for file, text in originals.items():
            with open(os.path.join(copy, file), "w", encoding="utf-8") as out:
                out.write(text)
    print(f"{len(missed)} missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
