"""This is where it is drawn together which flow reads what, and which flow wrote that."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hygge.chain import lies_in
from hygge.flow import Section
from hygge.paths import Folders
from hygge.plan import FlowPlan
from hygge.prepared import Prepared


@dataclass(frozen=True)
class Node:
    """A flow as it stands among the others."""

    name: str
    home: str
    """Path of its home, as it was written; empty if the flow can't be used."""
    store: str
    """Path of its store; empty if the flow can't be used."""
    inputs: Mapping[str, str]
    """Paths of the other tables that it reads, by name."""
    partitions: int = 0
    stale: int = 0
    """Partitions that are to be moved or removed."""
    failed: int = 0
    """Partitions whose last move failed."""
    error: str = ""
    """Why nothing of it can be moved; empty if all is well."""
    waits_for: tuple[str, ...] = ()
    """Flows whose move may bring partitions that are not known yet."""


@dataclass(frozen=True)
class Edge:
    """A flow that is moved before another one."""

    before: str
    behind: str
    through: tuple[str, ...]
    """How they hang together: ``home``, ``input NAME``, ``needs``."""


@dataclass(frozen=True)
class Lineage:
    """Flows and how they hang together."""

    nodes: tuple[Node, ...]
    """Each behind those it waits for."""
    edges: tuple[Edge, ...]

    @classmethod
    def of(cls, plans: Sequence[FlowPlan], failures: Collection[str], root: Path) -> Lineage:
        """Return the lineage of the flows in *plans*.

        Args:
            failures: Tasks whose last move failed.
            root: The project's root.
        """
        folders = {
            each.name: os.path.realpath(each.prepared.store.folder())
            for each in plans
            if each.prepared is not None
        }
        edges = [
            Edge(before, each.name, _through(each.prepared, before, folders, root))
            for each in plans
            if each.prepared is not None
            for before in each.prepared.upstream
        ]
        return cls(tuple(_node(each, failures) for each in plans), tuple(edges))

    def around(self, names: Collection[str]) -> Lineage:
        """Return what is before and behind the flows called *names*, and they themselves."""
        wanted = {*names}
        for start, end in (("before", "behind"), ("behind", "before")):
            reached, left = {*names}, [*names]
            while left:
                here = left.pop()
                further = {getattr(e, end) for e in self.edges if getattr(e, start) == here}
                left += further - reached
                reached |= further
            wanted |= reached
        return Lineage(
            tuple(each for each in self.nodes if each.name in wanted),
            tuple(each for each in self.edges if {each.before, each.behind} <= wanted),
        )

    def behind(self, name: str) -> Iterator[str]:
        """Yield the flows that wait for the flow called *name* themselves."""
        yield from (each.behind for each in self.edges if each.before == name)

    def before(self, name: str) -> Iterator[str]:
        """Yield the flows that the flow called *name* waits for itself."""
        yield from (each.before for each in self.edges if each.behind == name)


def _node(plan: FlowPlan, failures: Collection[str]) -> Node:
    flow = plan.prepared.flow if plan.prepared is not None else None
    return Node(
        name=plan.name,
        home=_path(flow.home) if flow else "",
        store=_path(flow.store) if flow else "",
        inputs={name: _path(each) for name, each in flow.inputs.items()} if flow else {},
        partitions=sum(each.partition is not None for each in plan.decisions),
        stale=sum(each.reason is not None for each in plan.decisions),
        failed=sum(each.task in failures for each in plan.decisions),
        error=plan.error.what if plan.error is not None else "",
        waits_for=plan.waits_for,
    )


def _path(section: Section) -> str:
    return str(section.values.get("path", ""))


def _through(
    prepared: Prepared, before: str, folders: Mapping[str, str], root: Path
) -> tuple[str, ...]:
    store = Folders({before: folders[before]} if before in folders else {})
    flow = prepared.flow
    sections = {"home": flow.home, **{f"input {name}": s for name, s in flow.inputs.items()}}
    found = [name for name, section in sections.items() if lies_in(section, root, store)]
    if before in flow.needs or before.partition(".")[0] in flow.needs:
        found.append("needs")
    return tuple(found) or ("home",)  # what was set aside on the way to a store is read too
