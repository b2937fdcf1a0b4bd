"""This is where `doit why` tells what is known of a partition, and why it is stale."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import doit.loader

from hygge.commands.reading import JSON_OPTION, Answer, Opened, Reading
from hygge.commands.telling import NOTHING_STARTED, no_task
from hygge.commands.terminal import printable
from hygge.coordinator import Plan
from hygge.errors import UsageError
from hygge.explanation import Change, Dependency, Explainer, Explanation
from hygge.plan import FlowPlan
from hygge.reporter import amount_of_bytes
from hygge.runs import instant_of_id

MOST_SHOWN = 20
"""Lines of one kind that are shown before the rest is only counted."""

STALE_NAMED = 3
"""Stale partitions of a flow that are named for each reason."""


class Why(Reading):
    """Explains partitions; of a flow, how many are stale and why."""

    name = "why"
    doc_purpose = "tell what is known of a partition, and why it is stale"
    doc_usage = "[TASK|FLOW ...]"
    cmd_options = (JSON_OPTION,)

    def answer(self, opened: Opened, params: Any, names: list[str]) -> Answer:
        """Return what is known of *names*, or of every flow.

        Raises:
            UsageError: A name stands for nothing, or for a task of somebody's own.
        """
        names = list(dict.fromkeys(names))
        plan = opened.coordinator.plan(only=names)
        found = [self._found(opened, plan, name) for name in names or plan.behind]
        blocks = [block for part in found for block in part]
        problems = [b.error for b in blocks if isinstance(b, FlowPlan) and b.error is not None]
        partitions = [each for each in blocks if isinstance(each, Explanation)]
        flows = [each for each in blocks if isinstance(each, FlowPlan)]
        stale = any(each.state == "stale" for each in partitions)
        stale = stale or any(d.reason for flow in flows for d in flow.decisions)
        status = "error" if problems else "stale" if stale else "ok"
        data = {
            "partitions": [_described(each) for each in partitions],
            "flows": [_flow_described(each) for each in flows],
        }
        code = NOTHING_STARTED if problems else 0
        return Answer(data, _all_lines(blocks), status, code, problems)

    def _found(self, opened: Opened, plan: Plan, name: str) -> list[Explanation | FlowPlan]:
        """Return what *name* stands for: one partition, or one flow, or several entities.

        Raises:
            UsageError: It stands for nothing that hygge moves.
        """
        called = name.partition(":")[0]
        flows = [each for each in plan.flows if called in (each.name, each.name.partition(".")[0])]
        if name == called and flows:
            return list(flows)
        for flow in flows:
            if flow.error is not None and flow.name == called:
                return [flow]
            for decision in flow.decisions:
                if decision.task == name:
                    return [Explainer(opened.coordinator, plan).explain(flow, decision)]
        if name in _own_tasks(self.loader):
            what = f"'{name}' is a task of your own, not a partition"
            raise UsageError(what, hint=f"doit info {name}")
        known = {*plan.behind, *(each.partition(".")[0] for each in plan.behind)}
        if called in plan.behind:
            whole = opened.coordinator.plan(only=[called])
            known |= {each.task for flow in whole.flows for each in flow.decisions}
        raise no_task(name, sorted(known))


def _own_tasks(loader: Any) -> set[str]:
    """Return the names of the tasks that dodo.py defines beside hygge's."""
    own = {name: each for name, each in loader.namespace.items() if name != "task_hygge"}
    with contextlib.redirect_stdout(None):
        return {task.name for task in doit.loader.load_tasks(own, allow_delayed=False)}


# For programs


def _described(found: Explanation) -> dict[str, Any]:
    reason, receipt = found.decision.reason, found.receipt
    move = None
    if receipt is not None:
        move = {
            "run": receipt.run,
            "seconds": receipt.seconds,
            "outputs": [
                {
                    "path": each.path,
                    "rows": each.rows,
                    "size_bytes": each.signature.size,
                    "hash": each.hash,
                }
                for each in receipt.outputs
            ],
        }
    return {
        "task": found.decision.task,
        "state": found.state,
        "action": None if reason is None else "move" if found.decision.partition else "remove",
        "reason": None if reason is None else {"kind": reason.kind, "detail": reason.detail},
        "changes": [dataclasses.asdict(each) for each in found.changes],
        "depends_on": [dataclasses.asdict(each) for each in found.depends_on],
        "needed_by": list(found.needed_by),
        "flows_behind": list(found.flows_behind),
        "last_move": move,
        "last_failure": found.failure or None,
    }


def _flow_described(flow: FlowPlan) -> dict[str, Any]:
    return {
        "flow": flow.name,
        "partitions": len(flow.decisions),
        "stale": sum(each.reason is not None for each in flow.decisions),
        "reasons": {kind: len(tasks) for kind, tasks in _by_reason(flow).items()},
        "waits_for": list(flow.waits_for),
        "error": None if flow.error is None else flow.error.what,
    }


def _by_reason(flow: FlowPlan) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in flow.decisions:
        if each.reason is not None:
            found.setdefault(each.reason.kind, []).append(each.task)
    return found


# For people


def _all_lines(blocks: Sequence[Explanation | FlowPlan]) -> Iterator[str]:
    for i, each in enumerate(blocks):
        yield from [""] * (i > 0)
        yield from _lines(each)
    if not blocks:
        yield "No flows yet: write a first one, flows/NAME.yml."


def _lines(found: Explanation | FlowPlan) -> Iterator[str]:
    lines = _flow_lines(found) if isinstance(found, FlowPlan) else _partition_lines(found)
    return map(printable, lines)


def _flow_lines(flow: FlowPlan) -> Iterator[str]:
    if flow.error is not None:
        yield f"{flow.name}: nothing of it can be moved"
        yield f"  {flow.error.what}"
        return
    reasons = _by_reason(flow)
    total, stale = len(flow.decisions), sum(map(len, reasons.values()))
    plural = "partition" if total == 1 else "partitions"
    yield f"{flow.name}: {total:,} {plural}, {total - stale:,} up to date, {stale:,} stale"
    for kind, tasks in reasons.items():
        more = len(tasks) - STALE_NAMED
        rest = f" and {more:,} more" if more > 0 else ""
        yield f"  {kind} ({len(tasks):,}): {', '.join(tasks[:STALE_NAMED])}{rest}"
    if flow.waits_for:
        yield f"  may change further when moved: {', '.join(flow.waits_for)}"
    if flow.decisions:
        one = next(iter(reasons.values()), [flow.decisions[0].task])[0]
        yield f"  more about one of them: doit why {one}"


def _partition_lines(found: Explanation) -> Iterator[str]:
    yield f"{found.decision.task}: {found.state}"
    if found.decision.reason is not None:
        yield f"  reason: {found.decision.reason}"
    yield from _block("changed since the last move", _changes(found))
    yield from _block("depends on", map(_dependency, found.depends_on))
    yield from _block("needed by", _needed_by(found))
    yield from _block("last move", _last_move(found))
    yield from _block("last failure", iter([found.failure] if found.failure else []))


def _block(title: str, lines: Iterator[str]) -> Iterator[str]:
    """Yield *lines* below their title; only the first of many, and nothing if there are none."""
    all_lines = list(lines)
    if all_lines:
        yield ""
        yield f"  {title}"
        yield from (f"    {line}" for line in all_lines[:MOST_SHOWN])
        if len(all_lines) > MOST_SHOWN:
            yield f"    and {len(all_lines) - MOST_SHOWN:,} more lines: doit why --json"


def _changes(found: Explanation) -> Iterator[str]:
    for each in found.changes:
        if each.about in ("source", "input", "output"):
            yield from _file_lines(each)
        else:
            yield f"{each.about} {each.name}"
            yield from (f"  - {_word(value)}" for value in _values(each.old))
            yield from (f"  + {_word(value)}" for value in _values(each.new))
    if found.columns_unknown:
        yield f"columns: not compared, {found.columns_unknown}"


def _file_lines(change: Change) -> Iterator[str]:
    words = {"unreadable": "can't be read", "removed": "gone"}
    yield f"{change.about} '{change.name}' {words.get(change.how, change.how)}"
    old, new = change.old or {}, change.new or {}
    if old.get("path", change.name) != change.name:
        yield f"  name      '{old['path']}' -> '{change.name}'"
    if old and new:
        sizes = [
            f"{each['size_bytes']:,}" for each in (old, new) if each.get("size_bytes") is not None
        ]
        hashes = [each["hash"][:8] for each in (old, new) if each.get("hash")]
        pairs = {
            "content": hashes,
            "size": sizes,
            "modified": [each["modified"] for each in (old, new) if each.get("modified")],
        }
        for title, pair in pairs.items():
            if len(pair) == 2:
                unit = " bytes" if title == "size" else ""
                same = pair[0] == pair[1]
                shown = f"{pair[0]}{unit}, as before" if same else f"{' -> '.join(pair)}{unit}"
                yield f"  {title:<8}  {shown}"


def _values(side: Mapping[str, Any] | None) -> Sequence[Any]:
    return [] if side is None else [side["value"]]


def _word(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)


def _dependency(each: Dependency) -> str:
    size = "can't be read" if each.size is None else amount_of_bytes(each.size)
    writer = f", written by {each.written_by}" if each.written_by else ""
    return f"{each.role} '{each.path}', {size}{writer}"


def _needed_by(found: Explanation) -> Iterator[str]:
    yield from found.needed_by
    reading = {task.partition(":")[0] for task in found.needed_by}
    for flow in found.flows_behind:
        if flow not in reading:
            yield f"the flow {flow}, of which nothing that was moved has read it"


def _last_move(found: Explanation) -> Iterator[str]:
    receipt = found.receipt
    if receipt is None:
        return
    when = ""
    with contextlib.suppress(ValueError):
        began = instant_of_id(receipt.run)
        when = f", {began:%Y-%m-%dT%H:%M:%S}.{began.microsecond // 1000:03}Z"
    yield f"run {receipt.run}{when}, {receipt.seconds:.2f}s"
    for each in receipt.outputs:
        rows = "" if each.rows is None else f"{each.rows:,} row{'' if each.rows == 1 else 's'}, "
        yield f"'{each.path}', {rows}{amount_of_bytes(each.signature.size)}, {each.hash}"
