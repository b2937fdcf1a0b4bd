"""This is where it is foreseen what moves because something before it in a chain moves."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping

from hygge.chain import lies_in
from hygge.paths import Folders, real
from hygge.plan import Decision, FlowPlan, Reason
from hygge.prepared import Prepared


def foreseen(now: FlowPlan, before: Mapping[str, FlowPlan]) -> FlowPlan:
    """Return the plan *now* of a flow, with what may become stale because of the plans *before*.

    What is foreseen need not come true: a move that writes the same bytes changes nothing for
    those behind it. What comes true was foreseen, but for files that don't exist yet, which may
    make partitions or join them; the flows that may bring such are in `waits_for`.
    """
    prepared = now.prepared
    if prepared is None or now.error is not None:
        return now
    moving = [before[name] for name in prepared.upstream if not _is_quiet(before[name])]
    if not moving:
        return now
    writers = _writers(moving)
    decisions = tuple(
        dataclasses.replace(each, reason=_reason(each, prepared, moving, writers))
        if each.reason is None
        else each
        for each in now.decisions
    )
    return dataclasses.replace(
        now, decisions=decisions, waits_for=tuple(each.name for each in moving)
    )


def _is_quiet(plan: FlowPlan) -> bool:
    return plan.is_settled() and not plan.waits_for


def _writers(moving: list[FlowPlan]) -> dict[str, str]:
    """Return the stale task that wrote, or will write, each file, by path."""
    return {path: task for plan in moving for path, task in _stale_outputs(plan)}


def _stale_outputs(plan: FlowPlan) -> Iterator[tuple[str, str]]:
    for decision in plan.decisions if plan.prepared else ():
        if decision.reason is not None and plan.prepared is not None:
            for output in decision.receipt.outputs if decision.receipt else ():
                yield real(output.path, plan.prepared.root), decision.task
            if decision.partition is not None:
                for path in plan.prepared.store.outputs(decision.partition):
                    yield real(path, plan.prepared.root), decision.task


def _reason(
    decision: Decision, prepared: Prepared, moving: list[FlowPlan], writers: Mapping[str, str]
) -> Reason | None:
    partition = decision.partition
    if partition is None:
        return None
    files = (*partition.sources, *prepared.input_sources) if writers else ()
    paths = (real(each.path, prepared.root) for each in files)
    task = next((writers[path] for path in paths if path in writers), None)
    task = task or next((each.name for each in moving if _is_read_whole(each, prepared)), None)
    return None if task is None else Reason("upstream changed", f"'{task}' is to be moved first")


def _is_read_whole(moving: FlowPlan, prepared: Prepared) -> bool:
    """Tell whether each partition of a flow reads all that the flow *moving* writes."""
    flow = prepared.flow
    whole = flow.home.values.get("partition") == "all"
    sections = [*flow.inputs.values(), *([flow.home] if whole else [])]
    if moving.prepared is None:
        return bool(sections)
    stores = Folders({moving.name: os.path.realpath(moving.prepared.store.folder())})
    return any(lies_in(section, prepared.root, stores) for section in sections)
