#!/usr/bin/env python3
# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Man pages of `rowhouse` and of each of its commands that does something, by help2man from --help: rowhouse.1.gz, rowhouse-table-create.1.gz ...

Pages that are newer than the program are kept.
"""
import argparse
import gzip
import os
import re
import subprocess
import sys
import tempfile


def help_of(program, path):
    done = subprocess.run([program, *path, "--help"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30)
    if done.returncode != 0:
        sys.exit(f"make_pages: {' '.join(['rowhouse', *path])} --help ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def subcommands(text):
    """Names under headings that end in "ommands:", which is where CLI11 lists them (a group may have a name before that)."""
    names, inside = [], False
    for line in text.splitlines():
        if line and not line[0].isspace():
            inside = line.rstrip().lower().endswith("commands:")
        elif inside:
            name = re.match(r"  ([a-z][a-z0-9-]*)(\s|$)", line)
            if name:
                names.append(name[1])
    return names


def leaves(program, path=()):
    """(path, its help) of each command that does something: that has no further ones, or does not ask for one (`rowhouse server`)."""
    text = help_of(program, path)
    below = subcommands(text)
    own = [(path, text)] if not below or path and "[SUBCOMMAND]" in text else []
    return own + [leaf for name in below for leaf in leaves(program, (*path, name))]


def summary(text):
    line = text.splitlines()[0].strip().rstrip(".").removeprefix("Rowhouse: ")
    return line[:1].lower() + line[1:]


def named(text, page, path):
    """The page under its own name: help2man takes the program's for the heading, and words with blanks for the NAME line, which
    `apropos` does not understand."""
    text = text.replace(".TH ROWHOUSE ", f".TH {page.upper()} ", 1)
    return text.replace(".SH NAME\n" + " ".join(("rowhouse", *path)) + " ", f".SH NAME\n{page} ", 1)


def write_page(program, path, text, see_also, args):
    page = "-".join(("rowhouse", *path))
    with tempfile.TemporaryDirectory() as folder:
        # help2man runs what it is given through the shell and takes the name from it.
        link = os.path.join(folder, "rowhouse")
        os.symlink(os.path.abspath(program), link)
        include = os.path.join(folder, "include")
        with open(include, "w", encoding="utf-8") as out:
            out.write("[see also]\n" + ", ".join(f"\\fB{name}\\fR(1)" for name in see_also) + "\n")
        # The same program gives the same pages, whenever they are made.
        date = os.environ.get("SOURCE_DATE_EPOCH", str(int(os.path.getmtime(program))))
        env = dict(os.environ, PATH=folder + os.pathsep + os.environ["PATH"], SOURCE_DATE_EPOCH=date)
        done = subprocess.run(["help2man", "--no-info", "--section=1", f"--version-string={args.version}", f"--name={summary(text)}",
                               "--source=Rowhouse", "--manual=Rowhouse", f"--include={include}", " ".join(("rowhouse", *path))],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, timeout=60)
    if done.returncode != 0:
        sys.exit(f"make_pages: help2man failed for {page}:\n{done.stderr}")
    with gzip.GzipFile(os.path.join(args.out, page + ".1.gz"), "wb", mtime=0) as out:
        out.write(named(done.stdout, page, path).encode())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, help="the built rowhouse")
    parser.add_argument("--version", required=True)
    parser.add_argument("--out", required=True, help="folder of the pages")
    args = parser.parse_args()
    first = os.path.join(args.out, "rowhouse.1.gz")
    if os.path.exists(first) and os.path.getmtime(first) > max(os.path.getmtime(args.program), os.path.getmtime(__file__)):
        return
    os.makedirs(args.out, exist_ok=True)
    for old in os.listdir(args.out):
        os.remove(os.path.join(args.out, old))
    found = leaves(args.program)
    names = ["-".join(("rowhouse", *path)) for path, _ in found]
    for path, text in found:
        siblings = [name for (other, _), name in zip(found, names) if other[:1] == path[:1] and other != path]
        write_page(args.program, path, text, ["rowhouse", *siblings], args)
    write_page(args.program, (), help_of(args.program, ()), names, args)  # last: it is what says that all are there


if __name__ == "__main__":
    main()
