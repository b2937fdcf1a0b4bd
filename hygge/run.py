"""This is where one run begins, moves what is stale, and ends so that nothing has to be doubted."""

from __future__ import annotations

import re
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Set
from pathlib import Path
from typing import Any

from hygge.coordinator import Coordinator, Options, Ownership, Plan, Prepared
from hygge.errors import HyggeError
from hygge.events import RUN_ID, EventLog, new_run_id
from hygge.fingerprint import ContentHashes, Signature, config_hash, content_hash
from hygge.move import Move, Moved, remove, settle, sweep
from hygge.paths import located, real
from hygge.plan import Decision
from hygge.project import Project
from hygge.receipt import Output, ReadSource, Receipt
from hygge.state import State
from hygge.stores.staging import store_error

Intents = dict[str, list[tuple[str, list[str]]]]

_TEMPORARY = re.compile(rf"\..*\.{RUN_ID}\.tmp", re.DOTALL)


class Run:
    """One invocation that moves things. Moves may be made from several threads."""

    def __init__(
        self, project: Project, state: State, options: Options, hashes: ContentHashes
    ) -> None:
        self.project = project
        self.state = state
        self._coordinator = Coordinator(project, state, options, hashes)
        self.id = new_run_id()
        self.events = EventLog(project.root / ".hygge" / "runs", self.id)
        self.began = time.perf_counter()
        self._ownership = Ownership({}, frozenset(), project.root)
        self._begun = threading.Lock()
        self._writing = False

    def plan(self, wait: bool = False) -> Plan:
        """Take the project's lock, clear away what a killed run left, and decide.

        Signatures that were found to be out of date are refreshed in the state.

        Raises:
            RunInProgress: Another run holds the project and *wait* is False.
            StateError: The state can't be written.
            ConfigError: Two files define one flow.
        """
        self.state.begin(wait)
        plan = self._coordinator.plan()
        self._ownership = plan.ownership
        self._sweep(plan)
        self._refresh(plan)
        return plan

    def _sweep(self, plan: Plan) -> None:
        """Remove what killed runs left: temporary files, and outputs that nothing records."""
        intents = self.state.intents()
        sweep((each for of_task in intents.values() for each in of_task), self.project.root)
        for flow in plan.flows:
            if flow.prepared is None:
                continue
            store = flow.prepared.store.folder()
            if not any(decision.receipt for decision in flow.decisions):
                _sweep_folder(
                    store, self.project.root
                )  # nothing is remembered that could name them
            done = [d for d in flow.decisions if d.reason is None and d.task in intents]
            for decision in done:
                recorded = decision.receipt.outputs if decision.receipt else ()
                kept = {real(output.path, self.project.root) for output in recorded}
                self._remove(flow.name, self._intended(intents, decision.task), store, kept)
            self.state.forget_intents(decision.task for decision in done)

    def _intended(self, intents: Intents, task: str) -> list[str]:
        return [output for _, outputs in intents.get(task, []) for output in outputs]

    def _remove(
        self, flow: str, outputs: Iterable[str], floor: Path, kept: Set[str] = frozenset()
    ) -> tuple[str, ...]:
        """Remove those of *outputs*, once written by *flow*, that nobody has a use for."""
        mine = [
            output
            for output in dict.fromkeys(outputs)
            if real(output, self.project.root) not in kept
            and self._ownership.may_remove(flow, output)
        ]
        return remove(mine, self.project.root, floor)

    def _refresh(self, plan: Plan) -> None:
        decisions = [each for flow in plan.flows for each in flow.decisions]
        refreshed = {
            each.task: each.receipt
            for each in decisions
            if each.refreshed and each.receipt is not None
        }
        if not refreshed:
            return
        doubted = self.state.doubted()
        if doubted and any(self.state.run_of(task) in doubted for task in refreshed):
            # They were read back, but perhaps from memory: this run's end vouches for the disk.
            self._begin_writing()
        self.state.refresh(refreshed)

    def _begin_writing(self) -> None:
        with self._begun:
            if not self._writing:
                self.state.mark_unclean(self.id)
                self._writing = True
                self.events.emit("job.started")

    def move(self, prepared: Prepared, decision: Decision) -> Moved:
        """Move one partition; nothing is recorded yet but that it was begun.

        Raises:
            HyggeError: It was not moved; that is remembered.
        """
        assert decision.partition is not None
        self._begin_writing()
        flow = prepared.flow.name
        outputs = prepared.store.outputs(decision.partition)
        digest = config_hash(prepared.config)
        self.state.remember_config(digest, prepared.config)
        recorded = [each.path for each in decision.receipt.outputs] if decision.receipt else []
        earlier = [*recorded, *self._intended(self.state.intents(), decision.task)]
        self.state.intend(decision.task, outputs, self.id)
        self.events.emit("step.started", decision.task, reason=str(decision.reason))
        move = Move(
            partition=decision.partition,
            home=prepared.home,
            store=prepared.store,
            root=prepared.root,
            run=self.id,
            config_hash=digest,
            earlier=tuple(dict.fromkeys(earlier)),
            earlier_store=self._earlier_store(prepared, decision),
            may_remove=lambda output: self._ownership.may_remove(flow, output),
        )
        moved = self._remembering_failure(decision.task, move)
        self._emit_files(decision.task, moved, decision.receipt)
        return moved

    def _earlier_store(self, prepared: Prepared, decision: Decision) -> Path:
        """Return the folder of the store that the last move of a partition wrote to."""
        config = self.state.config(decision.receipt.config) if decision.receipt else {}
        path = config.get("store", {}).get("path")
        return prepared.store.folder() if path is None else prepared.root / path

    def _remembering_failure(self, task: str, move: Move) -> Moved:
        try:
            return move()
        except HyggeError as error:
            self.state.fail(task, error.what)
            self.events.emit(
                "step.failed", task, "ERROR", error=str(error), error_type=type(error).__name__
            )
            raise

    def unexpected(self, task: str, error: BaseException) -> None:
        """Remember that *task* failed for a reason that hygge did not foresee."""
        what = f"{type(error).__name__}: {error}"
        self.state.fail(task, what)
        lines = traceback.format_exception(error)
        self.events.emit("step.failed", task, "ERROR", error=what, traceback="".join(lines))

    def remove(self, prepared: Prepared, decision: Decision) -> tuple[str, ...]:
        """Remove the outputs of a partition whose source is gone; return what was there.

        Raises:
            StoreError: One can't be removed.
        """
        self._begin_writing()
        known = [each.path for each in decision.receipt.outputs] if decision.receipt else []
        outputs = [*known, *self._intended(self.state.intents(), decision.task)]
        removed = self._remove(prepared.flow.name, outputs, prepared.store.folder())
        for path in removed:
            self.events.emit(
                "file.written", decision.task, path=path, reason="removed", wrote=False
            )
        return removed

    def _emit_files(self, task: str, moved: Moved, before: Receipt | None) -> None:
        had = {output.path for output in before.outputs} if before else set()
        for output in moved.written:
            reason = "overwritten" if output.path in had else "created"
            self.events.emit("file.written", task, **_described(output), wrote=True, reason=reason)
        for output in moved.unchanged:
            self.events.emit(
                "file.written", task, **_described(output), wrote=False, reason="nochange"
            )
        for path in moved.removed:
            self.events.emit("file.written", task, path=path, wrote=False, reason="removed")

    def forget_vanished(self, plan: Plan) -> Counter[str]:
        """Forget the partitions of flows that are not in *plan* any more; count them by flow.

        What they wrote stays, for nobody said that the data should go with the flow; but what lies
        in a store that another flow has taken over, and that it does not write, goes. Nothing is
        forgotten while a flow can't be read: it may be the one that takes over.
        """
        there = {flow.name for flow in plan.flows}
        known = {*self.state.receipts(), *self.state.intents()}
        gone = sorted(task for task in known if task.partition(":")[0] not in there)
        if not gone or plan.errors:
            return Counter()
        intents = self.state.intents()
        for task in gone:
            receipt = self.state.receipt(task)
            outputs = [each.path for each in receipt.outputs] if receipt else []
            outputs += self._intended(intents, task)
            taken_over = filter(self._ownership.is_in_a_store, outputs)
            unused = [each for each in taken_over if self._ownership.is_unused(each)]
            remove(unused, self.project.root, self.project.root)
        self.state.forget(gone)
        return Counter(task.partition(":")[0] for task in gone)

    def finish(self, outcome: str) -> None:
        """End the run: wait until the disk has everything, then declare it clean.

        Args:
            outcome: ``job.succeeded``, ``job.failed`` or ``job.interrupted``.

        Raises:
            StateError: The run can't be declared clean; the next one verifies what it wrote.
        """
        if self._writing:
            settle()
            self.state.mark_clean()
            self.events.emit(outcome, seconds=round(time.perf_counter() - self.began, 3))
        self.events.close()


def _described(output: Output) -> dict[str, Any]:
    return {
        "path": output.path,
        "hash": output.hash,
        "size_bytes": output.signature.size,
        "rows": output.rows,
    }


def _sweep_folder(store: Path, root: Path) -> None:
    for temporary in store.rglob(".*.tmp"):
        if _TEMPORARY.fullmatch(temporary.name):
            try:
                temporary.unlink(missing_ok=True)
            except OSError as error:
                raise store_error(located(str(temporary), root), error) from error


def adopt(prepared: Prepared, decision: Decision) -> tuple[Receipt | None, str]:
    """Make a receipt for what lies at the partition's sources and outputs now, right or wrong.

    Returns:
        The receipt and an empty string, or None and the file that can't be read.
    """
    partition = decision.partition
    if partition is None:
        return None, decision.task
    root = prepared.root
    sources, outputs = [], []
    path = ""
    try:
        for source in partition.sources:
            path = source.path
            signature = Signature.of((root / path).stat())
            sources.append(ReadSource(path, content_hash(root / path), signature))
        for path in prepared.store.outputs(partition):
            signature = Signature.of((root / path).lstat())
            outputs.append(Output(path, content_hash(root / path), None, signature))
    except OSError:
        return None, path
    digest = config_hash(prepared.config)
    values = partition.values
    return Receipt(digest, tuple(sources), tuple(outputs), "reset-dep", 0.0, values), ""
