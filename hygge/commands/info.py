"""This is where `doit info` also says why a partition is stale."""

from __future__ import annotations

import inspect
from typing import Any

import doit.cmd_info

from hygge.commands.telling import Telling, no_task
from hygge.tasks import PartitionTask


class Info(Telling, doit.cmd_info.Info):  # type: ignore[misc]
    """doit's ``info``."""

    def _execute(self, **options: Any) -> int:
        names = options["pos_args"]
        known = {task.name: task for task in self.task_list}
        if len(names) == 1 and names[0] not in known:
            raise no_task(names[0], list(known))
        if len(names) == 1 and isinstance(known[names[0]], PartitionTask):
            return self._partition(known[names[0]])
        return int(super()._execute(**options))

    _execute.__signature__ = inspect.signature(doit.cmd_info.Info._execute)  # type: ignore[attr-defined]

    def _partition(self, task: PartitionTask) -> int:
        """Show one partition; return 1 if it is stale, as doit does."""
        decision = task.decision
        write = self.outstream.write
        write(f"\n{task.name}\n")
        ignored = self.dep_manager.status_is_ignore(task)
        status = "up to date" if decision.reason is None else "stale"
        write(f"\nstatus     : {status}{', ignored' if ignored else ''}\n")
        if decision.reason is not None:
            write(f"reason     : {decision.reason}\n")
        for title, paths in (("file_dep", sorted(task.file_dep)), ("targets", task.targets)):
            if paths:
                write(f"\n{title:<11}:\n" + "".join(f" - {path}\n" for path in paths))
        if decision.receipt is not None:
            receipt = decision.receipt
            rows = sum(output.rows or 0 for output in receipt.outputs)
            write(f"\nlast move  : run {receipt.run}, {rows:,} rows, {receipt.seconds:.2f}s\n")
        return 0 if decision.reason is None else 1
