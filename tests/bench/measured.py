"""This is where a command is run and measured: wall time, time of the processors, peak memory."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Measured:
    """What one run of a command took."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of all processors, with those of its children."""
    peak: int
    """Bytes of memory of its largest process."""


def measured(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Measured:
    """Run *command* in *folder*, and measure it.

    Raises:
        RuntimeError: It failed; with what it said.
    """
    # Without bytecode, which some environments forbid to write, Python compiles all each time.
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    with (folder / ".said").open("w+b") as said:
        took = subprocess.run(
            [sys.executable, "-S", "-c", MEASURE, str(said.fileno()), *command],
            cwd=folder,
            env={**kept, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            pass_fds=[said.fileno()],
            check=True,
        )
        code, wall, cpu, peak = json.loads(took.stdout)
        if code:
            said.seek(0)
            raise RuntimeError(f"{command[0]}: {said.read()[-2000:].decode(errors='replace')}")
    return Measured(wall, cpu, peak * 1024)


MEASURE = """
import json, resource, subprocess, sys, time
said = int(sys.argv[1])
began = time.perf_counter()
code = subprocess.run(sys.argv[2:], stdout=said, stderr=said).returncode
wall = time.perf_counter() - began
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, wall, used.ru_utime + used.ru_stime, used.ru_maxrss]))
"""
"""A small process in between: a child's peak begins with that of whoever forked it."""


def median(runs: Sequence[Measured]) -> Measured:
    """Return the median of each number."""
    return Measured(
        statistics.median(each.wall for each in runs),
        statistics.median(each.cpu for each in runs),
        int(statistics.median(each.peak for each in runs)),
    )
