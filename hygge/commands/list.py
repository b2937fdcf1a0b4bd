"""This is where `doit list` also says which flows are stale, and which can't be used."""

from __future__ import annotations

import dataclasses
import fnmatch
import inspect
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any

import doit.cmd_list
from doit.task import Task

from hygge import tasks
from hygge.commands.leaving_out import bring_back, is_alone
from hygge.commands.reading import JSON_OPTION, Answer, envelope
from hygge.commands.telling import NOTHING_STARTED, Telling, no_task, tell_broken
from hygge.errors import HyggeError
from hygge.group_tasks import BrokenFlowTask, FlowTask, GroupTask
from hygge.tasks import PartitionTask


class List(Telling, doit.cmd_list.List):  # type: ignore[misc]
    """doit's ``list``."""

    cmd_options = (*doit.cmd_list.List.cmd_options, JSON_OPTION)

    _json: bool = False

    def execute(self, params: Any, args: list[str]) -> int | None:
        """List what *args* name, or everything; return an exit code."""
        self._json = params["json"]
        # Flows alone are shown then, and of their partitions only what is stale.
        leaves_out = not (args or params["subtasks"])
        tasks.current = dataclasses.replace(tasks.current, leaves_out=leaves_out)
        return super().execute(params, args)

    def _execute(self, **options: Any) -> int:
        if self._json and tasks.current.plan is not None:
            return self._told(options["subtasks"], options["private"], options["pos_args"])
        if not is_alone(self.task_list, ()):
            bring_back(self.task_list, tasks.current)
        result = int(super()._execute(**options))
        return NOTHING_STARTED if tell_broken(self.task_list) else result

    _execute.__signature__ = inspect.signature(doit.cmd_list.List._execute)  # type: ignore[attr-defined]

    def _print_task(
        self, template: str, task: Task, status: bool, list_deps: bool, known: Mapping[str, Task]
    ) -> None:
        """Also show for a flow what is stale in it."""
        if not (status and isinstance(task, GroupTask)):
            super()._print_task(template, task, status, list_deps, known)
            return
        stale = self._stale(task, known)
        told = ", ".join(f"{count:,} {kind}" for kind, count in stale.items())
        doc = f"{task.doc}  ({told})" if told else task.doc
        letter = "R" if stale else "U"
        self.outstream.write(template.format(name=task.name, doc=doc, status=letter))

    def _stale(self, group: GroupTask, known: Mapping[str, Task]) -> Counter[str]:
        """Count the reasons of the partitions of a flow, or of all entities of one."""
        found: Counter[str] = Counter()
        for task in (known[name] for name in group.task_dep if name in known):
            if isinstance(task, GroupTask):
                found += self._stale(task, known)
            elif isinstance(task, BrokenFlowTask):
                found["error"] += 1
            elif isinstance(task, PartitionTask) and not self.dep_manager.status_is_ignore(task):
                found += Counter([task.decision.reason.kind] if task.decision.reason else [])
        return found

    def _told(self, subtasks: bool, private: bool, names: list[str]) -> int:
        """Write everything in JSON; return an exit code."""
        try:
            answer = self._answer(subtasks, private, names)
        except HyggeError as error:
            answer = Answer({}, status="error", code=NOTHING_STARTED, problems=[error])
        sys.stdout.write(envelope("list", answer) + "\n")
        return answer.code

    def _answer(self, subtasks: bool, private: bool, names: list[str]) -> Answer:
        """Return everything for programs.

        Raises:
            UsageError: A name stands for nothing.
        """
        known = {task.name: task for task in self.task_list}
        for name in names:
            if name not in known and not fnmatch.filter(known, name):
                raise no_task(name, list(known))
        shown = [
            task
            for task in self.task_list
            if (private or not task.name.startswith("_"))
            and (_is_named(task, names) if names else subtasks or not task.subtask_of)
        ]
        broken = [task.error for task in self.task_list if isinstance(task, BrokenFlowTask)]
        return Answer(
            {"tasks": [self._described(task, known) for task in shown]},
            status="error" if broken else "ok",
            code=NOTHING_STARTED if broken else 0,
            problems=broken,
        )

    def _described(self, task: Task, known: Mapping[str, Task]) -> dict[str, Any]:
        described = {"name": task.name, "flow": task.subtask_of, "doc": task.doc}
        if isinstance(task, GroupTask):
            stale = self._stale(task, known)
            kind = "flow" if isinstance(task, FlowTask) else "group"
            status = "run" if stale else "up to date"
            return {**described, "kind": kind, "status": status, "reasons": dict(stale)}
        if isinstance(task, PartitionTask):
            reason = task.decision.reason
            status = "up to date" if reason is None else "run"
            if self.dep_manager.status_is_ignore(task):
                status = "ignored"
            reasons = {} if reason is None else {reason.kind: 1}
            return {**described, "kind": "partition", "status": status, "reasons": reasons}
        kind = "broken flow" if isinstance(task, BrokenFlowTask) else "task"
        return {**described, "kind": kind, "status": None, "reasons": {}}


def _is_named(task: Task, names: list[str]) -> bool:
    return any(
        fnmatch.fnmatch(task.name, name) or task.subtask_of == name or task.name == name
        for name in names
    )
