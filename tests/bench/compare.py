"""This is where hygge is measured beside others, and docs/performance.md gets its numbers.

python tests/bench/compare.py                       everything, up to 10,000 partitions
python tests/bench/compare.py --partitions 100 --rounds 1 --only incremental

All contestants take turns in one run, so that what slows the machine down slows all of them; what
counts are ratios. Numbers are medians.
"""

from __future__ import annotations

import argparse
import datetime
import io
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import bulk
import polars as pl
import start
from contestants import CONTESTANTS, Contestant, Hygge
from measured import Measured, measured, median

PAGE = Path(__file__).resolve().parents[2] / "docs/performance.md"

BEGIN, END = "<!-- compared: begin -->\n", "<!-- compared: end -->"
"""What the tables stand between."""

SETTLING = 2.1
"""Seconds after which no file counts as written just now."""

LONG = 60.0
"""Seconds from which on something is measured once, however many rounds there are."""

Results = dict[str, dict[str, list[Measured]]]
"""Measured runs by case and contestant."""


def sources(folder: Path, partitions: int) -> list[str]:
    """Write as many files of 20 KB, each in a folder of its own; return the names of the days."""
    days = [f"{i:06}" for i in range(partitions)]
    base = pl.select(
        id=pl.int_range(850), value=(pl.int_range(850).hash(1) % 2**31).cast(pl.Int64)
    ).with_columns(text=pl.col("value").hash(2).cast(pl.String))
    for i, day in enumerate(days):
        write_day(folder, day, base, i)
    return days


def write_day(folder: Path, day: str, base: pl.DataFrame, seed: int) -> None:
    """Write the file of one *day*; another *seed* makes other bytes of about the same number."""
    file = folder / f"day={day}/part.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    base.with_columns(id=pl.col("id") + seed * 1000).write_parquet(buffer)
    file.write_bytes(buffer.getvalue())


def incremental(root: Path, tools: Path, partitions: int, rounds: int, left: set[str]) -> Results:
    """Measure each case *rounds* times for each contestant that can be had."""
    home = root / "sources"
    days = sources(home, partitions)
    base = pl.read_parquet(home / f"day={days[0]}/part.parquet")
    there: list[Contestant] = []
    for kind in CONTESTANTS:
        folder = root / kind.name.replace(" ", "-")
        folder.mkdir()
        each = kind(folder, tools)
        reason = f"only up to {kind.most:,}" if partitions > kind.most else each.missing()
        if reason or kind.name in left:
            print(f"{partitions:,}: {kind.name} left out: {reason or 'as asked'}", flush=True)
            continue
        shutil.copytree(home, folder / "data/home")
        each.write(days)
        there.append(each)
    results: Results = {}
    for number in range(rounds):
        for case, change in cases(days, base, number):
            for each in there:
                before = results.get(case, {}).get(each.name, [])
                if before and before[-1].wall > LONG:
                    continue
                change(each)
                if not each.builds and case != NOTHING:
                    continue
                try:
                    took = measured(each.command, each.folder, each.environment)
                except RuntimeError as error:
                    print(f"{partitions:,}: {case}: {each.name} failed: {error}", flush=True)
                    continue
                results.setdefault(case, {}).setdefault(each.name, []).append(took)
                print(f"{partitions:,}: {case}: {each.name}: {took}", flush=True)
            if case == FIRST:
                settle(there)
    return results


FIRST, NOTHING = "first run", "nothing to do"

PARTS = ("incremental", "start", "bulk")


def settle(there: list[Contestant]) -> None:
    """Let files grow old enough to be trusted, and tools note that they are."""
    time.sleep(SETTLING)
    for each in there:
        for _ in range(2 if isinstance(each, Hygge) else 0):
            measured(each.command, each.folder, each.environment)


def cases(
    days: list[str], base: pl.DataFrame, number: int
) -> Iterator[tuple[str, Callable[[Contestant], None]]]:
    """Yield each case, and what has to be done before it."""
    day = days[len(days) // 2]

    def nothing(each: Contestant) -> None:
        """Leave all as it is."""

    def changed(each: Contestant) -> None:
        write_day(each.folder / "data/home", day, base, 10**6 + number)

    def touched(each: Contestant) -> None:
        for name in days:
            os.utime(each.folder / f"data/home/day={name}/part.parquet")

    def output_gone(each: Contestant) -> None:
        for file in (each.folder / "data/store").rglob("*"):
            if file.is_file() and not file.name.startswith("_") and file.suffix == ".parquet":
                file.unlink()
                return

    yield FIRST, lambda each: each.forget()
    yield NOTHING, nothing
    yield "one file changed", changed
    yield "one output deleted", output_gone
    yield "all files touched", touched


def table(results: Results) -> str:
    """Return *results* as a table; ratios are to hygge's wall time."""
    lines = [
        "| case | tool | wall, s | CPU, s | peak, MiB | times hygge |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for case, by_tool in results.items():
        mine = median(by_tool["hygge"]).wall if "hygge" in by_tool else float("nan")
        for name, runs in by_tool.items():
            took = median(runs)
            peak = f"{took.peak / 2**20:,.0f}"
            lines.append(
                f"| {case} | {name} | {took.wall:.2f} | {took.cpu:.2f} | {peak} | "
                f"{took.wall / mine:.2f} |"
            )
    return "\n".join(lines) + "\n"


def machine() -> str:
    """Return on what, and with what, was measured."""
    versions = ", ".join(
        f"{name} {metadata.version(of)}"
        for name, of in {"hygge": "hygge-data", "doit": "doit", "polars": "polars"}.items()
    )
    return (
        f"Measured {datetime.date.today()} on {os.cpu_count()} cores, {platform.system()} "
        f"{platform.release().split('-')[0]}, Python {platform.python_version()}; {versions}."
    )


def written(page: str, between: str) -> str:
    """Return *page* with *between* between its markers."""
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    result, count = pattern.subn(lambda _: f"{BEGIN}{between}{END}", page)
    if count != 1:
        sys.exit(f"error: {count} places between markers in {PAGE}")
    return result


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description="measure hygge beside others")
    parser.add_argument("--partitions", type=int, nargs="*", default=[100, 1000, 10_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=PARTS, nargs="*")
    parser.add_argument("--without", nargs="*", default=[], help="tools that are left out")
    parser.add_argument("--folder", type=Path, help="where the files go; a temporary folder")
    parser.add_argument("--tools", type=Path, help="where tools are installed, and stay")
    parser.add_argument("--page", action="store_true", help="write docs/performance.md")
    asked = parser.parse_args()
    parts = asked.only or PARTS
    text = machine() + "\n"
    with tempfile.TemporaryDirectory(dir=asked.folder, ignore_cleanup_errors=True) as name:
        tools = asked.tools or Path(name) / "tools"
        for partitions in asked.partitions if "incremental" in parts else ():
            folder = Path(name) / str(partitions)
            folder.mkdir()
            left = set(asked.without)
            results = incremental(folder, tools, partitions, asked.rounds, left)
            text += f"\n## {partitions:,} partitions of 20 KB\n\n{table(results)}"
            shutil.rmtree(folder)
        if "start" in parts:
            folder = Path(name) / "start"
            folder.mkdir()
            text += f"\n## Before there is data\n\n{table(start.results(folder, asked.rounds))}"
        if "bulk" in parts:
            folder = Path(name) / "bulk"
            folder.mkdir()
            text += f"\n## 1 GB in 16 files\n\n{table(bulk.results(folder, asked.rounds))}"
    print(text)
    if asked.page:
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")


if __name__ == "__main__":
    main()
