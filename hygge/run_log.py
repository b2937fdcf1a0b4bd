"""This is where the events of a run are read again, and a lost manifest is made from them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ENDS = {
    "job.succeeded": "succeeded",
    "job.failed": "failed",
    "job.interrupted": "interrupted",
}
"""What a run's last event says of it."""


@dataclass(frozen=True)
class Log:
    """What could be read of ``events.jsonl``."""

    events: tuple[dict[str, Any], ...]
    """Whole ones, in order; ``type``, ``ts`` and ``level`` are text, ``data`` is a mapping."""
    broken: int = 0
    """Lines that are no event, the last one aside."""
    torn: bool = False
    """Whether the last line is cut off, as a kill leaves it."""
    size: int = 0
    """Bytes that were read."""
    unreadable: str = ""
    """Why nothing could be read; empty if it could, or if there is no log."""


def read(file: Path) -> Log:
    """Read the log in *file*; raises OSError."""
    raw = file.read_bytes()
    *lines, last = raw.split(b"\n")
    events = [event_of(line) for line in lines if line.strip()]
    whole = [event for event in events if event is not None]
    final = event_of(last)
    torn = bool(last.strip()) and final is None
    broken = len(events) - len(whole)
    return Log(tuple([*whole, final] if final else whole), broken, torn, len(raw))


class Follower:
    """Reads a log that is being written to: each event once, when its line is whole.

    Args:
        file: Need not be there yet.
    """

    def __init__(self, file: Path) -> None:
        self.first: dict[str, Any] | None = None
        """The first event, once it was read."""
        self._file = file
        self._offset = 0
        self._broken = 0
        self._rest = b""

    def read(self) -> list[dict[str, Any]]:
        """Return the events that were written since this was called before."""
        try:
            with self._file.open("rb") as stream:
                stream.seek(self._offset)
                new = stream.read()
        except OSError:
            return []
        self._offset += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        found = [event_of(line) for line in lines if line.strip()]
        events = [event for event in found if event is not None]
        self._broken += len(found) - len(events)
        self.first = self.first or next(iter(events), None)
        return events

    def log(self) -> Log:
        """Return what could not be read by now, without the events."""
        return Log((), self._broken, bool(self._rest))


def event_of(line: bytes) -> dict[str, Any] | None:
    """Return the event that *line* holds; None if it holds none."""
    try:
        event = parsed(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict):
        return None
    texts = [event.get(key) for key in ("ts", "level", "type")] + [event.get("step", "")]
    is_event = all(isinstance(text, str) for text in texts)
    return event if is_event and isinstance(event.get("data", {}), dict) else None


def parsed(raw: bytes) -> Any:
    """Return what the JSON in *raw* says, as text that can be written again.

    Raises:
        ValueError: It is none, or none that anybody could have meant.
    """
    try:
        value = json.loads(raw.decode("utf-8", "replace"))
    except RecursionError as error:
        raise ValueError("too deep") from error
    if b"\\ud" in raw or b"\\uD" in raw:
        # Half a character, of a file's name that is no text; no stream would take it.
        text = json.dumps(value, ensure_ascii=False)
        value = json.loads(text.encode("utf-8", "replace"))
    return value


def replayed(manifest: Mapping[str, Any], events: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return *manifest*, which has every key, as it would be after *events*.

    It may hold what some of them say already: a manifest is older than the last events, but never
    newer.
    """
    replay = _Replay(manifest)
    for event in events:
        replay.add(event["type"], event.get("step"), event["ts"], event.get("data", {}))
    return replay.manifest()


class _Replay:
    """A manifest that is brought forward, event by event."""

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        self._known = dict(manifest)
        parts = manifest["partitions"]
        self._done = dict(parts["done"])
        self._failed = dict(parts["failed"])
        self._skipped = dict(parts["skipped"])
        self._pending = dict.fromkeys(parts["pending"])
        self._files = {(each["step"], each["path"]): each for each in manifest["files"]}
        self._reasons: dict[str, Any] = {}
        self._told: Mapping[str, Any] = {}

    def add(self, type_: str, step: str | None, ts: str, data: Mapping[str, Any]) -> None:
        """Take one event into account."""
        if type_ == "job.started":
            more = {key: data[key] for key in ("command", "pid") if key in data}
            self._known |= {"started": self._known["started"] or ts, **more}
        elif type_ in ENDS:
            self._known |= {"status": ENDS[type_], "ended": ts}
            self._told = data
        elif step is not None:
            self._add_step(type_, step, data)

    def _add_step(self, type_: str, step: str, data: Mapping[str, Any]) -> None:
        if type_ == "step.started":
            self._reasons[step] = data.get("reason")
            if step not in self._done:
                self._pending[step] = None
        elif type_ == "file.written":
            self._files[step, str(data.get("path"))] = {"step": step, **data}
        elif type_ in ("step.succeeded", "step.failed", "step.skipped"):
            self._pending.pop(step, None)
            if type_ == "step.succeeded":
                self._done[step] = self._outcome(step, data)
            elif type_ == "step.failed":
                self._failed[step] = _failure(data)
            else:
                self._skipped[step] = str(data.get("reason", ""))

    def _outcome(self, step: str, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is known of a step that went well; early logs said it of its files only."""
        if "action" in data:
            return {key: data.get(key) for key in ("action", "reason", "rows", "bytes", "seconds")}
        written = [file for (of, _), file in self._files.items() if of == step]
        there = [file for file in written if file.get("reason") != "removed"]
        rows = [file.get("rows") for file in there]
        return {
            "action": "moved" if there or not written else "removed",
            "reason": self._reasons.get(step),
            "rows": sum(filter(None, rows)) if there and None not in rows else None,
            "bytes": sum(file.get("size_bytes") or 0 for file in there),
            "seconds": None,
        }

    def manifest(self) -> dict[str, Any]:
        """Return what is known by now."""
        seconds = {"seconds": self._told["seconds"]} if "seconds" in self._told else {}
        return self._known | {
            "counts": self._counts(),
            "partitions": {
                "done": self._done,
                "failed": self._failed,
                "skipped": self._skipped,
                "pending": list(self._pending),
            },
            "files": list(self._files.values()),
            "resources": self._known["resources"] | seconds,
        }

    def _counts(self) -> dict[str, int]:
        moved = [each for each in self._done.values() if each.get("action") == "moved"]
        ignored = sum(why == "ignored" for why in self._skipped.values())
        counted = {
            "moved": len(moved),
            "removed": len(self._done) - len(moved),
            "unchanged": self._known["counts"]["unchanged"],
            "failed": len(self._failed),
            "not_run": len(self._skipped) - ignored,
            "ignored": ignored,
            "pending": len(self._pending),
            "rows": sum(each.get("rows") or 0 for each in moved),
            "bytes": sum(each.get("bytes") or 0 for each in moved),
        }
        told = {key: self._told[key] for key in counted if isinstance(self._told.get(key), int)}
        return counted | told


def _failure(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a manifest says of a failure; early logs had its message only."""
    error = data.get("error")
    if isinstance(error, dict):
        return {key: str(error.get(key, "")) for key in ("error_type", "error_message")}
    return {"error_type": str(data.get("error_type", "")), "error_message": str(error or "")}


def failures(events: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (step, error) of each failure that was written down whole."""
    for event in events:
        error = event.get("data", {}).get("error")
        if event["type"] == "step.failed" and isinstance(error, dict):
            yield event.get("step", ""), error
