"""This is where a run on GitHub Actions shows what it did where people there look."""

from __future__ import annotations

import contextlib
import os
import re
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hygge.redaction import hide

if TYPE_CHECKING:
    from hygge.manifest import Manifest

_PLACE = re.compile(r"^  at (?P<file>\S.*?):(?P<line>\d+):(?P<column>\d+)  ", re.MULTILINE)

COLUMNS = ("moved", "removed", "failed", "not run", "rows", "bytes")


def is_here(environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether this process runs on GitHub Actions."""
    return environment.get("GITHUB_ACTIONS") == "true"


def annotation(message: str) -> str:
    """Return the workflow command that shows an error's *message* at the line it is about.

    Format: https://docs.github.com/actions/reference/workflow-commands-for-github-actions
    """
    match = _PLACE.search(message)
    text = _escaped(hide(message))
    if match is None:
        return f"::error::{text}"
    file = _escaped(match["file"]).replace(":", "%3A").replace(",", "%2C")
    return f"::error file={file},line={match['line']},col={match['column']}::{text}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def add_summary(manifest: Manifest, environment: Mapping[str, str] = os.environ) -> None:
    """Append what a run did to the job's summary page, if there is one.

    A summary that can't be written never fails a run.
    """
    path = environment.get("GITHUB_STEP_SUMMARY")
    if path:
        with contextlib.suppress(OSError), open(path, "a", encoding="utf-8") as file:  # noqa: PTH123
            file.write(hide(summary(manifest)))


def summary(manifest: Manifest) -> str:
    """Return what a run did as Markdown: a table of flows, then what failed."""
    counts = manifest.counts()
    lines = [
        f"### hygge: {manifest.status}",
        "",
        f"{counts['moved']:,} moved, {counts['unchanged']:,} up to date, "
        f"{counts['failed']:,} failed, {counts['removed']:,} removed "
        f"in {manifest.seconds():.1f}s",
        "",
    ]
    flows = _by_flow(manifest)
    if flows:
        lines += [f"| flow | {' | '.join(COLUMNS)} |", "|---|" + "---:|" * len(COLUMNS)]
        for name, row in sorted(flows.items()):
            cells = " | ".join(f"{row[column]:,}" for column in COLUMNS)
            lines.append(f"| {_cell(name)} | {cells} |")
        lines.append("")
    for task, failure in manifest.failed.items():
        fence = "`" * max(3, 1 + _longest_run(failure["error_message"]))
        lines += [f"**{_cell(task)}**", "", fence, failure["error_message"], fence, ""]
    return "\n".join(lines) + "\n"


def _by_flow(manifest: Manifest) -> dict[str, dict[str, Any]]:
    flows: dict[str, dict[str, Any]] = defaultdict(lambda: dict.fromkeys(COLUMNS, 0))
    for task, done in manifest.done.items():
        row = flows[task.partition(":")[0]]
        row[done["action"]] += 1
        row["rows"] += done["rows"] or 0
        row["bytes"] += done["bytes"]
    for task in manifest.failed:
        flows[task.partition(":")[0]]["failed"] += 1
    for task in manifest.skipped:
        flows[task.partition(":")[0]]["not run"] += 1
    return flows


def _cell(text: str) -> str:
    """Return *text* so that Markdown takes it for nothing but text."""
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", text.replace("\n", " "))


def _longest_run(text: str) -> int:
    return max((len(each) for each in re.findall("`+", text)), default=0)
