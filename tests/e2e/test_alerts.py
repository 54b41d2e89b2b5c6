# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""What Prometheus makes of a server: promtool accepts its metrics, the alert rules and the configurations, each alert fires when it should,
names only metrics that a real server has, and has a runbook page. Needs promtool (Debian: prometheus)."""
import pathlib
import re
import shutil
import tempfile
import unittest
import urllib.request

import yaml
from cluster import ROWHOUSE, SOURCE, Cluster, promtool, run

ROOT = pathlib.Path(SOURCE)
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
CONFIGURATIONS = {"deploy/prometheus/prometheus.yml": [f"127.0.0.1:{port}" for port in (7680, 7681, 7682)],
                  "deploy/docker/prometheus.yml": [f"server-{index}:7680" for index in range(3)]}  # and what each scrapes
FIRING = pathlib.Path(__file__).resolve().parent / "alerts_test.yml"
EXAMPLE = ROOT / "examples" / "python" / "plain_grpc.py"
OF_PROMETHEUS = {"up"}  # made by Prometheus itself for each target
SEVERITIES = {"page", "ticket"}


def rules():
    document = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def names_in(expression):
    """The metrics that a PromQL expression reads."""
    without_text = re.sub(r'"[^"]*"', '""', expression)
    without_labels = re.sub(r"\{[^}]*\}", "{}", without_text)
    without_groups = re.sub(r"\b(by|without|on|ignoring)\s*\([^)]*\)", "", without_labels)
    return {name for name in re.findall(r"\b[a-z_][a-z0-9_]*\b(?!\s*\()", without_groups)
            if name == "up" or name.startswith("rowhouse_")}


class Metrics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with Cluster(servers=1, partitions=8) as cluster:
            cluster.cli("table", "create", "user", "--dim", "4")
            run("/usr/bin/python3", "-B", EXAMPLE, "--address", cluster.addresses[0])
            # An error of each kind that alerts count, so that its code is there.
            cluster.cli("table", "describe", "nowhere", check=False)
            with urllib.request.urlopen(f"http://{cluster.http[0]}/metrics", timeout=10) as answer:
                cls.text = answer.read().decode()
        cls.names = set(re.findall(r"^([a-z_]+)[ {]", cls.text, re.M))

    def test_promtool_finds_nothing(self):
        done = promtool("check", "metrics", input=self.text)
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_promtool_would_find_a_bad_name(self):
        done = promtool("check", "metrics", input=self.text + "# TYPE rowhouse_wait_ms counter\nrowhouse_wait_ms 1\n")
        self.assertNotEqual(done.returncode, 0)

    def test_names_begin_with_ours_and_have_help(self):
        self.assertGreater(len(self.names), 40)
        for name in sorted(self.names):
            self.assertTrue(name.startswith("rowhouse_"), name)
        described = set(re.findall(r"^# HELP (\S+) \S", self.text, re.M))
        typed = set(re.findall(r"^# TYPE (\S+) (?:counter|gauge|histogram)$", self.text, re.M))
        self.assertEqual(described, typed)

    def test_alerts_name_only_metrics_that_there_are(self):
        for rule in rules():
            names = names_in(rule["expr"])
            self.assertTrue(names, rule["alert"])
            self.assertEqual(names - OF_PROMETHEUS - self.names, set(), rule["alert"])

    def test_alerts_name_only_labels_that_there_are(self):
        labels = set(re.findall(r'[{,](\w+)="', self.text)) | {"instance", "job"}
        for rule in rules():
            used = set(re.findall(r'[{,]\s*(\w+)\s*[=!]', rule["expr"]))
            for group in re.findall(r"\bby\s*\(([^)]*)\)", rule["expr"]):
                used |= {label.strip() for label in group.split(",")}
            self.assertEqual(used - labels, set(), rule["alert"])

    def test_methods_in_alerts_are_real(self):
        methods = set(re.findall(r'method="(\w+)"', self.text))
        for rule in rules():
            for text in re.findall(r'method=~?"([^"]*)"', rule["expr"]):
                self.assertEqual(set(text.split("|")) - methods, set(), rule["alert"])

    def test_pages_name_only_metrics_that_there_are(self):
        pages = [*(ROOT / "docs" / "runbooks").glob("*.md"), ROOT / "docs" / "how-to" / "watch-it.md"]
        client = set(re.findall(r"`(rowhouse_client_\w+)`", (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")))
        families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in self.names} | self.names | client
        for page in pages:
            named = set(re.findall(r"\browhouse_[a-z_]+", page.read_text(encoding="utf-8")))
            self.assertEqual({name for name in named if name not in families and name != "rowhouse_"}, set(), page.name)


class Alerts(unittest.TestCase):
    def test_promtool_accepts_the_rules(self):
        done = promtool("check", "rules", RULES)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn(f"{len(rules())} rules found", done.stdout)
        self.assertGreaterEqual(len(rules()), 12)

    def test_each_fires_when_it_should(self):
        document = yaml.safe_load(FIRING.read_text(encoding="utf-8"))
        fires = {case["alertname"] for test in document["tests"] for case in test["alert_rule_test"] if case["exp_alerts"]}
        self.assertEqual(fires, {rule["alert"] for rule in rules()}, "tests/e2e/alerts_test.yml makes each alert fire")
        with tempfile.TemporaryDirectory(prefix="rowhouse-alerts-") as directory:
            for path in (RULES, FIRING):
                shutil.copy(path, directory)
            done = promtool("test", "rules", FIRING.name, cwd=directory)
            self.assertEqual(done.returncode, 0, done.stdout)

    def test_each_has_a_runbook(self):
        pages = {page.stem for page in (ROOT / "docs" / "runbooks").glob("*.md")}
        self.assertEqual(pages, {rule["alert"] for rule in rules()})
        for rule in rules():
            name, annotations = rule["alert"], rule["annotations"]
            self.assertEqual(annotations["runbook"], f"docs/runbooks/{name}.md")
            self.assertTrue(annotations["summary"])
            self.assertIn(rule["labels"]["severity"], SEVERITIES)
            page = (ROOT / annotations["runbook"]).read_text(encoding="utf-8")
            self.assertTrue(page.startswith(f"# {name}\n"), name)
            for part in ("**Means.**", "**Look at.**", "**Do.**"):
                self.assertIn(part, page, name)

    def test_the_table_of_alerts_has_each(self):
        page = (ROOT / "docs" / "how-to" / "watch-it.md").read_text(encoding="utf-8")
        rows = re.findall(r"^\| \[(\w+)\]\(\.\./runbooks/(\w+)\.md\) \| (\w+) \|", page, re.M)
        self.assertEqual(rows, [(rule["alert"], rule["alert"], rule["labels"]["severity"]) for rule in rules()])


class Configurations(unittest.TestCase):
    def checked(self, text, rules=True):
        """What promtool says of a configuration with the rules beside it."""
        with tempfile.TemporaryDirectory(prefix="rowhouse-prometheus-") as directory:
            config = pathlib.Path(directory, "prometheus.yml")
            config.write_text(text, encoding="utf-8")
            if rules:
                shutil.copy(RULES, directory)
            return promtool("check", "config", config)

    def test_promtool_accepts_each(self):
        for name, targets in CONFIGURATIONS.items():
            with self.subTest(file=name):
                text = (ROOT / name).read_text(encoding="utf-8")
                done = self.checked(text)
                self.assertEqual(done.returncode, 0, done.stdout)
                self.assertIn("1 rule files found", done.stdout)
                (job,) = yaml.safe_load(text)["scrape_configs"]
                self.assertEqual(job["job_name"], "rowhouse", "the alerts look for that job")
                self.assertEqual([target for group in job["static_configs"] for target in group["targets"]], targets)

    def test_what_the_program_writes_is_accepted(self):
        with tempfile.TemporaryDirectory(prefix="rowhouse-prometheus-") as directory:
            for name, command in (("prometheus.yml", "prometheus"), ("alerts.yml", "alerts")):
                text = run(ROWHOUSE, "generate", command).stdout
                self.assertEqual(text, (RULES.parent / name).read_text(encoding="utf-8"))
                pathlib.Path(directory, name).write_text(text, encoding="utf-8")
            done = promtool("check", "config", pathlib.Path(directory, "prometheus.yml"))
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertIn(f"{len(rules())} rules found", done.stdout)

    def test_promtool_would_find_a_mistake(self):
        text = (ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
        self.assertNotEqual(self.checked(text.replace("scrape_interval: 15s", "scrape_interval: soon")).returncode, 0)
        self.assertNotEqual(self.checked(text, rules=False).returncode, 0)


if __name__ == "__main__":
    unittest.main()
