"""This is where hygge and others are set up to bring the same files from a home to a store.

Each has a folder of its own with ``data/home``, and settles in ``data/store``. Those that are not
there are installed into environments of their own, or left out with a reason.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

FLOOR = """
import os

def scanned(top):
    count, folders = 0, [top]
    while folders:
        with os.scandir(folders.pop()) as found:
            for entry in found:
                if entry.is_dir():
                    folders.append(entry.path)
                else:
                    entry.stat()
                    count += 1
    return count

print(scanned("data/home"), scanned("data/store"))
"""
"""Scans and stats both sides, and does nothing else."""

STOCK_DOIT = """
import os, shutil

DOIT_CONFIG = {"backend": "sqlite3", "verbosity": 0, "reporter": "zero"}

def copied(source, target):
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copyfile(source, target)

def task_copy():
    for entry in sorted(os.scandir("data/home"), key=lambda entry: entry.name):
        source = f"data/home/{entry.name}/part.parquet"
        target = f"data/store/{entry.name}/part.parquet"
        yield {"name": entry.name.partition("=")[2], "actions": [(copied, (source, target))],
               "file_dep": [source], "targets": [target]}
"""

SNAKEFILE = """
DAYS = glob_wildcards("data/home/day={day}/part.parquet").day
rule all:
    input: expand("data/store/day={day}/part.parquet", day=DAYS)
rule copy:
    input: "data/home/day={day}/part.parquet"
    output: "data/store/day={day}/part.parquet"
    shell: "cp {input} {output}"
"""

DLT = """
import dlt
from dlt.sources.filesystem import filesystem, read_parquet

pipeline = dlt.pipeline("events", destination=dlt.destinations.filesystem("data/store"),
                        pipelines_dir=".dlt-state", dataset_name="events")
files = filesystem(bucket_url="data/home", file_glob="**/*.parquet")
files.apply_hints(incremental=dlt.sources.incremental("modification_date"))
pipeline.run((files | read_parquet()).with_name("events"), loader_file_format="parquet")
"""


class Contestant(ABC):
    """A tool, and how it is asked to bring ``data/store`` up to date."""

    name: ClassVar[str]
    most: ClassVar[int] = 10**9
    """Partitions above which it is left out: a run takes many minutes."""
    builds: ClassVar[bool] = True
    """Whether it moves anything."""
    environment: ClassVar[Mapping[str, str]] = {}

    def __init__(self, folder: Path, tools: Path) -> None:
        self.folder = folder
        self.tools = tools

    @abstractmethod
    def write(self, days: list[str]) -> None:
        """Write what the tool needs beside the files of *days*."""

    @property
    @abstractmethod
    def command(self) -> list[str]:
        """What brings the store up to date."""

    def missing(self) -> str:
        """Return why it can't be measured here; empty if it can."""
        return "" if shutil.which(self.command[0]) else f"no {self.command[0]} here"

    def forget(self) -> None:
        """Remove the store and what the tool remembers."""
        for path in self.folder.iterdir():
            if path.name not in ("data", "flows") and path.name not in self.kept:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.rmtree(self.folder / "data/store", ignore_errors=True)

    kept: ClassVar[tuple[str, ...]] = ()
    """Files that were written for it."""


class Installed(Contestant):
    """One that is installed from PyPI into an environment of its own."""

    package: ClassVar[str]
    program: ClassVar[str]

    @property
    def bin(self) -> Path:
        return self.tools / self.name / "bin"

    def missing(self) -> str:
        if not (self.bin / self.program).exists():
            home = self.tools / self.name
            made = subprocess.run([sys.executable, "-m", "venv", str(home)], capture_output=True)
            pip = [str(home / "bin/pip"), "install", "--quiet", self.package]
            if made.returncode or subprocess.run(pip, capture_output=True).returncode:
                return f"{self.package} could not be installed"
        return ""


class Hygge(Contestant):
    name = "hygge"
    kept = ("dodo.py",)

    def write(self, days: list[str]) -> None:
        (self.folder / "flows").mkdir(exist_ok=True)
        (self.folder / "flows/events.yml").write_text("home: data/home\nstore: data/store\n")
        (self.folder / "dodo.py").write_text("from hygge.tasks import DOIT_CONFIG, task_hygge\n")

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "doit"]


class Floor(Contestant):
    name = "scan and stat"
    builds = False
    kept = ("floor.py",)

    def forget(self) -> None:
        super().forget()
        # It makes no store, and both sides have to be looked at.
        shutil.copytree(self.folder / "data/home", self.folder / "data/store")

    def write(self, days: list[str]) -> None:
        (self.folder / "floor.py").write_text(FLOOR)

    @property
    def command(self) -> list[str]:
        return [sys.executable, "floor.py"]


class Make(Contestant):
    name = "GNU make"
    kept = ("Makefile",)

    def write(self, days: list[str]) -> None:
        # In a rule make would take '=' for an assignment.
        outputs = [f"data/store/day$(is){day}/part.parquet" for day in days]
        rules = [
            f"{output}: data/home/day$(is){day}/part.parquet\n\t@mkdir -p '$(@D)' && cp '$<' '$@'\n"
            for day, output in zip(days, outputs, strict=True)
        ]
        text = "is := =\nall: " + " \\\n ".join(outputs) + "\n" + "".join(rules)
        (self.folder / "Makefile").write_text(text)

    @property
    def command(self) -> list[str]:
        return ["make", "--silent", "--no-builtin-rules"]


class Ninja(Contestant):
    name = "ninja"
    kept = ("build.ninja",)

    def write(self, days: list[str]) -> None:
        builds = "".join(
            f"build data/store/day={day}/part.parquet: copy data/home/day={day}/part.parquet\n"
            for day in days
        )
        rule = "rule copy\n  command = cp $in $out\n"
        (self.folder / "build.ninja").write_text(rule + builds)

    @property
    def command(self) -> list[str]:
        return ["ninja", "--quiet"]


class Rsync(Contestant):
    name = "rsync -a"

    def write(self, days: list[str]) -> None:
        """Nothing is needed."""

    @property
    def command(self) -> list[str]:
        return ["rsync", "-a", "data/home/", "data/store/"]


class StockDoit(Contestant):
    name = "doit"
    kept = ("plain.py",)

    def write(self, days: list[str]) -> None:
        (self.folder / "plain.py").write_text(STOCK_DOIT)

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "doit", "-f", "plain.py"]


class Snakemake(Installed):
    name = "snakemake"
    package, program = "snakemake", "snakemake"
    most = 1_000
    kept = ("Snakefile",)

    def write(self, days: list[str]) -> None:
        (self.folder / "Snakefile").write_text(SNAKEFILE)

    @property
    def command(self) -> list[str]:
        return [str(self.bin / "snakemake"), "--cores", "2", "--quiet", "all"]


class Dvc(Installed):
    name = "dvc"
    package, program = "dvc", "dvc"
    most = 100  # a thousand stages took more than 25 minutes
    kept = ("dvc.yaml",)
    environment: ClassVar[Mapping[str, str]] = {"DVC_NO_ANALYTICS": "1"}

    def write(self, days: list[str]) -> None:
        stages = "stages:\n  copy:\n    foreach:\n"
        stages += "".join(f"      - '{day}'\n" for day in days)
        source, target = "data/home/day=${item}/part.parquet", "data/store/day=${item}/part.parquet"
        stages += f"    do:\n      cmd: mkdir -p data/store/day=${{item}} && cp {source} {target}\n"
        stages += f"      deps:\n        - {source}\n      outs:\n        - {target}\n"
        (self.folder / "dvc.yaml").write_text(stages)

    def forget(self) -> None:
        super().forget()
        init = [str(self.bin / "dvc"), "init", "--no-scm", "--quiet"]
        subprocess.run(init, cwd=self.folder, check=True, capture_output=True)

    @property
    def command(self) -> list[str]:
        return [str(self.bin / "dvc"), "repro"]


class Dlt(Installed):
    name = "dlt"
    package, program = "dlt[filesystem,parquet]", "dlt"
    most = 1_000
    kept = ("load.py",)

    def write(self, days: list[str]) -> None:
        (self.folder / "load.py").write_text(DLT)

    @property
    def command(self) -> list[str]:
        return [str(self.bin / "python"), "load.py"]


CONTESTANTS: tuple[type[Contestant], ...] = (
    Hygge,
    Floor,
    Make,
    Ninja,
    Rsync,
    StockDoit,
    Snakemake,
    Dvc,
    Dlt,
)
