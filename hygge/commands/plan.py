"""This is where `doit plan` shows what a run would do, and why."""

from __future__ import annotations

import fnmatch
import itertools
from typing import Any

from doit.cmd_base import DoitCmdBase

from hygge.commands.telling import NOTHING_STARTED, Telling, no_task, tell_broken
from hygge.tasks import FlowTask, PartitionTask

STALE = 4
"""Exit code of ``--check`` when something is stale."""

FOLDED = 3
"""From how many neighbours with the same reason on they are shown in one line."""

MANY = 12
"""From how many neighbours on they are in one line even if the details of their reason differ."""


class Plan(Telling, DoitCmdBase):  # type: ignore[misc]
    """Shows what was decided; moves nothing, takes no lock."""

    name = "plan"
    doc_purpose = "show what a run would move, and why"
    doc_usage = "[FLOW|TASK|PATTERN ...]"
    doc_description = None
    cmd_options = (
        {
            "name": "check",
            "long": "check",
            "type": bool,
            "default": False,
            "help": "exit with 4 if anything is stale [default: %(default)s]",
        },
    )

    def _execute(self, check: bool, pos_args: list[str]) -> int:
        partitions = self._selected(pos_args)
        ignored = [task for task in partitions if self.dep_manager.status_is_ignore(task)]
        stale = [t for t in partitions if t.decision.reason is not None and t not in ignored]
        rows = [
            row for _, group in itertools.groupby(stale, key=_alike) for row in _rows(list(group))
        ]
        widths = [max((len(row[i]) for row in rows), default=0) for i in range(2)]
        for task, action, reason in rows:
            self.outstream.write(f"{task:<{widths[0]}}  {action:<{widths[1]}}  {reason}\n")
        waiting = self._waiting(pos_args)
        for name, flows in waiting:
            self.outstream.write(
                f"{name}  may change further when {' and '.join(flows)} "
                f"{'has' if len(flows) == 1 else 'have'} been moved\n"
            )
        if partitions:
            self.outstream.write(_summary(stale, len(ignored), len(partitions)))
        if tell_broken(self.task_list):
            return NOTHING_STARTED
        return STALE if check and (stale or waiting) else 0

    def _waiting(self, names: list[str]) -> list[tuple[str, tuple[str, ...]]]:
        """Return the flows that *names* stand for whose partitions are not all known yet."""
        return [
            (task.name, task.plan.waits_for)
            for task in self.task_list
            if isinstance(task, FlowTask) and task.plan.waits_for
            if not names or any(_matches(task.name, name.partition(":")[0]) for name in names)
        ]

    def _selected(self, names: list[str]) -> list[PartitionTask]:
        """Return the partitions that *names*, or everything, stand for.

        Raises:
            UsageError: A name stands for nothing.
        """
        for name in names:
            if not any(_matches(task.name, name) for task in self.task_list):
                raise no_task(name, [task.name for task in self.task_list])
        return [
            task
            for task in self.task_list
            if isinstance(task, PartitionTask)
            and (not names or any(_stands_for(name, task) for name in names))
        ]


def _stands_for(name: str, task: PartitionTask) -> bool:
    flow = task.subtask_of
    return _matches(task.name, name) or name in (flow, flow.partition(".")[0])


def _matches(task: str, name: str) -> bool:
    return task == name or ("*" in name and fnmatch.fnmatch(task, name))


def _alike(task: PartitionTask) -> tuple[Any, ...]:
    reason = task.decision.reason
    return task.subtask_of, task.decision.partition is None, reason.kind if reason else ""


def _rows(group: list[PartitionTask]) -> list[tuple[str, str, str]]:
    """Return the lines for neighbours with the same kind of reason."""
    decision = group[0].decision
    action = "move" if decision.partition is not None else "remove"
    reasons = [str(task.decision.reason) for task in group]
    same = len(set(reasons)) == 1
    if len(group) < (FOLDED if same else MANY):
        return [(task.name, action, reason) for task, reason in zip(group, reasons, strict=True)]
    reason = reasons[0] if same or decision.reason is None else decision.reason.kind
    last = group[-1].name.partition(":")[2]
    return [(f"{group[0].name} … {last}", action, f"{reason} ({len(group):,} partitions)")]


def _summary(stale: list[PartitionTask], ignored: int, total: int) -> str:
    rest = f"{total - len(stale) - ignored:,} up to date"
    rest += f", {ignored:,} ignored" if ignored else ""
    if not stale:
        return f"Nothing to move: {rest}.\n"
    removed = sum(task.decision.partition is None for task in stale)
    counts = ((len(stale) - removed, "move"), (removed, "remove"))
    parts = [f"{count:,} to {action}" for count, action in counts if count]
    return f"{', '.join(parts)}, {rest}.\n"
