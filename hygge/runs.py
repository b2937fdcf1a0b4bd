"""This is where what a run left is found and read: of one that ended, goes on or was killed."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hygge import liveness, run_log
from hygge.errors import StateError, UsageError
from hygge.events import RUN_ID
from hygge.run_log import Log

FOLDER = ".hygge/runs"
"""Where runs leave what they did, from the project's root."""

SHOWN = 5
"""How many runs a hint names."""

EMPTY: Mapping[str, Any] = {
    "schema_version": 1,
    "run_id": "",
    "status": "running",
    "started": None,
    "ended": None,
    "command": [],
    "pid": None,
    "config_hash": "",
    "versions": {},
    "counts": dict.fromkeys(
        (
            *("moved", "removed", "unchanged", "failed", "not_run", "ignored", "pending"),
            *("rows", "bytes"),
        ),
        0,
    ),
    "partitions": {"done": {}, "failed": {}, "skipped": {}, "pending": []},
    "files": [],
    "resources": {"seconds": None, "cpu_seconds": None, "peak_memory_bytes": None},
}
"""A manifest that says nothing."""


@dataclass(frozen=True)
class Step:
    """What became of one task in a run."""

    task: str
    status: str
    """``moved``, ``removed``, ``failed``, ``skipped`` or ``pending``: stale, and not come to."""
    reason: str = ""
    """Why it was stale, what went wrong in one line, or why it was skipped."""
    rows: int | None = None
    bytes: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class RunRecord:
    """What is known of a run."""

    id: str
    status: str
    """``running``, ``succeeded``, ``failed``, ``interrupted`` or ``unknown``."""
    killed: bool
    """Whether it was interrupted by something that left it no time to say so."""
    manifest: Mapping[str, Any]
    """As manifest.json, with every key; made from the events where it is lost or behind them."""
    warnings: tuple[str, ...] = ()
    """What could not be read, each in one line."""

    @property
    def began(self) -> datetime.datetime:
        """When it began, in UTC."""
        return instant(self.manifest["started"]) or instant_of_id(self.id)

    @property
    def seconds(self) -> float | None:
        """How long it took; None if that is not known, or not yet."""
        told = self.manifest["resources"].get("seconds")
        ended = instant(self.manifest["ended"])
        if ended is not None and told is None:
            return (ended - self.began).total_seconds()
        return float(told) if isinstance(told, int | float) and not self.killed else None

    def steps(self) -> list[Step]:
        """Return what became of each task: done, failed, skipped, pending, each in its order."""
        parts = self.manifest["partitions"]
        done = [
            Step(
                task,
                str(each.get("action") or "moved"),
                str(each.get("reason") or ""),
                each.get("rows"),
                each.get("bytes"),
                each.get("seconds"),
            )
            for task, each in parts["done"].items()
        ]
        failed = [
            Step(task, "failed", str(each.get("error_message") or "").partition("\n")[0])
            for task, each in parts["failed"].items()
        ]
        skipped = [Step(task, "skipped", str(why)) for task, why in parts["skipped"].items()]
        return [*done, *failed, *skipped, *(Step(task, "pending") for task in parts["pending"])]


@dataclass(frozen=True)
class RunFolder:
    """A folder that a run left, or is writing to. What is read is read anew each time."""

    root: Path
    """The project's."""
    id: str

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self.root / FOLDER / self.id

    def record(self) -> RunRecord:
        """Return all that is known; reads the events only where the manifest does not suffice."""
        manifest, warnings = self._manifest()
        if manifest is not None and manifest["status"] != "running":
            return RunRecord(self.id, manifest["status"], False, manifest)
        log = self.log()
        empty = {**EMPTY, "run_id": self.id}
        if manifest is None and not log.events:
            warnings += [f"nothing is known of run {self.id}: '{FOLDER}/{self.id}' holds no events"]
            nothing = {**empty, "status": "unknown"}
            return RunRecord(self.id, "unknown", False, nothing, tuple(warnings))
        known = run_log.replayed(manifest or empty, log.events)
        killed = known["status"] == "running" and not self._works(known["pid"], known["started"])
        if killed and self._log_size() != log.size:
            # It ended in good order after it was read, and before its process was looked for.
            return self.record()
        status = "interrupted" if killed else known["status"]
        warnings += self.log_warnings(log)
        return RunRecord(self.id, status, killed, {**known, "status": status}, tuple(warnings))

    def _manifest(self) -> tuple[dict[str, Any] | None, list[str]]:
        """Return the manifest, None where there is none, and what is to be said about it."""
        try:
            return _read_manifest(self.folder / "manifest.json"), []
        except FileNotFoundError:
            # Early versions wrote none, and a run that has just begun may not have come to it.
            return None, []
        except OSError as error:
            why = str(error.strerror)
        except (ValueError, RecursionError):
            why = "no manifest"
        name = f"'{FOLDER}/{self.id}/manifest.json'"
        told = f"{name} can't be read ({why}): what is shown is made from the events"
        return None, [told]

    def manifest(self) -> Mapping[str, Any]:
        """Return `record`'s manifest."""
        return self.record().manifest

    def status(self) -> str:
        """Return `record`'s status."""
        return self.record().status

    def log(self) -> Log:
        """Return what could be read of the events; nothing where there are none."""
        try:
            return run_log.read(self.folder / "events.jsonl")
        except FileNotFoundError:
            return Log(())
        except OSError as error:
            return Log((), unreadable=str(error.strerror))

    def _log_size(self) -> int:
        try:
            return (self.folder / "events.jsonl").stat().st_size
        except OSError:
            return 0

    def events(self) -> Sequence[dict[str, Any]]:
        """Return the events that could be read, in order."""
        return self.log().events

    def log_warnings(self, log: Log) -> list[str]:
        """Return a warning if *log* can't be read, or has lines that are no events.

        One that is cut off at its end is what a kill leaves.
        """
        if log.unreadable:
            return [f"'{FOLDER}/{self.id}/events.jsonl' can't be read ({log.unreadable})"]
        if not log.broken:
            return []
        lines = f"{log.broken:,} lines are left out, they can't be read"
        told = "1 line is left out, it can't be read" if log.broken == 1 else lines
        return [f"'{FOLDER}/{self.id}/events.jsonl': {told}"]

    def goes_on(self, started: Mapping[str, Any] | None) -> bool:
        """Tell whether the process that wrote *started*, the first event, still works on this run.

        Where nothing is written yet, it is the process that holds the project.
        """
        event = started or {}
        return self._works(event.get("data", {}).get("pid"), event.get("ts"))

    def _works(self, pid: Any, started: Any) -> bool:
        since = instant(started) or instant_of_id(self.id)
        return liveness.works_on(self.root, pid if isinstance(pid, int) else None, since)


def _read_manifest(file: Path) -> dict[str, Any]:
    """Return the manifest in *file* with every key, those of a wrong type as in an empty one.

    Raises OSError, and ValueError where it is no manifest.
    """
    value = run_log.parsed(file.read_bytes())
    if not isinstance(value, dict) or not isinstance(value.get("status"), str):
        raise ValueError("no manifest")
    manifest = _completed(value, EMPTY)
    parts = manifest["partitions"]
    for name in ("done", "failed"):
        parts[name] = {task: told for task, told in parts[name].items() if isinstance(told, dict)}
    parts["pending"] = [task for task in parts["pending"] if isinstance(task, str)]
    files = (each for each in manifest["files"] if isinstance(each, dict))
    manifest["files"] = [
        each for each in files if all(isinstance(each.get(key), str) for key in ("step", "path"))
    ]
    return manifest


def _completed(value: Mapping[str, Any], empty: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(value)
    for key, default in empty.items():
        given = value.get(key)
        if isinstance(default, dict):
            result[key] = _completed(given if isinstance(given, dict) else {}, default)
        elif default is not None and type(given) is not type(default):
            result[key] = default
        else:
            result[key] = given
    return result


def instant(text: Any) -> datetime.datetime | None:
    """Return the instant that *text* names as events do; None if it names none."""
    try:
        found = datetime.datetime.fromisoformat(text)
    except (ValueError, TypeError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)


def instant_of_id(run: str) -> datetime.datetime:
    """Return when the run with this id was begun."""
    whole = datetime.datetime.strptime(run.partition("Z")[0], "%Y%m%dT%H%M%S%f")
    return whole.replace(tzinfo=datetime.UTC)


def _is_id(name: str) -> bool:
    try:
        return bool(re.fullmatch(RUN_ID, name) and instant_of_id(name))
    except ValueError:
        return False


def run_folders(root: Path) -> list[RunFolder]:
    """Return what runs left in the project at *root*, the newest first.

    Raises:
        StateError: It can't be looked at.
    """
    try:
        names = [each.name for each in (root / FOLDER).iterdir() if each.is_dir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StateError(
            f"'{FOLDER}' can't be read: {error.strerror}", FOLDER, "see to it that you may read it"
        ) from error
    return [RunFolder(root, each) for each in sorted(filter(_is_id, names), reverse=True)]


def find(root: Path, name: str | None = None) -> RunFolder:
    """Return the run that *name* means, by default the last one.

    Args:
        name: An id, the beginning of only one, ``last``, or ``-2`` for the one before the last.

    Raises:
        UsageError: There is none, or several.
        StateError: Runs can't be looked at.
    """
    folders = run_folders(root)
    if not folders:
        hint = "a run that moves something leaves one: doit"
        raise UsageError("no run yet", FOLDER, hint)
    if name is None or name in ("last", ""):
        return folders[0]
    if re.fullmatch(r"-[1-9]\d{0,8}", name):
        found = folders[int(name[1:]) - 1 : int(name[1:])]
    else:
        found = [each for each in folders if each.id.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        what = f"'{name}' is the beginning of {len(found):,} runs"
        raise UsageError(what, hint=f"type more of it: {_named(found)}")
    raise UsageError(f"no run '{name}'", hint=f"the last ones are {_named(folders)}")


def _named(folders: Sequence[RunFolder]) -> str:
    rest = f" and {len(folders) - SHOWN:,} more: doit runs" if len(folders) > SHOWN else ""
    return ", ".join(each.id for each in folders[:SHOWN]) + rest
