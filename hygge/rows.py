"""This is where the rows of the state wait as text until somebody asks for one of them."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Iterator, MutableMapping
from typing import Any

VALUES = "_values_:"
"""Key under which a task's saved values, a partition's receipt, are in its row."""

DEPS = "deps:"
"""Key under which the files that a task depends on are in its row."""

# As `Receipt.to_json` begins; what a task of somebody's own saved is read before it is judged.
_RECEIPT = re.compile(rf'\{{"{VALUES}":\{{"config":"[^"\\]*","sources":\['.encode())


class Rows(MutableMapping[str, dict[str, Any]]):
    """What is stored by task. Safe to use from several threads.

    A row is parsed when it is asked for: of ten thousand, most commands need one.

    Args:
        rows: Task and text, in UTF-8, of each.
    """

    def __init__(self, rows: Iterable[tuple[str, bytes]] = ()) -> None:
        self._rows: dict[str, bytes | dict[str, Any]] = dict(rows)
        self._lock = threading.Lock()
        self._flows: dict[str, list[str]] | None = None

    def __getitem__(self, task: str) -> dict[str, Any]:
        row = self._rows[task]
        if isinstance(row, bytes):
            read = parsed(row)
            with self._lock:
                row = self._rows[task]
                if isinstance(row, bytes):  # nobody else has read it in the meantime
                    row = self._rows[task] = read if isinstance(read, dict) else {}
        return row

    def __setitem__(self, task: str, row: dict[str, Any]) -> None:
        with self._lock:
            if task not in self._rows:
                self._flows = None
            self._rows[task] = row

    def __delitem__(self, task: str) -> None:
        with self._lock:
            del self._rows[task]
            self._flows = None

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, task: object) -> bool:
        return task in self._rows

    def with_receipt(self, flow: str | None = None) -> list[str]:
        """Return the tasks whose row has a receipt, of one *flow* or all, in order of the rows."""
        with self._lock:
            named = list(self._rows) if flow is None else self._by_flow().get(flow, [])
            rows = [(task, self._rows[task]) for task in named]
        return [task for task, row in rows if self._has_receipt(task, row)]

    def of_flow(self, flow: str) -> list[str]:
        """Return the tasks of *flow* that have a row, in order of the rows."""
        with self._lock:
            return list(self._by_flow().get(flow, ()))

    def flows(self) -> list[str]:
        """Return the part before ``:`` of every task that has a row, in order of the rows."""
        with self._lock:
            return list(self._by_flow())

    def _by_flow(self) -> dict[str, list[str]]:
        if self._flows is None:
            self._flows = {}
            for task in self._rows:
                self._flows.setdefault(task.partition(":")[0], []).append(task)
        return self._flows

    def _has_receipt(self, task: str, row: bytes | dict[str, Any]) -> bool:
        if isinstance(row, bytes):
            if _RECEIPT.match(row) and b'"outputs":[' in row:
                return True
            row = self[task]
        return is_receipt(row.get(VALUES))


def parsed(text: str | bytes) -> Any:
    """Return what the JSON in *text* says; None where it is none."""
    try:
        return json.loads(text if isinstance(text, str) else text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def is_receipt(values: Any) -> bool:
    """Tell whether a task's saved *values* are those of a move."""
    return isinstance(values, dict) and "outputs" in values and "config" in values


def as_doit_has_it(key: str, value: Any) -> Any:
    """Return *value* if it is of the kind that doit stores under *key*; None if it is not."""
    if key == DEPS:
        is_sound = isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)
    else:
        is_sound = key != VALUES or isinstance(value, dict)
    return value if is_sound else None


def can_be_task(name: str) -> bool:
    """Tell whether doit takes *name* for that of a task; it ends the whole run if it does not."""
    return "=" not in name
