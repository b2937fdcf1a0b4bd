"""Projects in a folder of their own, used the way people use them: by typing `doit`."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jsonschema_rs
import polars as pl
import pytest

from hygge import schema
from hygge.fingerprint import content_hash

DODO = '"""A project."""\nfrom hygge.tasks import DOIT_CONFIG, task_hygge\n'

SUMMARY = re.compile(
    r"^hygge: moved=(\d+) unchanged=(\d+) failed=(\d+) removed=(\d+) "
    r"rows=(\d+) bytes=\S+ time=\d+\.\ds$"
)

MEASURE = """
import resource, subprocess, sys, time
started = time.perf_counter()
code = subprocess.call(sys.argv[1:])
seconds = time.perf_counter() - started
unit = 1 if sys.platform == "darwin" else 1024
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
print(f"{seconds:.3f} {peak}", file=sys.stderr)
sys.exit(code)
"""
"""Runs a command; writes its wall time in seconds and its peak memory in bytes to stderr."""


def _hear_hangups() -> None:
    """Undo what a suite that was started by nohup hands on."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@dataclass(frozen=True)
class Result:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def counts(self) -> dict[str, int]:
        """The last line of a run, by name."""
        match = SUMMARY.match(self.out.rstrip().split("\n")[-1])
        assert match, f"no summary in:\n{self.out}\n{self.err}"
        names = ("moved", "unchanged", "failed", "removed", "rows")
        return dict(zip(names, map(int, match.groups()), strict=True))

    @property
    def moved(self) -> int:
        return self.counts["moved"]


class ProjectFolder:
    """A project on the disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("dodo.py", DODO)

    def write(self, path: str, content: str | bytes) -> Path:
        """Write a file of the project; text is dedented."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            content = textwrap.dedent(content).encode()
        file.write_bytes(content)
        return file

    def flow(self, name: str, text: str) -> Path:
        """Write a flow."""
        return self.write(f"flows/{name}.yml", text)

    def parquet(self, path: str, rows: int = 3, start: int = 0) -> Path:
        """Write a parquet file with the columns `id` and `name`."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        ids = range(start, start + rows)
        pl.DataFrame({"id": ids, "name": [f"n{i}" for i in ids]}).write_parquet(file)
        return file

    def months(self, count: int = 3) -> None:
        """Make the flow `flights` with *count* partitions, byte for byte the same in the store."""
        for month in range(1, count + 1):
            self.parquet(f"data/home/flights/2013-{month:02}.parquet", 3, start=month * 10)
        self.flow("flights", "home: data/home/flights\nstore: data/store/flights\n")

    def environment(self, **more: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k not in ("CI", "NO_COLOR", "PYTHONPATH")}
        return {**kept, **more}

    def start(self, *args: str, **environment: str) -> subprocess.Popen[str]:
        """Start `doit` in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "doit", *args],
            cwd=self.root,
            env=self.environment(**environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=_hear_hangups,
        )

    def doit(self, *args: str, **environment: str) -> Result:
        """Type `doit` and wait."""
        process = self.start(*args, **environment)
        out, err = process.communicate(timeout=300)
        return Result(process.returncode, out, err)

    def measured(self, *args: str) -> tuple[Result, float, int]:
        """Type `doit`; also return its wall time in seconds and its peak memory in bytes."""
        # A small process in between: a child's peak begins with that of whoever forked it.
        process = subprocess.run(
            [sys.executable, "-c", MEASURE, sys.executable, "-m", "doit", *args],
            cwd=self.root,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        err, _, figures = process.stderr.rstrip("\n").rpartition("\n")
        seconds, memory = figures.split()
        return Result(process.returncode, process.stdout, err), float(seconds), int(memory)

    def settle(self) -> None:
        """Wait until no file counts as written just now."""
        time.sleep(2.1)

    def digest(self, folder: str = "data/store") -> dict[str, str]:
        """Every file below *folder*, hidden ones too, with its content hash."""
        top = self.root / folder
        return {
            file.relative_to(top).as_posix(): content_hash(file)
            for file in sorted(top.rglob("*"))
            if file.is_file() and not file.is_symlink()
        }


EVENT = jsonschema_rs.Draft202012Validator(schema.read("event"))
MANIFEST = jsonschema_rs.Draft202012Validator(schema.read("manifest"))


def check_records(root: Path) -> None:
    """Hold everything that runs have left below *root* against the schemas."""
    for file in root.glob(".hygge/runs/*/events.jsonl"):
        *lines, _torn = file.read_bytes().split(b"\n")
        for line in lines:
            EVENT.validate(json.loads(line))
    for file in root.glob(".hygge/runs/*/manifest.json"):
        MANIFEST.validate(json.loads(file.read_text(encoding="utf-8")))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[ProjectFolder]:
    yield ProjectFolder(tmp_path / "project")
    check_records(tmp_path / "project")
