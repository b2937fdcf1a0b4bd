"""A flow that is known as a whole to be up to date, and all that ends that."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from faults.ways import SmallProject, Way, moved, summed
from laws.server import Server

from hygge.coordinator import Coordinator, Options
from hygge.fingerprint import ContentHashes
from hygge.project import load
from hygge.seal import Seal
from hygge.state import State, _sum


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    started = Server()
    yield started
    started.close()


@pytest.fixture
def sealed(tmp_path: Path, server: Server) -> SmallProject:
    """A project whose flow has a seal: four partitions, an input and a Python function."""
    project = SmallProject(tmp_path, Way("csv", "shaped"), server)
    project.fill()
    flow = project.way.flow("data/home", "data/store")
    names = project.root / "data/names/n.csv"
    names.parent.mkdir()
    names.write_text("k\na\n")
    (project.root / "flows/f.py").write_text("def same(rows):\n    return rows\n")
    flow["home"]["exclude"] = ["left-*"]
    flow["inputs"] = {"names": "data/names/n.csv"}
    flow["transform"] = {"where": "n <> 7", "python": "flows/f.py:same"}
    project.flow("t", flow)
    project.doit()
    project.doit()
    assert seals(project) == ["t"]
    return project


def seals(project: SmallProject) -> list[str]:
    """Return the flows that have a seal."""
    with contextlib.closing(sqlite3.connect(project.root / ".doit.db")) as state:
        return [flow for (flow,) in state.execute("SELECT flow FROM flow_seals ORDER BY flow")]


def seal_of(project: SmallProject) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(project.root / ".doit.db")) as state:
        return state.execute("SELECT * FROM flow_seals").fetchall()


def execute(project: SmallProject, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(project.root / ".doit.db")) as state:
        state.execute(statement)
        state.commit()


def rewrite(path: Path, old: str, new: str) -> None:
    """Change *path* in place, in its size and modification time as before."""
    stat = path.stat()
    assert len(old) == len(new)
    path.write_text(path.read_text().replace(old, new))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_run_that_finds_all_up_to_date_makes_a_seal(tmp_path: Path, server: Server) -> None:
    project = SmallProject(tmp_path, Way("csv", "copied"), server)
    project.fill()
    project.doit()

    assert seals(project) == []

    for _ in range(3):
        assert summed(project.doit()) == (0, 4, 0, 0)
        assert seals(project) == ["t"]


def test_file_that_may_have_changed_unseen_keeps_a_seal_from_being_made(
    tmp_path: Path, server: Server
) -> None:
    project = SmallProject(tmp_path, Way("csv", "copied"), server)
    project.fill()
    project.doit(ahead=0)
    project.doit(ahead=0)

    assert seals(project) == []


@pytest.mark.parametrize("column", ["data", "run", "sum"])
def test_receipt_that_was_damaged_ends_a_seal(sealed: SmallProject, column: str) -> None:
    execute(sealed, f"UPDATE tasks SET {column} = {column} || ' ' WHERE task = 't:p1'")

    assert moved(sealed.doit()) == {"p1"}


ENDS: dict[str, tuple[Callable[[SmallProject], object], set[str]]] = {
    "a source is edited, with its size and time as before": (
        lambda project: rewrite(project.path("p1"), "21", "22"),
        {"p1"},
    ),
    "a source is truncated": (lambda project: os.truncate(project.path("p1"), 9), {"p1"}),
    "a source is replaced": (
        lambda project: project.put("x", [("a", 1)]).replace(project.path("p2")),
        {"p2"},
    ),
    "a source is new": (lambda project: project.put("x", [("a", 1)]), {"x"}),
    "a source is new in a folder": (lambda project: project.put("d/x", [("a", 1)]), {"d/x"}),
    "a source has another name": (
        lambda project: project.path("p0").rename(project.path("x")),
        {"x"},
    ),
    "two sources have each other's names": (
        lambda project: (
            project.path("p0").rename(project.path("x")),
            project.path("p1").rename(project.path("p0")),
            project.path("x").rename(project.path("p1")),
        ),
        {"p0", "p1"},
    ),
    "an output is gone": (lambda project: (project.store / "p3.csv").unlink(), {"p3"}),
    "an output is edited, with its size and time as before": (
        lambda project: rewrite(project.store / "p3.csv", "13", "14"),
        {"p3"},
    ),
    "an output is a link": (
        lambda project: (
            (project.store / "p3.csv").rename(project.root / "elsewhere"),
            (project.store / "p3.csv").symlink_to(project.root / "elsewhere"),
        ),
        {"p3"},
    ),
    "the input is edited": (
        lambda project: rewrite(project.root / "data/names/n.csv", "a", "b"),
        {"p0", "p1", "p2", "p3"},
    ),
    "the function is edited": (
        lambda project: (project.root / "flows/f.py").write_text(
            "def same(rows):\n    return rows.head(1)\n"
        ),
        {"p0", "p1", "p2", "p3"},
    ),
    "the flow is edited": (
        lambda project: rewrite(project.root / "flows/t.yml", "n <> 7", "n <> 8"),
        {"p0", "p1", "p2", "p3"},
    ),
    "the state is gone": (
        lambda project: [file.unlink() for file in project.root.glob(".doit.db*")],
        {"p0", "p1", "p2", "p3"},
    ),
    "a receipt is forgotten": (lambda project: project.doit("forget", "t:p2"), {"p2"}),
    "a move failed": (
        lambda project: execute(project, "INSERT INTO failures VALUES ('t:p1', 'no')"),
        {"p1"},
    ),
}


@pytest.mark.parametrize("what", ENDS)
def test_seal_ends_when(sealed: SmallProject, what: str) -> None:
    change, stale = ENDS[what]
    change(sealed)

    assert moved(sealed.doit()) == stale
    assert summed(sealed.doit("--continue", "--allow-prune")) == (0, 4 + ("new" in what), 0, 0)


def decided(project: SmallProject) -> tuple[set[str], int]:
    """Return the keys of the partitions that a run would decide for, and how many it would not."""
    state = State(str(project.root / ".doit.db"))
    found = Coordinator(load(project.root), state, Options(), ContentHashes())
    (flow,) = found.first_plan(by_seals=True).flows
    assert flow.error is None
    return {each.task.partition(":")[2] for each in flow.decisions}, flow.sealed


@pytest.mark.parametrize(
    "what",
    [
        "a source is edited, with its size and time as before",
        "a source is replaced",
        "a source is new",
        "two sources have each other's names",
        "an output is gone",
        "an output is a link",
    ],
)
def test_only_what_changed_is_decided_for(sealed: SmallProject, what: str) -> None:
    change, expected = ENDS[what]

    assert decided(sealed) == (set(), 4)

    change(sealed)

    assert decided(sealed) == (expected, 4 - len(expected - {"x"}))


def test_what_is_gone_and_what_was_moved_since_is_decided_for(sealed: SmallProject) -> None:
    sealed.path("p0").unlink()
    rewrite(sealed.path("p1"), "21", "22")

    assert decided(sealed) == ({"p0", "p1"}, 2)
    assert summed(sealed.doit(ahead=0)) == (1, 2, 0, 1)
    assert decided(sealed) == ({"p1"}, 2)


def test_what_was_only_touched_is_not_decided_for_and_read_once(sealed: SmallProject) -> None:
    touched = [sealed.path("p0"), sealed.store / "p1.csv"]
    for file in touched:
        file.touch()

    assert decided(sealed) == (set(), 4)
    assert summed(sealed.doit()) == (0, 4, 0, 0)

    state = State(str(sealed.root / ".doit.db"))
    reading = Coordinator(load(sealed.root), state, Options(), ContentHashes())
    (flow,) = reading.plan().flows

    assert [each.reason for each in flow.decisions] == [None] * 4
    assert reading.look.hashes.known(map(str, touched)) == {}


def test_what_was_touched_just_now_is_read_again(sealed: SmallProject) -> None:
    sealed.path("p0").touch()
    before = seal_of(sealed)

    assert summed(sealed.doit(ahead=0)) == (0, 4, 0, 0)
    assert seal_of(sealed) == before

    rewrite(sealed.path("p0"), "10", "12")

    assert moved(sealed.doit(ahead=0)) == {"p0"}


def test_source_that_has_become_a_pipe_is_not_waited_for(sealed: SmallProject) -> None:
    sealed.path("p0").unlink()
    os.mkfifo(sealed.path("p0"))
    ended = sealed.doit()

    assert ended.code == 1
    assert "'data/home/p0.csv' is no plain file" in ended.out + ended.err


def test_partition_that_failed_is_decided_for(sealed: SmallProject) -> None:
    (sealed.store / "p2.csv").unlink()
    (sealed.store / "p2.csv").mkdir()

    assert sealed.doit().code == 1
    assert decided(sealed) == ({"p2"}, 3)

    (sealed.store / "p2.csv").rmdir()

    assert moved(sealed.doit()) == {"p2"}


def test_file_that_joins_or_leaves_a_partition_is_seen(tmp_path: Path, server: Server) -> None:
    project = SmallProject(tmp_path, Way("csv", "copied"), server)
    for name in ("k=a/1", "k=a/2", "k=b/1", "k=c/1"):
        project.put(name, [("x", 1)])
    flow = project.way.flow("data/home", "data/store")
    flow["home"]["partition"] = "hive"
    project.flow("t", flow)
    project.doit()
    project.doit()

    assert decided(project) == (set(), 3)

    project.put("k=a/3", [("x", 3)])

    assert decided(project) == ({"a"}, 2)
    assert moved(project.doit()) == {"a"}

    project.path("k=a/1").unlink()
    project.put("k=d/1", [("x", 4)])

    assert decided(project) == ({"a", "d"}, 2)
    assert moved(project.doit()) == {"a", "d"}
    assert summed(project.doit()) == (0, 4, 0, 0)
    assert decided(project) == (set(), 4)


def test_what_is_kept_without_a_source_leaves_a_seal_alone(tmp_path: Path, server: Server) -> None:
    project = SmallProject(tmp_path, Way("csv", "copied"), server)
    project.fill()
    flow = project.way.flow("data/home", "data/store")
    flow["store"]["on_removed"] = "keep"
    project.flow("t", flow)
    project.doit()
    project.path("p3").unlink()
    project.doit()

    assert decided(project) == (set(), 3)

    rewrite(project.path("p1"), "21", "22")

    assert moved(project.doit()) == {"p1"}


def test_source_that_is_gone_ends_a_seal(sealed: SmallProject) -> None:
    sealed.path("p1").unlink()

    assert summed(sealed.doit()) == (0, 3, 0, 1)
    assert summed(sealed.doit()) == (0, 3, 0, 0)


def test_files_that_the_flow_does_not_read_leave_a_seal_alone(sealed: SmallProject) -> None:
    (sealed.home / "left-out.csv").write_text("x")
    (sealed.home / ".hidden.csv").write_text("x")
    (sealed.home / "note.txt").write_text("x")
    before = seal_of(sealed)

    assert summed(sealed.doit()) == (0, 4, 0, 0)
    assert seal_of(sealed) == before


def test_touched_sources_are_not_moved_and_sealed_again(sealed: SmallProject) -> None:
    for name in ("p0", "p1"):
        sealed.path(name).touch()

    before = seal_of(sealed)

    assert summed(sealed.doit()) == (0, 4, 0, 0)
    assert seals(sealed) == ["t"]
    assert seal_of(sealed) != before


@pytest.mark.parametrize("column", ["seal", "sum"])
def test_damaged_seal_is_not_believed(sealed: SmallProject, column: str) -> None:
    (sealed.store / "p3.csv").unlink()
    execute(sealed, f"UPDATE flow_seals SET {column} = substr({column}, 1, length({column}) - 1)")

    assert moved(sealed.doit()) == {"p3"}


def remembered_seal(project: SmallProject) -> Seal:
    ((_, data, _),) = seal_of(project)
    assert isinstance(data, bytes)
    found = Seal.from_bytes(data)
    assert found is not None
    return found


FORGED: dict[str, Callable[[Seal], bytes]] = {
    "nothing": lambda seal: b"",
    "noise": lambda seal: b"\xff" * 20,
    "no text": lambda seal: replace(seal, tasks=b"\xff\0\0t:p1\0\0t:p2\0\0t:p3").to_bytes(),
    "one task": lambda seal: replace(seal, tasks=b"t:p3").to_bytes(),
    "no sums": lambda seal: replace(seal, sums=b"").to_bytes(),
    "no owners": lambda seal: replace(seal, read=replace(seal.read, owners=b"")).to_bytes(),
    "owners that are not there": lambda seal: replace(
        seal, written=replace(seal.written, owners=b"\xff" * 16)
    ).to_bytes(),
    "outputs that can't be": lambda seal: replace(
        seal, written=replace(seal.written, paths=b"\0\0\0\0a\0b\0\0" + b"x" * 9999)
    ).to_bytes(),
    "more numbers": lambda seal: replace(
        seal, written=replace(seal.written, numbers=seal.written.numbers * 2)
    ).to_bytes(),
    "another version": lambda seal: seal.to_bytes().replace(b"2", b"9", 1),
}


@pytest.mark.parametrize("what", FORGED)
def test_seal_that_was_forged_hides_nothing(sealed: SmallProject, what: str) -> None:
    forged = FORGED[what](remembered_seal(sealed))
    state = State(str(sealed.root / ".doit.db"))
    state.begin()
    state.remember_seal("t", forged)
    state.dump()
    (sealed.store / "p3.csv").unlink()

    assert moved(sealed.doit()) == {"p3"}


@pytest.mark.parametrize("called", ["zz", "", "Z" * 32])
def test_receipt_with_what_is_no_hash_is_not_sealed(sealed: SmallProject, called: str) -> None:
    with contextlib.closing(sqlite3.connect(sealed.root / ".doit.db")) as state:
        query = "SELECT data, run FROM tasks WHERE task = 't:p1'"
        ((data, run),) = state.execute(query).fetchall()
        row = json.loads(data)
        row["_values_:"]["outputs"][0][1] = called
        data = json.dumps(row)
        state.execute(
            "UPDATE tasks SET data = ?, sum = ? WHERE task = 't:p1'",
            (data, _sum("t:p1", data, run)),
        )
        state.commit()

    assert summed(sealed.doit()) == (0, 4, 0, 0)
    assert decided(sealed) == ({"p1"}, 3)


def test_ignored_partition_is_counted_as_such(sealed: SmallProject) -> None:
    sealed.doit("ignore", "t:p1")

    for _ in range(2):
        assert "3 up to date, 1 ignored" in sealed.doit().out

    rewrite(sealed.path("p1"), "21", "22")

    assert "3 up to date, 1 ignored" in sealed.doit().out

    sealed.doit("forget", "t:p1")

    assert moved(sealed.doit()) == {"p1"}


def test_forced_run_moves_what_is_sealed(sealed: SmallProject) -> None:
    assert moved(sealed.doit("-a")) == {"p0", "p1", "p2", "p3"}


def test_partition_of_a_sealed_flow_can_be_asked_for(sealed: SmallProject) -> None:
    assert summed(sealed.doit("t:p1")) == (0, 1, 0, 0)
    assert summed(sealed.doit("t:p*")) == (0, 4, 0, 0)
    assert summed(sealed.doit("data/store/p1.csv")) == (0, 1, 0, 0)

    assert "no task 't:q'" in sealed.doit("t:q").err


def test_other_reporters_have_a_line_for_each_partition(sealed: SmallProject) -> None:
    told = sealed.doit("-r", "console").out

    assert told == "".join(f"-- {name}\n" for name in ("t:p0", "t:p1", "t:p2", "t:p3", "t"))


def test_events_count_what_is_sealed(sealed: SmallProject) -> None:
    last = json.loads(sealed.doit("-r", "json").out.split("\n")[-2])

    assert (last["type"], last["data"]["unchanged"]) == ("job.succeeded", 4)


OWN_TASKS = """
def task_before():
    return {"actions": ["echo k,n > data/home/p1.csv; echo a,99 >> data/home/p1.csv"],
            "targets": ["data/home/p1.csv"], "uptodate": [UPTODATE]}

def task_behind():
    return {"actions": ["echo ran >> ran"], "task_dep": ["t:p1"],
            "file_dep": ["data/store/p1.csv"]}
"""


@pytest.mark.parametrize("writes", [False, True])
def test_tasks_of_peoples_own_see_each_partition(sealed: SmallProject, writes: bool) -> None:
    dodo = sealed.root / "dodo.py"
    own = OWN_TASKS.replace("UPTODATE", "True")
    dodo.write_text(dodo.read_text() + own)
    sealed.doit()
    sealed.doit()
    if writes:
        dodo.write_text(dodo.read_text().replace('"uptodate": [True]', '"uptodate": [False]'))
    ended = sealed.doit()

    assert ended.code == 0, ended.out + ended.err
    assert moved(ended) == ({"p1"} if writes else set())
    assert (sealed.root / "ran").read_text().count("ran") == 1 + writes


def test_what_a_killed_move_put_into_place_goes_beside_sealed_partitions(
    sealed: SmallProject,
) -> None:
    """A bug: of a flow of which some partitions were known by a seal, it stayed for ever."""
    orphan = sealed.store / "orphan.csv"
    orphan.write_text("k,n\na,1\n")
    state = State(str(sealed.root / ".doit.db"))
    state.begin()
    state.intend("t:p1", ["data/store/orphan.csv"], "20260102T083000000Z-abcdef")
    state.dump()

    assert decided(sealed) == ({"p1"}, 3)
    assert summed(sealed.doit()) == (0, 4, 0, 0)
    assert not orphan.exists()
    assert decided(sealed) == (set(), 4)


FAILING = """
def task_fetch():
    return {"actions": ["exit 1"], "targets": ["data/home/p1.csv"], "uptodate": [False]}
"""


def test_sealed_partition_that_is_kept_back_is_not_forgotten(sealed: SmallProject) -> None:
    """A bug: doit removed its row, so that it was moved again."""
    dodo = sealed.root / "dodo.py"
    alone = dodo.read_text()
    dodo.write_text(alone + FAILING)

    assert "t:p1  not run: fetch failed" in sealed.doit("-c").out

    dodo.write_text(alone)

    assert summed(sealed.doit()) == (0, 4, 0, 0)


RESULT = """
from doit.tools import result_dep

def task_mine():
    return {"actions": ["true"], "uptodate": [result_dep("t:p1")]}
"""


def test_list_knows_each_partition_beside_tasks_of_peoples_own(sealed: SmallProject) -> None:
    """A bug: it ended in a traceback where one of them asked for the result of a partition."""
    dodo = sealed.root / "dodo.py"
    dodo.write_text(dodo.read_text() + RESULT)

    assert sealed.doit("list", "--status").out.split() == [
        *("R", "mine", "U", "t", "data/home", "->", "data/store")
    ]


def test_run_that_was_killed_is_not_judged_by_seals(sealed: SmallProject) -> None:
    execute(sealed, "INSERT INTO unclean VALUES ((SELECT run FROM tasks WHERE task = 't:p1'))")
    (sealed.store / ".p9.csv.x.tmp").write_text("")
    ended = sealed.doit()

    assert ended.code == 0
    assert summed(ended) == (0, 4, 0, 0)


def test_flow_behind_a_sealed_one_is_sealed_too(sealed: SmallProject) -> None:
    sealed.flow("u", sealed.way.flow("data/store", "data/second"))
    for _ in range(3):
        sealed.doit()

    assert seals(sealed) == ["t", "u"]

    rewrite(sealed.path("p1"), "21", "22")
    ended = sealed.doit()

    assert summed(ended) == (2, 6, 0, 0), ended.out
    assert summed(sealed.doit()) == (0, 8, 0, 0)


CHANGING = """
import pathlib

def changing(rows, partition):
    later = pathlib.Path("data/home/p0.csv")
    if partition.key == "p1" and "99" not in later.read_text():
        later.write_text("k,n\\na,99\\n")
    return rows
"""


def test_source_that_changes_during_a_run_that_found_it_up_to_date_is_the_next_ones(
    tmp_path: Path, server: Server
) -> None:
    project = SmallProject(tmp_path, Way("csv", "shaped"), server)
    project.fill()
    (project.root / "flows/f.py").write_text(CHANGING)
    flow = project.way.flow("data/home", "data/store")
    flow["transform"] = {"python": "flows/f.py:changing"}
    project.flow("t", flow)
    project.doit("t:p0", "t:p2", "t:p3")

    assert moved(project.doit()) == {"p1"}
    assert moved(project.doit()) == {"p0"}
    assert moved(project.doit()) == set()
