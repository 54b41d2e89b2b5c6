#!/usr/bin/env python3
# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Runs the command blocks of README.md, CONTRIBUTING.md and docs/ and compares what they print; checks every relative link.

In a block whose language is `console`, lines that begin with "$ " are commands (a line that ends with a backslash goes on in the next
one) and the lines below a command are what it prints. "..." in a line stands for any text, a line of its own that is "..." for any
lines; runs of blanks count as one. All blocks of a page run in one shell, in order, in a directory that holds nothing but links to
the checkout's examples/, deploy/ and proto/ and is also HOME, with the build's programs first on PATH and the build's directory in
ROWHOUSE_BUILD. Every command must succeed.
Ports 7600 to 7699 of 127.0.0.1 stand for a hundred others that are free; so do those that `rowhouse cluster up` takes when not told.

The line <!-- file: NAME --> above a block of another language makes it the file NAME of that directory, from there on in the page.

A block whose language is `sh`, or of another language but with lines that begin with "$ " (a recording), is not run; the line above it
must say why: <!-- not run: reason -->

  run_docs.py --build-dir build/release                   every page
  run_docs.py --build-dir build/release docs/tutorial.md  these pages
  run_docs.py --links                                     links alone
"""
import argparse
import ctypes
import os
import pathlib
import random
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
FIRST_PORT, PORT_COUNT = 7600, 100
NEEDED_PORTS = [*range(10), *range(80, 90)]  # of the hundred, those that must be free
COMMAND_SECONDS = 300
LINKED = ("examples", "deploy", "proto")
PR_SET_CHILD_SUBREAPER = 36
FENCE = re.compile(r"^(\s*)(`{3,}|~{3,})\s*([^\s`]*)\s*$")
NOT_RUN = re.compile(r"^\s*<!--\s*not run:\s*(\S.*?)\s*-->\s*$")
FILE = re.compile(r"^\s*<!--\s*file:\s*([\w.-]+)\s*-->\s*$")
LINK = re.compile(r"\]\(([^)\s]+)\)")
_libc = ctypes.CDLL(None, use_errno=True)


class DocsError(Exception):
    """What is wrong with a page, with its file and line."""


class Block:
    """A fenced block: its language, the line of its opening fence, its lines, why it is not run, and the file that it is, if one."""

    def __init__(self, language, line, why_not, file):
        self.language, self.line, self.why_not, self.file, self.lines = language, line, why_not, file, []


class Step:
    """A command, the line it stands on, and the lines it should print."""

    def __init__(self, command, line):
        self.command, self.line, self.expected = command, line, []


def all_pages():
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def name_of(page):
    return page.relative_to(ROOT).as_posix() if page.is_relative_to(ROOT) else str(page)


def read_blocks(page):
    """The fenced blocks of a page, and its lines outside of them as (number, text). DocsError for a fence that never ends."""
    blocks, prose, fence, indent, why_not, file = [], [], None, 0, None, None
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        match = FENCE.match(line)
        if fence is not None:
            if match and match[2] == fence and not match[3]:
                fence = None
            else:
                blocks[-1].lines.append(line[indent:])
            continue
        if match:
            indent, fence = len(match[1]), match[2]
            blocks.append(Block(match[3], number, why_not, file))
        else:
            prose.append((number, line))
        note = NOT_RUN.match(line)
        why_not = note[1] if note else None
        named = FILE.match(line)
        file = named[1] if named else None
    if fence is not None:
        raise DocsError(f"{name_of(page)}:{blocks[-1].line}: this block has no end")
    return blocks, prose


def read_steps(page, block):
    """The commands of a console block."""
    steps, goes_on = [], False
    for number, line in enumerate(block.lines, block.line + 1):
        if goes_on:
            steps[-1].command += "\n" + line
        elif line.startswith("$ "):
            steps.append(Step(line[2:], number))
        elif not steps:
            raise DocsError(f"{name_of(page)}:{number}: output without a command above it")
        else:
            steps[-1].expected.append(line)
        goes_on = (goes_on or line.startswith("$ ")) and line.endswith("\\")
    return steps


def squeeze(line):
    return re.sub(r"\s+", " ", line).strip()


def matches(expected, output):
    """Whether `output` is what the page says."""
    expected = list(expected)
    while expected and not expected[-1].strip():
        expected.pop()
    pattern = "".join(r"(?:[^\n]*\n)*?" if line.strip() == "..." else
                      r"[^\n]*?".join(re.escape(piece) for piece in re.split(r"\.{3}(?!\.)", squeeze(line))) + r"\n" for line in expected)
    lines = [squeeze(line) for line in output.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    return re.fullmatch(pattern, "".join(line + "\n" for line in lines)) is not None


class Ports:
    """A hundred ports in a row in place of 7600 to 7699. Not from the range that the kernel gives to outgoing connections."""

    def __init__(self):
        for _ in range(1000):
            self.base = random.randrange(10000, 32000, PORT_COUNT)
            if all(self._free(self.base + offset) for offset in NEEDED_PORTS):
                return
        raise DocsError("no hundred free ports on this machine")

    @staticmethod
    def _free(port):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return True
            except OSError:
                return False

    def to_machine(self, command):
        if not re.search(r"\s--(http-)?port\b", command):
            command = re.sub(r"\browhouse cluster up\b", f"rowhouse cluster up --port {FIRST_PORT} --http-port {FIRST_PORT + 80}", command)
        return re.sub(r"\b76(\d\d)\b", lambda match: str(self.base + int(match[1])), command)

    def to_page(self, output):
        def back(match):
            offset = int(match[1]) - self.base
            return f":{FIRST_PORT + offset}" if 0 <= offset < PORT_COUNT else match[0]
        return re.sub(r":(\d{5})\b", back, output)


class Shell:
    """One bash for a page, in a directory of its own. As a context manager it ends all that was started in it, by process id."""

    def __init__(self, programs):
        self.ports = Ports()
        self.temporary = tempfile.TemporaryDirectory(prefix="rowhouse-docs-")
        self.scripts = tempfile.TemporaryDirectory(prefix="rowhouse-docs-steps-")
        home = self.temporary.name
        for name in LINKED:
            os.symlink(ROOT / name, os.path.join(home, name))
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("ROWHOUSE_", "XDG_"))}
        environment.update(HOME=home, PATH=f"{programs}:/usr/bin:/bin:/usr/sbin:/sbin", LC_ALL="C.UTF-8", TERM="dumb", COLUMNS="200",
                           ROWHOUSE_ADDRESS=f"127.0.0.1:{self.ports.base}", ROWHOUSE_BUILD=os.path.dirname(programs))
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1)  # so that what leaves the shell's session is still ours to end
        self.bash = subprocess.Popen(["bash", "--noprofile", "--norc"], cwd=home, env=environment, stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        self.marker, self.number = f"--rowhouse-docs-{os.getpid()}-{random.randrange(1 << 32)}--", 0

    def run(self, command):
        """(exit status, output) of a command."""
        self.number += 1
        script = os.path.join(self.scripts.name, f"step{self.number}")
        pathlib.Path(script).write_text(self.ports.to_machine(command) + "\n", encoding="utf-8")
        self.bash.stdin.write(f". {script} </dev/null; printf '\\n%s %s\\n' '{self.marker}' $?\n".encode())
        self.bash.stdin.flush()
        output, deadline = b"", time.monotonic() + COMMAND_SECONDS
        end = re.compile(re.escape(self.marker).encode() + rb" (\d+)\n$")
        while not (match := end.search(output)):
            if not select.select([self.bash.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
                raise DocsError(f"not done after {COMMAND_SECONDS} s; until then it printed:\n{output.decode(errors='replace')}")
            got = os.read(self.bash.stdout.fileno(), 1 << 16)
            if not got:
                raise DocsError(f"the shell ended; until then it printed:\n{output.decode(errors='replace')}")
            output += got
        text = output[:match.start()].decode(errors="replace")
        return int(match[1]), self.ports.to_page(text[:-1] if text.endswith("\n") else text)

    def write(self, name, lines):
        """A file of the page, in its directory."""
        text = "".join(line + "\n" for line in lines)
        pathlib.Path(self.temporary.name, name).write_text(self.ports.to_machine(text), encoding="utf-8")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bash.stdin.close()
        while pids := children():
            for pid in pids:
                os.kill(pid, signal.SIGKILL)  # a child stays a zombie, and its number its own, until it is waited for
            for pid in pids:
                os.waitpid(pid, 0)
        self.bash.returncode = self.bash.returncode or 0
        self.bash.stdout.close()
        self.temporary.cleanup()
        self.scripts.cleanup()


def children():
    """Processes whose parent is this one."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = pathlib.Path("/proc", entry, "stat").read_text(encoding="ascii", errors="replace")
            except OSError:
                continue  # it has ended
            if int(stat.rpartition(")")[2].split()[1]) == os.getpid():
                found.append(int(entry))
    return found


def check_languages(page, blocks):
    """DocsError for a block of shell commands that neither is run nor says why."""
    for block in blocks:
        commands = block.language == "sh" or (block.language != "console" and any(line.startswith("$ ") for line in block.lines))
        if block.language in ("bash", "shell") or (commands and not block.why_not):
            raise DocsError(f"{name_of(page)}:{block.line}: a block of shell commands is `console` and is run, or `sh`, or `text` that was "
                            "recorded, with <!-- not run: reason --> in the line above")
        if block.language == "console" and block.why_not:
            raise DocsError(f"{name_of(page)}:{block.line}: a `console` block is run; the line above says why it is not")
        if block.file and block.language in ("console", "sh"):
            raise DocsError(f"{name_of(page)}:{block.line}: a block of commands is no file")


def run_step(shell, page, step):
    """DocsError when it does not do what the page says."""
    where = f"{name_of(page)}:{step.line}"
    try:
        status, output = shell.run(step.command)
    except DocsError as error:
        raise DocsError(f"{where}: $ {step.command}\n{error}") from error
    if status != 0:
        raise DocsError(f"{where}: $ {step.command}\nended with {status}:\n{output}")
    if not matches(step.expected, output):
        expected = "\n".join(step.expected)
        raise DocsError(f"{where}: $ {step.command}\n---- the page says\n{expected}\n---- it printed\n{output}")


def run_page(page, programs):
    """Runs the console blocks of a page. (commands run, blocks with a reason not to). DocsError for the first that is not as said."""
    blocks, _ = read_blocks(page)
    check_languages(page, blocks)
    steps = {block: read_steps(page, block) for block in blocks if block.language == "console"}
    count = sum(map(len, steps.values()))
    if count:
        with Shell(programs) as shell:
            for block in blocks:
                if block.file:
                    shell.write(block.file, block.lines)
                for step in steps.get(block, ()):
                    run_step(shell, page, step)
    return count, sum(block.why_not is not None for block in blocks)


def anchors(page):
    """The names that its headings can be linked by."""
    found = set()
    for _, line in read_blocks(page)[1]:
        if match := re.match(r"#{1,6}\s+(.*)", line):
            text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match[1]).replace("`", "").strip().lower()
            found.add(re.sub(r"[^\w\- ]", "", text).replace(" ", "-"))
        found.update(re.findall(r'<a (?:id|name)="([^"]+)"', line))
    return found


def bad_links(page):
    """(how many relative links the page has, what is wrong with them)."""
    count, bad = 0, []
    for number, line in read_blocks(page)[1]:
        for link in LINK.findall(re.sub(r"`[^`]*`(?!\])", "", line)):
            if re.match(r"[a-z]+:", link):
                continue
            count += 1
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            if not target.exists():
                bad.append(f"{name_of(page)}:{number}: {link} is not there")
            elif anchor and target.suffix == ".md" and anchor not in anchors(target):
                bad.append(f"{name_of(page)}:{number}: {path or name_of(page)} has no heading #{anchor}")
    return count, bad


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build-dir", type=pathlib.Path, default=ROOT / "build" / "release", help="where bin/ is (default build/release)")
    parser.add_argument("--links", action="store_true", help="check links, run nothing")
    parser.add_argument("pages", nargs="*", type=pathlib.Path, help="pages to look at (default README.md, CONTRIBUTING.md and docs/)")
    flags = parser.parse_args()
    programs = (flags.build_dir / "bin").resolve()
    if not flags.links and not os.access(programs / "rowhouse", os.X_OK):
        parser.error(f"{programs}/rowhouse is missing: build first (./x build), or give --build-dir")
    pages = [page.resolve() for page in flags.pages] or all_pages()
    ran, exempt, links, wrong = 0, 0, 0, []
    for page in pages:
        try:
            count, bad = bad_links(page)
            links, wrong = links + count, wrong + bad
            if not flags.links:
                commands, not_run = run_page(page, programs)
                ran, exempt = ran + commands, exempt + not_run
                print(f"{'ok' if commands else '--'}  {name_of(page)}: {commands} commands, {not_run} blocks not run", flush=True)
        except (DocsError, OSError, UnicodeDecodeError) as error:
            wrong.append(str(error))
    print("".join(line + "\n" for line in wrong), end="")
    print(f"{len(pages)} pages, {links} links, {ran} commands run, {exempt} blocks not run, {len(wrong)} mistakes")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
