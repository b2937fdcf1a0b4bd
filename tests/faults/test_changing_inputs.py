"""Sources and inputs that change while they are read: never recorded as what they were not.

The process is held at its n-th call that touches the file, for n = 1 to the end: before each look
at it and each read. It goes on when the file was changed.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
from laws.server import Server

from faults import calls, disturbed
from faults.disturbed import Ended
from faults.ways import SETTLED, Rows, SmallProject, Way, decoded, encoded, moved, ways

TOPIC = "inputs that change while they are read"

pytestmark = [
    pytest.mark.skipif(not calls.IS_POSSIBLE, reason="calls can't be held here"),
    pytest.mark.timeout(1800),
]

WAYS = [
    "csv-copied",
    "arrow-spread",
    "parquet-copied",
    "parquet-shaped",
    "ndjson-shaped",
    "csv-checked",
]
"""Those of which a source is read in other ways; the first is the short form's."""

SOME = (1, 3, 5)
"""Calls before which it is changed in the short form: when it is listed, and twice when read."""

OLD: Rows = [(k, 100 + i) for i, k in enumerate("abc" * 5)]

NEW: Rows = [(k, 500 + i) for i, k in enumerate("abc" * 5)]

MOST = 200
"""Calls on one file after which a run would have to have ended."""


def append(path: Path, kind: str) -> None:
    # As a writer does that is not done: what is there then may be no file of its kind.
    with path.open("ab") as file:
        file.write(encoded([("a", 900)], kind))


def rewrite(path: Path, kind: str) -> None:
    """As many other bytes, in place, and the modification time as before."""
    stat = path.stat()
    with path.open("r+b") as file:
        file.write(encoded(NEW, kind))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def replace(path: Path, kind: str) -> None:
    beside = path.with_name(".beside")
    beside.write_bytes(encoded(NEW[:7], kind))
    beside.rename(path)


CHANGES: dict[str, Callable[[Path, str], object]] = {
    "appended to": append,
    "rewritten": rewrite,
    "replaced": replace,
    "truncated": lambda path, kind: os.truncate(path, path.stat().st_size // 2),
    "deleted": lambda path, kind: path.unlink(),
    "touched": lambda path, kind: path.touch(),
}


def fresh(project: SmallProject, backup: Path) -> None:
    """Take the project back to what it was, everything moved and OLD in the source."""
    shutil.rmtree(project.root)
    shutil.copytree(backup, project.root)


def each_call(
    disturbed: disturbed.Server,
    project: SmallProject,
    watched: Path,
    change: Callable[[], object],
    long: bool,
) -> Iterator[Ended]:
    """Run the project afresh with a change before each call on *watched*; before `SOME` if short.

    Yields:
        Each run that was disturbed, before the project is taken back to what it was.
    """
    backup = project.root.with_name("backup")
    shutil.copytree(project.root, backup, dirs_exist_ok=True)
    for number in range(1, MOST) if long else SOME:
        fresh(project, backup)
        ended = disturbed.doit(
            project.root, "--continue", "--allow-prune", change=(number, watched, change)
        )
        if not ended.hit:
            assert ended.code == 0, ended.out
            assert number > max(SOME), "it is looked at that often"
            return
        yield ended
        fresh(project, backup)
    assert not long, "it never ended"


def changes_of(long: bool) -> list[str]:
    return list(CHANGES) if long else ["appended to", "rewritten", "deleted"]


@pytest.mark.parametrize("way", ways(WAYS[0], every=WAYS))
def test_source_that_changes_at_any_call_is_never_recorded_wrongly(
    tmp_path: Path,
    way: Way,
    server: Server,
    disturbed: disturbed.Server,
    tally: Counter[str],
    long: bool,
) -> None:
    project = SmallProject(tmp_path, way, server)
    for name in ("before", "x", "y"):
        project.put(name, OLD[:3])
    project.doit()
    watched = project.put("x", OLD)
    for what in changes_of(long):
        change = functools.partial(CHANGES[what], watched, way.kind)
        for ended in each_call(disturbed, project, watched, change, long):
            check(project, ended, watched)
            tally["changed at a call"] += 1
            tally["of them told as changed"] += "was written to while" in ended.out


TOLD = re.compile(r"^t:x  failed\nerror: (.*'data/home/x\.|'where' fails: )", re.MULTILINE)
"""What is said of a source that was left half: numbers may have become text."""


def is_whole(path: Path) -> bool:
    """Tell whether the file at *path* can be read: some changes leave half of one, or two."""
    try:
        decoded(path)
    except (pl.exceptions.PolarsError, OSError):
        return False
    return True


def check(project: SmallProject, ended: Ended, watched: Path) -> None:
    """Hold a run that was disturbed, and a plain one after it, to their word."""
    said = ended.out + ended.err
    assert "Traceback" not in said, said
    assert ended.code in (0, 1), said
    if ended.code == 1:
        assert "t:x  failed\n" in said, "nothing else fails"
    again = project.doit("--continue", "--allow-prune")
    left_half = watched.exists() and not is_whole(watched)
    if again.code:  # told, and not moved, until it is whole
        assert TOLD.search(again.out), again.out
    if left_half or again.code:
        project.put("x", NEW)
    assert moved(again) <= {"x"}, "what was not disturbed is not moved again"

    assert project.heal() == ({"x"} if left_half or again.code else set())
    if watched.exists():
        settled = {row[-1] for path in project.outputs("x") for row in decoded(path)}

        assert settled == {row[1] for row in decoded(watched)}


@pytest.mark.parametrize("kind", ["csv", pytest.param("parquet", marks=pytest.mark.full)])
def test_input_that_changes_at_any_call_is_never_recorded_wrongly(
    tmp_path: Path,
    kind: str,
    server: Server,
    disturbed: disturbed.Server,
    tally: Counter[str],
    long: bool,
) -> None:
    project = SmallProject(tmp_path, Way(kind, "shaped"), server)
    names = project.root / f"data/names/n.{kind}"
    names.parent.mkdir()
    flow = project.way.flow("data/home", "data/store")
    flow["inputs"] = {"names": f"data/names/n.{kind}"}
    flow["transform"] = {"sql": "SELECT k, n + (SELECT SUM(n) FROM names) AS n FROM self"}
    project.flow("t", flow)
    project.put("x", OLD[:2])
    project.put("y", OLD[2:4])
    names.write_bytes(encoded(NEW[:3], kind))
    project.doit()
    names.write_bytes(encoded(OLD, kind))
    for what in ("rewritten", "replaced") if long else ("rewritten",):
        change = functools.partial(CHANGES[what], names, kind)
        for ended in each_call(disturbed, project, names, change, long):
            assert ended.code in (0, 1), ended.out
            assert project.doit().code == 0

            added = sum(row[1] for row in decoded(names))
            for name, rows in (("x", OLD[:2]), ("y", OLD[2:4])):
                settled = [row[-1] for path in project.outputs(name) for row in decoded(path)]

                assert sorted(settled) == [row[1] + added for row in rows]

            assert project.doit(ahead=2 * SETTLED).out.startswith("Nothing to move"), what

            tally["changed at a call"] += 1
            tally["of them told as changed"] += "was written to while it was read" in ended.out


FUNCTION = """
import pathlib, time
def slow(rows):
    there = pathlib.Path("reading")
    there.open("a").write(".")
    for _ in range(2000):
        if len(there.read_text()) <= len(pathlib.Path("changed").read_text()):
            return rows
        time.sleep(0.005)
    raise RuntimeError("waited in vain")
"""
"""Waits until as many changes were made as it was called."""


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("way", ways("csv-shaped", every=["csv-shaped"]))
def test_source_that_changes_each_time_it_is_read_is_given_up_after_three(
    tmp_path: Path, way: Way, times: int, server: Server, tally: Counter[str]
) -> None:
    project = SmallProject(tmp_path, way, server)
    (project.root / "flows/f.py").write_text(FUNCTION)
    flow = way.flow("data/home", "data/store")
    project.flow("t", {**flow, "transform": {"python": "flows/f.py:slow"}})
    path = project.put("x", OLD)
    reading, changed = project.root / "reading", project.root / "changed"
    reading.write_text("")
    changed.write_text("." * 100)
    project.doit()
    reading.write_text("")
    changed.write_text("")
    path.write_bytes(encoded(NEW, way.kind))
    run = server.start(project.root, "--continue", ahead=SETTLED)
    for number in range(times):
        deadline = time.monotonic() + 30
        while len(reading.read_text()) <= number:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        path.write_bytes(encoded([("a", 600 + number)], way.kind))
        changed.write_text("." * (number + 1) + "." * (100 * (number + 1 == times)))
    ended = run()

    if times < 3:
        assert ended.code == 0, ended.out
        assert len(reading.read_text()) == times + 1
    else:
        assert ended.code == 1, ended.out
        assert "error: 'data/home/x.csv' was written to while it was read\n" in ended.out
        assert "\n  try: run again when the writing has ended" in ended.out
        assert decoded(project.outputs("x")[0]) == OLD, "what was there before is still there"
    again = project.doit()

    assert again.code == 0
    assert decoded(project.outputs("x")[0]) == [("a", 600 + times - 1)]

    tally["changed each time it was read"] += 1


@pytest.mark.parametrize("mode", ["shaped", "spread", "checked"])
@pytest.mark.parametrize("kind", ["arrow", "parquet"])
def test_half_of_two_files_is_told_as_the_fault_of_the_source(
    tmp_path: Path, kind: str, mode: str, server: Server, tally: Counter[str]
) -> None:
    # What was appended ends as a whole file does, but what it says of the rest is wrong.
    project = SmallProject(tmp_path, Way(kind, mode), server)
    project.put("x", OLD)
    project.doit()
    append(project.path("x"), kind)
    ended = project.doit()

    if ended.code == 0:
        project.check()
    else:
        assert f"t:x  failed\nerror: 'data/home/x.{kind}' can't be read" in ended.out, ended.out

        project.put("x", NEW)
    project.heal()

    tally["halves of two files"] += 1
