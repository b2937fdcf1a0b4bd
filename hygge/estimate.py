"""This is where it is estimated, from past moves, what a move will take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hygge.plan import Decision, FlowPlan
from hygge.prepared import QUARANTINE
from hygge.receipt import Receipt


@dataclass(frozen=True)
class Expected:
    """What moving one or several partitions will take."""

    bytes: int
    """Size of the sources."""
    rows: int | None
    """Rows that will settle; None where nothing is known."""
    seconds: float | None
    """Wall time; None where nothing is known."""


@dataclass(frozen=True)
class Rates:
    """What the last moves of a flow took for each byte of their sources."""

    rows: float | None
    seconds: float | None


def rates(plan: FlowPlan) -> Rates:
    """Return what is known of the flow's last moves. Cost: one look at each receipt."""
    size, rows, seconds, counted = 0, 0, 0.0, True
    for decision in plan.decisions:
        receipt = decision.receipt
        if receipt is None:
            continue
        size += sum(each.signature.size for each in receipt.sources)
        seconds += receipt.seconds
        known = rows_of(receipt)
        counted = counted and known is not None
        rows += known or 0
    if not size:
        return Rates(None, None)
    return Rates(rows / size if counted else None, seconds / size if seconds else None)


def expected(decision: Decision, rate: Rates) -> Expected:
    """Return what *decision* will take, if it is carried out.

    Rows are those of the last move where there was one; all else goes by the size of the sources.
    """
    if decision.partition is None:
        return Expected(0, None, 0.0)
    size = sum(each.signature.size for each in decision.partition.sources if each.signature)
    last = rows_of(decision.receipt) if decision.receipt else None
    rows = last if last is not None else _scaled(rate.rows, size)
    seconds = None if rate.seconds is None else rate.seconds * size
    return Expected(size, rows, seconds)


def total(all_expected: Iterable[Expected]) -> Expected:
    """Return the sum; what is not known of one is not known of all."""
    each = list(all_expected)
    rows = [one.rows for one in each if one.rows is not None]
    seconds = [one.seconds for one in each if one.seconds is not None]
    return Expected(
        sum(one.bytes for one in each),
        sum(rows) if len(rows) == len(each) else None,
        sum(seconds) if len(seconds) == len(each) else None,
    )


def rows_of(receipt: Receipt) -> int | None:
    """Return how many rows settled in the store; None where they were not counted."""
    outputs = [each for each in receipt.outputs if not each.path.startswith(f"{QUARANTINE}/")]
    if any(each.rows is None for each in outputs):
        return None
    return sum(each.rows or 0 for each in outputs)


def _scaled(rate: float | None, size: int) -> int | None:
    return None if rate is None else round(rate * size)
