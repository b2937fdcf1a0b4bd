"""This is where a project stands beside things that no command may touch, whatever it is given."""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from conftest import DODO
from laws.server import Ended, Server

from faults.results import record

CODES = {0, 1, 2, 3, 4, 5}
"""What a command may exit with that nobody stopped."""

SECONDS = 20
"""How long a command may compute."""

LONGEST = 240
"""Seconds after which a command hangs, however busy the machine is."""

MEMORY = 1_000_000_000
"""Bytes that a command may take."""


@dataclass
class Box:
    """A project, and what lies beside it."""

    root: Path
    server: Server
    counts: Counter[str] = field(default_factory=Counter)
    began: float = field(default_factory=time.perf_counter)
    slowest: float = 0.0
    largest: int = 0
    _seen: dict[str, Any] = field(default_factory=dict)

    @property
    def beside(self) -> Path:
        return self.root.parent / "beside"

    def write(self, path: str, content: str | bytes) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def doit(self, *args: str) -> Ended:
        """Type `doit`; whatever it was given, it ends soon and in a way that is documented."""
        ended = self.server.doit(self.root, *args, limit=LONGEST, ahead=10)
        said = f"doit {' '.join(args)}: {ended.code}, {ended.seconds} s\n{ended.out}{ended.err}"
        self.counts["commands"] += 1
        self.slowest = max(self.slowest, ended.seconds)
        self.largest = max(self.largest, ended.peak)
        assert ended.code in CODES, said[-5000:]
        assert "Traceback" not in said, said[-5000:]
        assert "did not foresee" not in said, said[-5000:]
        assert ended.peak < MEMORY, said[-5000:]
        assert ended.seconds < SECONDS, said[-5000:]
        return ended

    def note(self) -> None:
        """Take what lies beside the project for what has to be there from now on."""
        self._seen = tree(self.root.parent, self.root)

    def check(self) -> None:
        """Tell whether nothing beside the project has changed."""
        assert tree(self.root.parent, self.root) == self._seen

    def tell(self, topic: str, capsys: pytest.CaptureFixture[str]) -> None:
        """Print what was counted, and leave it for the table."""
        counts = {
            **dict(sorted(self.counts.items())),
            "slowest command, s": round(self.slowest, 1),
            "most memory, MB": self.largest // 10**6,
            "seconds": round(time.perf_counter() - self.began),
        }
        with capsys.disabled():
            print(f"\n{topic}: {counts}")
        record(topic, counts)


def tree(top: Path, but: Path | None = None) -> dict[str, Any]:
    """Return everything below *top*, with its bytes, target or times, *but* for one folder."""
    found: dict[str, Any] = {}
    for path in sorted(top.rglob("*")):
        if but is not None and path.is_relative_to(but):
            continue
        if path.is_symlink():
            found[str(path)] = os.readlink(path)
        else:
            found[str(path)] = path.read_bytes() if path.is_file() else "folder"
    return found


def rows(number: int = 3) -> pl.DataFrame:
    """Return a few rows of several types."""
    return pl.DataFrame(
        {
            "k": [f"k{i % 2}" for i in range(number)],
            "n": range(number),
            "x": [i / 7 for i in range(number)],
            "t": [[i, None] for i in range(number)],
        }
    )


def full(count: int, seconds: int = 3600) -> Any:
    """Return *count* for the long form of a suite."""
    return pytest.param(count, marks=[pytest.mark.full, pytest.mark.timeout(seconds)])


@pytest.fixture
def box(tmp_path: Path, server: Server) -> Box:
    box = Box(tmp_path / "box/project", server)
    box.write("dodo.py", DODO)
    (box.root / "flows").mkdir()
    box.beside.mkdir()
    (box.beside / "precious.txt").write_text("precious")
    (box.beside / "k=a").mkdir()
    (box.beside / "k=a/one.parquet").write_bytes(b"precious too")
    box.note()
    return box
