"""Rights that are missing: told with place and remedy, and all is well when they are back."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from laws.server import Ended, Server

from faults.ways import SETTLED, SmallProject, Way, digest, left_over, summed, ways

TOPIC = "rights that are missing"

SHORT = ("csv-copied", "arrow-spread")

OTHER = [("a", 71), ("b", 72), ("c", 73)]


@dataclass(frozen=True)
class Case:
    """A right that is taken away after everything was moved and a source was changed."""

    path: str
    """From the project's root; ``{kind}`` stands for the kind of the files."""
    mode: int
    """What is left of it."""
    code: int
    """How the run ends that meets it, with ``--continue``."""
    says: str
    """What it says, of all things."""
    done: tuple[int, int, int] | None = (2, 1, 1)
    """Moved, unchanged and failed partitions of four; None where no run begins."""
    changed: tuple[str, ...] = ("p0", "p1", "p2")
    """Partitions whose sources are changed before."""


TRY = "\n  try: see to it that "

CASES = {
    "a source that may not be read": Case(
        "data/home/p1.{kind}", 0, 1, "'data/home/p1.{kind}' can't be read: Permission denied"
    ),
    "a home that may not be listed": Case(
        "data/home",
        0o333,
        1,
        "the folder 'data/home' can't be listed: Permission denied",
        (0, 0, 1),
    ),
    "a home that may not be entered": Case(
        "data/home", 0o666, 1, "can't be read: Permission denied", (0, 0, 4)
    ),
    "a home without any right": Case(
        "data/home", 0, 1, "the folder 'data/home' can't be listed: Permission denied", (0, 0, 1)
    ),
    "a store that may not be written": Case(
        "data/store", 0o555, 1, "can't be written: Permission denied", (0, 1, 3)
    ),
    "a store without any right": Case(
        "data/store", 0, 1, "can't be written: Permission denied", (0, 0, 4)
    ),
    "an output that may only be read": Case("{output}", 0o444, 0, "", (3, 1, 0)),
    "an output that may not even be read": Case("{output}", 0, 0, "", (3, 1, 0)),
    "an unchanged output that may not be read": Case("{output}", 0, 0, "", (1, 3, 0), ()),
    "a .hygge that may not be added to": Case(".hygge", 0o555, 0, "", (3, 1, 0)),
    "a .hygge without any right": Case(
        ".hygge", 0, 3, "the project can't be locked: Permission denied", None
    ),
    "a place for runs that may not be written": Case(".hygge/runs", 0o555, 0, "", (3, 1, 0)),
    "a lock that may not be written": Case(
        ".hygge/lock", 0o444, 3, "can't be locked: Permission denied", None
    ),
    "a state that may not be written": Case(
        ".doit.db", 0o444, 3, "'.doit.db' can't be written", None
    ),
    "a state without any right": Case(".doit.db", 0, 3, "'.doit.db' can't be written", None),
    "a project that may not be written": Case(".", 0o555, 3, "can't be written", None),
    "a flow that may not be read": Case(
        "flows/t.yml", 0, 1, "error: can't be read: Permission denied\n  at flows/t.yml", (0, 0, 1)
    ),
    "flows that may not be listed": Case(
        "flows", 0o333, 3, "the folder 'flows' can't be listed: Permission denied", None
    ),
    "flows that may not be entered": Case(
        "flows", 0o444, 3, "the folder 'flows' can't be listed: Permission denied", None
    ),
    "a folder beside the flows that may not be entered": Case(
        "flows/aside", 0o444, 3, "the folder 'flows/aside' can't be listed", None
    ),
}
"""By what is missing; the partition p1 is the one that suffers where it is only one."""

READING = (
    ["plan"],
    ["plan", "--json"],
    ["list", "--all", "--status"],
    ["info", "t:p1"],
    ["why", "t:p1"],
    ["verify"],
    ["runs"],
    ["graph"],
)
"""Commands that write nothing."""


class OrdinaryProject(SmallProject):
    """A project in which `doit` obeys what files' modes say."""

    def ordinary(self, *args: str) -> Ended:
        """Type `doit` as a user who owns the project and has no more rights than that."""
        ended = self.server.doit(self.root, *args, ahead=SETTLED, ordinary=True)
        if ended.code == 77:
            pytest.skip("root can't be kept from ignoring modes here")
        assert "Traceback" not in ended.out + ended.err, ended.out + ended.err
        return ended

    def find(self, path: str) -> Path:
        """Return what a case means by *path*."""
        output = self.outputs("p1")[0].relative_to(self.root).as_posix()
        return self.root / path.format(kind=self.way.kind, output=output)


@contextlib.contextmanager
def taken_away(path: Path, mode: int) -> Iterator[None]:
    before = path.stat().st_mode
    path.chmod(mode)
    try:
        yield
    finally:
        path.chmod(before)


@pytest.mark.parametrize("what", CASES)
@pytest.mark.parametrize("way", ways(*SHORT[:1]))
def test_missing_right_is_told_and_all_is_well_when_it_is_back(
    tmp_path: Path, way: Way, what: str, server: Server, tally: Counter[str]
) -> None:
    case = CASES[what]
    project = OrdinaryProject(tmp_path, way, server)
    (project.root / "flows/aside").mkdir()
    project.fill(4)
    project.doit()
    before = digest(project.store)
    for name in case.changed:
        project.put(name, OTHER)
    place = project.find(case.path)
    with taken_away(place, case.mode):
        ended = project.ordinary("--continue")
    after = digest(project.store)
    said = ended.out + ended.err

    assert ended.code == case.code, said
    assert case.says.format(kind=way.kind) in said
    if case.says:
        assert "\n  try: " in said, "what to do is said"
    if case.done is None:
        assert after == before
        assert "hygge: moved=" not in ended.out
    else:
        assert summed(ended)[:3] == case.done, said
    assert left_over(project.root) == []

    again = len(project.heal())

    if case.done is None or case.done == (0, 0, 1):
        assert again == len(case.changed)
    else:
        assert again == case.done[2], "what was moved is not moved again"

    tally["rights taken away, told, and given back"] += 1


@pytest.mark.parametrize("way", ways(*SHORT[:1]))
def test_project_that_may_only_be_read_can_be_looked_at(
    tmp_path: Path, way: Way, server: Server, tally: Counter[str]
) -> None:
    project = OrdinaryProject(tmp_path, way, server)
    project.fill(4)
    project.doit()
    project.put("p1", OTHER)
    everything = [project.root, *project.root.rglob("*")]
    expected = {tuple(args): project.doit(*args).code for args in READING}
    with contextlib.ExitStack() as stack:
        for path in everything:
            stack.enter_context(taken_away(path, 0o555 if path.is_dir() else 0o444))
        for args in READING:
            ended = project.ordinary(*args)

            assert ended.code == expected[tuple(args)], (args, ended)
            assert ended.err == "", args

            tally["commands that only read"] += 1
        ended = project.ordinary()

        assert ended.code == 3, ended
        assert ended.err.startswith("error: "), ended.err
        assert "\n  try: see to it that " in ended.err

    assert project.heal() == {"p1"}


def test_user_who_may_not_read_the_state_is_not_told_that_all_is_new(
    tmp_path: Path, server: Server, tally: Counter[str]
) -> None:
    project = OrdinaryProject(tmp_path, Way("csv", "copied"), server)
    project.fill(2)
    project.doit()
    with taken_away(project.root / ".doit.db", 0):
        ended = project.ordinary("plan")

    assert ".doit.db" in ended.err, ended
    assert "moves it aside" not in ended.err, "it does not, and need not be"

    tally["commands that only read"] += 1
