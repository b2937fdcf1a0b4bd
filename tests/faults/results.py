"""This is where a suite of faults leaves what it counted, for the table in docs/reliability.md."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "HYGGE_FAULTS"
"""Environment variable that names the file; nothing is left where it is not set."""


def record(topic: str, counts: Mapping[str, float | str]) -> None:
    """Append what was counted under *topic* as a line of JSON.

    Args:
        topic: What was tried, as a row of the table calls it.
        counts: Numbers by what they count, in the order in which they are shown. Of one topic
            there may be several lines: a later number replaces an earlier one of the same name.
    """
    name = os.environ.get(VARIABLE)
    if not name:
        return
    when = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    line = json.dumps({"topic": topic, "when": when, "counts": dict(counts)}) + "\n"
    with Path(name).open("a", encoding="utf-8") as file:
        file.write(line)
