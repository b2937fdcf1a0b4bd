"""Times that lie: whatever a clock or a file's times say, what changed is found."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from laws.server import Server

from faults.ways import SETTLED, SmallProject, Way, encoded, ways

TOPIC = "times that lie"

HOUR = 3600

SECOND = 10**9

TIMES: dict[str, Callable[[int], int]] = {
    "the same": lambda before: before,
    "a tick later": lambda before: before + 1,
    "an hour older": lambda before: before - HOUR * SECOND,
    "an hour ahead": lambda before: before + HOUR * SECOND,
    "1970": lambda before: 0,
    "1969": lambda before: -1,
    "2100": lambda before: 4_102_444_800 * SECOND,
}
"""Modification times that an edited file may have, given the one it had."""

HOW = ("in place", "replaced")

CLOCKS = (0, SETTLED, HOUR, -HOUR)
"""Seconds by which the clock of a run is ahead."""


def edit(path: Path, content: bytes, how: str, mtime: int) -> None:
    """Give the file at *path* other bytes, as many, and the modification time *mtime*."""
    stat = path.stat()
    assert len(content) == stat.st_size
    target = path if how == "in place" else path.with_name(".other")
    target.write_bytes(content)
    os.utime(target, ns=(stat.st_atime_ns, mtime))
    target.replace(path)


def other(trial: SmallProject, number: int) -> bytes:
    return encoded([("a", 40 + number), ("b", 50 + number), ("c", 60)], trial.way.kind)


@pytest.mark.parametrize("way", ways("csv-copied", "arrow-spread"))
def test_edit_of_the_same_size_is_found_whatever_its_time(
    tmp_path: Path, way: Way, server: Server, tally: Counter[str]
) -> None:
    trial = SmallProject(tmp_path, way, server)
    trial.fill(2)
    trial.doit()
    for number, (time, how) in enumerate(itertools.product(TIMES, HOW)):
        path = trial.path("p1")
        edit(path, other(trial, number), how, TIMES[time](path.stat().st_mtime_ns))

        assert trial.heal() == {"p1"}, (time, how)
        assert trial.heal() == set(), (time, how)

        tally["edits of the same size found"] += 1


@pytest.mark.parametrize("way", ways("parquet-shaped"))
def test_edit_is_found_however_the_clock_is_stepped_between_runs(
    tmp_path: Path, way: Way, server: Server, tally: Counter[str], long: bool
) -> None:
    trial = SmallProject(tmp_path, way, server)
    trial.fill(2)
    edits = itertools.count()
    cases = list(itertools.product(CLOCKS, CLOCKS, HOW))
    for first, second, how in cases if long else cases[::3]:
        trial.doit("-a", ahead=first)
        path = trial.path("p1")
        edit(path, other(trial, next(edits) % 40), how, path.stat().st_mtime_ns)

        assert trial.heal(ahead=second) == {"p1"}, (first, second, how)
        assert trial.heal(ahead=first) == set(), (first, second, how)

        tally["edits found after a step of the clock"] += 1


@pytest.mark.parametrize("way", ways("parquet-shaped"))
@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_clock_that_is_stepped_during_a_run_costs_nothing(
    tmp_path: Path, way: Way, step: int, server: Server, tally: Counter[str], long: bool
) -> None:
    trial = SmallProject(tmp_path, way, server)
    trial.fill(2)
    trial.doit()
    for number, look in enumerate(range(0, 40, 4 if long else 13)):
        trial.put("p1", [("a", 40 + number), ("b", 50 + number), ("c", 60)])

        assert trial.heal(ahead=0, step=(step, look)) == {"p1"}, look

        tally["clocks stepped during a run"] += 1
        path = trial.path("p1")
        edit(path, other(trial, 30 - number), "in place", path.stat().st_mtime_ns)

        assert trial.heal(step=(step, look)) == {"p1"}, look
        assert trial.heal() == set(), look

        tally["edits found after a step of the clock"] += 1


@pytest.mark.parametrize("way", ways("csv-copied"))
@pytest.mark.parametrize("tick", [1, 2])
def test_edit_within_one_tick_of_a_coarse_clock_is_found(
    tmp_path: Path, way: Way, tick: int, server: Server, tally: Counter[str], long: bool
) -> None:
    # The times are rounded as they are read: all that a stat tells is the same after the edit.
    trial = SmallProject(tmp_path, way, server)
    trial.fill(2)
    trial.doit(ahead=0, tick=tick)
    for number in range(10 if long else 3):
        path = trial.path("p1")
        before = path.stat().st_mtime_ns
        edit(path, other(trial, number), "in place", before)

        assert trial.heal(ahead=0, tick=tick) == {"p1"}
        assert trial.heal(ahead=0, tick=tick) == set()

        after = path.stat()
        tally["edits found on a coarse clock"] += 1
        tally["of them within one tick"] += (
            after.st_ctime_ns // SECOND // tick == before // SECOND // tick
        )
        output = trial.outputs("p1")[0]
        was = output.stat()
        output.write_bytes(bytes(was.st_size))
        os.utime(output, ns=(was.st_atime_ns, was.st_mtime_ns))

        assert trial.heal(ahead=0, tick=tick) == {"p1"}

        tally["edits found on a coarse clock"] += 1


@pytest.fixture
def coarse(tmp_path: Path) -> Iterator[Path]:
    """A file system whose clock ticks each second: ext2 with small inodes."""
    image, folder = tmp_path / "image", tmp_path / "coarse"
    image.write_bytes(bytes(8 << 20))
    folder.mkdir()
    make = ["mkfs.ext2", "-q", "-I", "128", str(image)]
    mount = ["mount", "-o", "loop", str(image), str(folder)]
    if not all(map(shutil.which, ("mkfs.ext2", "mount"))):
        pytest.skip("no mkfs.ext2")
    for command in (make, mount):
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("nothing may be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("way", ways("csv-copied"))
def test_edit_within_one_second_is_found_on_a_disk_that_counts_seconds(
    coarse: Path, way: Way, server: Server, tally: Counter[str], long: bool
) -> None:
    trial = SmallProject(coarse, way, server)
    trial.fill(1)
    unseen = 0
    for number in range(20 if long else 3):
        trial.doit(ahead=0)
        path = trial.path("p0")
        before = path.stat()
        edit(path, other(trial, number), "in place", before.st_mtime_ns)
        after = path.stat()
        assert after.st_mtime_ns % SECOND == 0, "not so coarse after all"
        unseen += after.st_ctime_ns == before.st_ctime_ns

        assert trial.heal(ahead=0) == {"p0"}

        tally["edits found on a coarse disk"] += 1
    tally["of them with the same times"] += unseen
