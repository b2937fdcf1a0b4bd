"""This is where the flows of a project are found and made ready to be planned."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from hygge import chain, refusals
from hygge import flow as flows
from hygge.checks import Checks
from hygge.contract import Contract
from hygge.errors import HyggeError
from hygge.flow import Flow, Loaded, Section
from hygge.homes.base import Home
from hygge.overrides import Asked
from hygge.paths import Folders, Resolver
from hygge.plan import FlowPlan
from hygge.prepared import Input, Prepared, quarantine_folder
from hygge.project import Project
from hygge.stores.base import Store
from hygge.transform import Transform


@dataclass(frozen=True)
class _Neighbours:
    """Where the flows of a project write, by their names."""

    root: Path
    stores: Mapping[str, Store]
    folders: Folders
    """Of the stores; free of links."""
    aside: Folders
    """Where rows go that failed a check."""
    names: Sequence[str]
    """Of all flows, those that can't be used too."""

    def chained(self, flow: str, section: Section) -> tuple[Section, set[str]]:
        """Return *section* of *flow*, with its kind, and the flows that write what it reads."""
        inside = {*chain.lies_in(section, self.root, self.folders)} - {flow}
        waiting = {*chain.lies_in(section, self.root, self.aside)} - {flow}
        kinds = {self.stores[name].kind for name in inside} | ({"parquet"} if waiting else set())
        return _with_kind(section, kinds), {*inside, *waiting}


def all_prepared(
    project: Project, entities: Set[tuple[str, str]], asked: Asked, reserved: Collection[str]
) -> list[Prepared | FlowPlan]:
    """Return the flows of *project*, each after those it waits for; broken ones first.

    Args:
        entities: Flow and entity of those of which something is remembered.
        asked: What was asked of flows by their names.
        reserved: Names that a flow can't have.

    Raises:
        ConfigError: Two files define one flow, or what is asked for is in a file that is broken.
    """
    found, stores, broken = _loaded(project, entities, asked, reserved)
    root, resolve = project.root, Resolver()
    real = {name: resolve(store.folder()) for name, store in stores.items()}
    folders, lies_in = Folders(real, resolve), chain.lies_in
    for name in [n for n, e in found.items() if n in lies_in(e.flow.home, root, folders)]:
        broken.append(FlowPlan(name, None, error=refusals.store_in_home(found.pop(name).flow)))
        del real[name]
    aside = Folders({name: str(quarantine_folder(name, root)) for name in real}, resolve)
    names = sorted([*found, *(each.name for each in broken)])
    neighbours = _Neighbours(root, stores, Folders(real, resolve), aside, names)
    ready: dict[str, Prepared] = {}
    for name, each in found.items():
        try:
            _check_store(each.flow, neighbours.folders)
            ready[name] = _prepared(each, neighbours)
        except HyggeError as error:
            broken.append(FlowPlan(name, None, error=error))
    order, cycles = chain.ordered({name: each.upstream for name, each in ready.items()})
    for cycle in cycles:
        for name in sorted(set(cycle)):
            circle = chain.cycle_error(ready[name].flow, cycle)
            broken.append(FlowPlan(name, None, error=circle))
    broken.sort(key=lambda each: each.name)
    return [*broken, *_with_ancestors(ready[name] for name in order)]


def _loaded(
    project: Project, entities: Set[tuple[str, str]], asked: Asked, reserved: Collection[str]
) -> tuple[dict[str, Loaded], dict[str, Store], list[FlowPlan]]:
    """Return the flows that can be read, their stores, and those that can't be used."""
    found: dict[str, Loaded] = {}
    stores: dict[str, Store] = {}
    broken: list[FlowPlan] = []
    for each in _flows(project, entities, asked, reserved):
        if isinstance(each, FlowPlan):
            broken.append(each)
            continue
        name = each.flow.name
        try:
            stores[name] = Store.create(each.flow.store, project.root)
            found[name] = each
        except HyggeError as error:
            broken.append(FlowPlan(name, None, error=error))
    return found, stores, broken


def _flows(
    project: Project, entities: Set[tuple[str, str]], asked: Asked, reserved: Collection[str]
) -> Iterator[Loaded | FlowPlan]:
    files = dict(project.flow_files())
    asked.check(files)
    for name, file in files.items():
        typed = asked.values.get(name)
        known = {entity for flow, entity in entities if flow == name}
        try:
            yield from flows.load_all(project, name, file, reserved, known, typed)
        except HyggeError as error:
            if asked.names_entity_of(name):
                raise  # nobody knows any more whether there is such an entity
            yield FlowPlan(name, None, error=error)


def _prepared(loaded: Loaded, neighbours: _Neighbours) -> Prepared:
    flow, root = loaded.flow, neighbours.root
    store = neighbours.stores[flow.name]
    section, before = neighbours.chained(flow.name, flow.home)
    if loaded.gone and "type" not in section.values:
        section = section.with_kind("parquet")  # any will do: there is nothing to be read
    home = Home.create(section, root)
    if home.overlaps(store.folder(), neighbours.folders.resolve):
        raise refusals.store_in_home(flow)
    inputs, upstream = {}, {*before, *chain.needed(flow, neighbours.names)} - {flow.name}
    for name, section in sorted(flow.inputs.items()):
        if flow.name in chain.lies_in(section, root, neighbours.folders):
            raise refusals.own_store(flow, name)
        section, waits_for = neighbours.chained(flow.name, section)
        upstream |= waits_for
        inputs[name] = Input(Home.create(section, root))
    return Prepared(
        flow,
        home,
        store,
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
