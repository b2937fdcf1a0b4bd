"""This is where `doit show` tells what one run did, and what it did not come to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hygge import run_log
from hygge.commands.folding import folded, heads
from hygge.commands.one_run import OneRun, asked, tell_warnings
from hygge.commands.reading import JSON_OPTION, Answer, Opened
from hygge.commands.runs import typed
from hygge.commands.terminal import (
    Column,
    ago,
    duration,
    local_time,
    number,
    printable,
    room,
    table,
)
from hygge.reporter import amount_of_bytes
from hygge.run_log import Log
from hygge.runs import RunRecord, Step

MANY = 20
"""From how many on files and failures are not shown one by one."""

STEPS = (
    Column("task", least=16),
    Column("status"),
    Column("rows", is_number=True, leaves=1),
    Column("bytes", is_number=True, leaves=2),
    Column("seconds", is_number=True, leaves=3),
    Column("reason", least=12),
)

FILES = (
    Column("file", least=24),
    Column("", leaves=1),
    Column("rows", is_number=True, leaves=2),
    Column("bytes", is_number=True, leaves=3),
)

NOT_RUN = (Column("not run", least=16), Column("", least=12))

WARNINGS = (Column("warnings", least=16), Column("", least=12))


class Show(OneRun):
    """Shows one run."""

    name = "show"
    doc_purpose = "show what one run did, the last one if none is named"
    doc_usage = "[RUN]"
    cmd_options = (
        {
            "name": "all",
            "long": "all",
            "type": bool,
            "default": False,
            "help": "each partition and each file, however many there are",
        },
        JSON_OPTION,
    )

    def answer(self, opened: Opened, params: Any, names: list[str]) -> Answer:
        """Return what is known of a run."""
        folder = asked(opened, names)
        record, log = folder.record(), folder.log()
        warnings = list(dict.fromkeys([*record.warnings, *folder.log_warnings(log)]))
        story = _Story(record, log, MANY if not params["all"] else None)
        if params["json"]:
            return Answer({"killed": record.killed, "warnings": warnings, **story.data()})
        tell_warnings(warnings)
        return Answer({}, story.lines(room()))


@dataclass(frozen=True)
class _Story:
    """What is told of a run, for programs and for people."""

    record: RunRecord
    log: Log
    many: int | None
    """From how many on things are folded; None if never."""

    def data(self) -> dict[str, Any]:
        """Return it for programs."""
        errors, warnings = dict(run_log.failures(self.log.events)), self._warnings()
        steps = [
            {
                **step.__dict__,
                "warnings": [text for task, text in warnings if task == step.task],
                "error": errors.get(step.task),
            }
            for step in self._steps()
        ]
        return {"manifest": self.record.manifest, "steps": steps}

    def lines(self, width: int | None) -> Iterator[str]:
        """Yield it for people."""
        yield from self._header()
        if self.record.status == "unknown":
            return
        steps = self._steps()
        tried = [step for step in steps if step.status in ("moved", "removed", "failed")]
        parts = [
            table(STEPS, [self._step_row(step) for step in folded(tried, self.many)], width),
            self._files(width),
            table(WARNINGS, [list(pair) for pair in self._warnings()], width),
            self._failures(),
            self._not_run(steps, width),
        ]
        for part in parts:
            told = list(part)
            if len(told) > 1:
                yield from ("", *told)
        sentence = self._sentence(steps)
        if sentence:
            yield from ("", sentence)

    def _header(self) -> Iterator[str]:
        record, manifest = self.record, self.record.manifest
        status = record.status
        if record.killed:
            pid = manifest["pid"]
            gone = "its process is gone" if pid is None else f"process {pid} is gone"
            status = f"interrupted: killed, {gone}"
        counts = manifest["counts"]
        names = ("moved", "removed", "failed", "not_run", "pending", "ignored", "unchanged")
        words = {"not_run": "kept back", "pending": "not come to", "unchanged": "up to date"}
        told = [f"{number(counts[key])} {words.get(key, key)}" for key in names if counts[key]]
        memory = manifest["resources"].get("peak_memory_bytes")
        rows = (
            ("run", record.id),
            ("status", status),
            ("began", f"{local_time(record.began)}, {ago(record.began)}"),
            ("took", duration(record.seconds)),
            ("command", typed(record)),
            ("partitions", ", ".join(told)),
            ("settled", f"{number(counts['rows'])} rows, {amount_of_bytes(counts['bytes'])}"),
            ("memory", amount_of_bytes(memory) if isinstance(memory, int) else ""),
        )
        for name, value in rows:
            if value:
                yield f"{name:<11} {printable(value)}"

    def _steps(self) -> list[Step]:
        """Return the steps; of those that were not done, also whether they were begun."""
        begun = {e.get("step") for e in self.log.events if e["type"] == "step.started"}
        goes_on = self.record.status == "running"
        reasons = {
            True: "is being moved" if goes_on else "begun, not finished",
            False: "is waiting" if goes_on else "not come to",
        }
        return [
            Step(step.task, step.status, reasons[step.task in begun])
            if step.status == "pending"
            else step
            for step in self.record.steps()
        ]

    def _step_row(self, step: Step) -> list[str]:
        is_moved = step.status == "moved"
        size = amount_of_bytes(step.bytes) if is_moved and isinstance(step.bytes, int) else ""
        # The message has a place of its own below.
        told = self.record.manifest["partitions"]["failed"].get(step.task, {})
        return [
            step.task,
            step.status,
            number(step.rows) if is_moved else "",
            size,
            duration(step.seconds) if is_moved else "",
            str(told.get("error_type") or "") if step.status == "failed" else step.reason,
        ]

    def _files(self, width: int | None) -> Iterator[str]:
        files = self.record.manifest["files"]
        if self.many is not None and len(files) > self.many:
            kinds = heads([str(file.get("reason")) for file in files])
            size = sum(_whole(file.get("size_bytes")) for file in files)
            rows = [[f"{number(len(files))} files", kinds, "", amount_of_bytes(size)]]
        else:
            rows = [_file_row(file) for file in files]
        yield from table(FILES, rows, width)

    def _warnings(self) -> list[tuple[str, str]]:
        """Return (task, text) of what a person should know of steps that went well."""
        found = []
        for event in self.log.events:
            data = event.get("data", {})
            texts = [data.get("message")] if event["type"] == "step.warned" else []
            if event["type"] == "step.succeeded" and isinstance(data.get("warnings"), list):
                texts = data["warnings"]
            found += [(event.get("step", ""), str(text)) for text in texts]
        return found

    def _failures(self) -> Iterator[str]:
        yield "failures"
        errors = dict(run_log.failures(self.log.events))
        failed = self.record.manifest["partitions"]["failed"]
        for task, told in list(failed.items())[: self.many]:
            kind = printable(told.get("error_type") or "")
            yield f"{printable(task)}  {kind}".rstrip()
            for line in str(told.get("error_message") or "").splitlines():
                yield f"  {printable(line)}"
            context = errors.get(task, {}).get("context_data")
            place = {key: context.get(key) for key in ("row", "column")} if context else {}
            where = [f"{key} {value}" for key, value in place.items() if value is not None]
            if where:
                yield f"    in {', '.join(map(printable, where))}"
        if self.many is not None and len(failed) > self.many:
            yield f"{len(failed) - self.many:,} more: doit show --all {self.record.id}"

    def _not_run(self, steps: Sequence[Step], width: int | None) -> Iterator[str]:
        left = [step for step in steps if step.status in ("skipped", "pending")]
        rows = [[step.task, step.reason] for step in folded(left, self.many)]
        yield from table(NOT_RUN, rows, width)

    def _sentence(self, steps: Sequence[Step]) -> str:
        """Return how far it came and what to type."""
        record = self.record
        done = sum(step.status in ("moved", "removed") for step in steps)
        known = sum(step.reason != "ignored" for step in steps)
        far = f"{done:,} of {known:,} done"
        if record.status == "running":
            return f"It goes on: {far}. Watch it: doit tail --follow"
        if record.status == "interrupted":
            how = "Killed" if record.killed else "Stopped"
            return f"{how}: {far}; run `doit` to go on."
        if record.status == "failed":
            return f"{far}. What failed is tried again by the next `doit`."
        return ""


def _file_row(file: Any) -> list[str]:
    size = file.get("size_bytes")
    return [
        str(file.get("path") or ""),
        str(file.get("reason") or ""),
        number(file.get("rows")),
        amount_of_bytes(size) if isinstance(size, int) else "",
    ]


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0
