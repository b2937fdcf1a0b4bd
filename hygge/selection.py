"""This is where it is found out which flows have to be decided to know about some of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence, Set

from hygge.plan import FlowPlan
from hygge.prepared import Prepared


def selected(
    flows: Sequence[Prepared | FlowPlan], only: Collection[str]
) -> Iterator[tuple[Prepared | FlowPlan, Collection[str]]]:
    """Yield the flows that have to be decided for *only*, each with its tasks, none for all."""
    named = {each.partition(":")[0] for each in only}
    # What a flow waits for takes all of the partitions there to know.
    before = {
        name
        for each in flows
        if isinstance(each, Prepared) and named & _called(each)
        for name in each.ancestors
    }
    for each in flows:
        names = _called(each)
        if not only or _name_of(each) in before or any(name in only for name in names):
            yield each, ()
        elif named & names:
            yield each, {task for task in only if task.startswith(f"{_name_of(each)}:")}


def behind(flows: Sequence[Prepared | FlowPlan]) -> dict[str, tuple[str, ...]]:
    """Return, for each of *flows*, those that wait for it themselves, by name."""
    found: dict[str, list[str]] = {_name_of(each): [] for each in flows}
    for each in flows:
        for name in each.upstream if isinstance(each, Prepared) else ():
            found.setdefault(name, []).append(_name_of(each))
    return {name: tuple(waiting) for name, waiting in found.items()}


def _name_of(flow: Prepared | FlowPlan) -> str:
    return flow.flow.name if isinstance(flow, Prepared) else flow.name


def _called(flow: Prepared | FlowPlan) -> Set[str]:
    """Return what stands for *flow*: its name, and that of the file whose entity it is."""
    name = _name_of(flow)
    return {name, name.partition(".")[0]}
