"""What a run costs: time and memory. Run with `pytest -m bench --benchmark-enable tests/bench`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from conftest import ProjectFolder

pytestmark = pytest.mark.bench

MB = 1_000_000
LARGE = 2_000 * MB
"""Bytes of the large file."""
MOST_MEMORY = 500 * MB
MOST_MEMORY_FOR_TEXT = 650 * MB
"""Text is read twice, strictly by pyarrow and then by polars; both keep what they allocated."""


def test_second_run_over_1000_partitions(
    project: ProjectFolder, benchmark: Callable[..., object], capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(1000):
        project.parquet(f"data/home/many/{i:04}.parquet", 100, start=i)
    project.flow("many", "home: data/home/many\nstore: data/store/many\n")
    first, first_seconds, _ = project.measured()
    project.settle()
    project.doit()
    result, seconds, memory = project.measured()
    benchmark(project.doit)

    with capsys.disabled():
        print(
            f"\n1,000 partitions: first run {first_seconds:.2f} s, second run {seconds:.2f} s, "
            f"peak memory {memory / MB:.0f} MB"
        )
    assert first.moved == 1000
    assert result.moved == 0


@pytest.fixture(scope="module")
def large_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A parquet file of 2 GB that hardly compresses, in row groups of a million rows."""
    file = tmp_path_factory.mktemp("large") / "large.parquet"
    rows, writer = 0, None
    while not file.exists() or file.stat().st_size < LARGE:
        ids = pl.DataFrame({"id": pl.int_range(rows, rows + 1_000_000, eager=True)})
        hashed = {f"text{i}": pl.col("id").hash(i).cast(pl.String) for i in range(3)}
        table = ids.with_columns(number=pl.col("id").hash(9) / 7, **hashed).to_arrow()
        writer = writer or pq.ParquetWriter(file, table.schema, compression="zstd")
        writer.write_table(table)
        rows += 1_000_000
    writer.close()
    return file


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "store",
    [
        "{path: data/store/large}",
        "{path: data/store/large, compression: snappy}",
        "{path: data/store/large, type: arrow}",
    ],
)
def test_file_of_2_gb_is_moved_within_500_mb(
    project: ProjectFolder, large_file: Path, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    home = project.root / "data/home/large"
    home.mkdir(parents=True)
    (home / "large.parquet").hardlink_to(large_file)
    project.flow("large", f"home: data/home/large\nstore: {store}\n")
    result, seconds, memory = project.measured()

    size = large_file.stat().st_size
    with capsys.disabled():
        print(f"\n{size / MB:.0f} MB to {store}: {seconds:.1f} s, peak memory {memory / MB:.0f} MB")
    assert result.code == 0, result.out + result.err
    assert result.counts["rows"] == pq.read_metadata(large_file).num_rows
    assert memory < MOST_MEMORY


@pytest.mark.timeout(900)
def test_text_of_2_gb_is_moved_in_bounded_memory(
    project: ProjectFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    file = project.root / "data/home/large/large.csv"
    file.parent.mkdir(parents=True)
    rows = 50_000_000
    ids = pl.LazyFrame().select(id=pl.int_range(0, rows))
    ids.with_columns(number=pl.col("id") / 7, text=pl.col("id").cast(pl.String)).sink_csv(file)
    project.flow("large", "home: data/home/large\nstore: data/store/large\n")
    result, seconds, memory = project.measured()

    with capsys.disabled():
        size = file.stat().st_size / MB
        print(f"\n{size:.0f} MB of text: {seconds:.1f} s, peak memory {memory / MB:.0f} MB")
    assert result.counts["rows"] == rows
    assert memory < MOST_MEMORY_FOR_TEXT
