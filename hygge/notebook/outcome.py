"""This is where what a plan or a run says has its form for Python code: values and frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hygge.errors import HyggeError

if TYPE_CHECKING:
    import polars as pl

KILLED = 128
"""Exit codes from here on are those of a signal."""


@dataclass(frozen=True)
class KnownFlow:
    """A flow of a project, or an entity of one."""

    name: str
    written_in: str
    """Its file, from the root, or what stands for the flow that was given from Python."""
    home: Mapping[str, Any] = field(default_factory=dict)
    """Keys and values, in the long form; empty if it can't be used."""
    store: Mapping[str, Any] = field(default_factory=dict)
    """The same."""
    description: str = ""
    waits_for: tuple[str, ...] = ()
    """Flows that are brought up to date before it."""
    error: HyggeError | None = None
    """Why it can't be used; None if it can."""


@dataclass(frozen=True)
class PlannedStep:
    """A partition that a run would move or remove."""

    task: str
    """``flow:key``."""
    flow: str
    action: str
    """``move`` or ``remove``."""
    reason: str
    """Why, in one or two words; one of the reasons in docs/deciding.md."""
    detail: str
    """Old and new; empty if the reason says all."""
    bytes: int
    """Of its sources."""
    rows: int | None
    """About how many it has; None where nothing tells."""
    seconds: float | None
    """About how long it takes; None where nothing tells."""


@dataclass(frozen=True)
class Planned:
    """What a run would do."""

    move: int = 0
    """Partitions that would be moved."""
    remove: int = 0
    """Partitions whose source is gone, so that their outputs would go."""
    unchanged: int = 0
    """Partitions that are up to date."""
    ignored: int = 0
    """Partitions that `doit ignore` set aside."""
    waiting: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Flows whose partitions are known only when those named with them have been moved."""
    steps: tuple[PlannedStep, ...] = field(default=(), repr=False)
    """In the order of the run."""
    errors: tuple[HyggeError, ...] = ()
    """Why flows can't be used."""

    @property
    def is_stale(self) -> bool:
        """Whether a run would move or remove anything, or may have to."""
        return bool(self.steps or self.waiting)

    def frame(self) -> pl.DataFrame:
        """Return the steps as a table, a row each."""
        return _frame(PlannedStep, self.steps)


@dataclass(frozen=True)
class Step:
    """What became of a partition, or of a task of your own that failed."""

    task: str
    """``flow:key``."""
    flow: str
    action: str
    """``moved``, ``removed``, ``failed`` or ``skipped``."""
    reason: str = ""
    """Why it was stale, or why it was skipped."""
    rows: int | None = None
    """Rows in the store; None where they were not counted."""
    bytes: int | None = None
    """Bytes in the store; None where nothing was moved."""
    seconds: float | None = None
    """Wall time of the move; None where nothing was moved."""
    warnings: tuple[str, ...] = ()
    """What a person should know."""
    error_type: str = ""
    """Class of the error; empty if it did not fail."""
    message: str = ""
    """The whole message, with what to do; empty if it did not fail."""


@dataclass(frozen=True)
class WrittenFile:
    """An output that was put into place, was found to be right already, or was removed."""

    task: str
    path: str
    """From the root where it lies inside."""
    wrote: bool
    reason: str
    """``created``, ``overwritten``, ``nochange`` or ``removed``."""
    size_bytes: int | None = None
    rows: int | None = None
    hash: str | None = None
    """Content hash."""


@dataclass(frozen=True)
class Result:
    """What a run did."""

    status: str
    """``succeeded``, ``failed`` or ``interrupted``."""
    code: int
    """The exit code that `doit` would have had."""
    run_id: str = ""
    """Name of its folder in ``.hygge/runs``, which is there if anything was to be done."""
    moved: int = 0
    removed: int = 0
    unchanged: int = 0
    """Partitions that were up to date."""
    failed: int = 0
    not_run: int = 0
    """Partitions that were not tried because one before them failed."""
    ignored: int = 0
    rows: int = 0
    """Of what was moved, as far as they were counted."""
    bytes: int = 0
    """Of what was moved."""
    seconds: float = 0.0
    steps: tuple[Step, ...] = field(default=(), repr=False)
    """In the order in which they ended; those that were up to date are only counted."""
    files: tuple[WrittenFile, ...] = field(default=(), repr=False)
    """In the order in which they were put into place."""
    printed: str = field(default="", repr=False)
    """What tasks of your own, and the run itself, had to say."""

    @property
    def ok(self) -> bool:
        """Whether everything that was asked for is up to date now."""
        return self.code == 0

    @property
    def failures(self) -> dict[str, str]:
        """The messages of what failed, by task."""
        return {each.task: each.message for each in self.steps if each.action == "failed"}

    def frame(self) -> pl.DataFrame:
        """Return the steps as a table, a row each."""
        return _frame(Step, self.steps)


def _frame(cls: type[Any], rows: Sequence[Any]) -> pl.DataFrame:
    """Return *rows*, values of the dataclass *cls*, with a column for each field."""
    import polars as pl

    types: dict[str, Any] = {
        "str": pl.String,
        "int": pl.Int64,
        "int | None": pl.Int64,
        "float | None": pl.Float64,
        "tuple[str, ...]": pl.List(pl.String),
    }
    schema = {each.name: types[str(each.type)] for each in dataclasses.fields(cls)}
    columns = {
        name: [list(v) if isinstance(v := getattr(row, name), tuple) else v for row in rows]
        for name in schema
    }
    return pl.DataFrame(columns, schema=schema)


def result_of(code: int, events: Iterable[Mapping[str, Any]], printed: str) -> Result:
    """Return what the *events* of a run that ended with the exit *code* tell."""
    told = list(events)
    last = told[-1] if told else {}
    ended = str(last.get("type", "")).removeprefix("job.")
    known = ended in ("succeeded", "failed", "interrupted")
    steps, files = _steps(told), tuple(_file(e) for e in told if e["type"] == "file.written")
    # A run that was killed has not summed up.
    counts = _counted(steps) if not known else last["data"]
    names = ("moved", "removed", "unchanged", "failed", "not_run", "ignored", "rows", "bytes")
    return Result(
        status=_status(code, ended if known else ""),
        code=code,
        run_id=last.get("run_id", ""),
        seconds=counts.get("seconds", 0.0),
        steps=steps,
        files=files,
        printed=printed,
        **{name: counts.get(name, 0) for name in names},
    )


def _status(code: int, ended: str) -> str:
    if code >= KILLED:
        return "interrupted"
    return ended if ended and code else "failed" if code else "succeeded"


def _steps(events: Iterable[Mapping[str, Any]]) -> tuple[Step, ...]:
    reasons: dict[str, str] = {}
    steps = []
    for event in events:
        task, data = event.get("step", ""), event.get("data", {})
        flow = task.partition(":")[0]
        if event["type"] == "step.started":
            reasons[task] = data["reason"]
        elif event["type"] == "step.succeeded" and "action" in data:
            warnings = tuple(data.get("warnings", ()))
            more = {key: data[key] for key in ("action", "reason", "rows", "bytes", "seconds")}
            steps.append(Step(task, flow, warnings=warnings, **more))
        elif event["type"] == "step.failed":
            error = data["error"]
            told = {"error_type": error["error_type"], "message": error["error_message"]}
            steps.append(Step(task, flow, "failed", reasons.get(task, ""), **told))
        elif event["type"] == "step.skipped":
            steps.append(Step(task, flow, "skipped", data["reason"]))
    return tuple(steps)


def _file(event: Mapping[str, Any]) -> WrittenFile:
    data = event["data"]
    names = ("path", "wrote", "reason", "size_bytes", "rows", "hash")
    return WrittenFile(event.get("step", ""), **{name: data.get(name) for name in names})


def _counted(steps: Sequence[Step]) -> dict[str, Any]:
    moved = [each for each in steps if each.action == "moved"]
    return {
        "moved": len(moved),
        "removed": sum(each.action == "removed" for each in steps),
        "failed": sum(each.action == "failed" for each in steps),
        "rows": sum(each.rows or 0 for each in moved),
        "bytes": sum(each.bytes or 0 for each in moved),
    }
