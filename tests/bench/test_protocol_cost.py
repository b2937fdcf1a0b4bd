"""What it costs that nothing is lost: beside bare copying, after an unclean run, and durable."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import time
from pathlib import Path

import polars as pl
import pytest
from conftest import ProjectFolder, Result

PARTITIONS = 500
ROWS = 25_000
"""200 kB of each partition."""

MOST = {"clean": 3.0, "verified": 2.0}
"""Seconds that may be added: to a first run by the end's sync, to a second one by verification."""


def sources(project: ProjectFolder) -> int:
    """Make the partitions, byte for byte the same in the store; return their bytes."""
    home = project.root / "data/home/it"
    home.mkdir(parents=True)
    for i in range(PARTITIONS):
        ids = pl.int_range(i, i + ROWS, eager=True)
        pl.DataFrame({"id": ids.hash(i)}).write_parquet(home / f"{i}.parquet")
    project.flow("it", "home: data/home/it\nstore: data/store/it\n")
    return sum(file.stat().st_size for file in home.iterdir())


def bare(project: ProjectFolder, target: Path) -> float:
    """Copy the sources with nothing but a copy; return seconds, with the sync at the end."""
    os.sync()
    began = time.perf_counter()
    shutil.copytree(project.root / "data/home/it", target)
    os.sync()
    return time.perf_counter() - began


def from_nothing(project: ProjectFolder) -> tuple[Result, float]:
    """Move everything; return how long it took."""
    for path in ("data/store", ".hygge"):
        shutil.rmtree(project.root / path, ignore_errors=True)
    for file in project.root.glob(".doit.db*"):
        file.unlink()
    os.sync()
    result, seconds, _ = project.measured()
    assert (result.code, result.moved) == (0, PARTITIONS), result.out + result.err
    return result, seconds


def nothing_to_do(project: ProjectFolder) -> float:
    result, seconds, _ = project.measured()
    assert (result.code, result.moved) == (0, 0), result.out + result.err
    return seconds


def make_unclean(project: ProjectFolder) -> None:
    """Have the state say that what moved everything did not end cleanly."""
    with contextlib.closing(sqlite3.connect(project.root / ".doit.db")) as state:
        state.execute("INSERT OR IGNORE INTO unclean SELECT DISTINCT run FROM tasks")
        state.commit()


@pytest.mark.bench
@pytest.mark.timeout(900)
def test_price_of_the_protocol(project: ProjectFolder, capsys: pytest.CaptureFixture[str]) -> None:
    size = sources(project)
    copied = min(bare(project, project.root / f"bare{i}") for i in range(3))
    moved = min(from_nothing(project)[1] for _ in range(3))
    project.settle()
    project.doit()
    clean = min(nothing_to_do(project) for _ in range(3))
    verified = []
    for _ in range(3):
        make_unclean(project)
        verified.append(nothing_to_do(project))
    project.write("hygge.yml", "durable: true\n")
    durable = min(from_nothing(project)[1] for _ in range(3))
    for i in range(0, PARTITIONS, 5):
        (project.root / f"data/home/it/{i}.parquet").unlink()
    pruned, pruning, _ = project.measured()

    with capsys.disabled():
        print(
            f"\n{PARTITIONS} partitions, {size / 1e6:.0f} MB: bare copy and sync {copied:.2f} s, "
            f"doit {moved:.2f} s, durable {durable:.2f} s "
            f"({(durable - moved) / PARTITIONS * 1000:.1f} ms a file more)\n"
            f"nothing to do: {clean:.2f} s, after an unclean run {min(verified):.2f} s\n"
            f"removing {pruned.counts['removed']}: {pruning:.2f} s "
            f"({(pruning - clean) / pruned.counts['removed'] * 1000:.1f} ms each)"
        )
    assert moved - copied < MOST["clean"]
    assert min(verified) - clean < MOST["verified"]
    assert pruned.counts["removed"] == PARTITIONS / 5
