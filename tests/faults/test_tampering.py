"""Outputs that somebody laid hands on: each is found by the next run, and only those are redone."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from laws.server import Server

from faults.ways import SETTLED, SmallProject, Way, ways

TOPIC = "outputs tampered with"

SHORT = ("csv-copied", "arrow-spread")


def _rewrite(path: Path, content: bytes, restored: bool = False) -> None:
    stat = path.stat()
    path.write_bytes(content)
    if restored:
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def _flipped(path: Path) -> bytes:
    content = path.read_bytes()
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def _replaced(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


def _into_a_folder(path: Path) -> None:
    path.unlink()
    (path / "inner").mkdir(parents=True)


ONE: dict[str, Callable[[Path], object]] = {
    "emptied": lambda path: _rewrite(path, b""),
    "truncated to half": lambda path: _rewrite(path, path.read_bytes()[: path.stat().st_size // 2]),
    "shorter by a byte": lambda path: _rewrite(path, path.read_bytes()[:-1]),
    "appended to": lambda path: _rewrite(path, path.read_bytes() + b"\0"),
    "deleted": lambda path: path.unlink(),
    "edited": lambda path: _rewrite(path, _flipped(path)),
    "edited, mtime restored": lambda path: _rewrite(path, _flipped(path), restored=True),
    "zeros, mtime restored": lambda path: _rewrite(path, bytes(path.stat().st_size), True),
    "replaced by a pipe": lambda path: _replaced(path, os.mkfifo),
    "replaced by a link to nowhere": lambda path: _replaced(
        path, lambda path: path.symlink_to("nowhere")
    ),
    "replaced by a link to itself": lambda path: _replaced(
        path, lambda path: path.symlink_to(path.name)
    ),
}
"""What is done to one output; each has to be found."""

TWO: dict[str, Callable[[Path, Path], object]] = {
    "replaced by a hard link to another": lambda path, other: _replaced(
        path, lambda path: path.hardlink_to(other)
    ),
    "replaced by a link to another": lambda path, other: _replaced(
        path, lambda path: path.symlink_to(other)
    ),
    "replaced by a copy of another": lambda path, other: shutil.copy2(other, path),
}
"""What is done to one output with the help of another, which stays what it is."""

HARMLESS: dict[str, Callable[[Path], object]] = {
    "touched": lambda path: path.touch(),
    "set to 1970": lambda path: os.utime(path, (0, 0)),
    "mode changed": lambda path: path.chmod(0o600),
    "rewritten with the same bytes": lambda path: _rewrite(path, path.read_bytes()),
    "replaced by a copy of itself": lambda path: (
        path.with_name(".c").write_bytes(path.read_bytes()) and path.with_name(".c").replace(path)
    ),
}
"""What leaves the content as it is: nothing has to be moved for it."""


def swapped(one: Path, other: Path) -> None:
    between = one.with_name(".between")
    one.rename(between)
    other.rename(one)
    between.rename(other)


def prepared(folder: Path, way: Way, server: Server, clean: bool) -> SmallProject:
    """Return a project in which all was moved, by a run that ended well or by one that did not."""
    trial = SmallProject(folder, way, server)
    trial.fill(4)
    trial.doit()
    if not clean:
        # All is moved again, to the same bytes; cut off when half of that is remembered.
        number = 10 if way.mode == "spread" else 8
        ended = trial.doit("-a", stop=(signal.SIGKILL, "commit", number))
        assert ended.code == -signal.SIGKILL, ended.out
    trial.check()
    return trial


@pytest.mark.parametrize("clean", [True, False], ids=["clean", "killed"])
@pytest.mark.parametrize("way", ways(*SHORT))
def test_what_was_done_to_an_output_is_found_and_nothing_else_is_redone(
    tmp_path: Path, way: Way, clean: bool, server: Server, tally: Counter[str]
) -> None:
    trial = prepared(tmp_path, way, server, clean)
    for number, (what, do) in enumerate(ONE.items()):
        victim = f"p{number % 4}"
        do(trial.outputs(victim)[-1])

        assert trial.heal() == {victim}, what

        tally["found after a clean run" if clean else "found after a killed run"] += 1
        if not clean:
            trial.doit("-a", stop=(signal.SIGKILL, "commit", 8))
    assert trial.heal() == set()


@pytest.mark.parametrize("clean", [True, False], ids=["clean", "killed"])
@pytest.mark.parametrize("way", ways(*SHORT))
def test_outputs_that_were_exchanged_are_found_and_nothing_else_is_redone(
    tmp_path: Path, way: Way, clean: bool, server: Server, tally: Counter[str]
) -> None:
    trial = prepared(tmp_path, way, server, clean)
    for what, do in TWO.items():
        for one, other in (("p0", "p1"), ("p3", "p2")):
            kept = trial.outputs(other)[0].read_bytes()
            do(trial.outputs(one)[0], trial.outputs(other)[0])

            assert trial.heal() == {one}, what
            assert trial.outputs(other)[0].read_bytes() == kept

            tally["exchanged and found"] += 1
    swapped(trial.outputs("p0")[0], trial.outputs("p1")[0])

    assert trial.heal() == {"p0", "p1"}

    tally["exchanged and found"] += 1


@pytest.mark.parametrize("way", ways(*SHORT))
def test_what_leaves_the_content_as_it_is_moves_nothing(
    tmp_path: Path, way: Way, server: Server, tally: Counter[str]
) -> None:
    trial = prepared(tmp_path, way, server, clean=True)
    for what, do in HARMLESS.items():
        do(trial.outputs("p1")[0])

        assert trial.heal() == set(), what

        tally["harmless and left alone"] += 1


@pytest.mark.parametrize("way", ways(SHORT[1]))
def test_any_set_of_lost_outputs_is_redone_and_no_other(
    tmp_path: Path, way: Way, server: Server, tally: Counter[str]
) -> None:
    trial = prepared(tmp_path, way, server, clean=True)
    names = ("p0", "p1", "p2", "p3")
    for size in range(1, 5):
        for victims in itertools.combinations(names, size):
            for victim in victims:
                for output in trial.outputs(victim):
                    output.unlink()

            assert trial.heal() == set(victims)

            tally["sets of lost outputs redone"] += 1
    shutil.rmtree(trial.store)

    assert trial.heal() == set(names)


@pytest.mark.parametrize("way", ways(*SHORT))
def test_edit_right_after_a_run_is_found(
    tmp_path: Path, way: Way, server: Server, tally: Counter[str]
) -> None:
    # Nothing has been settled for two seconds: times prove nothing yet.
    trial = prepared(tmp_path, way, server, clean=True)
    for what in ("edited", "edited, mtime restored"):
        trial.doit("-a", ahead=0)
        ONE[what](trial.outputs("p2")[0])

        assert trial.heal(ahead=SETTLED) == {"p2"}, what

        tally["found after a clean run"] += 1


@pytest.mark.parametrize("way", ways(*SHORT))
def test_folder_in_the_place_of_an_output_is_told_and_the_rest_is_moved(
    tmp_path: Path, way: Way, server: Server, tally: Counter[str]
) -> None:
    trial = prepared(tmp_path, way, server, clean=True)
    output = trial.outputs("p1")[0]
    _into_a_folder(output)
    trial.outputs("p3")[0].unlink()
    ended = trial.doit("--continue")
    shown = output.relative_to(trial.root)

    assert ended.code == 1
    assert f"error: '{shown}' is a folder\n  at {shown}\n  try: move it away: " in ended.out
    assert "moved=1 unchanged=2 failed=1 removed=0" in ended.out

    shutil.rmtree(output)

    assert trial.heal() == {"p1"}

    tally["folders in the place of an output"] += 1
