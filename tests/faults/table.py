"""This is where the table in docs/reliability.md, and a sentence in README.md, get their numbers.

HYGGE_FAULTS=counts.jsonl pytest -m "full or not full" tests/faults
HYGGE_FAULTS=counts.jsonl python tests/faults/table.py
"""

from __future__ import annotations

import json
import os
import platform
import re
import sqlite3
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

VARIABLE = "HYGGE_FAULTS"
"""Environment variable that names the file with the counts."""

ROOT = Path(__file__).resolve().parents[2]

PAGE, README = ROOT / "docs/reliability.md", ROOT / "README.md"

BEGIN, END = "<!-- faults: begin -->\n", "<!-- faults: end -->"
"""What the table, and the sentence, stand between."""

ENUMERATED, AT_RANDOM = "SIGKILL before each change of the disk", "signals at random moments"
"""What the topics begin with that the sentence is about."""

KILLS, EQUAL = "kills", "equal to the reference"

LIBRARIES = {"hygge": "hygge-data", "polars": "polars", "pyarrow": "pyarrow", "doit": "doit"}


@dataclass
class Topic:
    """What was counted of one kind of fault."""

    counts: dict[str, Any]
    """Numbers by what they count."""
    day: str
    """Day of the last number, ISO 8601."""


def topics(lines: Iterable[str]) -> dict[str, Topic]:
    """Gather *lines* as `faults.results.record` writes them, in order of first appearance."""
    found: dict[str, Topic] = {}
    for line in lines:
        read = json.loads(line)
        topic = found.setdefault(read["topic"], Topic({}, ""))
        topic.counts.update(read["counts"])
        topic.day = read["when"][:10]
    return found


def table(found: dict[str, Topic]) -> str:
    """Return what stands between the markers."""
    days = sorted({topic.day for topic in found.values()})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    versions = ", ".join(f"{name} {metadata.version(of)}" for name, of in LIBRARIES.items())
    system = f"{platform.system()} on {platform.machine()} with {os.cpu_count()} cores"
    lines = [
        f"Counted {when}, {system}; Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, {versions}.",
        "",
        "| what was tried | what was counted |",
        "|---|---|",
    ]
    for name, topic in found.items():
        counts = ", ".join(f"{what}: {_shown(number)}" for what, number in topic.counts.items())
        lines.append(f"| {_cell(name)} | {_cell(counts)} |")
    return "\n".join(lines) + "\n"


def sentence(found: dict[str, Topic]) -> str:
    """Return what the README says of it."""

    def total(topic: str, of: str) -> int:
        return sum(each.counts.get(of, 0) for name, each in found.items() if name.startswith(topic))

    told = {
        each: f"{total(each, EQUAL):,} of {total(each, KILLS):,}"
        for each in (ENUMERATED, AT_RANDOM)
    }
    return (
        f"When that was last [tried in full](docs/reliability.md), {told[ENUMERATED]} runs that "
        "were killed just before one of their changes of the disk, and "
        f"{told[AT_RANDOM]} that were sent a signal at a random moment, ended after one plain "
        "rerun as if nothing had happened.\n"
    )


def _shown(number: Any) -> str:
    return f"{number:,}" if isinstance(number, int | float) else str(number)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def written(page: str, between: str) -> str:
    """Return *page* with *between* between its markers."""
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    result, count = pattern.subn(lambda _: f"{BEGIN}{between}{END}", page)
    if count != 1:
        sys.exit(f"error: {count} places between markers")
    return result


def main() -> None:
    """Write the table and the sentence."""
    name = os.environ.get(VARIABLE)
    if not name or not Path(name).is_file():
        sys.exit(f"error: no counts; {VARIABLE} names the file that the suites wrote")
    found = topics(Path(name).read_text(encoding="utf-8").splitlines())
    for page, text in ((PAGE, table(found)), (README, sentence(found))):
        page.write_text(written(page.read_text(encoding="utf-8"), text), encoding="utf-8")


if __name__ == "__main__":
    main()
