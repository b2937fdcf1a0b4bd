"""What the documents say is true: their YAML, their commands, their output, their lists.

Blocks of code in README.md and docs/ are checked by the words after the three backticks:

- ``yaml`` is a flow, ``yaml project`` a hygge.yml; ``yaml fragment`` is a part of either.
- ``console`` is typed, block after block, in a copy of this project, and must print what the page
  shows; ``…`` on a line of its own stands for any lines. ``console skip`` is not typed.

``<!-- file: NAME -->`` before a block makes it a file of the copy. ``<!-- project: empty -->``
begins with an empty folder instead, ``<!-- project: data -->`` with the data but no flows: such a
page writes all of them, the same ones. To have the output of all pages written anew::

    HYGGE_UPDATE_DOCS=1 pytest tests/test_docs.py
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import doit.runner
import pyarrow.parquet as pq
import pytest
import yaml
from jsonschema import Draft202012Validator

from hygge import schema
from hygge.commands.stopping import SIGNALS

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(p for p in DOCS.rglob("*.md") if "_build" not in p.parts)]
ALL_PAGES = [*PAGES, ROOT / "data/README.md", ROOT / ".github/CONTRIBUTING.md"]
UPDATE = bool(os.environ.get("HYGGE_UPDATE_DOCS"))

BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>file|project): (?P<name>\S+) -->\n+)?"
    r"^```(?P<language>\w+)(?: (?P<kind>\w+))?\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
EMPTY_PROJECT = "<!-- project: empty -->"
DATA_PROJECT = "<!-- project: data -->"
SAFE = {"cat", "cp", "doit", "echo", "head", "hygge", "ls", "mkdir", "mv", "printf", "python", "rm"}
SAFE |= {"do", "done", "for", "sort", "tail", "touch"}

VOLATILE = (
    (re.compile(r"\b\d{8}T\d{9}Z-[0-9a-f]{6}\b"), "RUN"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"), "TS"),
    (re.compile(r"\b\d{8}T\d{6}\b"), "TIME"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "HASH"),
    (re.compile(r"content [0-9a-f]{8} -> [0-9a-f]{8}"), "content"),
    (re.compile(r"[\d,]+ -> [\d,]+ bytes"), "bytes"),
    (re.compile(r"\b\d+(\.\d+)?(B|kB|MB|GB)\b"), "SIZE"),
    (re.compile(r'"(size_bytes|bytes|seconds|pid)": [\d.]+'), "NUMBER"),
    (re.compile(r"\d+\.\d+s\b"), "SECONDS"),
    (re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b"), "WHEN"),
    (re.compile(r"\b\d\d:\d\d:\d\d\.\d{3}\b"), "CLOCK"),
    (re.compile(r"\b\d+ (s|min|h|days) ago\b"), "AGO"),
    (re.compile(r"\bprocess \d+\b"), "PROCESS"),
    (re.compile(r"\bafter \d+\.\d s\b"), "AFTER"),
    (re.compile(r"(\d{2,}, ){2,}\d+"), "NUMBERS"),
)
"""What differs from run to run, and between versions of what writes parquet."""


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def section_of(page: str, heading: str) -> str:
    """Return what stands on *page* below the heading that contains *heading*."""
    parts = re.split(r"^(#+ .*)$", page, flags=re.MULTILINE)
    found = [body for title, body in zip(parts[1::2], parts[2::2], strict=True) if heading in title]
    assert len(found) == 1, f"{len(found)} headings with {heading}"
    return found[0]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_yaml_on_a_page_is_what_the_schema_allows(page: Path) -> None:
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        if block["language"] != "yaml" or block["kind"] == "fragment":
            continue
        values = yaml.safe_load(block["text"])
        name = "project" if block["kind"] == "project" else "flow"
        errors = [each.message for each in problems(values, name)]
        assert not errors, f"{block['text']}\n{errors}"


def problems(values: Any, name: str) -> Iterator[Any]:
    whole = schema.composed(name)
    yield from Draft202012Validator(whole).iter_errors(values)
    if name == "flow" and isinstance(values.get("store"), dict):
        kind = values["store"].get("type", "parquet")
        yield from Draft202012Validator(schema.read(f"store/{kind}")).iter_errors(values["store"])


@dataclass
class Command:
    """A command on a page, with the output that is shown below it."""

    text: str
    shown: list[str]

    def is_safe(self) -> bool:
        words = list(shlex.shlex(self.text, posix=True, punctuation_chars=True))
        operators = {";", "&&", "||", "|"}
        first = [w for w, before in zip(words, [";", *words], strict=False) if before in operators]
        reaches_out = re.search(r"(^|\s)(/|~|\.\.)", self.text)
        return set(first) <= SAFE and not reaches_out


def commands(block: str) -> list[Command]:
    found: list[Command] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append(Command(line[2:], []))
        elif line.startswith("> "):
            found[-1].text += "\n" + line[2:]
        else:
            found[-1].shown.append(line)
    return found


def steady(line: str) -> str:
    for pattern, name in VOLATILE:
        line = pattern.sub(name, line)
    return re.sub(r"\s+", " ", line).strip()


def is_shown(printed: list[str], shown: list[str]) -> bool:
    """Tell whether *shown* is *printed*, with ``…`` for any lines."""
    if not shown:
        return not printed
    if shown[0] == "…":
        return any(is_shown(printed[i:], shown[1:]) for i in range(len(printed) + 1))
    return (
        bool(printed)
        and steady(printed[0]) == steady(shown[0])
        and is_shown(printed[1:], shown[1:])
    )


def shortened(printed: list[str], shown: list[str]) -> list[str]:
    """Return *printed* with as many lines left out as *shown* left out."""
    if "…" not in shown:
        return printed
    first = shown.index("…")
    last = len(shown) - first - 1
    return [*printed[:first], "…", *printed[len(printed) - last :]]


COMPILED = shutil.ignore_patterns("__pycache__")


def meaning(name: str, text: str) -> Any:
    """Return what the file *name* of a flow says, without its comments."""
    return text if name.endswith(".py") else yaml.safe_load(text)


def flows_in(root: Path) -> dict[str, Any]:
    files = [file for file in (root / "flows").rglob("*.*") if file.suffix in (".py", ".yml")]
    names = [file.relative_to(root).as_posix() for file in files]
    return {name: meaning(name, (root / name).read_text(encoding="utf-8")) for name in names}


class Story:
    """A page that is acted out in a folder of its own."""

    def __init__(self, page: Path, root: Path) -> None:
        self.root = root
        self.code = 0
        self.text = page.read_text(encoding="utf-8")
        self.writes_flows = DATA_PROJECT in self.text
        self.has_flows = not self.writes_flows and EMPTY_PROJECT not in self.text
        root.mkdir()
        if self.has_flows:
            shutil.copytree(ROOT / "flows", root / "flows", ignore=COMPILED)
        if self.has_flows or self.writes_flows:
            shutil.copy(ROOT / "dodo.py", root)
            shutil.copytree(ROOT / "data/home", root / "data/home")

    def act(self) -> str:
        """Do everything in order; return the page with what was really printed."""
        text = BLOCK.sub(lambda block: self._block(block), self.text)
        if self.writes_flows:
            assert flows_in(self.root) == flows_in(ROOT), "the page ends with other flows"
        return text

    def _block(self, block: re.Match[str]) -> str:
        whole = block[0]
        if block["mark"] == "file":
            self._write(block["name"], block["text"])
        if block["language"] != "console" or block["kind"] == "skip":
            return whole
        lines = []
        for command in commands(block["text"]):
            assert command.is_safe(), f"to be marked 'console skip': {command.text}"
            printed = self._type(command.text)
            if UPDATE and not is_shown(printed, command.shown):
                command.shown = shortened(printed, command.shown)
            assert is_shown(printed, command.shown), (
                f"$ {command.text}\nprinted:\n"
                + "\n".join(printed)
                + "\nthe page shows:\n"
                + "\n".join(command.shown)
            )
            lines += ["$ " + command.text.replace("\n", "\n> "), *command.shown]
        self._check_code("the end of the block")
        return whole.replace(block["text"], "".join(line + "\n" for line in lines))

    def _write(self, name: str, text: str) -> None:
        file = self.root / name
        if self.has_flows and name.startswith("flows/") and (ROOT / name).exists():
            assert meaning(name, text) == meaning(name, text_of(name)), f"another {name}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def _type(self, command: str) -> list[str]:
        if command != "echo $?":
            self._check_code(command)
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        kept = {k: v for k, v in os.environ.items() if k not in ("CI", "PYTHONPATH")}
        done = subprocess.run(
            ["bash", "-c", f"(exit {self.code})\n{command}"],
            cwd=self.root,
            # Unbuffered: both streams in the order of a terminal.
            env={**kept, "PATH": path, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        self.code = done.returncode
        return [line.rstrip() for line in done.stdout.rstrip().split("\n")] if done.stdout else []

    def _check_code(self, now: str) -> None:
        assert self.code == 0, f"exit code {self.code}, to be shown with 'echo $?' before {now}"


def has_console(page: Path) -> bool:
    return "```console\n" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [page for page in PAGES if has_console(page)], ids=name_of)
def test_commands_on_a_page_print_what_it_shows(page: Path, tmp_path: Path) -> None:
    text = Story(page, tmp_path / "project").act()
    if UPDATE:
        page.write_text(text, encoding="utf-8")


def trees(*patterns: str) -> Iterator[ast.Module]:
    for pattern in patterns:
        for file in sorted((ROOT / "hygge").glob(pattern)):
            yield ast.parse(file.read_text(encoding="utf-8"))


def reason_kinds() -> set[str]:
    """Return the first argument of every ``Reason(...)``, also where it is a variable."""
    kinds: set[str] = set()
    for tree in trees("**/*.py"):
        for function in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)):
            assigned = {
                target.id: node.value
                for node in ast.walk(function)
                if isinstance(node, ast.Assign)
                for target in node.targets
                if isinstance(target, ast.Name)
            }
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Reason":
                    first: ast.AST = call.args[0]
                    if isinstance(first, ast.Name):
                        first = assigned[first.id]
                    kinds |= _texts(first)
    return kinds


def _texts(node: ast.AST) -> set[str]:
    if isinstance(node, ast.IfExp):
        return _texts(node.body) | _texts(node.orelse)
    assert isinstance(node, ast.Constant), ast.dump(node)
    return {node.value}


def first_column(page: str, heading: str) -> set[str]:
    """Return what stands in the first column of the table below *heading*."""
    rows = re.findall(r"^\| `?([^|`]+?)`? +\|", section_of(page, heading), re.MULTILINE)
    return {row.strip() for row in rows[1:] if set(row) - set("-: ")}


def test_every_reason_is_explained_and_no_other() -> None:
    assert first_column(text_of("docs/deciding.md"), "Why is a partition stale?") == reason_kinds()


def test_every_error_class_is_explained_and_no_other() -> None:
    (tree,) = trees("errors.py")
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)} - {"HyggeError"}
    page = text_of("docs/errors.md")

    assert first_column(page, "Where do I go to mend it?") == classes
    assert "`HyggeError`" in page


def plugin_commands() -> dict[str, str]:
    points = tomllib.loads(text_of("pyproject.toml"))["project"]["entry-points"]
    return dict(points["doit.COMMAND"])


def section_about(command: str) -> str:
    """Return what stands below the one heading, on any page, that names *command* so."""
    pages = [page.read_text(encoding="utf-8") for page in sorted(DOCS.glob("*.md"))]
    heading = re.compile(rf"^#+ .*`doit {command}`(?! (?:know|need))", re.MULTILINE)
    found = [section_of(page, f"`doit {command}`") for page in pages if heading.search(page)]
    assert len(found) == 1, f"{len(found)} headings about doit {command}"
    return found[0]


@pytest.mark.parametrize(("command", "where"), sorted(plugin_commands().items()))
def test_every_command_and_option_is_explained(command: str, where: str) -> None:
    module, _, name = where.partition(":")
    section = section_about(command)
    for option in getattr(importlib.import_module(module), name).cmd_options:
        long, short = option.get("long"), option.get("short")
        for written in ([f"--{long}"] if long else []) + ([f"-{short}"] if short else []):
            assert f"`{written}" in section, f"doit {command} {written}"


def exit_codes() -> set[int]:
    codes = {doit.runner.SUCCESS, doit.runner.FAILURE, doit.runner.ERROR}
    codes |= {128 + number for number in SIGNALS}
    for tree in trees("commands/*.py"):
        for node, after in zip(tree.body, tree.body[1:], strict=False):
            told = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            if (
                isinstance(node, ast.Assign)
                and told
                and str(after.value.value).startswith("Exit code")
            ):
                codes.add(ast.literal_eval(node.value))
    return codes


def test_every_exit_code_is_explained_and_no_other() -> None:
    listed = first_column(text_of("docs/commands.md"), "What do the exit codes mean?")

    assert {int(code) for code in listed} == exit_codes()
    assert signal.SIGINT + 128 == 130


def event_types() -> set[str]:
    return set(schema.read("event")["properties"]["type"]["enum"])


def test_every_event_is_explained_and_no_other() -> None:
    page = text_of("docs/events.md")
    written = first_column(page, "What is written?")
    reserved = set(re.findall(r"`(\w+\.\w+)`", page.partition("These types are reserved")[2]))

    assert written | (reserved & event_types()) == event_types()
    types = r"\"((?:job|step|file|config|provider)\.[a-z]+|progress)\""
    assert written == set(re.findall(types, emitted()))


def emitted() -> str:
    """Return the code that writes events, with the types that it puts together written out."""
    files = ("hygge/recorder.py", "hygge/watching/record.py")
    text = "".join(map(text_of, files))
    ways = ("succeeded", "failed", "interrupted")
    return text + "".join(f'"job.{way}"' for way in ways if 'f"job.{status}"' in text)


def schema_keys(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for name, inner in part.get("properties", {}).items():
            yield name
            yield from schema_keys(inner)
        for inner in ("items", "additionalProperties"):
            yield from schema_keys(part.get(inner))


OWN_PAGES = {"transform": "transforms", "checks": "checks", "entities": "entities"}
"""Keys of a flow with a page of their own for the keys within."""


@pytest.mark.parametrize("section", ["home", "store"])
def test_every_key_of_a_section_is_explained(section: str) -> None:
    page = text_of(f"docs/{section}s.md")
    for kind in schema.kinds(section):
        for key in schema_keys(schema.read(f"{section}/{kind}")):
            assert f"`{key}`" in page, f"{key} of {section}/{kind}"


@pytest.mark.parametrize("name", ["flow", "project"])
def test_every_key_of_a_flow_is_explained(name: str) -> None:
    for key, inner in schema.read(name)["properties"].items():
        assert f"`{key}`" in text_of("docs/flows.md"), key
        for nested in schema_keys(inner):
            page = OWN_PAGES.get(key, "flows")
            assert f"`{nested}`" in text_of(f"docs/{page}.md"), f"{nested} of {key}"


@pytest.mark.parametrize("page", ALL_PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


def test_contributing_names_the_checks_that_are_made() -> None:
    told, made = text_of(".github/CONTRIBUTING.md"), text_of(".ci/run")
    for check in ("ruff check .", "ruff format --check .", "mypy", "pytest", "sphinx-build -W"):
        assert check in told, check
        assert check in made, check


def test_workflow_is_yaml() -> None:
    workflow = yaml.safe_load(text_of(".github/workflows/ci.yml"))

    assert json.dumps(workflow["jobs"]).count(".ci/run") == 1


def test_data_are_as_many_rows_as_their_description_says() -> None:
    files = (ROOT / "data/home/flights").glob("*.parquet")
    rows = sum(pq.read_metadata(file).num_rows for file in files)

    assert f"{rows:,} flights" in text_of("data/README.md")


def test_sphinx_builds_without_a_warning(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "sphinx",
            "-W",
            "-q",
            "-b",
            "html",
            str(DOCS),
            str(tmp_path / "html"),
        ],
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "html/deciding.html").exists()
