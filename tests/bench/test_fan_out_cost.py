"""What it costs to spread a partition over folders, beside polars' own partitioned sink."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from conftest import MEASURE, ProjectFolder

ROWS = 20_000_000
FOLDERS = 100
PEAK = 1_500_000_000
"""Bytes."""

PLAIN = """
import sys, polars as pl
rows = pl.scan_parquet(sys.argv[1])
rows.sink_parquet(pl.PartitionBy(sys.argv[2], key="k"), mkdir=True, engine="streaming")
"""


def twenty_million(file: Path) -> None:
    """Write rows of mixed types whose folders are spread evenly over the file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    i = pl.int_range(0, ROWS, eager=True)
    pl.DataFrame(
        {
            "k": (i.hash(1) % FOLDERS).cast(pl.Int64),
            "a": (i.hash(2) % 1_000_000).cast(pl.Int64),
            "b": (i.hash(3) % 10**9) / 1e9,
            "c": (i.hash(4) % 1000).cast(pl.Int32),
            "d": (i.hash(5) % 10_000) / 100,
        }
    ).with_columns(s=pl.col("c").cast(pl.String)).write_parquet(file)


def plain(source: Path, target: Path) -> tuple[float, int]:
    """Spread with polars alone; return wall time in seconds and peak memory in bytes."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, sys.executable, "-c", PLAIN, str(source), str(target)],
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, peak = done.stderr.split()[-2:]
    return float(seconds), int(peak)


@pytest.mark.bench
def test_twenty_million_rows_into_a_hundred_folders(project: ProjectFolder) -> None:
    source = project.root / "data/home/big/big.parquet"
    twenty_million(source)
    project.flow("big", "home: data/home/big\nstore: {path: data/store/big, partition_by: [k]}\n")
    theirs, ours = [], []
    for i in range(3):
        theirs.append(plain(source, project.root / f"plain{i}"))
        result, seconds, peak = project.measured("-a")
        assert (result.code, result.counts["rows"]) == (0, ROWS), result.out
        ours.append((seconds, peak))
    wall = sorted(each for each, _ in ours)[1] / sorted(each for each, _ in theirs)[1]
    print(f"\nhygge: {ours}, polars: {theirs}, wall {wall:.2f}x")

    assert len(project.digest("data/store/big")) == FOLDERS
    assert max(peak for _, peak in ours) < PEAK
    assert wall < 2
