"""This is where a run knows what columns the stores have, for the contracts of their flows."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from hygge.contract import Columns
from hygge.plan import FlowPlan
from hygge.prepared import Prepared
from hygge.state import State


class StoreColumns:
    """The columns of what is in the stores and stays. Safe to use from several threads."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._guard = threading.Lock()
        self._by_hash: dict[str, Columns] = {}
        self._tasks: dict[str, dict[Columns, dict[str, None]]] = {}
        self._accepted: dict[str, Columns] = {}

    def begin(self, plan: FlowPlan) -> None:
        """Look up what the store of a flow that has a contract has.

        Partitions that stay as they are count; where the columns are frozen, all of them do.
        """
        known: dict[Columns, dict[str, None]] = {}
        self._tasks[plan.name] = known
        contract = plan.prepared.contract if plan.prepared is not None else None
        if contract is None or contract.is_empty:
            return
        for each in plan.decisions:
            if each.receipt is None or not each.receipt.columns or each.partition is None:
                continue
            if each.reason is None or contract.is_frozen:
                known.setdefault(self._columns(each.receipt.columns), {})[each.task] = None

    def accept(self, prepared: Prepared, task: str, columns: Columns) -> Sequence[str]:
        """Hold *columns*, which *task* is about to write, against the contract of its flow.

        Returns:
            What a person should know, a line each.

        Raises:
            ContractBroken: They don't fit; nothing has changed.
        """
        if prepared.contract.is_empty:
            return ()
        with self._guard:
            self._forget(task)
            known = self._tasks[prepared.flow.name]
            others = [(next(iter(tasks)), each) for each, tasks in known.items() if tasks]
            notes = prepared.contract.compare(task, columns, others)
            if not (others and prepared.contract.is_frozen):
                known.setdefault(columns, {})[task] = None
                self._accepted[task] = columns
        return notes

    def retract(self, task: str) -> None:
        """Take back what `accept` noted of *task*, which was not moved after all."""
        with self._guard:
            self._forget(task)

    def _forget(self, task: str) -> None:
        columns = self._accepted.pop(task, None)
        if columns is not None:
            self._tasks[task.partition(":")[0]][columns].pop(task, None)

    def remember(self, columns: Columns) -> str:
        """Remember *columns* in the state; return their hash."""
        digest = self._state.remember_columns(columns)
        self._by_hash[digest] = columns
        return digest

    def _columns(self, digest: str) -> Columns:
        if digest not in self._by_hash:
            self._by_hash[digest] = self._state.columns(digest)
        return self._by_hash[digest]
