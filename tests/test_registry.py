"""Kinds are found by name: those that come with hygge, and those of other packages."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from conftest import ProjectFolder

from hygge import schema
from hygge.document import Document, parse
from hygge.errors import ConfigError
from hygge.flow import Section
from hygge.homes.base import Home, homes
from hygge.homes.csv import CsvHome
from hygge.stores.base import Store, stores
from hygge.stores.csv import CsvStore

BUILT_IN = ["arrow", "csv", "ndjson", "parquet"]


def section(name: str, text: str) -> Section:
    document = parse(f"{name}: {text}\n", "flows/a.yml")
    return Section(name, document.values[name], document)


def test_built_in_kinds_are_found_by_name() -> None:
    anywhere = Section("home", {}, Document({}))

    assert homes.find("csv", anywhere) is CsvHome
    assert stores.find("csv", anywhere) is CsvStore
    assert homes.kinds() == stores.kinds() == BUILT_IN


def test_built_in_classes_are_all_there() -> None:
    assert sorted(homes.built_in()) == sorted(stores.built_in()) == BUILT_IN
    assert all(issubclass(cls, Home) for cls in homes.built_in().values())
    assert all(issubclass(cls, Store) for cls in stores.built_in().values())


@pytest.mark.parametrize(
    ("registry", "name", "kind", "hint"),
    [
        (homes, "home", "parqet", "did you mean 'parquet'?"),
        (stores, "store", "ndjso", "did you mean 'ndjson'?"),
        (homes, "home", "zzz", "one of arrow, csv, ndjson, parquet"),
        (stores, "store", "zzz", "one of arrow, csv, ndjson, parquet"),
    ],
)
def test_unknown_kind_is_refused(registry: Any, name: str, kind: str, hint: str) -> None:
    asked = section(name, f"{{path: x, type: {kind}}}")
    column = len(f"{name}: {{path: x, type: ") + 1

    with pytest.raises(ConfigError) as error:
        registry.find(kind, asked)

    line = f"  at flows/a.yml:1:{column}  "
    assert str(error.value) == (
        f"unknown {name} type '{kind}'\n"
        f"{line}{name}: {{path: x, type: {kind}}}\n"
        f"{' ' * (len(line) + column - 1)}^\n"
        f"  try: {hint}"
    )


def test_kinds_are_imported_when_they_are_asked_for() -> None:
    program = """
        import sys
        from hygge.homes.base import Home, homes
        from hygge.flow import Section
        from hygge.document import Document
        assert homes.kinds() == ["arrow", "csv", "ndjson", "parquet"]
        assert "hygge.homes.csv" not in sys.modules
        homes.find("csv", Section("home", {}, Document({})))
        assert "hygge.homes.csv" in sys.modules
        assert "hygge.homes.parquet" not in sys.modules
    """

    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)


def test_commands_and_the_backend_are_entry_points_of_doit() -> None:
    points = {
        (point.group, point.name): point.load()
        for group in ("doit.COMMAND", "doit.BACKEND", "doit.LOADER", "doit.REPORTER")
        for point in entry_points(group=group)
        if point.value.startswith("hygge.")
    }

    assert {name for group, name in points if group != "doit.COMMAND"} == {"hygge", "json"}
    assert {name for group, name in points if group == "doit.COMMAND"} >= {"run", "plan", "schema"}
    assert all(isinstance(loaded, type) for loaded in points.values())


# Packages that bring kinds

PLUGIN = '''
"""A home of numbers and a store of lines, as another package would bring them."""

import polars as pl

from hygge.homes.base import Home
from hygge.partition import Partition, Source
from hygge.stores.files import FilesStore


class Numbers(Home, kind="numbers"):
    def __init__(self, section, root):
        self.path = section.values["path"]

    def partitions(self):
        return (Partition("all", "all", (Source(self.path, None),)),)

    def scan(self, partition):
        return pl.LazyFrame({"number": [1, 2, 3]})

    def examine(self, partition):
        pass

    def reading(self):
        return {"type": "numbers"}


class Lines(FilesStore, kind="lines"):
    suffix = ".txt"
    default_compression = "none"

    def write(self, rows, file):
        file.write("".join(f"{row}\\n" for row in rows.collect().rows()).encode())

    def count(self, path):
        return len(path.read_text().splitlines())
'''

ENTRY_POINTS = """
[hygge.homes]
numbers = numbers_for_hygge:Numbers

[hygge.stores]
lines = numbers_for_hygge:Lines
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Return a folder in which a package with entry points is installed."""
    site = tmp_path / "site"
    information = site / "numbers_for_hygge-1.0.dist-info"
    information.mkdir(parents=True)
    (site / "numbers_for_hygge.py").write_text(PLUGIN)
    (information / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: numbers-for-hygge\nVersion: 1.0\n"
    )
    (information / "entry_points.txt").write_text(ENTRY_POINTS)
    return site


def run(package: Path, program: str) -> str:
    """Run *program* where *package* is installed; return what it printed."""
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env=ProjectFolder(package.parent / "project").environment(PYTHONPATH=str(package)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_kinds_of_installed_packages_are_known(package: Path) -> None:
    program = """
        from hygge.homes.base import homes
        from hygge.stores.base import stores
        print(homes.kinds(), stores.kinds())
    """

    assert run(package, program) == (
        "['arrow', 'csv', 'ndjson', 'numbers', 'parquet'] "
        "['arrow', 'csv', 'lines', 'ndjson', 'parquet']\n"
    )


def test_kind_of_an_installed_package_is_in_the_hint(package: Path) -> None:
    program = """
        from hygge.errors import ConfigError
        from hygge.homes.base import Home
        for kind in ("number", "zzz"):
            try:
                Home.create({"type": kind, "path": "x"})
            except ConfigError as error:
                print(error.hint)
    """

    assert run(package, program) == (
        "did you mean 'numbers'?\none of arrow, csv, ndjson, numbers, parquet\n"
    )


def test_class_of_an_installed_package_is_found(package: Path) -> None:
    program = """
        from hygge.document import Document
        from hygge.flow import Section
        from hygge.homes.base import homes
        print(homes.find("numbers", Section("home", {}, Document({}))).__name__)
    """

    assert run(package, program) == "Numbers\n"


def test_home_and_store_of_an_installed_package_move_rows(package: Path) -> None:
    program = f"""
        from pathlib import Path
        from hygge.homes.base import Home
        from hygge.stores.base import Store
        root = Path({str(package.parent)!r})
        home = Home.create({{"type": "numbers", "path": "x"}}, root)
        store = Store.create({{"type": "lines", "path": "store"}}, root)
        (partition,) = home.partitions()
        (staged,) = store.stage(partition, home.scan(partition), "run-1")
        staged.publish()
        print(staged.rows, (root / "store/all.txt").read_text())
    """

    assert run(package, program) == "3 (1,)\n(2,)\n(3,)\n\n"


def test_every_kind_with_a_schema_has_a_module() -> None:
    for name, registry in (("home", homes), ("store", stores)):
        assert list(registry.built_in()) == schema.kinds(name)
        assert {cls.__module__ for cls in registry.built_in().values()} == {
            f"hygge.{name}s.{kind}" for kind in schema.kinds(name)
        }
