"""This is where `doit plan` shows what a run would do, and why."""

from __future__ import annotations

import fnmatch
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hygge import estimate
from hygge.commands.reading import JSON_OPTION, Answer, Opened, Reading
from hygge.commands.telling import NOTHING_STARTED, no_task
from hygge.commands.terminal import printable
from hygge.estimate import Expected
from hygge.plan import Decision, FlowPlan
from hygge.reporter import amount_of_bytes

STALE = 4
"""Exit code of ``--check`` when something is stale."""

FOLDED = 3
"""From how many neighbours with the same reason on they are shown in one line."""

MANY = 12
"""From how many neighbours on they are in one line even if the details of their reason differ."""


@dataclass(frozen=True)
class Step:
    """A partition that a run would move or remove."""

    flow: str
    decision: Decision
    expected: Expected

    @property
    def action(self) -> str:
        """``move`` or ``remove``."""
        return "move" if self.decision.partition is not None else "remove"

    @property
    def reason(self) -> str:
        """Why, in words."""
        return str(self.decision.reason)

    def to_json(self) -> dict[str, Any]:
        """Return it for programs."""
        reason = self.decision.reason
        assert reason is not None
        return {
            "task": self.decision.task,
            "flow": self.flow,
            "action": self.action,
            "reason": {"kind": reason.kind, "detail": reason.detail},
            "bytes": self.expected.bytes,
            "rows": self.expected.rows,
            "seconds": self.expected.seconds,
        }


@dataclass(frozen=True)
class Foreseen:
    """What a run would do."""

    steps: Sequence[Step]
    """In the order of the run."""
    waiting: Sequence[FlowPlan]
    """Flows whose partitions are not all known yet."""
    broken: Sequence[str]
    """Flows that can't be used."""
    ignored: int
    total: int
    """Partitions that were asked for."""

    def to_json(self) -> dict[str, Any]:
        """Return it for programs."""
        removed = sum(step.action == "remove" for step in self.steps)
        whole = estimate.total(step.expected for step in self.steps)
        return {
            "partitions": [step.to_json() for step in self.steps],
            "waiting": [{"flow": e.name, "waits_for": list(e.waits_for)} for e in self.waiting],
            "broken": list(self.broken),
            "counts": {
                "move": len(self.steps) - removed,
                "remove": removed,
                "unchanged": self.total - len(self.steps) - self.ignored,
                "ignored": self.ignored,
            },
            "expected": {"bytes": whole.bytes, "rows": whole.rows, "seconds": whole.seconds},
        }


class Plan(Reading):
    """Shows what was decided; moves nothing, takes no lock."""

    name = "plan"
    doc_purpose = "show what a run would move, and why"
    doc_usage = "[FLOW|TASK|PATTERN ...]"
    cmd_options = (
        {
            "name": "check",
            "long": "check",
            "type": bool,
            "default": False,
            "help": "exit with 4 if anything is stale [default: %(default)s]",
        },
        JSON_OPTION,
    )

    def answer(self, opened: Opened, params: Any, names: list[str]) -> Answer:
        """Return what a run of *names*, or of everything, would do.

        Raises:
            UsageError: A name stands for nothing.
        """
        plans = opened.coordinator.plan().flows
        _check_names(names, plans)
        found = _foreseen(plans, names, opened)
        problems = [plan.error for plan in plans if plan.error is not None]
        is_stale = bool(found.steps or found.waiting)
        if problems:
            status, code = "error", NOTHING_STARTED
        else:
            status, code = "stale" if is_stale else "ok", STALE if params["check"] * is_stale else 0
        lines = map(printable, _lines(found))
        return Answer(found.to_json(), lines, status, code, problems)


def _foreseen(plans: Sequence[FlowPlan], names: list[str], opened: Opened) -> Foreseen:
    before = _before(plans, names)
    steps, ignored, total = [], 0, 0
    for plan in plans:
        rate = estimate.rates(plan)
        for decision in plan.decisions:
            is_asked = not names or _is_named(decision.task, plan.name, names)
            is_stale = decision.reason is not None
            if not is_asked and not (is_stale and plan.name in before):
                continue
            total += 1
            if opened.state.get(decision.task, "ignore:"):
                ignored += 1
            elif is_stale:
                steps.append(Step(plan.name, decision, estimate.expected(decision, rate)))
    asked = [name.partition(":")[0] for name in names]
    waiting = [
        plan
        for plan in plans
        if plan.waits_for
        and (not names or plan.name in before or any(_is_flow(name, plan.name) for name in asked))
    ]
    broken = [plan.name for plan in plans if plan.error is not None]
    return Foreseen(steps, waiting, broken, ignored, total)


def _before(plans: Sequence[FlowPlan], names: list[str]) -> set[str]:
    """Return the flows that a run of *names* brings up to date first."""
    asked = [name.partition(":")[0] for name in names]
    mine = (p.prepared for p in plans if any(_is_flow(name, p.name) for name in asked))
    return {each for prepared in mine if prepared is not None for each in prepared.ancestors}


def _is_named(task: str, flow: str, names: list[str]) -> bool:
    return any(_stands_for(name, flow, task) for name in names)


def _check_names(names: list[str], plans: Sequence[FlowPlan]) -> None:
    flows = {plan.name for plan in plans} | {plan.name.partition(".")[0] for plan in plans}
    if all(name in flows for name in names):
        return
    known = [*sorted(flows), *(each.task for plan in plans for each in plan.decisions)]
    for name in names:
        if not any(_matches(task, name) for task in known):
            raise no_task(name, known)


def _stands_for(name: str, flow: str, task: str) -> bool:
    return _matches(task, name) or name in (flow, flow.partition(".")[0])


def _is_flow(name: str, flow: str) -> bool:
    return _matches(flow, name) or name == flow.partition(".")[0]


def _matches(task: str, name: str) -> bool:
    return task == name or ("*" in name and fnmatch.fnmatch(task, name))


def _lines(found: Foreseen) -> Iterator[str]:
    groups = itertools.groupby(found.steps, key=_alike)
    rows = [row for _, group in groups for row in _rows(list(group))]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(3)]
    for task, action, size, reason in rows:
        amount = f"  {size:>{widths[2]}}" if widths[2] else ""
        yield f"{task:<{widths[0]}}  {action:<{widths[1]}}{amount}  {reason}"
    for plan in found.waiting:
        has = "has" if len(plan.waits_for) == 1 else "have"
        before = " and ".join(plan.waits_for)
        yield f"{plan.name}  may change further when {before} {has} been moved"
    if found.total:
        yield _summary(found)


def _alike(step: Step) -> tuple[Any, ...]:
    reason = step.decision.reason
    return step.flow, step.action, reason.kind if reason else ""


def _rows(group: list[Step]) -> list[tuple[str, str, str, str]]:
    """Return the lines for neighbours with the same kind of reason."""
    reasons = [step.reason for step in group]
    same = len(set(reasons)) == 1
    if len(group) < (FOLDED if same else MANY):
        return [(each.decision.task, each.action, _size([each]), each.reason) for each in group]
    kind = group[0].decision.reason
    reason = reasons[0] if same or kind is None else kind.kind
    first, last = group[0].decision.task, group[-1].decision.task.partition(":")[2]
    text = f"{reason} ({len(group):,} partitions)"
    return [(f"{first} … {last}", group[0].action, _size(group), text)]


def _size(steps: Sequence[Step]) -> str:
    if all(step.action == "remove" for step in steps):
        return ""
    return amount_of_bytes(sum(step.expected.bytes for step in steps))


def _summary(found: Foreseen) -> str:
    counts = found.to_json()["counts"]
    rest = f"{counts['unchanged']:,} up to date"
    rest += f", {found.ignored:,} ignored" if found.ignored else ""
    if not found.steps:
        return f"Nothing to move: {rest}."
    actions = [f"{counts[action]:,} to {action}" for action in ("move", "remove") if counts[action]]
    return f"{', '.join(actions)}{_amount(found.steps)}, {rest}."


def _amount(steps: Sequence[Step]) -> str:
    """Return what moving takes, in brackets: ``(2.0MB, about 149,687 rows in 0.6s)``."""
    moves = [step.expected for step in steps if step.action == "move"]
    if not moves:
        return ""
    whole = estimate.total(moves)
    rows = ""
    if whole.rows is not None:
        rows = f", about {whole.rows:,} row{'' if whole.rows == 1 else 's'}"
    seconds = "" if whole.seconds is None else f" in {whole.seconds:.1f}s"
    return f" ({amount_of_bytes(whole.bytes)}{rows}{seconds})"
