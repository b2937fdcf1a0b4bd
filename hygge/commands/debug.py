"""This is where `doit debug` looks for what is wrong around a project, and says what to do."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import json
import os
import platform
import re
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hygge import liveness
from hygge.commands.reading import JSON_OPTION, Answer, Opened, Reading
from hygge.commands.telling import NOTHING_STARTED
from hygge.errors import (
    HomeError,
    HyggeError,
    StateError,
    StoreError,
    UsageError,
    did_you_mean,
)
from hygge.paths import located
from hygge.plan import FlowPlan
from hygge.prepared import Prepared
from hygge.project import MARKERS
from hygge.reporter import amount_of_bytes
from hygge.state_file import APPLICATION_ID, DAMAGED, FORMAT
from hygge.state_reading import READERS

WRONG = 1
"""What the command ends with where a person has to mend something."""

LEAST_FREE = 100_000_000
"""Bytes that should be free where a store lies."""

DISTRIBUTION = "hygge-data"
SHOWN_VERSIONS = ("doit", "polars", "pyarrow")


@dataclass(frozen=True)
class Finding:
    """What was found out about one thing."""

    subject: str
    """What was looked at: ``project``, ``state``, the name of a flow."""
    text: str
    """What was found, in one line."""
    error: HyggeError | None = None
    """What is wrong and what to do; None if all is well."""

    @property
    def status(self) -> str:
        """``ok`` or ``wrong``."""
        return "ok" if self.error is None else "wrong"


def _wrong(subject: str, error: HyggeError) -> Finding:
    return Finding(subject, error.what, error)


class Debug(Reading):
    """Looks, and changes nothing."""

    name = "debug"
    doc_purpose = "look for what is wrong with the project, and say what to do"
    doc_usage = "[FLOW ...]"
    cmd_options = (JSON_OPTION,)

    def execute(self, params: Any, args: list[str]) -> int | None:
        """Tell what was found; return 1 if anything is wrong, also where no flow could be read."""
        code = super().execute(params, args)
        return WRONG if code == NOTHING_STARTED else code

    def answer(self, opened: Opened, params: Any, names: list[str]) -> Answer:
        """Return what was found out about the flows called *names*, or all, and around them."""
        plans = opened.coordinator.plan().flows
        findings = [_project(opened, plans)]
        findings += _unknown(names, plans)
        chosen = [plan for plan in plans if not names or _is_named(plan.name, names)]
        for plan in chosen:
            findings += _flow(plan, opened.project.root)
        findings += _space(chosen, opened.project.root)
        findings += [_state(opened, Path(params["dep_file"])), _runs(opened.project.root)]
        findings += [Finding("versions", ", ".join(_versions())), *_extras()]
        wrong = [each.error for each in findings if each.error is not None]
        return Answer(
            {"findings": [_described(each) for each in findings]},
            _lines(findings),
            "failed" if wrong else "ok",
            WRONG if wrong else 0,
            wrong,
        )


def _described(finding: Finding) -> dict[str, Any]:
    return {"subject": finding.subject, "status": finding.status, "text": finding.text}


def _lines(findings: Sequence[Finding]) -> Iterator[str]:
    width = max(len(each.subject) for each in findings)
    for each in findings:
        yield f"{each.status:<5}  {each.subject:<{width}}  {each.text}"


def _project(opened: Opened, plans: Sequence[FlowPlan]) -> Finding:
    project = opened.project
    there = [marker for marker in MARKERS if (project.root / marker).is_file()]
    flows = "no flows" if not plans else "1 flow" if len(plans) == 1 else f"{len(plans)} flows"
    text = f"{flows} in '{project.flows_dir}', {' and '.join(there) or 'no dodo.py'}"
    text += "" if "dodo.py" in there else ": type hygge in place of doit"
    return Finding("project", text)


def _is_named(flow: str, names: Sequence[str]) -> bool:
    return flow in names or flow.partition(".")[0] in names


def _unknown(names: Sequence[str], plans: Sequence[FlowPlan]) -> Iterator[Finding]:
    known = sorted({each.name for each in plans} | {each.name.partition(".")[0] for each in plans})
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) if known else "there are no flows yet"
            yield _wrong(name, UsageError(f"no flow '{name}'", hint=hint))


# Flows


def _flow(plan: FlowPlan, root: Path) -> Iterator[Finding]:
    if plan.error is not None:
        yield _wrong(plan.name, plan.error)
    prepared = plan.prepared
    if prepared is None:
        return
    store = located(str(prepared.store.folder()), root)
    problems = [*_unreadable(plan, prepared), *_unwritable(prepared.store.folder(), store)]
    for problem in problems:
        yield _wrong(plan.name, problem)
    if plan.error is None and not problems:
        count = sum(each.partition is not None for each in plan.decisions)
        partitions = "1 partition" if count == 1 else f"{count:,} partitions"
        home = prepared.flow.home.values.get("path", "")
        yield Finding(plan.name, f"{partitions} in '{home}', '{store}' can be written")


def _unreadable(plan: FlowPlan, prepared: Prepared) -> Iterator[HyggeError]:
    """Yield an error if there are sources of *plan* that this user can't read."""
    of_partitions = (each.partition.sources for each in plan.decisions if each.partition)
    sources = [*prepared.input_sources, *(each for some in of_partitions for each in some)]
    broken = [
        each.path
        for each in sources
        if each.signature is None or not os.access(prepared.root / each.path, os.R_OK)
    ]
    if broken:
        what = f"'{broken[0]}' can't be read"
        more = len(broken) - 1
        what += f", nor can {more:,} more of {len(sources):,} files" if more else ""
        hint = "see to it that you may read it, or exclude it"
        yield HomeError(what, broken[0], hint)


def _unwritable(folder: Path, shown: str) -> Iterator[HyggeError]:
    """Yield an error if nothing can be written into *folder*, which need not be there."""
    there = _nearest(folder)
    if not there.is_dir():
        hint = "move it away, or give the store another path"
        yield StoreError(f"'{shown}' can't be made: '{there.name}' is no folder", str(there), hint)
    elif not os.access(there, os.W_OK | os.X_OK):
        hint = "see to it that you may write there"
        yield StoreError(f"'{shown}' can't be written", str(there), hint)


def _nearest(path: Path) -> Path:
    """Return *path*, or the nearest thing above it that is there."""
    return next(each for each in (path, *path.parents) if os.path.lexists(each))


def _space(plans: Sequence[FlowPlan], root: Path) -> Iterator[Finding]:
    """Yield how much room there is on each disk that has stores."""
    folders = [plan.prepared.store.folder() for plan in plans if plan.prepared]
    disks: dict[int, Path] = {}
    for folder in [root, *folders]:
        with contextlib.suppress(OSError):  # a dangling link is told with its flow
            disks.setdefault(_nearest(folder).stat().st_dev, folder)
    for folder in disks.values():
        free = shutil.disk_usage(_nearest(folder)).free
        shown = "the project" if folder == root else f"'{folder}'"
        text = f"{amount_of_bytes(free)} free where {shown} lies"
        yield (
            Finding("space", text)
            if free >= LEAST_FREE
            else _wrong(
                "space", StoreError(f"only {text}", str(folder), "make room before the next run")
            )
        )


# What runs left


def _state(opened: Opened, file: Path) -> Finding:
    if not file.exists() or file.stat().st_size == 0:
        return Finding("state", f"no '{file}' yet: nothing has been moved")
    problem = _damage(file)
    if problem:
        hint = "leave it: the next run moves it aside, and compares what is in the stores"
        return _wrong("state", StateError(f"'{file}' {problem}", str(file), hint))
    if not os.access(file, os.W_OK):
        hint = "see to it that you may write it"
        return _wrong("state", StateError(f"'{file}' can't be written", str(file), hint))
    count = len(opened.state.receipts())
    text = f"'{file}' remembers {count:,} partition{'' if count == 1 else 's'}"
    if opened.state.doubted():
        text += "; a run was cut off, the next one looks at its outputs again"
    return Finding("state", text)


def _damage(file: Path) -> str:
    """Return what is wrong with the state in *file*; empty if nothing is."""
    problem = ""
    # Not the file's header: until a run ends, what it says may be in the log beside the file.
    for opened in READERS:
        try:
            connection = opened(str(file))
            if connection is not None:
                with contextlib.closing(connection):
                    return _misfit(connection)
        except DAMAGED as error:
            problem = problem or f"can't be read: {error}"
    return problem


def _misfit(opened: sqlite3.Connection) -> str:
    names = ("application_id", "user_version", "integrity_check(1)")
    mark, version, verdict = (opened.execute(f"PRAGMA {each}").fetchone()[0] for each in names)
    if mark != APPLICATION_ID:
        return "was not written by hygge"
    if version != FORMAT:
        return "was written by another version of hygge"
    return "" if verdict == "ok" else "is damaged"


def _runs(root: Path) -> Finding:
    """Return who holds the project, or that a run could begin."""
    folder = root / ".hygge"
    for problem in _unwritable(folder, ".hygge"):
        hint = problem.hint if "written" in problem.what else "move it away"
        return _wrong("runs", StateError(problem.what, problem.where, hint))
    file = folder / "lock.holder"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        since = datetime.datetime.fromtimestamp(file.stat().st_mtime, datetime.UTC)
        if liveness.works_on(root, None, since):
            holder = json.loads(file.read_text(encoding="utf-8"))
            who = f"process {holder['pid']}, since {holder['since']}: {holder['command']}"
            return Finding("runs", f"the project is held by {who}")
    return Finding("runs", "no run is going on")


# What is installed


def _versions() -> Iterator[str]:
    from hygge import __version__

    yield f"hygge {__version__}"
    yield f"Python {platform.python_version()}"
    for name in SHOWN_VERSIONS:
        yield f"{name} {importlib.metadata.version(name)}"
    yield platform.platform(terse=True)


def _extras() -> Iterator[Finding]:
    """Yield which extras are installed; what is for hygge's own development is left out."""
    try:
        required = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return
    needs: dict[str, list[str]] = {}
    for each in required:
        match = re.match(r"([\w.-]+).*;.*extra == ['\"]([\w-]+)['\"]", each)
        if match and match[2] != "dev":
            needs.setdefault(match[2], []).append(match[1])
    for extra, packages in sorted(needs.items()):
        missing = [each for each in packages if not _is_installed(each)]
        text = f"not installed: pip install '{DISTRIBUTION}[{extra}]'" if missing else "installed"
        yield Finding(f"extra {extra}", text)


def _is_installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
