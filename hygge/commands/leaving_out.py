"""This is where what is up to date is kept from doit, which would go through it one by one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hygge.group_tasks import BrokenFlowTask, FlowTask, GroupTask
from hygge.tasks import Invocation, PartitionTask

COUNTING = ("hygge", "json")
"""Reporters that only count what is up to date; others have a line for each."""


def is_alone(tasks: Sequence[Any], words: Iterable[str]) -> bool:
    """Tell whether nothing but moves of whole flows is asked for.

    A task of somebody's own may write a source, wait for a partition or compare its result; a
    partition or an output may be asked for by its name.

    Args:
        tasks: All tasks.
        words: What is asked for by the command line; nothing for everything.
    """
    mine = GroupTask | PartitionTask | BrokenFlowTask
    names = {task.name for task in tasks}
    return all(isinstance(task, mine) for task in tasks) and names.issuperset(words)


def bring_back(tasks: list[Any], invocation: Invocation) -> None:
    """Make tasks of what was left out, behind the other *tasks*."""
    run = invocation.run
    for flow in [task for task in tasks if isinstance(task, FlowTask) and task.left_out]:
        left_out = flow.apart
        if flow.plan.sealed:
            assert run is not None, "only runs go by seals"
            flow.plan = run.unsealed(flow.plan)
            left_out = flow.plan.decisions
            run.state.kept |= {each.task for each in left_out}
        if flow.plan.error is not None:  # something has changed since it was looked at
            tasks[tasks.index(flow)] = BrokenFlowTask(flow.name, flow.plan.error)
            continue
        assert flow.plan.prepared is not None
        there = {*flow.task_dep}
        missing = [each for each in left_out if each.task not in there]
        tasks += [PartitionTask(run, flow.plan.prepared, each) for each in missing]
        flow.task_dep[:] = [each.task for each in flow.plan.decisions]
        flow.apart = ()
