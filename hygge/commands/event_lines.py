"""This is where an event becomes a line for people."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hygge.commands.terminal import duration, number, printable
from hygge.reporter import amount_of_bytes
from hygge.run_log import ENDS
from hygge.runs import instant

COUNTED = ("moved", "removed", "unchanged", "failed", "not_run")
"""What the last event of a run counts, in the order in which it is shown."""


def event_line(event: Mapping[str, Any]) -> str:
    """Return *event* in one line: local time, level, type, step, and what matters of its data."""
    when = instant(event["ts"])
    time = event["ts"] if when is None else f"{when.astimezone():%H:%M:%S.%f}"[:-3]
    kind = event["type"]
    told = _ESSENTIALS.get(kind, _ended if kind in ENDS else _whatever)(event.get("data", {}))
    parts = [time, f"{event['level']:<5}", f"{kind:<14}", event.get("step", ""), *told]
    return "  ".join(printable(part) for part in parts if part).rstrip()


def _job_started(data: Mapping[str, Any]) -> Iterator[str]:
    words = data.get("command")
    if isinstance(words, list):
        yield " ".join(map(str, words))
    if "planned" in data:
        yield f"{number(data['planned'])} planned"
    if "pid" in data:
        yield f"process {data['pid']}"


def _ended(data: Mapping[str, Any]) -> Iterator[str]:
    counts = {key: number(data.get(key)) for key in COUNTED if data.get(key)}
    told = [f"{count} {key.replace('_', ' ')}" for key, count in counts.items() if count]
    yield ", ".join(told)
    yield from _amounts(data)


def _reason(data: Mapping[str, Any]) -> Iterator[str]:
    yield str(data.get("reason") or "")


def _step_succeeded(data: Mapping[str, Any]) -> Iterator[str]:
    yield str(data.get("action") or "")
    yield from _amounts(data)
    if data.get("reason"):
        yield f"({data['reason']})"
    warnings = data.get("warnings")
    for warning in warnings if isinstance(warnings, list) else ():
        yield f"warning: {warning}"


def _step_failed(data: Mapping[str, Any]) -> Iterator[str]:
    error = data.get("error")
    told = error if isinstance(error, dict) else {"error_message": error, **data}
    kind = str(told.get("error_type") or "")
    message = str(told.get("error_message") or "").partition("\n")[0]
    yield ": ".join(part for part in (kind, message) if part)


def _provider_retry(data: Mapping[str, Any]) -> Iterator[str]:
    yield f"attempt {data.get('attempt')} of {data.get('max_attempts')} failed"
    yield str(data.get("error") or "")
    yield f"again in {data.get('wait_s')} s"


def _file_written(data: Mapping[str, Any]) -> Iterator[str]:
    yield str(data.get("reason") or "")
    yield str(data.get("path") or "")
    yield from _amounts({"rows": data.get("rows"), "bytes": data.get("size_bytes")})


def _progress(data: Mapping[str, Any]) -> Iterator[str]:
    flows = data.get("flows")
    for name, counts in flows.items() if isinstance(flows, dict) else ():
        if isinstance(counts, dict):
            done, pending = counts.get("done"), counts.get("pending")
            yield f"{name}: {number(done)} done, {number(pending)} to do"


def _whatever(data: Mapping[str, Any]) -> Iterator[str]:
    for key, value in data.items():
        yield f"{key}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"


def _amounts(data: Mapping[str, Any]) -> Iterator[str]:
    rows, size = data.get("rows"), data.get("bytes")
    if isinstance(rows, int):
        yield f"{rows:,} row" + ("" if rows == 1 else "s")
    if isinstance(size, int):
        yield amount_of_bytes(size)
    yield duration(data.get("seconds"))


_ESSENTIALS: Mapping[str, Callable[[Mapping[str, Any]], Iterator[str]]] = {
    "job.started": _job_started,
    "step.started": _reason,
    "step.skipped": _reason,
    "step.succeeded": _step_succeeded,
    "step.failed": _step_failed,
    "file.written": _file_written,
    "provider.retry": _provider_retry,
    "progress": _progress,
}
