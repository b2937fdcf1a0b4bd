"""A flow from csv to parquet, in Python alone: what moves, what does not, and what fails.

Run it with ``python parquet_flow.py``; it works in a temporary folder and leaves nothing.
"""
# ruff: noqa: T201

from __future__ import annotations

import tempfile
from pathlib import Path

import polars as pl

from hygge import Coordinator, Flow

JANUARY = "day,shop,amount\n2024-01-02,Aarhus,12.50\n2024-01-03,Odense,8.00\n"
FEBRUARY = "day,shop,amount\n2024-02-01,Odense,20.00\n"


def main(root: Path) -> None:
    """Build a store in *root*, change a source, and break one."""
    home = root / "data/home/sales"
    home.mkdir(parents=True)
    (home / "january.csv").write_text(JANUARY)
    (home / "february.csv").write_text(FEBRUARY)

    sales = Flow(
        name="sales",
        home="data/home/sales",
        store={"path": "data/store/sales", "partition_by": ["shop"]},
        transform={"select": ["day", "shop", {"cents": "CAST(amount * 100 AS BIGINT)"}]},
        checks=[{"not_null": ["day", "shop"]}, {"between": {"cents": [0, 1_000_000]}}],
    )
    project = Coordinator(root, flows=[sales])

    print("a run would move:", [step.task for step in project.plan().steps])
    first = project.run()
    print("moved:", first.moved, "rows:", first.rows)

    again = project.run()
    print("again: moved:", again.moved, "unchanged:", again.unchanged)

    (home / "february.csv").write_text(FEBRUARY + "2024-02-09,Aarhus,3.25\n")
    changed = project.run()
    print("after a change:", [(step.task, step.action) for step in changed.steps])

    (home / "march.csv").write_text("day,shop,amount\n2024-03-01,Aarhus,-1\n")
    broken = project.run()
    print("ok:", broken.ok, "failed:", list(broken.failures))

    store = pl.scan_parquet(root / "data/store/sales/**/*.parquet", hive_partitioning=True)
    print(store.group_by("shop").agg(pl.col("cents").sum()).sort("shop").collect())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(Path(folder))
