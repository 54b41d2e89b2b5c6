#!/usr/bin/env python3
# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Configures and builds one preset, for ./x: alone in its folder, and only in a folder that is this user's.

The lock is flock on build/PRESET.lock, held by this process alone: whatever it starts does not inherit it, and however this process
ends, the lock is free. The file says whose it is, for a second one that waits. Killed ./x: the kernel tells this process, which stops
ninja before it lets go.
"""
import argparse
import ctypes
import fcntl
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

import folder_owner

ROOT = pathlib.Path(__file__).resolve().parent.parent
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class BuildError(Exception):
    """What went wrong, for the user."""


class Stopped(BaseException):
    """This process was told to stop, by the signal in args[0]."""


def raise_stopped(number, _frame):
    raise Stopped(number)


def die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def parent_of(pid):
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[1])


def is_ancestor(pid):
    """Whether this process was started, by however many steps, by `pid`."""
    process = os.getpid()
    while process > 1:
        if process == pid:
            return True
        process = parent_of(process)
    return False


class FolderLock:
    """The right to build in build/PRESET, until close() or the end of the process."""

    def __init__(self, preset, owner):
        self.folder, self.path = f"build/{preset}", ROOT / "build" / f"{preset}.lock"
        self.fd = self._open()
        while not self._is_on_disk():  # ./x clean has removed the file that was waited for
            os.close(self.fd)
            self.fd = self._open()
        os.truncate(self.fd, 0)
        os.pwrite(self.fd, f"{os.getppid()} {owner}\n".encode(), 0)

    def close(self):
        os.close(self.fd)

    def _open(self):
        self.path.parent.mkdir(exist_ok=True)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._say_who_holds(fd)
            fcntl.flock(fd, fcntl.LOCK_EX)
        return fd

    def _is_on_disk(self):
        try:
            return os.path.samestat(os.fstat(self.fd), os.stat(self.path))
        except FileNotFoundError:
            return False

    def _say_who_holds(self, fd):
        pid, _, command = os.pread(fd, 4096, 0).decode(errors="replace").strip().partition(" ")
        if not pid.isdigit() or not os.path.exists(f"/proc/{pid}"):
            who = "another ./x"  # that has not written its name yet
        elif is_ancestor(int(pid)):
            raise BuildError(f"{self.folder} is being built by {command} (process {pid}), which runs this very command: it would wait for itself")
        else:
            who = f"{command} (process {pid})"
        print(f"x: {self.folder} is being built by {who}; waiting until it is done (Ctrl-C gives up)", file=sys.stderr, flush=True)


def run(command, **kwargs):
    """Exit status of a program that ends with this process, and before it."""
    process = subprocess.Popen(command, cwd=ROOT, preexec_fn=die_with_parent, **kwargs)
    try:
        return process.wait()
    except Stopped as stopped:
        process.send_signal(stopped.args[0])
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        process.wait()
        raise


def configure(preset):
    with tempfile.TemporaryFile() as log:
        if run(["cmake", "--preset", preset], stdout=log, stderr=log) != 0:
            log.seek(0)
            raise BuildError(f"cmake could not configure build/{preset}:\n{log.read().decode(errors='replace').rstrip()}")


def build(flags):
    folder_owner.check(ROOT, f"build/{flags.preset}.lock", f"build/{flags.preset}")
    lock = FolderLock(flags.preset, flags.owner)
    try:
        if flags.configure or not (ROOT / "build" / flags.preset / "build.ninja").exists():
            configure(flags.preset)
        print(f"\n== building {flags.preset}", file=sys.stderr, flush=True)
        return run(["ninja", "-C", f"build/{flags.preset}", "-j", str(len(os.sched_getaffinity(0))), *flags.targets], stdout=sys.stderr,
                   env=dict(os.environ, NINJA_STATUS="[%f/%t %e s] "))
    finally:
        lock.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--owner", default="tools/build.py", metavar="COMMAND", help="what to call the holder of the lock")
    parser.add_argument("--configure", action="store_true", help="configure also what is configured")
    parser.add_argument("preset")
    parser.add_argument("targets", nargs="*")
    flags = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, raise_stopped)
    parent = os.getppid()
    die_with_parent()
    try:
        if os.getppid() != parent:
            raise Stopped(signal.SIGTERM)
        return build(flags)
    except (BuildError, folder_owner.ForeignFolder) as error:
        print(f"x: {error}", file=sys.stderr)
        return 1
    except Stopped as stopped:
        return 128 + stopped.args[0]


if __name__ == "__main__":
    sys.exit(main())
