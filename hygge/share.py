"""This is where a run that is one of several takes its share of the partitions."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass

from hygge.errors import UsageError
from hygge.fingerprint import text_hash
from hygge.plan import FlowPlan


@dataclass(frozen=True)
class Share:
    """One of several shares that together are everything, and have nothing in common."""

    number: int
    """1 is the first."""
    count: int
    """How many shares there are."""

    def holds(self, task: str) -> bool:
        """Tell whether *task* is in it; that depends on nothing but its name."""
        return int(text_hash(task), 16) % self.count == self.number - 1

    def of(self, plan: FlowPlan) -> FlowPlan:
        """Return *plan* without what is stale and in another share."""
        mine = (each for each in plan.decisions if each.reason is None or self.holds(each.task))
        return dataclasses.replace(plan, decisions=tuple(mine))


def parsed(text: str) -> Share:
    """Return the share that *text* is: ``2/4`` is the second of four.

    Raises:
        UsageError: It is none.
    """
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    share = Share(int(match[1]), int(match[2])) if match else None
    if share is None or not 1 <= share.number <= share.count:
        raise UsageError(f"'{text}' is no share", f"--shard {text}", "the second of four is 2/4")
    return share
