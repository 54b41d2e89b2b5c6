# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Docs are true: their command blocks run and print what they say, their links lead somewhere, generated pages are as generated."""
import argparse
import contextlib
import io
import pathlib
import re
import sys
import tempfile
import unittest

from cluster import BUILD, SOURCE, Cluster

sys.path.insert(0, str(pathlib.Path(SOURCE) / "tools"))
import demo
import generate_reference
import run_docs

ROOT = pathlib.Path(SOURCE)
PROGRAMS = pathlib.Path(BUILD).resolve() / "bin"
MUST_RUN = ("README.md", "docs/tutorial.md", "docs/how-to/run-a-cluster.md", "docs/how-to/size-a-table.md", "docs/how-to/watch-it.md",
            "docs/how-to/measure-speed.md", "docs/how-to/link-the-client.md", "docs/how-to/checkpoints.md", "docs/how-to/upgrade.md",
            "docs/how-to/restore-after-a-crash.md", "docs/coming-from/torch-embedding.md", "docs/reference/errors.md")
HIDDEN_COMMANDS = {"config reference"}  # for whoever changes Rowhouse, so not in cli.md


class Pages(unittest.TestCase):
    def test_links(self):
        links, wrong = 0, []
        for page in run_docs.all_pages():
            count, bad = run_docs.bad_links(page)
            links, wrong = links + count, wrong + bad
        self.assertEqual(wrong, [])
        self.assertGreater(links, 100)

    def test_every_page_is_reached_from_the_map(self):
        seen, todo = set(), [ROOT / "docs" / "README.md"]
        while todo:
            page = todo.pop()
            if page in seen or page.suffix != ".md" or not page.exists():
                continue
            seen.add(page)
            for _, line in run_docs.read_blocks(page)[1]:
                todo += [(page.parent / link.partition("#")[0]).resolve() for link in run_docs.LINK.findall(line)
                         if link.partition("#")[0] and not re.match(r"[a-z]+:", link)]
        lost = [run_docs.name_of(page) for page in run_docs.all_pages() if page not in seen and page.name != "README.md"]
        self.assertEqual(lost, [])

    def test_command_blocks(self):
        not_run = 0
        for page in run_docs.all_pages():
            with self.subTest(page=run_docs.name_of(page)):
                ran, exempt = run_docs.run_page(page, PROGRAMS)
                not_run += exempt
                if run_docs.name_of(page) in MUST_RUN:
                    self.assertGreater(ran, 0)
        print(f"{not_run} blocks not run, each with its reason")

    def test_reference_is_as_generated(self):
        for name, make in generate_reference.PAGES.items():
            with self.subTest(page=name):
                written = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
                self.assertEqual(written, make(pathlib.Path(BUILD)), "run tools/generate_reference.py")

    def test_errors_page_has_every_code(self):
        """The table that is written by hand beside the one that is not."""
        page = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
        rows = [(int(number), code) for number, code in re.findall(r"^\| (\d+) ([A-Z_]+) \|", page, re.M)]
        made = generate_reference.codes_made()
        self.assertGreater(len(made), 12)
        self.assertEqual(rows, [(number, code) for number, code in enumerate(generate_reference.CODES) if code in made])

    def test_names_of_client_and_commands_exist(self):
        header = (ROOT / "client" / "cpp" / "include" / "rowhouse" / "client.h").read_text(encoding="utf-8")
        methods = set(re.findall(r"\b([A-Za-z_]\w+)\(", header[header.index("\nclass Client {"):]))
        commands = set(re.findall(r"^### rowhouse (.+)$", (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8"), re.M))
        self.assertGreater(min(len(methods), len(commands)), 30)
        groups = {command.split()[0] for command in commands if " " in command}
        for page in run_docs.all_pages():
            prose = "\n".join(line for _, line in run_docs.read_blocks(page)[1])
            self.assertEqual(set(re.findall(r"`Client::(\w+)", prose)) - methods, set(), page)
            named = {" ".join(words) for words in re.findall(r"`rowhouse ([a-z]+) ([a-z][a-z-]*)", prose) if words[0] in groups}
            self.assertEqual(named - commands - HIDDEN_COMMANDS, set(), page)

    def test_recording_of_the_demo(self):
        """README.md shows the figures of one run, of minutes; all but the figures is what the demo prints."""
        (block,) = [block for block in run_docs.read_blocks(ROOT / "README.md")[0] if block.language == "text"]
        storage = {"stored_rows": 1, "stored_bytes": 5 << 30, "spill_read_share": 0.5, "pulled_rows": 1, "spill_disk_bytes": 2 << 30,
                   "log_disk_bytes": 1 << 20}
        trained = {"test": {"auc": 0.8}, "storage": storage, "samples_per_second": 1, "ms_per_iteration": 1.0, "wait_share": 0.5,
                   "train_seconds": 1, "test_seconds": 1}
        run = {"rowhouse": trained, "twin": trained, "control": dict(trained, test={"auc": 0.6}), "bayes_auc": 0.9, "peaks": [1 << 20] * 3,
               "stop_problems": [], "data_was_there": False, "start_seconds": 1.0, "oracle_seconds": 1.0}
        flags = argparse.Namespace(quick=False, data=None, servers=3, memory_budget=128 << 20)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            demo.print_figures(flags, run, demo.check_promises(flags, run))

        def without_figures(lines):
            return [re.sub(r"[\d.]*\d", "N", line) for line in lines]
        self.assertEqual(without_figures(block.lines), without_figures(printed.getvalue().strip("\n").splitlines()))

    def test_columns_of_the_recording(self):
        """docs/how-to/watch-it.md shows three servers under a load that no test makes; its columns are those that the program prints."""
        page = ROOT / "docs" / "how-to" / "watch-it.md"
        (block,) = [block for block in run_docs.read_blocks(page)[0] if block.language == "text" and block.why_not]
        commands = {step.command: step.expected for step in run_docs.read_steps(page, block)}
        self.assertEqual(list(commands), ["rowhouse status", "rowhouse top"])
        with Cluster(servers=1, partitions=8, budget="128MiB") as cluster:
            for command, shown in commands.items():
                once = ("--once", "--interval", "200ms") if command == "rowhouse top" else ()
                printed = cluster.cli(*command.split()[1:], *once).stdout
                headers = [[line.split() for line in lines if line.startswith("SERVER ")] for lines in (shown, printed.splitlines())]
                self.assertEqual(len(headers[0]), 1, command)
                self.assertEqual(*headers, command)


class Runner(unittest.TestCase):
    """The runner finds what is wrong: were it blind, every page would pass."""

    def page(self, text):
        directory = tempfile.TemporaryDirectory(prefix="rowhouse-docs-page-")
        self.addCleanup(directory.cleanup)
        page = pathlib.Path(directory.name) / "page.md"
        page.write_text(text, encoding="utf-8")
        return page

    def refuses(self, text, why):
        with self.assertRaisesRegex(run_docs.DocsError, why):
            run_docs.run_page(self.page(text), PROGRAMS)

    def test_good_page(self):
        text = ("```console\n$ echo one; echo two; echo three\none\n...\nth...ee\n```\n"
                "```console\n$ x=5\n$ echo $((x + \\\n  1))\n6\n```\n<!-- not run: too dangerous -->\n```sh\nrm -rf /nowhere\n```\n")
        self.assertEqual(run_docs.run_page(self.page(text), PROGRAMS), (3, 1))

    def test_other_output(self):
        self.refuses("```console\n$ echo one\ntwo\n```\n", "the page says\ntwo\n---- it printed\none")
        self.refuses("```console\n$ echo one; echo two\none\n```\n", "the page says")
        self.refuses("```console\n$ true\none\n```\n", "the page says")
        self.refuses("```console\n$ echo one\n```\n", "the page says")

    def test_failing_command(self):
        self.refuses("```console\n$ false\n```\n", r"page.md:2: \$ false\nended with 1")

    def test_blocks_that_say_no_reason(self):
        self.refuses("```sh\nls\n```\n", "not run: reason")
        self.refuses("<!-- not run: -->\n```sh\nls\n```\n", "not run: reason")
        self.refuses("```bash\nls\n```\n", "not run: reason")
        for language in ("", "text", "sh"):
            self.refuses(f"```{language}\nsome words\n$ ls\n```\n", "not run: reason")
        self.refuses("<!-- not run: too slow -->\n```console\n$ true\n```\n", "a `console` block is run")
        recorded = "```text\na price of $ 5\n```\n<!-- not run: recorded -->\n```text\n$ ls\n```\n"
        self.assertEqual(run_docs.run_page(self.page(recorded), PROGRAMS), (0, 1))

    def test_a_block_may_be_a_file(self):
        text = "<!-- file: one.txt -->\n```text\nport 7604\n```\n```console\n$ cat one.txt | sed 's/[0-9]//g'\nport\n```\n"
        self.assertEqual(run_docs.run_page(self.page(text), PROGRAMS), (1, 0))
        self.refuses("```console\n$ cat one.txt\n```\n" + text, "ended with 1")  # it comes below
        self.refuses(text.replace("```text", "```sh"), "not run: reason")
        self.refuses("<!-- file: x -->\n```console\n$ true\n```\n", "no file")

    def test_blocks_that_are_none(self):
        self.refuses("```console\nls\n```\n", "output without a command")
        self.refuses("```console\n$ ls\n", "has no end")

    def test_ports_stand_for_others(self):
        start = ("```console\n$ rowhouse server --data-dir d --listen 127.0.0.1:7609 --http-listen 127.0.0.1:7689 2> log &\n"
                 "$ rowhouse wait --address 127.0.0.1:7609\n...\n")
        shown = "$ grep -o 'on 127.*' log\non 127.0.0.1:7609, ...\n```\n"
        self.assertEqual(run_docs.run_page(self.page(start + shown), PROGRAMS), (3, 0))
        self.refuses(start + "$ grep '127.0.0.1:760[9]' log\n...\n```\n", "ended with 1")  # what was used is another

    def test_default_ports_of_a_local_cluster_stand_for_others(self):
        ports = run_docs.Ports()
        self.assertEqual(ports.to_machine("rowhouse cluster up -n 3"),
                         f"rowhouse cluster up --port {ports.base} --http-port {ports.base + 80} -n 3")
        self.assertEqual(ports.to_machine("rowhouse cluster up \\\n    --port 7603"), f"rowhouse cluster up \\\n    --port {ports.base + 3}")
        self.assertEqual(ports.to_machine("rowhouse cluster down"), "rowhouse cluster down")

    def test_nothing_is_left_running(self):
        text = "```console\n$ sleep 1000 & echo $! > ../pid-of-$(basename $PWD); setsid sleep 1000 & echo $!; cat ../pid-of-$(basename $PWD)\n...\n```\n"
        pids = []
        keep = run_docs.matches
        self.addCleanup(setattr, run_docs, "matches", keep)
        run_docs.matches = lambda expected, output: bool(pids.extend(int(pid) for pid in output.split())) or True
        run_docs.run_page(self.page(text), PROGRAMS)
        self.assertEqual(len(pids), 2)
        for pid in pids:
            self.assertFalse(pathlib.Path("/proc", str(pid)).exists())

    def test_links(self):
        page = self.page("# One heading, here\n[a](#one-heading-here) [b](#two) [c](page.md) [d](none.md) [e](https://example.com/)\n")
        count, bad = run_docs.bad_links(page)
        self.assertEqual(count, 4)
        self.assertEqual([line.split(": ", 1)[1] for line in bad],
                         [f"{page} has no heading #two", "none.md is not there"])


if __name__ == "__main__":
    unittest.main()
