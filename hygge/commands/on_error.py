"""This is where it is told what a failure means for others, where a flow says so itself."""

from __future__ import annotations

from doit.task import Task

from hygge.run import Run
from hygge.tasks import PartitionTask


def collects_all(task: Task) -> bool:
    """Tell whether a failure of *task* is to stop nothing but what needs it."""
    return isinstance(task, PartitionTask) and task.prepared.flow.on_error == "collect_all"


def failed_fast(task: Task, run: Run | None) -> str:
    """Return the partition whose failure keeps *task* back, as its flow says; empty if none."""
    if not isinstance(task, PartitionTask) or task.decision.reason is None or run is None:
        return ""
    flow = task.prepared.flow
    if flow.on_error != "fail_fast":
        return ""
    failed = (each for each in list(run.failed) if each not in run.kept_back)
    return next((each for each in failed if each.startswith(f"{flow.name}:")), "")
