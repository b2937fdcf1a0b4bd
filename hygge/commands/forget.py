"""This is where `doit forget` also works without a name."""

from __future__ import annotations

import inspect
from typing import Any

import doit.cmd_forget

from hygge import tasks
from hygge.commands.telling import Telling, expanded


class Forget(Telling, doit.cmd_forget.Forget):  # type: ignore[misc]
    """doit's ``forget``; forgetting moves nothing, the stores stay as they are."""

    sel_tasks: list[str] | None

    def _execute(self, **options: Any) -> None:
        if tasks.current.plan is not None:
            # What a person asks to forget is forgotten, receipts too.
            self.dep_manager.backend.kept = frozenset()
            self.dep_manager.backend.begin()
            if not self.sel_tasks:
                # doit trips over this; it means all tasks, as everywhere.
                self.sel_tasks = [task.name for task in self.task_list if not task.subtask_of]
            self.sel_tasks = expanded(self.sel_tasks, self.task_list)
        super()._execute(**options)

    _execute.__signature__ = inspect.signature(doit.cmd_forget.Forget._execute)  # type: ignore[attr-defined]
