"""What is remembered in `.doit.db`, and what is believed of it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hygge.errors import RunInProgress, StateError
from hygge.fingerprint import Signature
from hygge.receipt import Output, ReadSource, Receipt
from hygge.state import REMOVED, State
from hygge.state_file import APPLICATION_ID, FORMAT

TASK = "flights:2013-01"

Open = Callable[[], State]


def receipt(name: str = "a", run: str = "run-1") -> Receipt:
    return Receipt(
        config="c0ffee",
        sources=(ReadSource(f"home/{name}", "5041ce", Signature(1, 2, 3, 4, 5)),),
        outputs=(Output(f"store/{name}", "0a7b17", 7, Signature(6, 7, 8, 9, 10)),),
        run=run,
        seconds=0.25,
    )


def succeed(state: State, task: str = TASK, of: Receipt | None = None) -> None:
    """Tell *state* of a success in the way and in the order in which doit does it."""
    stored = (of or receipt()).to_json()
    state.set(task, "_values_:", stored)
    state.set(task, "checker:", "ContentChecker")
    for source in stored["sources"]:
        state.set(task, source[0], source)
    state.set(task, "deps:", [source[0] for source in stored["sources"]])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / ".doit.db"


@pytest.fixture
def opened(file: Path) -> Iterator[Open]:
    """Open the state as another process would: without the lock and the memory of the last one."""
    states: list[State] = []

    def reopen() -> State:
        while states:
            states.pop().dump()
        states.append(State(str(file)))
        return states[-1]

    yield reopen
    for state in states:
        state.dump()


def begun(state: State) -> State:
    """Return *state*, made ready to write."""
    state.begin()
    return state


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return the bytes and the time of every file in *folder* but SQLite's index of its log."""
    return {
        file.name: (file.read_bytes(), file.stat().st_mtime_ns)
        for file in folder.iterdir()
        if file.is_file() and not file.name.endswith("-shm")
    }


def asides(folder: Path) -> list[Path]:
    return sorted(folder.glob(".doit.db.corrupt-*"))


# What is set is there


def test_what_is_set_is_there_after_reopening(opened: Open) -> None:
    succeed(opened())

    state = opened()

    assert state.receipt(TASK) == receipt()
    assert state.in_(TASK)
    assert state.get(TASK, "deps:") == ["home/a"]
    assert state.get(TASK, "home/a") == ["home/a", "5041ce", 1, 2, 3, 4, 5]


def test_what_is_set_is_there_at_once_for_the_one_who_set_it(opened: Open) -> None:
    state = opened()

    succeed(state)

    assert state.receipt(TASK) == receipt()


def test_nothing_is_remembered_of_what_was_never_set(opened: Open) -> None:
    state = opened()

    assert state.get(TASK, "deps:") is None
    assert state.receipt(TASK) is None
    assert not state.in_(TASK)
    assert state.run_of(TASK) == ""


def test_values_of_a_task_that_is_no_partition_are_kept_as_doit_set_them(opened: Open) -> None:
    state = opened()
    state.set("users", "_values_:", {"rows": 3})
    state.set("users", "result:", "fine")
    state.set("users", "data.csv", [1.5, 3, "md5"])
    state.set("users", "deps:", ("data.csv",))

    again = opened()

    assert again.get("users", "_values_:") == {"rows": 3}
    assert again.get("users", "result:") == "fine"
    assert again.get("users", "data.csv") == [1.5, 3, "md5"]
    assert again.get("users", "deps:") == ["data.csv"]
    assert again.receipt("users") is None
    assert again.receipts() == []


def test_ignoring_a_task_is_remembered(opened: Open) -> None:
    state = opened()
    succeed(state)
    state.set(TASK, "ignore:", "1")
    state.dump()

    again = opened()

    assert again.get(TASK, "ignore:") == "1"
    assert again.receipt(TASK) == receipt()


def test_moving_again_replaces_the_receipt(opened: Open) -> None:
    state = opened()
    succeed(state)
    succeed(state, of=receipt("b"))

    assert opened().receipt(TASK) == receipt("b")


def test_row_of_a_removed_partition_goes(opened: Open) -> None:
    state = opened()
    succeed(state)
    state.set(TASK, "_values_:", dict(REMOVED))
    state.set(TASK, "deps:", [])

    assert not state.in_(TASK)
    assert not opened().in_(TASK)


# When it is committed


def test_nothing_is_committed_before_deps_is_set(file: Path, opened: Open) -> None:
    state = opened()
    state.begin()
    state.set(TASK, "_values_:", receipt().to_json())
    state.set(TASK, "checker:", "ContentChecker")
    state.set(TASK, "home/a", receipt().to_json()["sources"][0])

    assert _stored(file) == []

    state.set(TASK, "deps:", ["home/a"])

    assert _stored(file) == [TASK]


def test_what_was_committed_survives_a_kill(tmp_path: Path, opened: Open) -> None:
    program = f"""
        import os, signal
        from hygge.state import State
        state = State(".doit.db")
        for name in ("one", "two"):
            state.set(name, "_values_:", {receipt().to_json()!r})
            state.set(name, "deps:", [])
        state.set("three", "_values_:", {receipt().to_json()!r})
        os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], cwd=tmp_path, check=False
    )

    assert killed.returncode == -signal.SIGKILL
    assert sorted(opened().receipts()) == ["one", "two"]


def _stored(file: Path) -> list[str]:
    """Return what another process finds in the file."""
    connection = sqlite3.connect(file)
    try:
        return [task for (task,) in connection.execute("SELECT task FROM tasks ORDER BY task")]
    finally:
        connection.close()


# Forgetting


def test_removing_forgets_a_task(opened: Open) -> None:
    state = opened()
    succeed(state, "a:1")
    succeed(state, "a:2")

    state.remove("a:1")

    assert state.receipts() == opened().receipts() == ["a:2"]


def test_kept_tasks_are_not_removed(opened: Open) -> None:
    state = opened()
    succeed(state, "a:1")
    succeed(state, "a:2")
    state.kept = frozenset({"a:1"})

    state.remove("a:1")
    state.remove("a:2")

    assert state.receipts() == opened().receipts() == ["a:1"]


def test_forgetting_takes_kept_tasks_too(opened: Open) -> None:
    state = opened()
    succeed(state)
    state.fail(TASK, "broken")
    state.intend(TASK, ["store/a"], "run-1")
    state.kept = frozenset({TASK})

    state.forget([TASK])
    again = opened()

    assert (again.receipts(), again.failures()) == ([], {})


def test_forgetting_keeps_what_a_kill_left_to_be_cleared_away(opened: Open) -> None:
    """A staging folder that nothing remembered any more lay in the store for good."""
    state = opened()
    state.intend(TASK, ["store/a"], "run-1")
    state.forget([TASK])

    assert opened().intents() == {TASK: [("run-1", ["store/a"])]}


def test_forgetting_everything_leaves_nothing(opened: Open) -> None:
    state = opened()
    succeed(state)
    state.fail("a:2", "broken")
    state.remember_config("c0ffee", {"a": 1})

    state.remove_all()
    again = opened()

    assert (again.receipts(), again.failures(), again.config("c0ffee")) == ([], {}, {})


# Beside the receipts


def test_tasks_of_a_flow_are_its_own_alone(opened: Open) -> None:
    state = opened()
    for task in ("a:2", "a:1", "ab:1", "b:a:1"):
        succeed(state, task)
    state.intend("a:3", ["store/3"], "run-1")

    assert state.tasks_of("a") == ["a:1", "a:2", "a:3"]


def test_failure_is_remembered_and_the_receipt_stays(opened: Open) -> None:
    state = opened()
    succeed(state)
    state.fail(TASK, "broken")

    again = opened()

    assert again.failures() == {TASK: "broken"}
    assert again.receipt(TASK) == receipt()


def test_success_takes_the_failure_and_the_intent_away(opened: Open) -> None:
    state = opened()
    state.fail(TASK, "broken")
    state.intend(TASK, ["store/a"], "run-1")
    succeed(state)

    again = opened()

    assert (again.failures(), again.intents()) == ({}, {})


def test_intent_is_remembered_before_anything_is_written(opened: Open) -> None:
    opened().intend(TASK, ["store/a", "store/b"], "run-1")

    assert opened().intents() == {TASK: [("run-1", ["store/a", "store/b"])]}


def test_forgotten_intents_are_gone(opened: Open) -> None:
    state = opened()
    state.intend("a:1", ["store/a"], "run-1")
    state.intend("a:2", ["store/b"], "run-1")

    state.forget_intents(["a:1"])
    state.forget_intents([])

    assert opened().intents() == {"a:2": [("run-1", ["store/b"])]}


def test_configuration_is_remembered_by_its_hash(opened: Open) -> None:
    state = opened()
    state.remember_config("c0ffee", {"home": {"type": "csv"}})
    state.remember_config("c0ffee", {"another": "with the same hash"})

    again = opened()

    assert again.config("c0ffee") == {"home": {"type": "csv"}}
    assert again.config("unknown") == {}


def test_refreshed_receipts_replace_the_old_ones(opened: Open) -> None:
    state = opened()
    succeed(state, "a:1")
    succeed(state, "a:2")

    state.refresh({"a:1": receipt("b"), "a:3": receipt("c")})
    state.refresh({})
    again = opened()

    assert [again.receipt(f"a:{i}") for i in (1, 2, 3)] == [
        receipt("b"),
        receipt(),
        receipt("c"),
    ]


def test_flows_and_entities_are_those_of_all_tasks(opened: Open) -> None:
    assert (begun(opened()).flows(), begun(opened()).entities()) == (set(), set())

    for task in ("flights:1", "tables.a:x", "tables.b:y.z"):
        succeed(opened(), task)
    state = begun(opened())
    state.intend("tables.c:z", ["store/z"], "run-1")

    assert state.flows() == {"flights", "tables.a", "tables.b", "tables.c"}
    assert state.entities() == {("tables", "a"), ("tables", "b"), ("tables", "c")}


# Runs that did not end cleanly


def test_run_that_did_not_end_is_doubted_by_the_next_one(opened: Open) -> None:
    state = opened()
    state.mark_unclean("run-1")
    succeed(state)

    again = opened()

    assert state.doubted() == set()
    assert again.doubted() == {"run-1"}
    assert again.run_of(TASK) == "run-1"


def test_run_that_ended_is_not_doubted(opened: Open) -> None:
    state = opened()
    state.mark_unclean("run-1")
    succeed(state)
    state.mark_clean()

    assert opened().doubted() == set()


def test_later_run_does_not_vouch_for_what_it_has_not_looked_at(opened: Open) -> None:
    state = opened()
    state.mark_unclean("run-1")
    succeed(state, "a:1")
    state = opened()
    state.mark_unclean("run-2")
    succeed(state, "a:2")
    state.mark_clean()

    assert opened().doubted() == {"run-1"}


def test_later_run_vouches_for_what_it_refreshed(opened: Open) -> None:
    state = opened()
    state.mark_unclean("run-1")
    succeed(state)
    state = opened()
    state.mark_unclean("run-2")
    state.refresh({TASK: receipt()})
    state.mark_clean()

    again = opened()

    assert again.run_of(TASK) == "run-2"
    assert again.doubted() == set()


# What is not believed


@pytest.mark.parametrize("column", ["data", "run", "sum"])
def test_damaged_row_is_not_believed(file: Path, opened: Open, column: str) -> None:
    state = opened()
    succeed(state, "a:1")
    succeed(state, "a:2")
    state.dump()
    _execute(file, f"UPDATE tasks SET {column} = {column} || ' ' WHERE task = 'a:1'")

    again = opened()

    assert again.receipts() == ["a:2"]
    assert again.receipt("a:1") is None
    assert again.get("a:1", "deps:") is None


@pytest.mark.parametrize("column", ["task", "data", "run", "sum"])
def test_row_that_is_no_text_any_more_leaves_the_others_believed(
    file: Path, opened: Open, column: str
) -> None:
    state = opened()
    succeed(state, "a:1")
    succeed(state, "a:2")
    state.dump()
    _execute(file, f"UPDATE tasks SET {column} = CAST(X'613AFF' AS TEXT) WHERE task = 'a:1'")

    assert opened().receipts() == ["a:2"]


def test_row_under_the_name_of_another_task_is_not_believed(file: Path, opened: Open) -> None:
    state = opened()
    succeed(state, "a:1")
    state.dump()
    _execute(file, "UPDATE tasks SET task = 'a:2'")

    assert opened().receipts() == []


@pytest.mark.parametrize("stored", [5, "text", [["a"]], {"a": 1}])
def test_row_that_doit_could_not_have_stored_is_not_handed_to_it(
    file: Path, opened: Open, stored: object
) -> None:
    """A bug: a run ended in a traceback of doit's."""
    from hygge.state import _sum

    succeed(opened())
    opened()
    data = json.dumps({"deps:": stored, "_values_:": stored if stored != {"a": 1} else 1})
    with contextlib.closing(sqlite3.connect(file)) as state:
        row = ("flights", data, "run-1", _sum("flights", data, "run-1"))
        state.execute("INSERT INTO tasks VALUES (?, ?, ?, ?)", row)
        state.commit()

    assert opened().get("flights", "deps:") is None
    assert opened().get("flights", "_values_:") is None


def test_row_of_what_can_be_no_task_is_not_believed(file: Path, opened: Open) -> None:
    """A bug: doit refused the name, and with it every run."""
    from hygge.state import _sum

    succeed(opened())
    opened()
    with contextlib.closing(sqlite3.connect(file)) as state:
        ((data, run),) = state.execute("SELECT data, run FROM tasks").fetchall()
        name = "flights:a=b"
        state.execute(
            "INSERT INTO tasks VALUES (?, ?, ?, ?)", (name, data, run, _sum(name, data, run))
        )
        state.execute("INSERT INTO intents VALUES (?, 'run-1', '[]')", (name,))
        state.commit()

    assert opened().tasks() == {TASK}


def test_damaged_row_is_replaced_by_the_next_success(file: Path, opened: Open) -> None:
    succeed(opened())
    opened()
    _execute(file, "UPDATE tasks SET data = 'no json'")

    succeed(opened())

    assert opened().receipt(TASK) == receipt()


@pytest.mark.parametrize(
    "stored",
    [
        None,
        {},
        {"removed": True},
        {"outputs": [], "config": "c"},
        {**receipt().to_json(), "sources": [["home/a", "5041ce", 1, 2, 3]]},
        {**receipt().to_json(), "sources": [["home/a", "5041ce", 1, 2, 3, 4, "5"]]},
        {**receipt().to_json(), "outputs": "none"},
        {**receipt().to_json(), "seconds": "long"},
    ],
)
def test_values_that_are_no_receipt_are_none(stored: Any) -> None:
    assert Receipt.from_json(stored) is None


def test_receipt_is_the_same_after_it_was_stored() -> None:
    stored = json.loads(json.dumps(receipt().to_json()))

    assert Receipt.from_json(stored) == receipt()


def _execute(file: Path, statement: str) -> None:
    connection = sqlite3.connect(file)
    connection.execute(statement)
    connection.commit()
    connection.close()


# Files that can't be used


def damaged(file: Path) -> None:
    """Overwrite the middle of a file with many rows."""
    state = State(str(file))
    for i in range(300):
        state.set(f"a:{i}", "_values_:", receipt().to_json())
    state.set("a:0", "deps:", [])
    state.dump()
    data = bytearray(file.read_bytes())
    assert len(data) > 10 * 4096
    data[4096 : 8 * 4096] = b"\xff" * (7 * 4096)
    file.write_bytes(data)


def truncated(file: Path) -> None:
    damaged(file)
    file.write_bytes(file.read_bytes()[:5000])


def garbage(file: Path) -> None:
    file.write_bytes(b"no database\n" * 1000)


def of_stock_doit(file: Path) -> None:
    file.write_text('{"flights": {"result:": "1"}}')


def foreign(file: Path) -> None:
    _execute(file, "CREATE TABLE precious (a)")


def newer(file: Path) -> None:
    remembering(file)
    _execute(file, f"PRAGMA user_version={FORMAT + 1}")


def of_a_later_sqlite(file: Path) -> None:
    """Say in the header that the tables have a form which this SQLite does not know."""
    remembering(file)
    overwrite(file, 44, (9).to_bytes(4, "big"))


def only_to_be_read(file: Path) -> None:
    """Say in the header that this SQLite may not write."""
    remembering(file)
    overwrite(file, 18, b"\xff")


def nameless(file: Path) -> None:
    """Put a byte that is no text into the definition of a table."""
    remembering(file)
    overwrite(file, file.read_bytes().index(b"CREATE TABLE failures") + 9, b"\xff")


def with_another_index(file: Path) -> None:
    """Let the index of a table say what the table does not."""
    remembering(file)
    connection = sqlite3.connect(file)
    query = "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_tasks_1'"
    (page,) = connection.execute(query).fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    at = file.read_bytes().index(TASK.encode(), (page - 1) * size)
    overwrite(file, at, b"g")


def a_folder(file: Path) -> None:
    file.mkdir()
    (file / "precious").write_text("of somebody")


def remembering(file: Path) -> None:
    """Make a good file."""
    state = State(str(file))
    succeed(state)
    state.dump()


def overwrite(file: Path, at: int, data: bytes) -> None:
    content = bytearray(file.read_bytes())
    content[at : at + len(data)] = data
    file.write_bytes(content)


UNUSABLE = [
    damaged,
    truncated,
    garbage,
    of_stock_doit,
    foreign,
    newer,
    of_a_later_sqlite,
    only_to_be_read,
    nameless,
    with_another_index,
]


@pytest.mark.parametrize("make", UNUSABLE)
def test_unusable_file_is_moved_aside_with_a_warning(
    file: Path, opened: Open, capsys: pytest.CaptureFixture[str], make: Callable[[Path], None]
) -> None:
    make(file)
    before = file.read_bytes()

    opened().begin()

    (aside,) = asides(file.parent)
    # In its first 100 bytes SQLite counts who opened it.
    assert aside.read_bytes()[100:] == before[100:]
    assert capsys.readouterr().err == (
        f"warning: '{file}' could not be read; it is now '{aside.name}'\n"
        "  what is already in the stores is compared again, and not written again\n"
    )


def test_folder_in_its_place_is_moved_aside_with_what_is_in_it(file: Path, opened: Open) -> None:
    a_folder(file)
    state = opened()

    assert state.receipts() == []

    succeed(state)

    (aside,) = asides(file.parent)
    assert (aside / "precious").read_text() == "of somebody"
    assert opened().receipts() == [TASK]


@pytest.mark.parametrize("make", UNUSABLE)
def test_state_works_after_an_unusable_file(
    file: Path, opened: Open, make: Callable[[Path], None]
) -> None:
    make(file)
    state = opened()
    state.begin()

    assert state.tasks() == set()

    succeed(state, "b:1")

    assert opened().receipts() == ["b:1"]


@pytest.mark.parametrize("make", [garbage, of_stock_doit, foreign, newer])
def test_reading_an_unusable_file_warns_once_and_leaves_it(
    file: Path, opened: Open, capsys: pytest.CaptureFixture[str], make: Callable[[Path], None]
) -> None:
    make(file)
    before = file.read_bytes()
    state = opened()

    assert (state.receipts(), state.failures(), state.doubted()) == ([], {}, set())
    assert file.read_bytes() == before
    assert asides(file.parent) == []
    assert capsys.readouterr().err == (
        f"warning: '{file}' can't be read; nothing is known of earlier moves\n"
        "  the next `doit` moves it aside and compares what is in the stores\n"
    )


@pytest.mark.parametrize("make", [damaged, truncated, of_a_later_sqlite, only_to_be_read, nameless])
def test_reading_a_damaged_file_invents_nothing(
    file: Path, opened: Open, make: Callable[[Path], None]
) -> None:
    make(file)
    state = opened()

    assert all(state.receipt(task) == receipt() for task in state.receipts())


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with many rows."""
    file = tmp_path_factory.mktemp("good") / ".doit.db"
    state = State(str(file))
    for i in range(100):
        state.set(f"a:{i}", "_values_:", receipt().to_json())
    state.set("a:0", "deps:", [])
    state.dump()
    return file


@settings(deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), damage=st.binary(min_size=1, max_size=64))
def test_state_works_after_any_damage(
    tmp_path_factory: pytest.TempPathFactory, good: Path, place: float, damage: bytes
) -> None:
    file = tmp_path_factory.mktemp("bad") / ".doit.db"
    shutil.copy(good, file)
    overwrite(file, int(place * good.stat().st_size), damage)
    reader, writer = State(str(file)), State(str(file))

    believed = [reader.receipt(task) for task in reader.receipts()]
    reader.dump()
    writer.begin()
    succeed(writer, "b:1")
    writer.dump()
    later = State(str(file))

    assert all(each == receipt() for each in believed)
    assert later.receipt("b:1") == receipt()
    assert all(later.receipt(task) == receipt() for task in later.receipts())
    later.dump()


def test_empty_file_is_nobodys_and_is_taken(
    file: Path, opened: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_bytes(b"")

    succeed(opened())

    assert opened().receipt(TASK) == receipt()
    assert asides(file.parent) == []
    assert capsys.readouterr().err == ""


def test_file_has_the_mark_of_hygge(file: Path, opened: Open) -> None:
    state = opened()
    state.begin()
    state.dump()

    connection = sqlite3.connect(file)
    marks = [
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("application_id", "user_version")
    ]
    connection.close()

    assert marks == [APPLICATION_ID, FORMAT]


def test_file_that_another_program_holds_is_not_moved_aside(
    file: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    succeed(opened())
    state = opened()
    _do_not_wait(monkeypatch)

    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateError) as error:
            state.begin()

    assert str(error.value) == (
        "'.doit.db' can't be written: database is locked\n"
        f"  at {file}\n"
        "  try: see to it that there is room and that you may write there; then run again"
    )
    assert asides(file.parent) == []
    assert opened().receipts() == [TASK]


def _do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make SQLite give up at once where it would wait for half a minute."""
    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda *args, **options: connect(*args, **{**options, "timeout": 0.01})
    )


# Reading never writes


def test_reading_makes_no_file(file: Path, opened: Open) -> None:
    state = opened()
    state.receipts()
    state.failures()
    state.intents()
    state.doubted()
    state.config("c0ffee")
    state.dump()

    assert list(file.parent.iterdir()) == []


def test_reading_changes_no_file(file: Path, opened: Open) -> None:
    succeed(opened())
    opened()
    shutil.rmtree(file.parent / ".hygge")
    before = contents(file.parent)
    state = opened()

    assert state.receipts() == [TASK]
    assert (state.failures(), state.intents(), state.doubted()) == ({}, {}, set())

    state.dump()

    assert contents(file.parent) == before
    assert [each.name for each in file.parent.iterdir()] == [".doit.db"]


def test_reading_finds_what_a_killed_run_left_in_the_log(file: Path, opened: Open) -> None:
    state = opened()
    succeed(state)
    copy = file.parent / "copy" / ".doit.db"
    copy.parent.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(f"{file}{suffix}", f"{copy}{suffix}")
    before = copy.read_bytes()
    reader = State(str(copy))

    assert reader.receipts() == [TASK]

    reader.dump()

    assert copy.read_bytes() == before


# Two connections


def test_reader_sees_what_was_committed_when_it_first_looked(opened: Open, file: Path) -> None:
    writer = opened()
    succeed(writer, "a:1")
    reader = State(str(file))

    assert reader.receipts() == ["a:1"]

    succeed(writer, "a:2")

    assert reader.receipts() == ["a:1"]
    reader.dump()
    later = State(str(file))
    assert sorted(later.receipts()) == ["a:1", "a:2"]
    later.dump()


def test_reader_does_not_keep_the_writer_from_writing(opened: Open, file: Path) -> None:
    writer = opened()
    succeed(writer, "a:1")
    reader = State(str(file))
    reader.receipts()

    succeed(writer, "a:2")
    writer.mark_unclean("run-1")

    assert reader.doubted() == {"run-1"}
    reader.dump()


def test_writer_in_the_middle_of_a_task_does_not_keep_readers_waiting(
    opened: Open, file: Path
) -> None:
    writer = opened()
    succeed(writer, "a:1")
    reader = State(str(file))

    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM tasks")
        assert reader.receipts() == ["a:1"]
    reader.dump()


def test_second_writer_is_told_who_holds_the_project(opened: Open, file: Path) -> None:
    first = opened()
    first.begin()
    second = State(str(file))

    with pytest.raises(RunInProgress) as error:
        second.begin()

    holder = json.loads((file.parent / ".hygge/lock.holder").read_text())
    assert holder["pid"] == os.getpid()
    assert str(error.value) == (
        "another run holds this project\n"
        f"  at process {holder['pid']}, since {holder['since']}: {holder['command']}\n"
        "  try: wait until it has ended, or let hygge wait: doit --wait"
    )


def test_second_writer_may_begin_when_the_first_has_ended(tmp_path: Path, file: Path) -> None:
    program = "from hygge.state import State; State('.doit.db').begin()"
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)

    state = State(str(file))
    succeed(state)
    state.dump()

    assert _stored(file) == [TASK]
