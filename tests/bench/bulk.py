"""This is where much data is moved: copied, transformed, spread over folders, read from csv.

hygge is measured beside ``cp``, and beside the same query in plain polars and DuckDB.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
import time
from pathlib import Path

import polars as pl
from measured import Measured, measured

FILES, ROWS = 16, 2_300_000
"""About 64 MB a file."""

SETTLING = 2.1
"""Seconds after which no file counts as written just now, to be read twice."""

FLOWS = {
    "bytes copied": ("parquet", {}),
    "rows transformed": ("parquet", {"transform": {"where": "value % 10 <> 0"}}),
    "spread over folders": ("parquet", {"store": {"partition_by": ["kind"]}}),
    "csv to parquet": ("csv", {}),
}

QUERIES = {
    "rows transformed": ".filter(pl.col('value') % 10 != 0)",
    "csv to parquet": "",
}
"""What polars does to the rows of each file."""

SPREAD = (
    "import glob, os, polars as pl\n"
    "for path in sorted(glob.glob('data/home/*')):\n"
    "    name = os.path.basename(path)\n"
    "    def place(context, name=name):\n"
    "        return f\"kind={context.partition_keys['kind'][0]}/{name}\"\n"
    "    target = pl.PartitionBy('data/plain', key='kind', file_path_provider=place)\n"
    "    pl.scan_parquet(path).sink_parquet(target, mkdir=True, engine='streaming')\n"
)

DUCK = {
    "rows transformed": "SELECT * FROM '{path}' WHERE value % 10 <> 0",
    "csv to parquet": "SELECT * FROM '{path}'",
}


def results(root: Path, rounds: int) -> dict[str, dict[str, list[Measured]]]:
    """Measure each case *rounds* times; the files are written below *root*."""
    found: dict[str, dict[str, list[Measured]]] = {}
    for case, (kind, more) in FLOWS.items():
        folder = root / case.replace(" ", "-")
        _write(folder, kind)
        store = {"path": "data/store", "type": "parquet", **more.get("store", {})}
        flow = {**more, "home": {"path": "data/home", "type": kind}, "store": store}
        (folder / "flows").mkdir()
        (folder / "flows/it.yml").write_text(json.dumps(flow))
        (folder / "dodo.py").write_text("from hygge.tasks import DOIT_CONFIG, task_hygge\n")
        time.sleep(SETTLING)
        for _ in range(rounds):
            for name, command in commands(case, kind).items():
                _forget(folder)
                # Memory that was freed may go back to the host; let it be gone for all alike.
                time.sleep(SETTLING)
                try:
                    took = measured(command, folder, {})
                except RuntimeError as error:
                    print(f"{case}: {name} failed: {error}", flush=True)
                    continue
                found.setdefault(case, {}).setdefault(name, []).append(took)
                print(f"{case}: {name}: {took}", flush=True)
        shutil.rmtree(folder)
    return found


def commands(case: str, kind: str) -> dict[str, list[str]]:
    """Return how each contestant does it."""
    found = {"hygge": [sys.executable, "-m", "doit"]}
    if case == "bytes copied":
        found["cp"] = ["cp", "-r", "data/home", "data/plain"]
    if case == "spread over folders":
        found["polars"] = [sys.executable, "-c", SPREAD]
    if case in QUERIES:
        each = f"pl.scan_{kind}(path){QUERIES[case]}"
        sink = f"{each}.sink_parquet(f'data/plain/{{os.path.basename(path)}}', engine='streaming')"
        loop = "os.makedirs('data/plain')\nfor path in sorted(glob.glob('data/home/*')):\n"
        found["polars"] = [
            sys.executable,
            "-c",
            f"import glob, os, polars as pl\n{loop}    {sink}\n",
        ]
        if importlib.util.find_spec("duckdb") is None:
            return found
        copy = f"COPY ({DUCK[case]}) TO 'data/plain/{{name}}' (FORMAT parquet, COMPRESSION zstd)"
        filled = ".format(path=path, name=os.path.basename(path))"
        run = f'    duckdb.sql("{copy}"{filled})\n'
        found["duckdb"] = [sys.executable, "-c", f"import glob, os, duckdb\n{loop}{run}"]
    return found


def _write(folder: Path, kind: str) -> None:
    home = folder / "data/home"
    home.mkdir(parents=True)
    count = ROWS if kind == "parquet" else ROWS // 3  # text is three times as long
    for i in range(FILES):
        rows = pl.select(id=pl.int_range(count)).with_columns(
            value=pl.col("id").hash(i) % 10**9,
            amount=pl.col("id").hash(i + 100) / 2**40,
            text=pl.format("t{}", pl.col("id").hash(i + 200)),
            kind=(pl.col("id").hash(i + 300) % 8).cast(pl.String),
            when=pl.lit(0).cast(pl.Datetime("us")) + pl.duration(seconds="id"),
        )
        if kind == "csv":
            rows.write_csv(home / f"{i:02}.csv")
        else:
            rows.write_parquet(home / f"{i:02}.parquet")


def _forget(folder: Path) -> None:
    for name in ("data/store", "data/plain", ".hygge"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for file in folder.glob(".doit.db*"):
        file.unlink()
