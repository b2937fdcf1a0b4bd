"""This is where the lineage of a project is laid out: what stands where, and which way lines go."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hygge.board.data import Card

MOST_ENTITIES = 8
"""Entities of one flow from which on they share a node."""

SWEEPS = 24
"""Times that each layer is put in order of its neighbours, to and fro."""


@dataclass(frozen=True)
class Node:
    """What stands for a place, for a flow, or for all entities of a flow."""

    id: str
    kind: str
    """``place`` or ``flow``."""
    label: str
    flows: tuple[str, ...] = ()
    """What it stands for; none for a place."""
    layer: int = 0
    """0 stands at the left."""
    row: float = 0.0
    """0 stands at the top; nodes of a layer are at least 1 apart."""


@dataclass(frozen=True)
class Edge:
    """A line from one node to another."""

    source: str
    target: str
    kind: str
    """``data``, or ``order`` where nothing is read."""
    bends: tuple[tuple[int, float], ...] = ()
    """Layer and row of where it passes between others."""


@dataclass(frozen=True)
class Graph:
    """A lineage that is ready to be drawn."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


Link = tuple[str, str]


def laid_out(cards: Sequence[Card]) -> Graph:
    """Return the lineage of *cards*; the same cards are always laid out the same way."""
    node_of = _nodes_by_flow(cards)
    flows = list(dict.fromkeys(node_of.values()))
    members = {node: tuple(name for name in node_of if node_of[name] == node) for node in flows}
    kinds = _links(cards, node_of)
    places = [source for source, _ in kinds if source.startswith("place:")]
    names = list(dict.fromkeys([*places, *flows]))
    layers = _layers(names, kinds)
    chains = {link: _chain(link, layers) for link in kinds}
    rows = _rows(_ordered(names, layers, chains), chains)
    nodes = [
        Node(
            id=name,
            kind=name.partition(":")[0],
            label=name.partition(":")[2],
            flows=members.get(name, ()),
            layer=layers[name],
            row=rows[name],
        )
        for name in names
    ]
    edges = [
        Edge(
            *link,
            kind,
            tuple((layers[link[0]] + i, rows[point]) for i, point in _bends(link, chains)),
        )
        for link, kind in kinds.items()
    ]
    return Graph(tuple(nodes), tuple(edges))


def _nodes_by_flow(cards: Sequence[Card]) -> dict[str, str]:
    """Return the node of each flow; many entities of one flow share one."""
    entities: dict[str, list[str]] = defaultdict(list)
    for card in cards:
        file, entity = card.name.partition(".")[::2]
        if entity:
            entities[file].append(card.name)
    return {
        card.name: f"flow:{file}.*" if len(entities[file]) > MOST_ENTITIES else f"flow:{card.name}"
        for card, file in ((card, card.name.partition(".")[0]) for card in cards)
    }


def _links(cards: Sequence[Card], node_of: Mapping[str, str]) -> dict[Link, str]:
    """Return the kind of each link; where data go too, order goes without saying."""
    links: dict[Link, str] = {}
    for card in cards:
        target = node_of[card.name]
        for place in card.outside:
            # Homes of entities that share a node are too many to be told apart.
            shared = target.endswith(".*")
            name = f"place:{place.rpartition('/')[0] or place}" if shared else f"place:{place}"
            links[name, target] = "data"
        for name in card.upstream:
            source = node_of.get(name)
            if source is not None and source != target:
                kind = "order" if name in card.needs else "data"
                if links.get((source, target)) != "data":
                    links[source, target] = kind
    return links


def _layers(names: Sequence[str], links: Iterable[Link]) -> dict[str, int]:
    """Return how far from the left each node stands: behind all that it reads.

    A link that closes a circle, which flows with a common node may, counts for nothing.
    """
    before: dict[str, list[str]] = defaultdict(list)
    for source, target in links:
        before[target].append(source)
    layers: dict[str, int] = {}
    for name in names:
        _settle(name, before, layers)
    firsts: dict[str, int] = {}
    for source, target in links:
        firsts[source] = min(firsts.get(source, layers[target]), layers[target])
    # A place stands right before the first that reads it.
    near = {n: max(0, firsts[n] - 1) for n in names if n.startswith("place:") and n in firsts}
    return layers | near


def _settle(name: str, before: Mapping[str, list[str]], layers: dict[str, int]) -> None:
    """Give *name*, and all before it, a layer. No recursion: chains may be long."""
    open_: dict[str, Iterator[str]] = {name: iter(before.get(name, ()))}
    if name in layers:
        return
    while open_:
        last = next(reversed(open_))
        for each in open_[last]:
            if each not in layers and each not in open_:
                open_[each] = iter(before.get(each, ()))
                break
        else:
            known = [layers[each] + 1 for each in before.get(last, ()) if each in layers]
            layers[last] = max(known, default=0)
            del open_[last]


def _chain(link: Link, layers: Mapping[str, int]) -> list[str]:
    """Return the points of *link*: its ends and one in each layer between them."""
    source, target = link
    between = range(layers[source] + 1, layers[target])
    return [source, *(f"bend:{source}\0{target}\0{layer}" for layer in between), target]


def _bends(link: Link, chains: Mapping[Link, list[str]]) -> Iterator[tuple[int, str]]:
    yield from enumerate(chains[link][1:-1], 1)


def _ordered(
    names: Sequence[str], layers: Mapping[str, int], chains: Mapping[Link, list[str]]
) -> list[list[str]]:
    """Return the points of each layer, from the top, so that few lines cross."""
    columns: list[list[str]] = [[] for _ in range(max(layers.values(), default=-1) + 1)]
    for name in names:
        columns[layers[name]].append(name)
    for (source, _), points in chains.items():
        for i, point in enumerate(points[1:-1], 1):
            columns[layers[source] + i].append(point)
    near = _neighbours(chains)
    for sweep in range(SWEEPS):
        place = {point: i for column in columns for i, point in enumerate(column)}
        for column in columns if sweep % 2 == 0 else reversed(columns):
            column.sort(key=lambda point, at=place: _middle(point, near, at))  # type: ignore[misc]
            place.update((point, i) for i, point in enumerate(column))
    return columns


def _neighbours(chains: Mapping[Link, list[str]]) -> dict[str, list[str]]:
    near: dict[str, list[str]] = defaultdict(list)
    for points in chains.values():
        for one, other in itertools.pairwise(points):
            near[one].append(other)
            near[other].append(one)
    return near


def _middle(point: str, near: Mapping[str, list[str]], place: Mapping[str, float]) -> float:
    around = [place[each] for each in near.get(point, ())]
    return sum(around) / len(around) if around else place[point]


def _rows(columns: Sequence[list[str]], chains: Mapping[Link, list[str]]) -> dict[str, float]:
    """Return the row of each point: beside its neighbours, as far as those above leave room."""
    near = _neighbours(chains)
    rows = {point: float(i) for column in columns for i, point in enumerate(column)}
    for sweep in range(SWEEPS):
        for column in columns if sweep % 2 == 0 else list(reversed(columns)):
            wanted = [_middle(point, near, rows) for point in column]
            rows.update(zip(column, _apart(wanted), strict=True))
    return _closed(rows)


def _closed(rows: Mapping[str, float]) -> dict[str, float]:
    """Return *rows* from 0 on, without bands between them in which nothing stands."""
    closed, last, place = {}, min(rows.values(), default=0.0), 0.0
    for row in sorted(set(rows.values())):
        place += min(row - last, 1.0)
        closed[row], last = round(place, 3), row
    return {point: closed[row] for point, row in rows.items()}


def _apart(wanted: Sequence[float]) -> list[float]:
    """Return places in the same order, at least 1 apart, with the mean of *wanted*."""
    placed: list[float] = []
    for each in wanted:
        placed.append(max(each, placed[-1] + 1) if placed else each)
    if not placed:
        return placed
    shift = (sum(wanted) - sum(placed)) / len(placed)
    return [each + shift for each in placed]
