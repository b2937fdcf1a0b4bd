"""This is where an error becomes a value that can be written down, sent on and read again."""

from __future__ import annotations

import dataclasses
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from hygge.errors import causes
from hygge.events import timestamp

MOST_FRAMES = 50
"""Frames of the call stack that are kept; those nearest to the error."""


@dataclass(frozen=True)
class ErrorContext:
    """What was going on when an error was met."""

    traceback: str
    """As Python prints it, causes first."""
    call_stack: tuple[str, ...]
    """``module.function:line`` from the outermost call to where it was raised."""
    worker_id: str
    """Name of the thread, or of the process that is no thread of the run: ``worker 4711``."""
    file_being_processed: str | None
    """First source of the partition, from the root; None where there is none."""
    flow: str | None
    partition: str | None
    """Its key; None where it is about a flow as a whole."""
    row: int | None = None
    """First row that is wrong, 1 is the first of its file; None where it is not about a row."""
    column: str | None = None
    """Column that is wrong; None where it is not about one."""


@dataclass(frozen=True)
class ErrorRecord:
    """One failure. Holds plain values only: it can be pickled and written as JSON."""

    source_module: str
    """Module of hygge, or of the project, that raised it."""
    target_module: str
    """Module in which it began: the last one of the call stack of its first cause."""
    operation: str
    """Function of `source_module` that raised it."""
    original_error: str
    """The causes in order, from what was reported to what began it: ``A: text <- B: text``."""
    error_type: str
    """Name of its class."""
    error_message: str
    """The whole message, hints too."""
    timestamp: str
    """ISO 8601 in UTC with milliseconds and ``Z``."""
    context_data: ErrorContext

    def to_json(self) -> dict[str, Any]:
        """Return its keys and values; ``row`` and ``column`` are absent where they are None."""
        result = dataclasses.asdict(self)
        context = result["context_data"]
        context["call_stack"] = list(context["call_stack"])
        for optional in ("row", "column"):
            if context[optional] is None:
                del context[optional]
        return result


def record(error: BaseException, task: str, file: str | None = None) -> ErrorRecord:
    """Return what is to be remembered of *error*, met now, in this thread, while *task* was done.

    Of an error that was met in another process, it is what was remembered there.

    Args:
        file: What was being read, from the root.
    """
    known = getattr(error, "recorded", None)
    if isinstance(known, ErrorRecord):
        return known
    chain = list(causes(error))
    stack = [*_frames(error.__traceback__)]
    ours = stack[-1] if stack else ("", "", 0)
    origin = [*_frames(chain[-1].__traceback__)] or stack
    flow, _, key = task.partition(":")
    return ErrorRecord(
        source_module=ours[0],
        target_module=origin[-1][0] if origin else "",
        operation=ours[1],
        original_error=" <- ".join(f"{type(e).__name__}: {_first_line(e)}" for e in chain),
        error_type=type(error).__name__,
        error_message=str(error),
        timestamp=timestamp(),
        context_data=ErrorContext(
            traceback="".join(traceback.format_exception(error)),
            call_stack=tuple(f"{module}.{name}:{line}" for module, name, line in stack),
            worker_id=threading.current_thread().name,
            file_being_processed=file,
            flow=flow,
            partition=key or None,
            row=getattr(error, "row", None),
            column=getattr(error, "column", None),
        ),
    )


def _frames(start: TracebackType | None) -> Iterator[tuple[str, str, int]]:
    frames = list(traceback.walk_tb(start))[-MOST_FRAMES:]
    for frame, line in frames:
        yield str(frame.f_globals.get("__name__", "")), frame.f_code.co_name, line


def _first_line(error: BaseException) -> str:
    return str(error).split("\n")[0]
