"""This is where people's own tasks wait for the flows whose output they read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from doit.task import Task

from hygge.group_tasks import BrokenFlowTask, FlowTask, GroupTask
from hygge.paths import contains, real
from hygge.tasks import PartitionTask


def wait_for_flows(tasks: Sequence[Task], root: Path) -> None:
    """Make people's own tasks wait for a flow whose output they read, where doit can't know it.

    It knows the outputs of a flow that is put off, or spreads its partitions, only when they are
    there.
    """
    known = {target for task in tasks for target in task.targets}
    stores = {
        os.path.realpath(task.plan.prepared.store.folder()): task.name
        for task in tasks
        if isinstance(task, FlowTask) and task.plan.prepared and task.plan.is_open
    }
    for task in tasks if stores else ():
        if isinstance(task, GroupTask | PartitionTask | BrokenFlowTask):
            continue
        for path in set(task.file_dep) - known:
            whole = real(path, root)
            task.task_dep += [flow for store, flow in stores.items() if contains(store, whole)]
