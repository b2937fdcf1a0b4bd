"""This is where one run begins, moves what is stale, and ends so that nothing has to be doubted."""

from __future__ import annotations

import contextlib
import datetime
import functools
import threading
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING

from hygge import redaction, room, schema
from hygge.clearing import remove, sweep, sweep_folder
from hygge.columns import StoreColumns
from hygge.coordinator import Coordinator, Options, Plan
from hygge.durability import Disks, forget_cached
from hygge.errors import CheckFailed, ContractBroken, HyggeError, StateError, StoreError
from hygge.events import new_run_id
from hygge.fingerprint import ContentHashes, config_hash
from hygge.ownership import Ownership, Settled
from hygge.paths import real
from hygge.plan import Decision, FlowPlan
from hygge.prepared import Prepared, quarantine_folder
from hygge.project import Project
from hygge.receipt import is_path
from hygge.recorder import Recorder
from hygge.state import State
from hygge.stores.staging import is_temporary
from hygge.trial import Trial
from hygge.vanished import Vanished

if TYPE_CHECKING:
    from hygge.move import Move, Moved
    from hygge.places import Places

Intents = dict[str, list[tuple[str, list[str]]]]


class Run:
    """One invocation that moves things. Moves may be made from several threads."""

    def __init__(
        self, project: Project, state: State, options: Options, hashes: ContentHashes
    ) -> None:
        self.project = project
        self.state = state
        self._coordinator = Coordinator(project, state, options, hashes)
        self.id = new_run_id()
        self.recorder = Recorder(project.root, self.id)
        self.trial = Trial(project.root, self.id, self.recorder)
        self.instant = datetime.datetime.now(datetime.UTC)
        """When the run began; what `source: run` gives as the time."""
        self.failed: dict[str, bool] = {}
        """Tasks that failed or were kept from running, and whether a check or contract failed."""
        self.kept_back: set[str] = set()
        """Tasks that did not run because one before them failed."""
        self._hashes = hashes
        self._columns = StoreColumns(state)
        self._settled = Settled(project.root)
        self._vanished = Vanished(state, project.root, self._written_by, self._may_remove)
        self._ownership = Ownership({}, {}, project.root)
        self._planned: tuple[FlowPlan, ...] = ()
        self._owning = threading.Lock()
        self._begun = threading.Lock()
        self._disks = Disks(project.root)
        self._writing = self._sweeps = False
        self._unswept: set[str] = set()

    def plan(self, wait: bool = False, by_seals: bool = False) -> Plan:
        """Take the project's lock, clear away what a killed run left, and decide.

        Signatures that were found to be out of date are refreshed in the state.

        Args:
            by_seals: Whether a flow may be known as a whole to be up to date, without decisions.

        Raises:
            RunInProgress: Another run holds the project and *wait* is False.
            StateError: The state can't be written.
            ConfigError: Two files define one flow.
        """
        self.state.begin(wait)
        self.recorder.sweep()
        intents = self.state.intents()
        self._doubt(intents)
        plan = self._coordinator.first_plan(by_seals and not self._sweeps)
        schema.memory.keep(self.project.root / ".hygge")
        self._ownership = plan.ownership
        self._planned, self._unswept = plan.flows, {flow.name for flow in plan.flows}
        begun = (each for of_task in intents.values() for each in of_task)
        sweep(begun, self.project.root, lambda output: self._places.hold(output))
        self._begin_flows([flow for flow in plan.flows if not flow.put_off])
        return plan

    def _doubt(self, intents: Intents) -> None:
        """Let what runs that did not end cleanly have written be read back from the disk.

        What memory holds of it proves nothing: a page that could not be written stays there, and
        counts as written.
        """
        doubted = self.state.doubted()
        self._sweeps = bool(doubted) or self.state.was_left
        if doubted:
            tasks = [each for each in self.state.receipts() if self.state.run_of(each) in doubted]
            written = {output for task in {*tasks, *intents} for output in self._written_by(task)}
            forget_cached(self.project.root / output for output in written)

    def begin(self, planned: Sequence[str], plan: Plan) -> None:
        """Note that the run begins, with the tasks that are known to be stale."""
        configs = {
            flow.name: flow.prepared.config_hash for flow in plan.flows if flow.prepared is not None
        }
        self.recorder.begin(planned, config_hash(configs))

    def plan_flow(self, prepared: Prepared) -> FlowPlan:
        """Decide for one flow that was put off, now that those it waits for were moved."""
        self._clear_for(prepared)
        plan = self._coordinator.plan_flow(prepared)
        with self._owning:
            self._ownership = self._ownership.with_flow(plan.name, plan.outputs)
        self._begin_flows([plan])
        return plan

    def unsealed(self, plan: FlowPlan) -> FlowPlan:
        """Decide for each partition of a flow that was known to be up to date as a whole."""
        assert plan.prepared is not None
        decided = self._coordinator.plan_flow(plan.prepared)
        self._begin_flows([decided])
        return decided

    def _begin_flows(self, plans: Sequence[FlowPlan]) -> None:
        self._sweep(plans)
        self._refresh(plans)
        for each in plans:
            self._columns.begin(each)
        decided = [each for each in plans if each.decisions or each.is_renewed]
        if decided:
            # Imported here: most runs decide nothing.
            from hygge.sealing import remember

            for each in decided:
                remember(self.state, each)

    def _sweep(self, plans: Sequence[FlowPlan]) -> None:
        """Remove what killed runs left: temporary files, and outputs that nothing records."""
        intents = self.state.intents()
        for flow in plans:
            if flow.prepared is None:
                continue
            store = flow.prepared.store.folder()
            self._unswept.discard(flow.name)
            is_known = flow.sealed or any(decision.receipt for decision in flow.decisions)
            if self._sweeps or not is_known:
                # Nothing is remembered that could name them, or what was may be lost.
                for folder in (store, quarantine_folder(flow.name, self.project.root)):
                    sweep_folder(folder, self.project.root)
            done = [d for d in flow.decisions if d.reason is None and d.task in intents]
            for decision in done:
                recorded = decision.receipt.outputs if decision.receipt else ()
                kept = {real(output.path, self.project.root) for output in recorded}
                left = self._intended(intents, decision.task)
                self._remove(left, flow.prepared.floors(), kept)
            self.state.forget_intents(decision.task for decision in done)

    def _intended(self, intents: Intents, task: str) -> list[str]:
        return [
            output
            for _, outputs in intents.get(task, [])
            for output in outputs
            if not is_temporary(output.rpartition("/")[2])
        ]

    def _remove(
        self, outputs: Iterable[str], floors: Iterable[Path], kept: Set[str] = frozenset()
    ) -> tuple[str, ...]:
        """Remove those of *outputs* that nobody has a use for."""
        mine = [
            output
            for output in dict.fromkeys(outputs)
            if real(output, self.project.root) not in kept and self._may_remove(output)
        ]
        return remove(mine, self.project.root, set(floors))

    def _may_remove(self, output: str) -> bool:
        """Tell whether no partition that is there now settles, or has just settled, at *output*."""
        if output in self._settled or not self._ownership.is_unused(output):
            return False
        return self._places.hold(output)

    @functools.cached_property
    def _places(self) -> Places:
        # Most runs remove nothing.
        from hygge.places import Places

        root, flows = self.project.root, self.project.flows
        return Places.of(root, self._planned, flows, self.state.stores())

    def _refresh(self, plans: Sequence[FlowPlan]) -> None:
        refreshed = {
            each.task: each.receipt
            for flow in plans
            for each in flow.decisions
            if each.refreshed and each.receipt is not None
        }
        if not refreshed:
            return
        doubted = self.state.doubted()
        if doubted and any(self.state.run_of(task) in doubted for task in refreshed):
            # They were read back, but perhaps from memory: this run's end vouches for the disk.
            self._begin_writing(self.project.root)
            verified = (each.path for receipt in refreshed.values() for each in receipt.outputs)
            self._settled.add(verified)
        self.state.refresh(refreshed)

    @property
    def has_begun(self) -> bool:
        """Whether anything was written."""
        return self._writing

    @property
    def failed_checks_only(self) -> bool:
        """Whether everything that failed, failed a check or a contract, or waited for such."""
        mine = {task: data for task, data in self.failed.items() if task not in self.kept_back}
        return bool(mine) and all(mine.values())

    def _begin_writing(self, store: Path) -> None:
        self._disks.watch(store)
        with self._begun:
            if not self._writing:
                self._disks.watch(self.project.root)
                self.state.mark_unclean(self.id)
                self._writing = True
                self.recorder.open()

    def move(self, prepared: Prepared, decision: Decision) -> Moved:
        """Move one partition; nothing is recorded yet but that it was begun.

        Raises:
            HyggeError: It was not moved; that is remembered.
        """
        # Imported here, as what comes of it: most runs move nothing.
        from hygge.move import Move
        from hygge.shape import Shaping

        assert decision.partition is not None
        self._begin_writing(prepared.store.folder())
        self.state.remember_config(prepared.config_hash, prepared.config)
        recorded = [each.path for each in decision.receipt.outputs] if decision.receipt else []
        if decision.reason is None:
            self._let_go(prepared, decision, recorded)
        earlier = [*recorded, *self._intended(self.state.intents(decision.task), decision.task)]
        if decision.receipt is None:
            earlier += prepared.found(decision.partition)
        intended = prepared.intended(decision.partition, self.id)
        self.state.intend(decision.task, intended, self.id)
        self.recorder.started(decision.task, str(decision.reason))
        move = Move(
            shaping=Shaping(
                prepared,
                decision.partition,
                self.id,
                self.instant,
                functools.partial(self._columns.accept, prepared, decision.task),
            ),
            config_hash=prepared.config_hash,
            hashes=self._hashes,
            intend=functools.partial(self._intend, decision.task, intended),
            remember_columns=self._columns.remember,
            earlier=tuple(dict.fromkeys(earlier)),
            earlier_store=self._earlier_store(prepared, decision),
            may_remove=self._may_remove,
            durable=self._disks if self.project.durable else None,
            elsewhere=self.trial.elsewhere(prepared, decision.task, intended),
        )
        moved = self._remembering_failure(decision.task, move)
        self._settled.add(output.path for output in moved.receipt.outputs)
        self.recorder.files(decision.task, moved, decision.receipt)
        return moved

    def _let_go(self, prepared: Prepared, decision: Decision, recorded: Sequence[str]) -> None:
        """Let what a partition wrote go where it writes it no more.

        It was up to date when the run began, and its outputs in use; its source changed since.
        """
        assert decision.partition is not None
        flow, settled = prepared.flow.name, prepared.store.outputs(decision.partition)
        with self._owning:
            self._ownership = self._ownership.without(flow, {*recorded} - {*settled})

    def _intend(self, task: str, intended: Sequence[str], outputs: Sequence[str]) -> None:
        more = [each for each in outputs if each not in intended]
        if more:
            self.state.intend(task, [*intended, *more], self.id)

    def _earlier_store(self, prepared: Prepared, decision: Decision) -> Path:
        """Return the folder of the store that the last move of a partition wrote to."""
        config = self.state.config(decision.receipt.config) if decision.receipt else {}
        path = config["store"].get("path") if isinstance(config.get("store"), dict) else None
        return prepared.root / str(path) if is_path(path) else prepared.store.folder()

    def _remembering_failure(self, task: str, move: Move) -> Moved:
        try:
            return self.trial.moved(task, move)
        except HyggeError as error:
            self._columns.retract(task)
            self.failed[task] = isinstance(error, CheckFailed | ContractBroken)
            if isinstance(error, StoreError):
                sources = move.partition.sources
                needed = sum(each.signature.size for each in sources if each.signature)
                room.explain(error, move.shaping.prepared.store.folder(), needed)
            self._remember_failure(task, error.what)
            raise

    def unexpected(self, task: str, error: BaseException) -> None:
        """Remember that *task* failed for a reason that hygge did not foresee."""
        self._remember_failure(task, f"{type(error).__name__}: {error}")

    def _remember_failure(self, task: str, message: str) -> None:
        # What went wrong first is told, not that this can't be remembered on a disk that is full:
        # what is stale stays so by itself.
        with contextlib.suppress(StateError):
            self.state.fail(task, redaction.hide(message))

    def remove(self, prepared: Prepared, decision: Decision) -> tuple[str, ...]:
        """Remove the outputs of a partition whose source is gone; return what was there.

        Raises:
            StoreError: One can't be removed.
        """
        self._begin_writing(prepared.store.folder())
        self.recorder.started(decision.task, str(decision.reason))
        known = [each.path for each in decision.receipt.outputs] if decision.receipt else []
        outputs = [*known, *self._intended(self.state.intents(decision.task), decision.task)]
        removed = self._remove(outputs, prepared.floors())
        self.recorder.removed_files(decision.task, removed)
        return removed

    def forget_vanished(self, plan: Plan) -> Counter[str]:
        """Forget the partitions of flows that are not in *plan* any more; count them by flow.

        Nothing is forgotten while a flow can't be read: it may be the one that takes over.
        """
        if plan.errors:
            return Counter()
        return self._vanished.forget([flow.name for flow in plan.flows], self._ownership)

    def forget_the_rest(self) -> Counter[str]:
        """Do what `forget_vanished` left for when everything has been moved; count by flow."""
        return self._vanished.forget_the_rest(self._ownership)

    def _clear_for(self, prepared: Prepared) -> None:
        """Remove what vanished flows left where *prepared* reads, if all is moved there by now."""
        failed = {task.partition(":")[0] for task in self.failed}
        stores = self._ownership.stores
        done = {each: stores[each] for each in prepared.upstream if each in stores.keys() - failed}
        self._vanished.clear(done, self._ownership)

    def _written_by(self, task: str) -> list[str]:
        """Return what *task* wrote, or was about to write."""
        receipt = self.state.receipt(task)
        outputs = [each.path for each in receipt.outputs] if receipt else []
        return outputs + self._intended(self.state.intents(task), task)

    def finish(self, outcome: str) -> None:
        """End the run: wait until the disk has everything, then declare it clean.

        Args:
            outcome: ``succeeded``, ``failed`` or ``interrupted``.

        Raises:
            StoreError: Something did not reach the disk; the next run verifies what this one wrote.
            StateError: The run can't be declared clean, with the same consequence.
        """
        try:
            self.trial.close()
            if self._writing or self._sweeps:
                self._disks.settle(self._settled)
                self.state.mark_clean(swept=not self._unswept)
        except HyggeError:
            outcome = "failed"
            raise
        finally:
            self.recorder.end(outcome)
