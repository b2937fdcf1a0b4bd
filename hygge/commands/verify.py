"""This is where `doit verify` tells whether the stores hold what was moved into them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from hygge.commands.reading import JSON_OPTION, Answer, Opened, Reading
from hygge.commands.telling import NOTHING_STARTED, no_task
from hygge.commands.terminal import printable
from hygge.errors import HyggeError
from hygge.plan import FlowPlan
from hygge.prepared import Prepared
from hygge.reporter import amount_of_bytes
from hygge.verification import Verified, verify

MISMATCH = 1
"""Exit code when something does not match."""

MOST_SHOWN = 50
"""Files of one kind that are shown before the rest is only counted."""


class Verify(Reading):
    """Holds stores against receipts; writes nothing."""

    name = "verify"
    doc_purpose = "tell whether the stores hold what was moved into them"
    doc_usage = "[FLOW|TASK ...]"
    cmd_options = (
        {
            "name": "full",
            "long": "full",
            "type": bool,
            "default": False,
            "help": "read every byte, and not only where size and times prove nothing",
        },
        JSON_OPTION,
    )

    def answer(self, opened: Opened, params: Any, names: list[str]) -> Answer:
        """Return what does not match in the stores of *names*, or in all.

        Raises:
            UsageError: A name stands for nothing that was moved.
        """
        prepared = opened.coordinator.prepared()
        remembered = sorted(opened.state.receipts())
        _check_names(names, prepared, remembered)
        flows = [each for each in prepared if isinstance(each, Prepared)]
        chosen = [each for each in flows if not names or _means(names, each.flow.name)]
        tasks = [t for t in remembered if not names or t in names or _means(names, t)]
        found = verify(chosen, tasks, opened.state, opened.project.root, params["full"])
        problems: list[HyggeError] = [
            each.error
            for each in prepared
            if isinstance(each, FlowPlan)
            and each.error is not None
            and (not names or _means(names, each.name))
        ]
        code = MISMATCH if found.mismatches else NOTHING_STARTED if problems else 0
        status = "failed" if found.mismatches else "error" if problems else "ok"
        data = {**dataclasses.asdict(found), "full": params["full"]}
        return Answer(data, _lines(found, params["full"]), status, code, problems)


def _means(names: Sequence[str], task: str) -> bool:
    """Tell whether one of *names* is the flow of *task*, or the file of an entity."""
    flow = task.partition(":")[0]
    return flow in names or flow.partition(".")[0] in names


def _check_names(
    names: Sequence[str], prepared: Sequence[Prepared | FlowPlan], remembered: Sequence[str]
) -> None:
    flows = {each.flow.name if isinstance(each, Prepared) else each.name for each in prepared}
    flows |= {task.partition(":")[0] for task in remembered}
    known = {*flows, *(each.partition(".")[0] for each in flows), *remembered}
    for name in names:
        if name not in known:
            raise no_task(name, sorted(known))


def _lines(found: Verified, full: bool) -> Iterator[str]:
    rows = [
        f"{each.what}: '{each.path}' of {each.task}" + (f", {each.detail}" if each.detail else "")
        for each in found.mismatches
    ]
    yield from _shortened(rows, "do not match")
    yield from _shortened(
        [
            f"left over: '{each.path}', half-written by a run that was stopped"
            for each in found.strays
            if each.left_over
        ],
        "are left over",
    )
    unknown = [each for each in found.strays if not each.left_over]
    yield from _shortened(
        [f"unknown file: '{each.path}' in the store of {each.flow}" for each in unknown],
        "are unknown",
    )
    yield _summary(found, full)
    yield from _advice(found)


def _shortened(rows: Sequence[str], what: str) -> Iterator[str]:
    yield from map(printable, rows[:MOST_SHOWN])
    if len(rows) > MOST_SHOWN:
        yield f"… and {len(rows) - MOST_SHOWN:,} more files {what}: doit verify --json"


def _summary(found: Verified, full: bool) -> str:
    if not found.outputs:
        return "Nothing that was moved is remembered here: there is nothing to verify."
    fine = found.outputs - len(found.mismatches)
    files = f"{fine:,} of {found.outputs:,} output{'' if found.outputs == 1 else 's'}"
    verb = "matches its receipt" if fine == 1 and found.outputs == 1 else "match their receipts"
    how = "every byte was read" if full else f"{amount_of_bytes(found.read)} had to be read"
    return f"{files} {verb} ({amount_of_bytes(found.size)}; {how})."


def _advice(found: Verified) -> Iterator[str]:
    if found.mismatches:
        tasks = list(dict.fromkeys(each.task for each in found.mismatches))
        named = f" {printable(tasks[0])}" if len(tasks) == 1 else ""
        yield f"To make what does not match again: doit{named}"
    if any(each.left_over for each in found.strays):
        yield "What is left over goes with the next run: doit"
    if any(not each.left_over for each in found.strays):
        yield "Unknown files are left alone; who reads the store reads them too."
