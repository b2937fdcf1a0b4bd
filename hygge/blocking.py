"""This is where it is found out what a failed partition keeps from being moved further on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from hygge.paths import real
from hygge.plan import Decision
from hygge.prepared import Prepared
from hygge.state import State


class Blocked:
    """What is not to be moved in one flow, because of what failed in those that it waits for.

    Args:
        failed: Every task that failed in this run, or was kept from running.
    """

    def __init__(self, prepared: Prepared, failed: Mapping[str, object], state: State) -> None:
        self._prepared = prepared
        self._state = state
        self._failed = [task for task in failed if task.partition(":")[0] in prepared.upstream]
        self._further = [task for task in failed if task.partition(":")[0] in prepared.ancestors]

    def by(self, decision: Decision) -> list[str]:
        """Return the failed tasks that a partition depends on.

        A partition of one file depends on what wrote that file. A group of files may have got
        another one from a partition that failed before it ever was moved. An input is read as a
        whole, and a flow that is needed by name is needed as a whole.
        """
        if not self._further:
            return []
        whole = [task for task in self._failed if self._is_needed_whole(task)]
        if whole:
            return whole
        paths = [real(path, self._prepared.root) for path in self._read_by(decision)]
        found = {self._writers[path] for path in paths if path in self._writers}
        if self._may_lack_files(decision):
            # What failed before it ever was may lack here, however far before.
            found.update(task for task in self._further if self._state.receipt(task) is None)
        return sorted(found)

    def _read_by(self, decision: Decision) -> list[str]:
        """Return the files that a partition reads, or did read if nothing of it is there."""
        if decision.partition is None:
            return [each.path for each in decision.receipt.read] if decision.receipt else []
        return [each.path for each in (*decision.partition.sources, *self._prepared.input_sources)]

    def _may_lack_files(self, decision: Decision) -> bool:
        grouped = self._prepared.flow.home.values.get("partition", "file") != "file"
        return decision.partition is not None and (grouped or bool(self._prepared.inputs))

    def _is_needed_whole(self, task: str) -> bool:
        flow, _, key = task.partition(":")
        names = {flow, flow.partition(".")[0]}
        return not key or bool(names & set(self._prepared.flow.needs))

    @cached_property
    def _writers(self) -> dict[str, str]:
        """The failed task that wrote each file, as receipts have it, when it last succeeded."""
        receipts = {task: self._state.receipt(task) for task in self._failed}
        return {
            real(output.path, self._prepared.root): task
            for task, receipt in receipts.items()
            if receipt is not None
            for output in receipt.outputs
        }
