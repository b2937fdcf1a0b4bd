"""This is where `doit reset-dep` takes what lies in the stores for right, as told."""

from __future__ import annotations

import dataclasses
import inspect

import doit.cmd_resetdep
from doit.cmd_base import check_tasks_exist

from hygge import tasks
from hygge.adoption import adopt
from hygge.commands.telling import Telling, expanded
from hygge.group_tasks import GroupTask
from hygge.shape import columns_written
from hygge.tasks import PartitionTask


class ResetDep(Telling, doit.cmd_resetdep.ResetDep):  # type: ignore[misc]
    """doit's ``reset-dep``: partitions get a receipt for what is there, nothing is moved."""

    def _execute(self, pos_args: list[str]) -> None:
        if tasks.current.plan is not None:
            state = self.dep_manager.backend
            state.begin()
            pos_args = expanded(pos_args, self.task_list)
            check_tasks_exist({task.name: task for task in self.task_list}, pos_args)
            partitions = [task for task in self.task_list if isinstance(task, PartitionTask)]
            for task in partitions:
                if not pos_args or {task.name, task.subtask_of} & set(pos_args):
                    self.outstream.write(self._adopted(task) + "\n")
            ours = {task.name for task in self.task_list if isinstance(task, GroupTask)}
            ours.update(task.name for task in partitions)
            self.task_list = [task for task in self.task_list if task.name not in ours]
            pos_args = [name for name in pos_args if name not in ours]
            if not pos_args and ours and not self.task_list:
                self.dep_manager.close()
                return
        super()._execute(pos_args=pos_args)

    _execute.__signature__ = inspect.signature(doit.cmd_resetdep.ResetDep._execute)  # type: ignore[attr-defined]

    def _adopted(self, task: PartitionTask) -> str:
        """Give *task* a receipt for what is there; return what became of it, as doit words it."""
        if task.decision.reason is None:
            return f"skip {task.name}"
        receipt, missing = adopt(task.prepared, task.decision)
        if receipt is None:
            return f"failed {task.name} (there is no '{missing}')"
        state = self.dep_manager.backend
        if receipt.outputs and not task.prepared.contract.is_empty:
            columns = columns_written(task.prepared, receipt)
            receipt = dataclasses.replace(receipt, columns=state.remember_columns(columns))
        state.refresh({task.name: receipt})
        return f"processed {task.name}"
