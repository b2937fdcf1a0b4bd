"""This is where `doit runs` lists what was done, the newest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hygge.commands.one_run import tell_warnings
from hygge.commands.reading import JSON_OPTION, Answer, Opened, Reading
from hygge.commands.terminal import Column, ago, duration, local_time, number, room, table
from hygge.errors import UsageError
from hygge.reporter import amount_of_bytes
from hygge.runs import RunRecord, run_folders

COLUMNS = (
    Column("run"),
    Column("began", leaves=3),
    Column("", leaves=1),
    Column("status"),
    Column("moved", is_number=True),
    Column("failed", is_number=True),
    Column("removed", is_number=True, leaves=6),
    Column("rows", is_number=True, leaves=4),
    Column("bytes", is_number=True, leaves=5),
    Column("time", is_number=True, leaves=2),
    Column("command", least=12),
)


class Runs(Reading):
    """Lists runs."""

    name = "runs"
    doc_purpose = "list the runs that moved something, the newest first"
    doc_usage = ""
    cmd_options = (
        {
            "name": "count",
            "short": "n",
            "long": "count",
            "type": int,
            "default": 20,
            "help": "how many to show [default: %(default)s]",
        },
        JSON_OPTION,
    )

    def answer(self, opened: Opened, params: Any, names: list[str]) -> Answer:
        """Return the last runs."""
        if names:
            raise UsageError(f"runs takes no name: '{names[0]}'", hint=f"doit show {names[0]}")
        if params["count"] < 1:
            raise UsageError(f"-n {params['count']}", hint="how many runs to show: doit runs -n 50")
        folders = run_folders(opened.project.root)
        records = [folder.record() for folder in folders[: params["count"]]]
        if not params["json"]:
            tell_warnings(each for record in records for each in record.warnings)
        data = {"total": len(folders), "runs": [_described(record) for record in records]}
        return Answer(data, _lines(records, len(folders)))


def _lines(records: Sequence[RunRecord], total: int) -> Iterator[str]:
    if not records:
        yield "No run yet: one that moves something leaves what it did. Type `doit`."
        return
    yield from table(COLUMNS, [_row(record) for record in records], room())
    older = total - len(records)
    if older:
        yield f"{older:,} older: doit runs -n {total}"


def _row(record: RunRecord) -> Sequence[str]:
    counts = record.manifest["counts"]
    seconds = record.seconds
    return (
        record.id,
        local_time(record.began),
        ago(record.began),
        record.status,
        number(counts["moved"]),
        number(counts["failed"]),
        number(counts["removed"]),
        number(counts["rows"]),
        amount_of_bytes(counts["bytes"]),
        duration(seconds),
        typed(record),
    )


def typed(record: RunRecord) -> str:
    """Return what was typed to begin the run."""
    return " ".join(map(str, record.manifest["command"]))


def _described(record: RunRecord) -> dict[str, Any]:
    manifest = record.manifest
    return {
        "run_id": record.id,
        "status": record.status,
        "killed": record.killed,
        "started": manifest["started"],
        "ended": manifest["ended"],
        "seconds": record.seconds,
        "command": manifest["command"],
        "pid": manifest["pid"],
        "counts": manifest["counts"],
        "warnings": list(record.warnings),
    }
