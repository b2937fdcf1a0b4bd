"""This is where a project's flows are found, their partitions listed, and a run is planned."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hygge import plan, preparing, refusals
from hygge.errors import HyggeError
from hygge.fingerprint import ContentHashes
from hygge.homes.base import Home
from hygge.overrides import Asked
from hygge.ownership import Ownership
from hygge.partition import Partition
from hygge.paths import Resolver
from hygge.plan import Decision, FlowPlan, Look, Reason, Remembered, Wanted
from hygge.prepared import Input, Prepared
from hygge.project import Project
from hygge.seal import Seal
from hygge.standing import Standing, standing
from hygge.state import State
from hygge.variables import concealed

if TYPE_CHECKING:
    from hygge.share import Share


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
        self.look = Look(project.root, hashes, lambda: self._sealed)

    def plan(self, only: Collection[str] = ()) -> Plan:
        """Decide for every partition that is there now, and foresee what will change before.

        What is wrong with one flow is in its plan and leaves the others alone.

        Args:
            only: Tasks, and flows as a whole, to decide for instead of everything. Flows before
                them are in the plan too, as far as they matter; nothing is known of ownership.

        Raises:
            ConfigError: Two files define one flow.
        """
        # Imported here: a run foresees nothing.
        from hygge.foresight import foreseen
        from hygge.selection import behind, selected

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
                known = self._standing(each, begun) if by_seals else None
                plans[each.flow.name] = self.plan_flow(each, standing=known)
            else:
                each.look_again()  # what it reads is written by then
                plans[each.flow.name] = FlowPlan(each.flow.name, each, put_off=True)
        return Plan(tuple(plans.values()), self.ownership(plans.values()))

    def prepared(self) -> list[Prepared | FlowPlan]:
        """Return the flows of the project, each after those it waits for; broken ones first."""
        options = self.options
        entities = self.state.entities()
        return preparing.all_prepared(self.project, entities, options.asked, options.reserved)

    def _standing(self, prepared: Prepared, begun: Iterable[str]) -> Standing | None:
        """Return what is known of a flow from its seal; None if nothing is.

        Args:
            begun: Tasks whose moves were begun and are not recorded.
        """
        name = prepared.flow.name
        data = None if self.options.forced or self.options.share else self.state.seal(name)
        seal = Seal.from_bytes(data) if data is not None else None
        if seal is None:
            return None
        doubtful = {task for task in (*self._failures, *begun) if task.startswith(f"{name}:")}
        return standing(seal, prepared, self.state.sums(name), doubtful, self.look.hashes)

    @functools.cached_property
    def _sealed(self) -> Mapping[str, tuple[bytes, str]]:
        """What seals know of files that receipts have not heard of: they were only touched."""
        data = (self.state.seal(flow) for flow in self.state.flows())
        seals = (Seal.from_bytes(each) for each in data if each is not None)
        return {path: known for seal in seals if seal is not None for path, known in seal.known()}

    def plan_flow(
        self, prepared: Prepared, only: Collection[str] = (), standing: Standing | None = None
    ) -> FlowPlan:
        """Decide for every partition of one flow as things are now, or for some of them.

        What is wrong with it is in the plan.

        Args:
            only: Tasks to decide for; empty for all.
            standing: What need not be decided for.
        """
        name = prepared.flow.name
        if standing is not None and standing.is_whole:
            return FlowPlan(name, prepared, standing=standing)
        try:
            prepared = self._with_inputs(prepared)
            if standing is not None and standing.files is not None:
                partitions, gone = prepared.home.partitions_of(standing.files), []
            else:
                partitions = self._listed(prepared.home, prepared.chained or prepared.gone)
                gone = self._gone(prepared, partitions)
                if not partitions and not gone and _must_have_files(prepared):
                    raise refusals.no_files(prepared.flow)
        except HyggeError as error:
            return FlowPlan(name, prepared, error=error)
        tasks = {f"{name}:{each.key}": each for each in partitions}
        if only and prepared.contract.is_empty:
            tasks = {task: each for task, each in tasks.items() if task in only}
        if standing is not None:
            tasks = {task: each for task, each in tasks.items() if not standing.holds(task, each)}
            standing = standing.without(tasks)
        decided = self._held_against_contract(prepared, [*self._decided(prepared, tasks)])
        decisions = tuple(each for each in (*decided, *gone) if not only or each.task in only)
        return FlowPlan(name, prepared, decisions, standing=standing)

    def _with_inputs(self, prepared: Prepared) -> Prepared:
        """Return *prepared* with the files of its other tables as they are now."""
        if not prepared.inputs:
            return prepared
        listed = {
            each: Input(table.home, self._listed(table.home, bool(prepared.upstream)))
            for each, table in prepared.inputs.items()
        }
        return dataclasses.replace(prepared, inputs=listed)

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

    def _decided(
        self, prepared: Prepared, partitions: Mapping[str, Partition]
    ) -> Iterator[Decision]:
        config = prepared.config
        digest, change = prepared.config_hash, self._config_change(config)
        failures, doubted = self._failures, self._doubted
        inputs = prepared.input_sources
        for task, partition in partitions.items():
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

        @functools.cache
        def change(digest: str) -> str:
            shown = concealed(config)  # as it is remembered
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
        result, resolve = Ownership({}, {}, self.project.root), Resolver()
        for each in plans:
            if each.prepared is not None:
                stores[each.name] = resolve(each.prepared.store.folder())
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


def _must_have_files(prepared: Prepared) -> bool:
    """Tell whether a home without files is a mistake: an entity is written down because it is."""
    return "." in prepared.flow.name and not prepared.chained and not prepared.gone
