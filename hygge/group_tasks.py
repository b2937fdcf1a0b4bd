"""This is where many tasks become one that can be named: a flow, a file of flows, a pattern."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from doit.action import BaseAction
from doit.exceptions import TaskFailed
from doit.task import DelayedLoader, Task

from hygge.errors import HyggeError
from hygge.plan import Decision, FlowPlan
from hygge.redaction import hide


class RefuseAction(BaseAction):  # type: ignore[misc]
    """Fails for a flow of which nothing can be moved."""

    def __init__(self, error: HyggeError) -> None:
        self.error = error
        self.task: Task | None = None
        self.out = self.err = self.result = None
        self.values: dict[str, Any] = {}

    def execute(self, out: object = None, err: object = None) -> TaskFailed:
        """Return the error."""
        return TaskFailed(str(self.error))


class GroupTask(Task):  # type: ignore[misc]
    """Stands for other tasks; executes nothing itself."""

    def __init__(self, name: str, members: Sequence[str], doc: str = "", **more: Any) -> None:
        more.setdefault("has_subtask", True)
        super().__init__(name, actions=None, task_dep=(), uptodate=[True], doc=doc, **more)
        # Not given above: doit would take a '*' in a key for a wildcard.
        self.task_dep += members


class FlowTask(GroupTask):
    """The group of a flow's partitions."""

    def __init__(
        self,
        plan: FlowPlan,
        loader: DelayedLoader | None = None,
        left_out: Sequence[Decision] = (),
    ) -> None:
        assert plan.prepared is not None
        self.plan = plan
        self.apart = left_out
        """What is up to date, was decided for, and has no tasks."""
        flow = plan.prepared.flow
        ways = f"{flow.home.values['path']} -> {flow.store.values['path']}"
        apart = {decision.task for decision in left_out}
        members = [each.task for each in plan.decisions if each.task not in apart]
        super().__init__(plan.name, members, hide(flow.description or ways), loader=loader)
        file, entity = flow.name.partition(".")[::2]
        self.subtask_of = file if entity else None

    @property
    def left_out(self) -> int:
        """How many partitions are up to date and have no tasks."""
        return len(self.apart) + self.plan.sealed


class BrokenFlowTask(Task):  # type: ignore[misc]
    """Stands for a flow of which nothing can be moved."""

    def __init__(self, name: str, error: HyggeError) -> None:
        self.error = error
        doc = hide(f"error: {error.what}")
        super().__init__(name, actions=[RefuseAction(error)], uptodate=[False], doc=doc)
        file, entity = name.partition(".")[::2]
        self.subtask_of = file if entity else None


def left_out(tasks: Mapping[str, Task], selected: Iterable[str]) -> dict[str, int]:
    """Return how many partitions are up to date and have no tasks, by flow.

    Args:
        tasks: All tasks by name.
        selected: Names of those that are asked for; what these flows wait for counts too.
    """
    asked = [tasks[name] for name in selected if name in tasks]
    asked += [tasks[name] for each in asked for name in each.task_dep if name in tasks]
    flows = {each.name: each for each in asked if isinstance(each, FlowTask)}
    for each in list(flows.values()):
        before = each.plan.prepared.ancestors if each.plan.prepared else ()
        found = [tasks[name] for name in before if name in tasks]
        flows |= {each.name: each for each in found if isinstance(each, FlowTask)}
    return {name: flow.left_out for name, flow in flows.items() if flow.left_out}
