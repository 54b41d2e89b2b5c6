#!/usr/bin/env python3
# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Writes pages of docs/reference from what they describe: metrics.md from a running server and the client's sources, proto.md from
the comments of the protos, and two tables of errors.md from the sources that make, judge and report errors and from the protos; what a
code means and what to do about it is in no one place of these, so the rest of errors.md is written by hand.

  generate_reference.py --build-dir build/release            write all
  generate_reference.py --build-dir build/release --check    write nothing; exit status 1 when a page is not as it would be written

Needs (Debian): protobuf-compiler protobuf-compiler-grpc python3-protobuf python3-grpcio python3-numpy.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
PUBLIC_PROTOS = ("embedding_service", "admin_service", "checkpoint_service", "table_schema")
WRITTEN_BY = "<!-- Written by tools/generate_reference.py; a test compares this page with what it writes. -->\n"

# Labels whose values are not a fixed set, or a long one.
OPEN_LABELS = {"table": "a table's name", "code": "a gRPC status code, as `OK`", "version": "the release, as `0.1.0`"}
LONG_SET = 8

# As gRPC numbers them, from 0.
CODES = ("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
         "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
         "UNAUTHENTICATED")
# Where errors are made that reach whoever calls a server, the client library or the command line.
ERROR_SOURCES = ("server", "client", "common")
OF_GRPC = {"CANCELLED", "UNKNOWN", "DEADLINE_EXCEEDED", "UNAVAILABLE"}  # gRPC makes them, whoever else does
VERDICTS = {"kRetry": "sends it again", "kRetryAfterMap": "asks for the partition map, sends it again",
            "kIfMapChanged": "sends it again if the partition map has changed", "kFinal": "gives it to the caller"}
EXITS = {"kOk": "0", "kFailure": "1", "kUsage": "2", "kUnhealthy": "3", "kTimeout": "4",
         "NotedSignal() == 0 ? kFailure : kEndedBySignal + NotedSignal()": "1; 128 + signal after one"}

METRICS_HEAD = """# Metrics

A server shows these at `/metrics` of `--http-listen`, in the Prometheus text format. The C++ client gives its own as text
(`Client::MetricsText`), for a trainer to show at an endpoint of its own.

Names begin with `rowhouse_`. Units are in the names: `_seconds`, `_bytes`. A name that ends in `_total` is a counter: it begins at 0 when
the process starts. A histogram `NAME` is shown as `NAME_bucket`, `NAME_sum` and `NAME_count`.

[Watch it](../how-to/watch-it.md) says what to look at, [errors.md](errors.md) what each `code` means.
"""

PROTO_HEAD = """# The wire

The public protos, in [proto/rowhouse/v1](../../proto/rowhouse/v1). Any language with gRPC can call them;
[plain_grpc.py](../../examples/python/plain_grpc.py) is a whole client. What each code means: [errors.md](errors.md).
"""


def escape(text):
    """`text` as part of a line of Markdown, in a table or not."""
    for mark in ("\\", "*", "|", "[", "]"):
        text = text.replace(mark, "\\" + mark)
    return " ".join(text.replace("<", "&lt;").split())


class Family:
    """One metric: its name, type, help, and the labels and values that were seen."""

    def __init__(self, name):
        self.name, self.type, self.help, self.labels, self.buckets = name, "", "", {}, []

    def row(self):
        labels = []
        for label, values in self.labels.items():
            what = OPEN_LABELS.get(label) or ", ".join(f"`{value}`" for value in sorted(values))
            if label == "method" and len(values) > LONG_SET:
                what = "every method (below)"
            labels.append(f"`{label}`: {what}")
        return f"| `{self.name}` | {self.type} | {'; '.join(labels)} | {escape(self.help)} |"


def parse_metrics(text):
    """The families of a text in the Prometheus format, in its order."""
    families = {}
    for line in text.splitlines():
        if match := re.match(r"# (HELP|TYPE) (\S+) (.*)", line):
            family = families.setdefault(match[2], Family(match[2]))
            setattr(family, match[1].lower(), match[3])
        elif match := re.match(r"([a-z_]+)(?:\{(.*)\})? \S+$", line):
            name = match[1]
            family = families.get(name) or families[re.sub(r"_(bucket|sum|count)$", "", name)]
            for label, value in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2] or ""):
                if label != "le":
                    family.labels.setdefault(label, set()).add(value)
                elif value not in family.buckets:
                    family.buckets.append(value)
    return families


def server_metrics(build_dir):
    """/metrics of a server that has a table and has answered a trainer."""
    os.environ["ROWHOUSE_BUILD_DIR"] = str(build_dir.resolve())
    sys.path.insert(0, str(ROOT / "tests" / "e2e"))
    from cluster import Cluster, run
    with Cluster(partitions=8) as cluster:
        cluster.cli("table", "create", "user", "--dim", "4")
        run("/usr/bin/python3", "-B", ROOT / "examples" / "python" / "plain_grpc.py", "--address", cluster.addresses[0])
        with urllib.request.urlopen(f"http://{cluster.http[0]}/metrics", timeout=10) as answer:
            return answer.read().decode()


def client_metrics():
    """The client's families, from where it registers them."""
    source = (ROOT / "client" / "cpp" / "src" / "client_impl.cc").read_text(encoding="utf-8")
    core = (ROOT / "client" / "cpp" / "src" / "core.cc").read_text(encoding="utf-8")
    histogram_help = re.search(r'absl::StrCat\("([^"]+)", what, "([^"]+)"\)', core)
    families = [(name, "counter", text) for name, text in re.findall(r'\bcounter\(\s*"(\w+)",\s*"([^"]+)"', source)]
    families += [(name, "histogram", f"{histogram_help[1]}{what}{histogram_help[2]}")
                 for name, what in re.findall(r'CallHistogram\(metrics, "(\w+)", "([^"]+)"\)', core)]
    named = set(re.findall(r'"(rowhouse_client_\w+)"', source + core))
    if named != {name for name, _, _ in families}:
        sys.exit(f"generate_reference.py: the client registers metrics in a way it does not understand: {named}")
    result = []
    for name, kind, text in sorted(families):
        result.append(Family(name))
        result[-1].type, result[-1].help = kind, text
    return result


def metrics_page(build_dir):
    families = dict(sorted(parse_metrics(server_metrics(build_dir)).items()))
    head = ["", "| name | type | labels | meaning |", "|---|---|---|---|"]
    lines = [WRITTEN_BY + METRICS_HEAD, "## Server", *head, *(family.row() for family in families.values()), ""]
    methods = sorted(families["rowhouse_requests_total"].labels["method"])
    lines += [f"Methods: {', '.join(f'`{method}`' for method in methods)}. [proto.md](proto.md) has what they do; `Check` is grpc.health.v1's, "
              "and `CheckpointStep`, `MetaRange`, `MetaTxn`, `Sync` and `WriterSilence` are between servers.", "", "Upper bounds of the buckets:", ""]
    for family in families.values():
        if family.buckets:
            lines.append(f"- `{family.name}`: {', '.join(family.buckets)}")
    lines += ["", "## Client", *head, *(family.row() for family in client_metrics())]
    return "\n".join(lines) + "\n"


def descriptors():
    """FileDescriptorProtos of the public protos, with comments."""
    from google.protobuf import descriptor_pb2
    with tempfile.TemporaryDirectory(prefix="rowhouse-protos-") as directory:
        out = os.path.join(directory, "set")
        subprocess.run(["protoc", f"--proto_path={ROOT / 'proto'}", "--include_source_info", f"--descriptor_set_out={out}",
                        *(f"rowhouse/v1/{name}.proto" for name in PUBLIC_PROTOS)], check=True)
        files = descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(out).read_bytes()).file
    by_name = {file.name: file for file in files}
    return [by_name[f"rowhouse/v1/{name}.proto"] for name in PUBLIC_PROTOS]


class Comments:
    """What a proto says of each of its parts, by the path that protoc gives them."""

    def __init__(self, file):
        self.by_path = {tuple(location.path): location for location in file.source_code_info.location}

    def of(self, *path):
        location = self.by_path.get(path)
        return location.leading_comments.strip() if location else ""

    def before(self, *path):
        location = self.by_path.get(path)
        return [text.strip() for text in location.leading_detached_comments] if location else []


def paragraphs(text):
    return "\n\n".join(escape(part) for part in re.split(r"\n\s*\n", text))


def type_name(field):
    from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Proto
    if field.type_name:
        name = field.type_name.rpartition(".")[2]
        text = f"[{name}](#{name.lower()})"
    else:
        text = Proto.Type.Name(field.type)[len("TYPE_"):].lower()
    if field.label == Proto.LABEL_REPEATED:
        return "repeated " + text
    return "optional " + text if field.proto3_optional else text


def service_lines(file, comments):
    for i, service in enumerate(file.service):
        yield from (f"### {service.name}", "", paragraphs(comments.of(6, i)), "", "| method | takes | answers | does |", "|---|---|---|---|")
        for j, method in enumerate(service.method):
            takes, answers = (name.rpartition(".")[2] for name in (method.input_type, method.output_type))
            yield (f"| `{method.name}` | [{takes}](#{takes.lower()}) | [{answers}](#{answers.lower()}) | "
                   f"{escape(comments.of(6, i, 2, j))} |")
        yield ""


def message_lines(file, comments):
    for i, message in enumerate(file.message_type):
        yield from (f"### {message.name}", "", paragraphs(comments.of(4, i)), "")
        if not message.field:
            yield from ("No fields.", "")
            continue
        head = ["| no. | field | type | meaning |", "|---|---|---|---|"]
        yield from head
        for j, field in enumerate(message.field):
            for text in comments.before(4, i, 2, j):
                yield from ("", paragraphs(text), "", *head)
            in_oneof = " (one of `" + message.oneof_decl[field.oneof_index].name + "`)" if (
                field.HasField("oneof_index") and not field.proto3_optional) else ""
            yield f"| {field.number} | `{field.name}` | {type_name(field)}{in_oneof} | {escape(comments.of(4, i, 2, j))} |"
        yield ""


def enum_lines(file, comments):
    for i, enum in enumerate(file.enum_type):
        yield from (f"### {enum.name}", "", paragraphs(comments.of(5, i)), "", "| no. | value | meaning |", "|---|---|---|")
        for j, value in enumerate(enum.value):
            yield f"| {value.number} | `{value.name}` | {escape(comments.of(5, i, 2, j))} |"
        yield ""


def proto_page(_):
    lines = [WRITTEN_BY + PROTO_HEAD]
    for file in descriptors():
        comments = Comments(file)
        about = "\n\n".join(filter(None, ["\n\n".join(comments.before(12)), comments.of(12), *comments.before(2), comments.of(2)]))
        lines += [f"## {file.name.rpartition('/')[2]}", "", paragraphs(about), ""]
        lines += [*service_lines(file, comments), *message_lines(file, comments), *enum_lines(file, comments)]
    return "\n".join(lines).rstrip() + "\n"


def code_of(name):
    """DEADLINE_EXCEEDED of DeadlineExceeded."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).upper()


def codes_made():
    """The codes that somebody may be given."""
    sources = [path for folder in ERROR_SOURCES for kind in ("*.cc", "*.h") for path in (ROOT / folder).rglob(kind)]
    names = {name for path in sources for name in re.findall(r"\babsl::([A-Z]\w+)Error\(", path.read_text(encoding="utf-8"))}
    return OF_GRPC | {code_of(name) for name in names}


def cases(path, function):
    """What a switch over status codes returns: {code or "default": the expression}."""
    body = re.search(rf"\b{function}\(.*?\n}}\n", (ROOT / path).read_text(encoding="utf-8"), re.S)[0]
    found, waiting = {}, []
    for case, result in re.findall(r"case absl::StatusCode::k(\w+):|(?<=\n) {6}return (.+);", body):
        if case:
            waiting.append(code_of(case))
        else:
            found.update(dict.fromkeys(waiting or ["default"], result))
            waiting = []
    if len(found) < 3 or "default" not in found:
        sys.exit(f"generate_reference.py: it does not understand {function} of {path}")
    return found


def codes_table():
    verdicts, exits = cases("client/cpp/src/retry.cc", "Judge"), cases("client/cli/command.cc", "int Report")
    yield from ("| no. | code | the C++ client | exit code of a command |", "|---|---|---|---|")
    made = codes_made()
    for number, code in enumerate(CODES):
        if code in made:
            verdict = VERDICTS[verdicts.get(code, verdicts["default"]).removeprefix("Verdict::")]
            yield f"| {number} | `{code}` | {verdict} | {EXITS[exits.get(code, exits['default'])]} |"


def wire_table():
    """The methods, messages and fields whose comments name a code."""
    places = {code: [] for code in CODES}
    for file in descriptors():
        comments = Comments(file)
        named = [(f"`{method.name}`", service.name, comments.of(6, i, 2, j))
                 for i, service in enumerate(file.service) for j, method in enumerate(service.method)]
        for i, message in enumerate(file.message_type):
            named.append((f"`{message.name}`", message.name, comments.of(4, i)))
            named += [(f"`{message.name}.{field.name}`", message.name, comments.of(4, i, 2, j)) for j, field in enumerate(message.field)]
        for what, heading, comment in named:
            for code in set(re.findall(r"\b[A-Z_]{5,}\b", comment)) & set(CODES):
                places[code].append(f"[{what}](proto.md#{heading.lower()})")
    yield from ("| code | named by |", "|---|---|")
    yield from (f"| `{code}` | {', '.join(places[code])} |" for code in CODES if places[code])


def errors_page(_):
    text = (REFERENCE / "errors.md").read_text(encoding="utf-8")
    for name, make in (("codes", codes_table), ("wire", wire_table)):
        begin, end = f"<!-- {name}: written by tools/generate_reference.py -->\n", f"<!-- end of {name} -->\n"
        head, _, rest = text.partition(begin)
        if end not in rest:
            sys.exit(f"generate_reference.py: docs/reference/errors.md has no place for the table of {name}")
        text = head + begin + "".join(line + "\n" for line in make()) + rest[rest.index(end):]
    return text


PAGES = {"metrics.md": metrics_page, "proto.md": proto_page, "errors.md": errors_page}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build-dir", type=pathlib.Path, default=ROOT / "build" / "release", help="where bin/ is (default build/release)")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    flags = parser.parse_args()
    stale = []
    for name, make in PAGES.items():
        path, text = REFERENCE / name, make(flags.build_dir)
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not flags.check:
            path.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"docs/reference/{name} {'is not as tools/generate_reference.py writes it: run that' if flags.check else 'written'}")
    return 1 if flags.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
