"""Imports go downward only, and what is heavy is imported where it is used."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import hygge

FOLDER = Path(hygge.__file__).parent

LAYERS = {
    "word": {
        "errors",
        "own_words",
        "redaction",
        "fingerprint",
        "document",
        "datatypes",
        "durability",
        "paths",
        "room",
        "transient",
        "variables",
    },
    "noun": {
        "project",
        "flow",
        "handling",
        "partition",
        "receipt",
        "lock",
        "state",
        "state_file",
        "state_reading",
        "events",
        "schema",
        "entities",
        "landing",
        "overrides",
        "error_record",
        "manifest",
        "liveness",
        "run_log",
        "runs",
        "rows",
    },
    "port": {"registry", "homes", "stores"},
    "verb": {
        "adoption",
        "attempt",
        "blocking",
        "chain",
        "checks",
        "columns",
        "contract",
        "coordinator",
        "estimate",
        "explanation",
        "foresight",
        "lineage",
        "move",
        "ownership",
        "places",
        "plan",
        "prepared",
        "refusals",
        "removals",
        "retrying",
        "run",
        "recorder",
        "selection",
        "preparing",
        "clearing",
        "vanished",
        "seal",
        "sealing",
        "standing",
        "shape",
        "share",
        "transform",
        "trial",
        "verification",
        "workers",
        "origin",
    },
    "edge": {
        "tasks",
        "group_tasks",
        "content_checker",
        "event_reporter",
        "github",
        "own_tasks",
        "reporter",
        "live",
        "outlet",
        "cli",
        "commands",
        "templates",
        "notebook",
        "board",
        "watching",
        "completion",
    },
}
"""Modules and packages of the design's section 4, from the bottom to the top."""

HEAVY = {"polars", "pyarrow", "jsonschema", "rich", "tenacity", "watchfiles"}

SPEAKS_DOIT = {"tasks", "group_tasks", "content_checker", "event_reporter", "own_tasks"}
SPEAKS_DOIT |= {"reporter", "cli", "commands"}


def name_of(file: Path) -> str:
    """Return the dotted name of the module in *file*."""
    parts = file.relative_to(FOLDER.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(file): file for file in sorted(FOLDER.rglob("*.py"))}


def part(module: str) -> str:
    """Return the part of the design that *module* belongs to: ``homes`` for hygge.homes.csv."""
    return module.split(".")[1] if "." in module else ""


def height(module: str) -> int:
    """Return the layer of *module*, 0 at the bottom; what all may import lies below that."""
    if module == "hygge":
        return -1
    return next(i for i, parts in enumerate(LAYERS.values()) if part(module) in parts)


def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def imported(node: ast.stmt | ast.AST) -> Iterator[str]:
    """Yield the dotted names of the modules that an import statement imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.module is not None, "relative imports hide what is imported"
        for alias in node.names:
            whole = f"{node.module}.{alias.name}"
            yield whole if whole in MODULES else node.module


def all_imports(module: str) -> set[str]:
    """Return what *module* imports anywhere, functions and type checking included."""
    return {name for node in ast.walk(tree(module)) for name in imported(node)}


def top_imports(module: str) -> set[str]:
    """Return what is imported when *module* is."""
    return set(_top(tree(module).body))


def _top(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        yield from imported(node)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from _top(node.orelse)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for name in ("body", "orelse", "finalbody"):
                yield from _top(getattr(node, name, []))
            for handler in getattr(node, "handlers", []):
                yield from _top(handler.body)


def test_every_module_is_in_exactly_one_layer() -> None:
    known = [part for parts in LAYERS.values() for part in parts]
    there = {part(module) for module in MODULES if part(module)}

    assert sorted(known) == sorted(there)


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_downward_or_sideways(module: str) -> None:
    if module == "hygge":
        return  # it hands out what is public, and imports that when it is asked for
    upward = [
        name
        for name in sorted(all_imports(module))
        if name in MODULES and height(name) > height(module)
    ]

    assert upward == []


def test_imports_make_no_circle() -> None:
    graph = {module: top_imports(module) & set(MODULES) - {"hygge"} for module in MODULES}

    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


@pytest.mark.parametrize(
    ("one", "others"),
    [("homes", {"stores", "state"}), ("stores", {"homes", "state"}), ("plan", {"homes", "stores"})],
)
def test_homes_stores_and_what_decides_do_not_know_each_other(one: str, others: set[str]) -> None:
    known = {
        part(name)
        for module in MODULES
        if part(module) == one
        for name in all_imports(module)
        if name in MODULES
    }

    assert known
    assert known & others == set()


@pytest.mark.parametrize("module", MODULES)
def test_docstring_says_where_one_is(module: str) -> None:
    docstring = ast.get_docstring(tree(module)) or ""

    assert docstring.split("\n")[0].startswith("This is where ")


@pytest.mark.parametrize("module", MODULES)
def test_only_the_edge_speaks_the_vocabulary_of_doit(module: str) -> None:
    if part(module) in SPEAKS_DOIT:
        return

    assert [name for name in all_imports(module) if name.split(".")[0] == "doit"] == []


@pytest.mark.parametrize("module", MODULES)
def test_what_is_heavy_is_imported_where_it_is_used(module: str) -> None:
    assert {name.split(".")[0] for name in top_imports(module)} & HEAVY == set()


def loaded_by(statement: str) -> set[str]:
    """Return the packages that a new Python has loaded after *statement*."""
    program = f"{statement}\nimport sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


@pytest.mark.parametrize(
    "module", ["hygge.tasks", "hygge.commands.run", "hygge.reporter", "hygge.state", "hygge.cli"]
)
def test_starting_loads_nothing_heavy(module: str) -> None:
    loaded = loaded_by(f"import {module}")

    assert "hygge" in loaded
    assert loaded & HEAVY == set()


def test_a_heavy_package_would_be_noticed() -> None:
    assert loaded_by("import hygge.tasks, rich") & HEAVY == {"rich"}
