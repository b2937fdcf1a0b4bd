"""This is where a project's flows are found, their partitions listed, and a run is planned."""

from __future__ import annotations

import functools
import os
from collections.abc import Collection, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hygge import flow as flows
from hygge import plan
from hygge.errors import ConfigError, HomeError, HyggeError
from hygge.fingerprint import ContentHashes, config_hash
from hygge.flow import Flow
from hygge.homes.base import Home
from hygge.partition import Partition
from hygge.paths import contains, real
from hygge.plan import Decision, Look, Reason, Remembered, Wanted
from hygge.project import Project
from hygge.state import State
from hygge.stores.base import Store

DATA_FORMAT = 1
"""Version of how rows become bytes; raised when the same rows would be written differently."""


@dataclass(frozen=True)
class Prepared:
    """A flow that is ready to be planned and moved."""

    flow: Flow
    home: Home
    store: Store
    root: Path
    """The project's root."""

    @property
    def config(self) -> dict[str, Any]:
        """What in the configuration can change a partition's result; for the config hash."""
        reading, writing = self.home.reading(), self.store.writing()
        return {"home": reading, "store": writing, "format": DATA_FORMAT}

    @property
    def on_removed(self) -> str:
        """What becomes of outputs whose source is gone: ``delete``, ``keep`` or ``error``."""
        return str(self.flow.store.values.get("on_removed", "delete"))


@dataclass(frozen=True)
class FlowPlan:
    """What was decided for one flow."""

    name: str
    prepared: Prepared | None
    """None if the flow can't be used; `error` says why."""
    decisions: tuple[Decision, ...] = ()
    """In natural order of the keys, what is to be removed last."""
    error: HyggeError | None = None
    """Why nothing of this flow can be moved; None if all is well."""


@dataclass(frozen=True)
class Options:
    """What a plan depends on beside the project, the disk and the state."""

    forced: bool = False
    """Whether everything counts as stale."""
    allow_prune: bool = False
    """Whether a home may lose more than half of its partitions."""
    reserved: Collection[str] = ()
    """Names that a flow can't have."""


@dataclass(frozen=True)
class Ownership:
    """Which files in which stores are whose, so that only what is nobody's is removed."""

    stores: dict[str, str]
    """Real path of each flow's store, by flow."""
    outputs: frozenset[str]
    """Real path of each output of the partitions that are there now."""
    root: Path

    def is_in_a_store(self, output: str) -> bool:
        """Tell whether *output* lies in the store of a flow that is there now."""
        path = real(output, self.root)
        return any(contains(store, path) for store in self.stores.values())

    def is_unused(self, output: str) -> bool:
        """Tell whether no partition that is there now settles at *output*."""
        return real(output, self.root) not in self.outputs

    def may_remove(self, flow: str, output: str) -> bool:
        """Tell whether *output*, which *flow* once wrote, is of no use to any flow now."""
        path = real(output, self.root)
        others = (store for name, store in self.stores.items() if name != flow)
        return self.is_unused(output) and not any(contains(store, path) for store in others)


@dataclass(frozen=True)
class Plan:
    """What was decided for a project."""

    flows: tuple[FlowPlan, ...]
    """In order of their names."""
    ownership: Ownership

    @property
    def errors(self) -> list[HyggeError]:
        """What keeps flows from being moved, in order of the flows."""
        return [each.error for each in self.flows if each.error is not None]


class Coordinator:
    """Plans the flows of one project against one state."""

    def __init__(
        self, project: Project, state: State, options: Options, hashes: ContentHashes
    ) -> None:
        self.project = project
        self.state = state
        self.options = options
        self.look = Look(project.root, hashes)

    def plan(self) -> Plan:
        """Decide for every partition of every flow.

        What is wrong with one flow is in its plan and leaves the others alone.

        Raises:
            ConfigError: Two files define one flow.
        """
        found = [self._prepare(name, file) for name, file in self.project.flow_files()]
        plans = tuple(
            self._plan_flow(each) if isinstance(each, Prepared) else each
            for each in _refuse_shared_stores(found)
        )
        return Plan(plans, _ownership(plans, self.project.root))

    def _prepare(self, name: str, file: Path) -> Prepared | FlowPlan:
        try:
            flow = flows.load(self.project, name, file, self.options.reserved)
            home = Home.create(flow.home, self.project.root)
            store = Store.create(flow.store, self.project.root)
            if home.overlaps(store.folder()):
                raise _store_in_home(flow)
        except HyggeError as error:
            return FlowPlan(name, None, error=error)
        return Prepared(flow, home, store, self.project.root)

    def _plan_flow(self, prepared: Prepared) -> FlowPlan:
        name = prepared.flow.name
        try:
            partitions = prepared.home.partitions()
            gone = self._gone(prepared, partitions)
        except HyggeError as error:
            return FlowPlan(name, prepared, error=error)
        return FlowPlan(name, prepared, (*self._decided(prepared, partitions), *gone))

    def _decided(self, prepared: Prepared, partitions: Iterable[Partition]) -> Iterator[Decision]:
        config = prepared.config
        digest = config_hash(config)
        change = functools.cache(lambda old: plan.config_change(self.state.config(old), config))
        failures, doubted = self._failures, self._doubted
        for partition in partitions:
            task = f"{prepared.flow.name}:{partition.key}"
            receipt = self.state.receipt(task)
            in_doubt = bool(doubted) and self.state.run_of(task) in doubted
            remembered = Remembered(receipt, in_doubt, failures.get(task, ""))
            outputs = prepared.store.outputs(partition)
            wanted = Wanted(digest, outputs, change, self.options.forced)
            yield plan.decide(task, partition, remembered, wanted, self.look)

    @functools.cached_property
    def _failures(self) -> dict[str, str]:
        return self.state.failures()

    @functools.cached_property
    def _doubted(self) -> Set[str]:
        return self.state.doubted()

    def _gone(self, prepared: Prepared, partitions: Sequence[Partition]) -> list[Decision]:
        """Return what is to be removed because its source is gone.

        Raises:
            HomeError: That is forbidden, or more than is likely to be meant.
        """
        name = prepared.flow.name
        there = {f"{name}:{partition.key}" for partition in partitions}
        known = self.state.tasks_of(name)
        gone = [task for task in known if task not in there]
        if not gone or prepared.on_removed == "keep":
            return []
        if prepared.on_removed == "error":
            raise _forbidden_removal(prepared.flow, gone)
        if len(partitions) * 2 < len(known) and not self.options.allow_prune:
            raise _suspicious_removal(prepared.flow, len(partitions), len(known))
        reason = Reason("source gone")
        return [Decision(task, None, reason, self.state.receipt(task)) for task in gone]


def _refuse_shared_stores(found: Sequence[Prepared | FlowPlan]) -> Iterator[Prepared | FlowPlan]:
    """Yield *found*, with an error in place of each flow whose store is not its own.

    All that share a store are refused: nothing tells whose the data there is.
    """
    stores = {
        each.flow.name: os.path.realpath(each.store.folder())
        for each in found
        if isinstance(each, Prepared)
    }
    for each in found:
        folder = stores.get(each.flow.name) if isinstance(each, Prepared) else None
        if not isinstance(each, Prepared) or folder is None:
            yield each
            continue
        others = [
            name
            for name, store in stores.items()
            if name != each.flow.name and (contains(store, folder) or contains(folder, store))
        ]
        if others:
            error = _shared_store(each.flow, others[0], folder == stores[others[0]])
            yield FlowPlan(each.flow.name, None, error=error)
        else:
            yield each


def _ownership(plans: Iterable[FlowPlan], root: Path) -> Ownership:
    stores: dict[str, str] = {}
    outputs: set[str] = set()
    for each in plans:
        if each.prepared is not None:
            stores[each.name] = os.path.realpath(each.prepared.store.folder())
            for decision in each.decisions:
                if decision.partition is not None:
                    settles = each.prepared.store.outputs(decision.partition)
                    outputs.update(real(output, root) for output in settles)
    return Ownership(stores, frozenset(outputs), root)


def _store_in_home(flow: Flow) -> ConfigError:
    return flow.store.error(
        ConfigError,
        f"the store '{flow.store.values['path']}' and the home "
        f"'{flow.home.values['path']}' share files",
        f"give the store a folder of its own: data/store/{flow.name}",
        "path",
    )


def _shared_store(flow: Flow, other: str, same: bool) -> ConfigError:
    path = flow.store.values["path"]
    relation = "is also" if same else "overlaps"
    return flow.store.error(
        ConfigError,
        f"the store '{path}' {relation} the store of the flow '{other}'",
        "give each of the two a folder of its own",
        "path",
    )


def _forbidden_removal(flow: Flow, gone: list[str]) -> HomeError:
    return flow.home.error(
        HomeError,
        f"no source any more for {', '.join(gone[:5])}{' and others' if len(gone) > 5 else ''}",
        "restore what is gone, or write 'on_removed: delete' or 'keep' under store",
        "path",
    )


def _suspicious_removal(flow: Flow, now: int, before: int) -> HomeError:
    return flow.home.error(
        HomeError,
        f"the home '{flow.home.values['path']}' has {now} partitions, it had {before}",
        "see whether a disk is missing; if all is as it should be: doit --allow-prune",
        "path",
    )
