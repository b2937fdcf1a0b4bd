"""This is where all that the board shows is gathered into one value."""

from __future__ import annotations

import dataclasses
import datetime
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from hygge import chain
from hygge.board.history import Bar
from hygge.coordinator import Plan
from hygge.errors import HyggeError
from hygge.flow import Section
from hygge.paths import Folders
from hygge.plan import Decision, FlowPlan, Reason
from hygge.prepared import Prepared
from hygge.project import Project
from hygge.receipt import Receipt
from hygge.state import State

STATES = ("fresh", "stale", "failed", "never", "ignored")
"""What a partition can be, in the order in which the page counts them."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One partition."""

    key: str
    """Unique in its flow."""
    state: str
    """One of `STATES`."""
    reason: Reason | None
    """Why it is not up to date; None if it is."""
    receipt: Receipt | None
    """What is remembered of its last move; None if it was never moved."""
    waiting: tuple[tuple[str, int | None], ...] = ()
    """Path and bytes of the sources that are there, where no receipt tells of any."""


@dataclass(frozen=True)
class Card:
    """One flow."""

    name: str
    description: str = ""
    home: str = ""
    """Where its data comes from, as it was written; empty if the flow can't be read."""
    home_kind: str = ""
    store: str = ""
    """Where it settles, as it was written; empty if the flow can't be read."""
    store_kind: str = ""
    upstream: tuple[str, ...] = ()
    """Flows that are brought up to date before it."""
    needs: tuple[str, ...] = ()
    """Those of `upstream` whose data it does not read."""
    outside: tuple[str, ...] = ()
    """Places that it reads and that no flow of the project writes."""
    waits_for: tuple[str, ...] = ()
    """Flows whose move may bring partitions that are not known yet."""
    error: HyggeError | None = None
    """Why nothing of it can be moved; None if all is well."""
    remembered: int = 0
    """Partitions of which there is a receipt, where `error` keeps them from being listed."""
    cells: tuple[Cell, ...] = ()
    """In natural order of the keys, what is to be removed last."""


@dataclass(frozen=True)
class Board:
    """A project at one moment."""

    project: str
    """Name of the project's folder."""
    made: str
    """When, ISO 8601 in UTC."""
    cards: tuple[Card, ...] = ()
    """Each after those it waits for, the broken ones first."""
    bars: tuple[Bar, ...] = ()
    """The last runs, the newest first."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Counts of partitions by state, over all flows; each of `STATES` is there."""

    @property
    def broken(self) -> list[HyggeError]:
        """What keeps flows from being moved."""
        return [card.error for card in self.cards if card.error is not None]

    @property
    def status(self) -> str:
        """``ok``, ``stale``, ``failed``, or ``error`` if a flow can't be used."""
        if self.broken:
            return "error"
        if self.counts["failed"]:
            return "failed"
        return "stale" if self.counts["stale"] or self.counts["never"] else "ok"


def gathered(project: Project, plan: Plan, state: State, bars: Sequence[Bar]) -> Board:
    """Return the board of *project* as *plan* decided for it."""
    failures = state.failures()
    cards = tuple(_card(each, plan, state, failures) for each in plan.flows)
    counts = Counter(cell.state for card in cards for cell in card.cells)
    return Board(
        project=project.root.name,
        made=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        cards=cards,
        bars=tuple(bars),
        counts={name: counts[name] for name in STATES},
    )


def _card(plan: FlowPlan, whole: Plan, state: State, failures: Mapping[str, str]) -> Card:
    prepared = plan.prepared
    if prepared is None:
        remembered = len(state.tasks_of(plan.name))
        return Card(plan.name, error=plan.error, remembered=remembered)
    flow, stores = prepared.flow, whole.ownership.stores
    read = {name for each in _tables(prepared) for name in _written_by(each, prepared, stores)}
    return Card(
        name=plan.name,
        description=flow.description,
        home=str(flow.home.values["path"]),
        home_kind=prepared.home.kind,
        store=str(flow.store.values["path"]),
        store_kind=prepared.store.kind,
        upstream=prepared.upstream,
        needs=tuple(name for name in prepared.upstream if name not in read),
        outside=tuple(_outside(prepared, stores)),
        waits_for=plan.waits_for,
        error=plan.error,
        remembered=len(state.tasks_of(plan.name)) if plan.error else 0,
        cells=tuple(_cell(each, plan, state, failures) for each in plan.decisions),
    )


def _tables(prepared: Prepared) -> Iterator[Section]:
    yield prepared.flow.home
    yield from prepared.flow.inputs.values()


def _outside(prepared: Prepared, stores: Mapping[str, str]) -> Iterator[str]:
    for section in _tables(prepared):
        if "path" in section.values and not _written_by(section, prepared, stores):
            yield str(section.values["path"])


def _written_by(section: Section, prepared: Prepared, stores: Mapping[str, str]) -> list[str]:
    return chain.lies_in(
        section,
        prepared.root,
        Folders({name: stores[name] for name in prepared.upstream if name in stores}),
    )


def _cell(decision: Decision, plan: FlowPlan, state: State, failures: Mapping[str, str]) -> Cell:
    partition, receipt, reason = decision.partition, decision.receipt, decision.reason
    if reason is not None and reason.kind == "last move failed":
        reason = dataclasses.replace(reason, detail=failures.get(decision.task, reason.detail))
    waiting: tuple[tuple[str, int | None], ...] = ()
    if receipt is None and partition is not None:
        waiting = tuple(
            (each.path, each.signature.size if each.signature else None)
            for each in partition.sources
        )
    key = decision.task.removeprefix(f"{plan.name}:")
    return Cell(key, _state_of(decision, state), reason, receipt, waiting)


def _state_of(decision: Decision, state: State) -> str:
    if state.get(decision.task, "ignore:"):
        return "ignored"
    if decision.reason is None:
        return "fresh"
    if decision.reason.kind == "last move failed":
        return "failed"
    return "stale" if decision.receipt is not None else "never"


def watched(project: Project, board: Board) -> Iterator[str]:
    """Yield what shows, when it is looked at with ``stat``, that *board* may be out of date.

    A file that comes or goes shows at its folder.
    """
    for folder, _, files in os.walk(project.root / "flows"):
        yield folder
        yield from (os.path.join(folder, name) for name in files)
    known = {path for card in board.cards for cell in card.cells for path in _files_of(cell)}
    known |= {path for card in board.cards for path in (card.home, card.store) if path}
    folders = {os.path.dirname(path) for path in known}
    above = {str(parent) for folder in folders for parent in PurePath(folder).parents}
    own = {"hygge.yml", os.path.join(".hygge", "runs")}
    yield from (os.path.join(project.root, path) for path in sorted(known | folders | above | own))


def _files_of(cell: Cell) -> Iterator[str]:
    yield from (path for path, _ in cell.waiting)
    if cell.receipt is not None:
        yield from (each.path for each in cell.receipt.read)
        yield from (each.path for each in cell.receipt.outputs)
