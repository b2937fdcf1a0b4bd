"""This is where many steps alike become one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hygge.runs import Step

SHOWN = 3
"""How many reasons a folded line names."""


def folded(steps: Sequence[Step], many: int | None) -> list[Step]:
    """Return *steps* with one for those of a flow that ended alike, if they are more than *many*.

    Those that failed are never folded. The one stands where the first of them stood, and is named
    ``flights (120 partitions)``.

    Args:
        many: None if nothing is to be folded.
    """
    if many is None:
        return list(steps)
    groups: dict[tuple[str, str], list[Step]] = {}
    for step in steps:
        groups.setdefault((step.task.partition(":")[0], step.status), []).append(step)
    result = []
    for (flow, status), alike in groups.items():
        if len(alike) > many and status != "failed":
            result.append(_one_for(flow, alike))
        else:
            result += alike
    return result


def _one_for(flow: str, steps: Sequence[Step]) -> Step:
    return Step(
        f"{flow} ({len(steps):,} partitions)",
        steps[0].status,
        heads([step.reason for step in steps]),
        _sum([step.rows for step in steps]),
        _sum([step.bytes for step in steps]),
        sum(step.seconds or 0.0 for step in steps),
    )


def heads(reasons: Sequence[str]) -> str:
    """Return the kinds of *reasons* with how many there are of each, the most frequent first."""
    if len(set(reasons)) == 1:
        return reasons[0]
    counted = Counter(reason.partition(":")[0] for reason in reasons)
    told = [f"{count:,} {kind}" for kind, count in counted.most_common(SHOWN)]
    return ", ".join(told) + (", …" if len(counted) > SHOWN else "")


def _sum(values: Sequence[int | None]) -> int | None:
    """Return the sum, None if one of them is not known."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
