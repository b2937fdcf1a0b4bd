"""This is where a project's flows are found, their partitions listed, and a run is planned."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from hygge import chain, plan, refusals, seal
from hygge import flow as flows
from hygge.checks import Checks
from hygge.contract import Contract
from hygge.errors import HyggeError
from hygge.fingerprint import ContentHashes, config_hash
from hygge.flow import Flow, Loaded, Section
from hygge.foresight import foreseen
from hygge.homes.base import Home
from hygge.overrides import Asked
from hygge.ownership import Ownership
from hygge.partition import Partition
from hygge.paths import Folders
from hygge.plan import Decision, FlowPlan, Look, Reason, Remembered, Wanted
from hygge.prepared import Input, Prepared, quarantine_folder
from hygge.project import Project
from hygge.selection import behind, selected
from hygge.share import Share
from hygge.state import State
from hygge.stores.base import Store
from hygge.transform import Transform
from hygge.variables import concealed


@dataclass(frozen=True)
class Options:
    """What a plan depends on beside the project, the disk and the state."""

    forced: bool = False
    """Whether everything counts as stale."""
    allow_prune: bool = False
    """Whether a home may lose more than half of its partitions."""
    reserved: Collection[str] = ()
    """Names that a flow can't have."""
    asked: Asked = Asked()  # noqa: RUF009 - frozen
    """What was asked of flows by their names."""
    share: Share | None = None
    """What of it this run moves; None for all."""


@dataclass(frozen=True)
class Plan:
    """What was decided for a project."""

    flows: tuple[FlowPlan, ...]
    """Each after those it waits for, else in order of their names."""
    ownership: Ownership
    behind: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """For every flow of the project, decided or not, the flows that wait for it themselves."""

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

    def plan(self, only: Collection[str] = ()) -> Plan:
        """Decide for every partition that is there now, and foresee what will change before.

        What is wrong with one flow is in its plan and leaves the others alone.

        Args:
            only: Tasks, and flows as a whole, to decide for instead of everything. Flows before
                them are in the plan too, as far as they matter; nothing is known of ownership.

        Raises:
            ConfigError: Two files define one flow.
        """
        plans: dict[str, FlowPlan] = {}
        prepared = self.prepared()
        for each, tasks in selected(prepared, only):
            now = self.plan_flow(each, tasks) if isinstance(each, Prepared) else each
            plans[now.name] = foreseen(now, plans)
        nothing = Ownership({}, {}, self.project.root)
        ownership = nothing if only else self.ownership(plans.values())
        return Plan(tuple(plans.values()), ownership, behind(prepared))

    def first_plan(self, by_seals: bool = False) -> Plan:
        """Decide for every flow that waits for nothing; a flow that does is put off.

        A flow is put off when anything is to be moved, or is wrong, in a flow that it waits for:
        only then, and with `plan_flow`, can be known what there is for it to move.

        Args:
            by_seals: Whether a flow may be known as a whole to be up to date, without decisions.

        Raises:
            ConfigError: Two files define one flow.
        """
        plans: dict[str, FlowPlan] = {}
        begun = self.state.intents()
        for each in self.prepared():
            if isinstance(each, FlowPlan):
                plans[each.name] = each
            elif all(plans[name].is_settled(begun) for name in each.upstream):
                known = by_seals and not begun and self._sealed(each)
                plans[each.flow.name] = known or self.plan_flow(each)
            else:
                each.look_again()  # what it reads is written by then
                plans[each.flow.name] = FlowPlan(each.flow.name, each, put_off=True)
        return Plan(tuple(plans.values()), self.ownership(plans.values()))

    def _sealed(self, prepared: Prepared) -> FlowPlan | None:
        """Return the plan of a flow that is known to be up to date as a whole, if it is."""
        name = prepared.flow.name
        found = None if self.options.forced or self.options.share else self.state.seal(name)
        if found is None or any(each.startswith(f"{name}:") for each in self._failures):
            return None
        known = seal.Seal(*found)
        if not seal.holds(known, prepared):
            return None
        return FlowPlan(name, prepared, sealed=known.count, sealed_outputs=lambda: known.outputs)

    def prepared(self) -> list[Prepared | FlowPlan]:
        """Return the flows of the project, each after those it waits for; broken ones first."""
        found: dict[str, Loaded] = {}
        stores: dict[str, Store] = {}
        broken: list[FlowPlan] = []
        for each in self._flows():
            if isinstance(each, FlowPlan):
                broken.append(each)
                continue
            name = each.flow.name
            try:
                stores[name] = Store.create(each.flow.store, self.project.root)
                found[name] = each
            except HyggeError as error:
                broken.append(FlowPlan(name, None, error=error))
        real = {name: os.path.realpath(store.folder()) for name, store in stores.items()}
        folders, root = Folders(real), self.project.root
        lies_in = chain.lies_in
        for name in [n for n, e in found.items() if n in lies_in(e.flow.home, root, folders)]:
            broken.append(FlowPlan(name, None, error=refusals.store_in_home(found.pop(name).flow)))
            del real[name]
        folders = Folders(real)
        aside = Folders({name: str(quarantine_folder(name, root)) for name in folders})
        ready: dict[str, Prepared] = {}
        names = sorted([*found, *(each.name for each in broken)])
        for name, each in found.items():
            try:
                _check_store(each.flow, folders)
                ready[name] = self._prepare(each, stores, folders, aside, names)
            except HyggeError as error:
                broken.append(FlowPlan(name, None, error=error))
        order, cycles = chain.ordered({name: each.upstream for name, each in ready.items()})
        for cycle in cycles:
            for name in sorted(set(cycle)):
                circle = chain.cycle_error(ready[name].flow, cycle)
                broken.append(FlowPlan(name, None, error=circle))
        broken.sort(key=lambda each: each.name)
        return [*broken, *_with_ancestors(ready[name] for name in order)]

    def _flows(self) -> Iterator[Loaded | FlowPlan]:
        remembered = self.state.entities()
        files = dict(self.project.flow_files())
        self.options.asked.check(files)
        for name, file in files.items():
            typed = self.options.asked.values.get(name)
            known = {entity for flow, entity in remembered if flow == name}
            try:
                reserved = self.options.reserved
                yield from flows.load_all(self.project, name, file, reserved, known, typed)
            except HyggeError as error:
                if self.options.asked.names_entity_of(name):
                    raise  # nobody knows any more whether there is such an entity
                yield FlowPlan(name, None, error=error)

    def _prepare(
        self,
        loaded: Loaded,
        stores: Mapping[str, Store],
        folders: Folders,
        aside: Folders,
        names: Sequence[str],
    ) -> Prepared:
        root, flow = self.project.root, loaded.flow

        def chained(section: Section) -> tuple[Section, set[str]]:
            inside = {*chain.lies_in(section, root, folders)} - {flow.name}
            waiting = {*chain.lies_in(section, root, aside)} - {flow.name}
            kinds = {stores[name].kind for name in inside} | ({"parquet"} if waiting else set())
            return _with_kind(section, kinds), {*inside, *waiting}

        section, before = chained(flow.home)
        if loaded.gone and "type" not in section.values:
            section = section.with_kind("parquet")  # any will do: there is nothing to be read
        home = Home.create(section, root)
        if home.overlaps(stores[flow.name].folder()):
            raise refusals.store_in_home(flow)
        inputs, upstream = {}, {*before, *chain.needed(flow, names)} - {flow.name}
        for name, section in sorted(flow.inputs.items()):
            if flow.name in chain.lies_in(section, root, folders):
                raise refusals.own_store(flow, name)
            section, waits_for = chained(section)
            upstream |= waits_for
            inputs[name] = Input(Home.create(section, root))
        return Prepared(
            flow,
            home,
            stores[flow.name],
            root,
            Transform.create(flow.transform, inputs, root),
            Checks.create(flow.checks),
            Contract.create(flow.schema),
            inputs,
            tuple(sorted(upstream)),
            frozenset(upstream),
            bool(before),
            loaded.gone,
        )

    def plan_flow(self, prepared: Prepared, only: Collection[str] = ()) -> FlowPlan:
        """Decide for every partition of one flow as things are now, or for some of them.

        What is wrong with it is in the plan.

        Args:
            only: Tasks to decide for; empty for all.
        """
        name = prepared.flow.name
        try:
            prepared = dataclasses.replace(
                prepared,
                inputs={
                    each: Input(table.home, self._listed(table.home, bool(prepared.upstream)))
                    for each, table in prepared.inputs.items()
                },
            )
            partitions = self._listed(prepared.home, prepared.chained or prepared.gone)
            gone = self._gone(prepared, partitions)
            if not partitions and not gone and _must_have_files(prepared):
                raise refusals.no_files(prepared.flow)
        except HyggeError as error:
            return FlowPlan(name, prepared, error=error)
        if only and prepared.contract.is_empty:
            partitions = tuple(each for each in partitions if f"{name}:{each.key}" in only)
        decided = self._held_against_contract(prepared, [*self._decided(prepared, partitions)])
        decisions = tuple(each for each in (*decided, *gone) if not only or each.task in only)
        return FlowPlan(name, prepared, decisions)

    def _held_against_contract(
        self, prepared: Prepared, decisions: Sequence[Decision]
    ) -> Sequence[Decision]:
        """Return *decisions*, with those stale whose columns don't fit those before them."""
        settled = {
            each.task: each.receipt.columns
            for each in decisions
            if each.reason is None and each.receipt is not None and each.receipt.columns
        }
        if prepared.contract.is_empty or len(set(settled.values())) < 2:
            return decisions
        columns = {digest: self.state.columns(digest) for digest in set(settled.values())}
        misfits = prepared.contract.misfits((t, columns[digest]) for t, digest in settled.items())
        return [
            dataclasses.replace(
                each, reason=Reason("contract broken", f"by the columns of '{misfits[each.task]}'")
            )
            if each.task in misfits
            else each
            for each in decisions
        ]

    def _listed(self, home: Home, may_be_missing: bool) -> tuple[Partition, ...]:
        # A flow that had nothing to move has made no folder for its store yet.
        return () if may_be_missing and home.is_missing() else home.partitions()

    def _decided(self, prepared: Prepared, partitions: Iterable[Partition]) -> Iterator[Decision]:
        config = prepared.config
        digest = config_hash(config)
        change = self._config_change(config)
        failures, doubted = self._failures, self._doubted
        inputs = prepared.input_sources
        for partition in partitions:
            task = f"{prepared.flow.name}:{partition.key}"
            receipt = self.state.receipt(task)
            in_doubt = bool(doubted) and self.state.run_of(task) in doubted
            remembered = Remembered(receipt, in_doubt, failures.get(task, ""))
            found = functools.partial(prepared.found, partition)
            wanted = Wanted(
                digest, found, change, self.options.forced, inputs, prepared.transform.sees_paths
            )
            yield plan.decide(task, partition, remembered, wanted, self.look)

    def _config_change(self, config: Mapping[str, Any]) -> Callable[[str], str]:
        """Return what tells how a remembered configuration differs from *config*."""
        shown = concealed(config)  # as it is remembered

        @functools.cache
        def change(digest: str) -> str:
            return plan.config_change(self.state.config(digest), shown) or "a value that is hidden"

        return change

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
            raise refusals.forbidden_removal(prepared.flow, gone)
        # What another flow removed from its store was meant to go: that flow was asked already.
        doubtful = not prepared.chained and len(partitions) * 2 < len(known)
        if doubtful and not self.options.allow_prune:
            raise refusals.suspicious_removal(prepared.flow, len(partitions), len(known))
        reason = Reason("source gone")
        return [Decision(task, None, reason, self.state.receipt(task)) for task in gone]

    def ownership(self, plans: Iterable[FlowPlan]) -> Ownership:
        """Return which files are whose, as *plans* say, and where they don't, as receipts do."""
        stores: dict[str, str] = {}
        result = Ownership({}, {}, self.project.root)
        for each in plans:
            if each.prepared is not None:
                stores[each.name] = os.path.realpath(each.prepared.store.folder())
            decided = each.error is None and not each.put_off
            recorded = functools.partial(self._recorded, each.name)
            result = result.with_flow(each.name, each.outputs if decided else recorded)
        return dataclasses.replace(result, stores=stores)

    def _recorded(self, name: str) -> Iterator[str]:
        """Yield what the partitions of a flow, or of its entities, wrote when last moved."""
        for task in self.state.tasks():
            receipt = self.state.receipt(task)
            if receipt is not None and task.startswith((f"{name}:", f"{name}.")):
                yield from (output.path for output in receipt.outputs)


def _with_ancestors(ordered: Iterable[Prepared]) -> Iterator[Prepared]:
    """Yield *ordered*, each with all the flows that it waits for, at whatever distance."""
    known: dict[str, frozenset[str]] = {}
    for each in ordered:
        before = (known.get(name, frozenset()) for name in each.upstream)
        known[each.flow.name] = frozenset(each.upstream).union(*before)
        yield dataclasses.replace(each, ancestors=known[each.flow.name])


def _with_kind(section: Section, kinds: Set[str]) -> Section:
    """Return *section* with the kind of the store it lies in, if there is one and it says none.

    What is there need not be looked at, and nothing need be there yet.
    """
    if "type" in section.values or len(kinds) != 1:
        return section
    return section.with_kind(next(iter(kinds)))


def _check_store(flow: Flow, folders: Folders) -> None:
    """Refuse a store that another flow writes to: nothing would tell whose the data there is.

    Raises:
        ConfigError: So it is; the other flow is refused too.
    """
    folder = folders[flow.name]
    for name in folders.near(folder):
        if name != flow.name:
            raise refusals.shared_store(flow, name, folder == folders[name])


def _must_have_files(prepared: Prepared) -> bool:
    """Tell whether a home without files is a mistake: an entity is written down because it is."""
    return "." in prepared.flow.name and not prepared.chained and not prepared.gone
