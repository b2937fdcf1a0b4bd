"""What is left when a run is stopped, by a kill, a signal, another run or a changing source."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import time
from pathlib import Path

import polars as pl
import pytest
from conftest import ProjectFolder

PARTITIONS = 200

MIXED_FLOWS = {
    # Bytes are copied; rows are written anew; text becomes parquet.
    "copied": "home: data/home/copied\nstore: data/store/copied\n",
    "written": """\
        home: data/home/written
        store: {type: parquet, path: data/store/written, compression: snappy}
        """,
    "text": "home: data/home/text\nstore: data/store/text\n",
}


def many_partitions(project: ProjectFolder) -> None:
    """Make 200 partitions: copied, written anew, and read from text."""
    for name, text in MIXED_FLOWS.items():
        project.flow(name, text)
    for i in range(100):
        project.parquet(f"data/home/copied/{i:03}.parquet", 200, start=i)
    for i in range(70):
        project.parquet(f"data/home/written/{i:03}.parquet", 200, start=i)
    for i in range(30):
        rows = "".join(f"{n},name {n}\n" for n in range(i, i + 50))
        project.write(f"data/home/text/{i:03}.csv", "id,name\n" + rows)


def receipts(project: ProjectFolder) -> set[str]:
    """Return the tasks that were committed, as they are on the disk."""
    file = project.root / ".doit.db"
    if not file.exists():
        return set()
    connection = sqlite3.connect(file)
    try:
        return {task for (task,) in connection.execute("SELECT task FROM tasks")}
    except sqlite3.OperationalError:  # killed while the tables were made
        return set()
    finally:
        connection.close()


def moved_tasks(out: str) -> set[str]:
    return {line.split("  ")[0] for line in out.split("\n") if "  moved  " in line}


def kill_and_rerun(project: ProjectFolder, kills: int, seed: int) -> dict[str, int]:
    """Kill runs at random moments, each followed by a plain one; return what was counted."""
    many_partitions(project)
    started = time.perf_counter()
    assert project.doit().moved == PARTITIONS
    whole_run = time.perf_counter() - started
    reference = project.digest()
    chance = random.Random(seed)
    counts = {"kills": 0, "in flight": 0, "moved twice": 0, "differing": 0, "left over": 0}
    for _ in range(kills):
        for path in (".doit.db", ".doit.db-wal", ".doit.db-shm"):
            (project.root / path).unlink(missing_ok=True)
        remove_tree(project.root / "data/store")
        process = project.start()
        if chance.random() < 0.8:  # most of the time Python starts, which is soon tried enough
            wait_for(lambda: receipts(project))
        time.sleep(chance.uniform(0, whole_run / 2))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        counts["kills"] += process.returncode == -signal.SIGKILL
        committed = receipts(project)
        counts["in flight"] += 0 < len(committed) < PARTITIONS
        again = project.doit()
        assert again.code == 0, again.out + again.err
        counts["moved twice"] += len(moved_tasks(again.out) & committed)
        counts["differing"] += project.digest() != reference
        counts["left over"] += sum(name.endswith(".tmp") for name in project.digest("."))
    return counts


def remove_tree(folder: Path) -> None:
    for file in sorted(folder.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()


@pytest.mark.parametrize(
    "kills", [6, pytest.param(50, marks=[pytest.mark.full, pytest.mark.timeout(1800)])]
)
def test_kill_at_random_moments_then_plain_rerun_ends_as_if_undisturbed(
    project: ProjectFolder, kills: int, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = random.randrange(2**32)

    counts = kill_and_rerun(project, kills, seed)

    with capsys.disabled():
        print(f"\nkill -9, 200 partitions, seed {seed}: {counts}")
    assert counts["moved twice"] == counts["differing"] == counts["left over"] == 0
    assert counts["in flight"] > 0, "no kill hit a run between its first and its last commit"


def wait_for(condition: object, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("threads", [(), ("-n", "2")])
def test_signal_ends_a_run_in_good_order(
    project: ProjectFolder, number: signal.Signals, threads: tuple[str, ...]
) -> None:
    many_partitions(project)
    process = project.start(*threads)
    wait_for(lambda: len(receipts(project)) > 3)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)

    assert process.returncode == 128 + number, out + err
    assert "Traceback" not in out + err
    done = len(moved_tasks(out))
    assert 0 < done < PARTITIONS
    assert f"Stopped: {done} of {PARTITIONS} moved; run `doit` to go on." in out
    assert receipts(project) == moved_tasks(out)
    assert project.doit().moved == PARTITIONS - done


INTERRUPTED = """
import os, signal


def interrupted(rows):
    os.kill(os.getpid(), signal.SIGINT)
    raise KeyboardInterrupt
"""


@pytest.mark.parametrize("threads", ["1", "2"])
def test_query_that_hears_of_ctrl_c_first_is_no_second_one(
    project: ProjectFolder, threads: str
) -> None:
    """A bug: polars lets a query end in a KeyboardInterrupt, and the run stopped at once."""
    project.months(1)
    project.write("flows/interrupted.py", INTERRUPTED)
    transform = 'transform: {python: "flows/interrupted.py:interrupted"}'
    project.flow("flights", f"home: data/home/flights\nstore: data/store/flights\n{transform}\n")

    for _ in range(5):
        result = project.doit("-n", threads)

        assert result.code == 128 + signal.SIGINT
        assert "Stopped: 0 of 1 moved; run `doit` to go on." in result.out
        assert "at once" not in result.err


INTERRUPTED_AT_THE_END = '''
def interrupt():
    import os, signal
    os.kill(os.getpid(), signal.SIGINT)

def task_last():
    """Hears of a signal when all tasks have ended."""
    return {"actions": ["true"], "teardown": [interrupt]}
'''


def test_signal_when_all_is_done_stops_nothing(project: ProjectFolder) -> None:
    """A bug: the run said that all was moved, and ended as one that was stopped."""
    project.write("dodo.py", (project.root / "dodo.py").read_text() + INTERRUPTED_AT_THE_END)
    project.months(2)
    result = project.doit()

    assert result.code == 0, result.out + result.err
    assert "\n2 partitions moved.\n" in result.out
    assert "Nothing to move" in project.doit().out


DELETING = '''
def task_early():
    """Takes a source away after it was listed."""
    return {"actions": ["rm data/home/flights/2013-01.parquet"]}
'''


@pytest.mark.parametrize("moved_before", [False, True])
def test_source_that_goes_before_its_turn_is_told(
    project: ProjectFolder, moved_before: bool
) -> None:
    """A bug: doit said so in its own words, and the exit code was 2."""
    project.write("dodo.py", (project.root / "dodo.py").read_text() + DELETING)
    project.months(2)
    if moved_before:
        project.doit("flights")
    result = project.doit("--continue", "early", "flights")

    assert result.code == 1, result.out + result.err
    assert (
        "flights:2013-01  failed\n"
        "error: 'data/home/flights/2013-01.parquet' can't be read: No such file or directory\n"
        "  at data/home/flights/2013-01.parquet\n"
        "  try: run again: it went after it was listed\n"
    ) in result.out
    assert project.doit("flights").code == 0


def test_second_signal_stops_at_once(project: ProjectFolder) -> None:
    project.write("dodo.py", (project.root / "dodo.py").read_text() + SLOW_TASK)
    project.months(2)
    process = project.start("slow")
    wait_for(lambda: (project.root / "slow.started").exists())
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)

    assert process.poll() is None

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)

    assert process.returncode == 128 + signal.SIGINT


SLOW_TASK = '''
def slow():
    import pathlib, time
    pathlib.Path("slow.started").touch()
    for _ in range(300):
        time.sleep(0.1)

def task_slow():
    """Takes half a minute."""
    return {"actions": [slow], "uptodate": [False]}
'''


def test_second_run_ends_with_3_and_names_the_holder(project: ProjectFolder) -> None:
    project.write("dodo.py", (project.root / "dodo.py").read_text() + SLOW_TASK)
    project.months(2)
    first = project.start("slow")
    wait_for(lambda: (project.root / "slow.started").exists())
    second = project.doit()
    reading = project.doit("plan")
    first.kill()
    first.communicate()

    assert second.code == 3
    assert second.err.startswith(
        f"error: another run holds this project\n  at process {first.pid}, since "
    )
    assert second.err.endswith(
        ": __main__.py slow\n  try: wait until it has ended, or let hygge wait: doit --wait\n"
    )
    assert reading.code == 0
    assert project.doit("flights").moved == 2


def test_waiting_run_goes_on_when_the_holder_is_killed(project: ProjectFolder) -> None:
    project.write("dodo.py", (project.root / "dodo.py").read_text() + SLOW_TASK)
    project.months(2)
    first = project.start("slow")
    wait_for(lambda: (project.root / "slow.started").exists())
    second = project.start("--wait", "flights")
    time.sleep(1)

    assert second.poll() is None

    first.kill()
    first.communicate()
    out, err = second.communicate(timeout=30)

    assert second.returncode == 0, out + err
    assert "moved=2" in out


def test_source_that_is_appended_to_while_it_is_read_is_never_recorded(
    project: ProjectFolder,
) -> None:
    project.flow("log", "home: data/home/log\nstore: {type: csv, path: data/store/log}\n")
    # Large enough that reading it takes longer than a writer on a busy machine can pause.
    log = project.write("data/home/log/today.csv", b"id,text\n" + b"1,some text\n" * 8_000_000)
    project.write("data/home/log/yesterday.csv", "id,text\n1,some text\n")
    process = project.start("--continue")
    with log.open("a") as appending:
        while process.poll() is None:
            appending.write("2,more text\n")
            appending.flush()
            time.sleep(0.0001)
    out, err = process.communicate()

    assert process.returncode == 1, out + err
    assert "log:yesterday  moved" in out
    assert "log:today" not in receipts(project)
    assert not (project.root / "data/store/log/today.csv").exists()
    assert (
        "log:today  failed\n"
        "error: 'data/home/log/today.csv' was written to while it was read\n"
        "  at data/home/log/today.csv\n"
        "  try: run again when the writing has ended; whoever writes it should write another name "
        "and rename\n"
    ) in out

    again = project.doit()

    assert again.moved == 1
    assert (project.root / "data/store/log/today.csv").read_bytes() == log.read_bytes()


def test_output_that_was_lost_after_an_unclean_run_is_found_though_its_stat_is_the_same(
    project: ProjectFolder,
) -> None:
    # What a power cut does: the name and the times are there, the bytes are not.
    project.months(3)
    project.doit()
    lost = project.root / "data/store/flights/2013-02.parquet"
    state = sqlite3.connect(project.root / ".doit.db")
    run = state.execute("SELECT run FROM tasks WHERE task = 'flights:2013-02'").fetchone()[0]
    state.execute("INSERT INTO unclean VALUES (?)", (run,))
    state.commit()
    content = lost.read_bytes()
    lost.write_bytes(bytes(len(content)))
    pretend_unchanged(state, lost)
    state.close()

    result = project.doit()

    assert result.moved == 1
    assert "(output changed outside hygge: 'data/store/flights/2013-02.parquet')" in result.out
    assert lost.read_bytes() == content
    assert project.doit().moved == 0
    with contextlib.closing(sqlite3.connect(project.root / ".doit.db")) as state:
        assert list(state.execute("SELECT * FROM unclean")) == []


def pretend_unchanged(state: sqlite3.Connection, file: Path) -> None:
    """Make the state believe that *file* has looked as it does now for a day."""
    from hygge.state import _sum

    query = "SELECT task, data, run FROM tasks WHERE task = 'flights:2013-02'"
    task, data, run = state.execute(query).fetchone()
    row = json.loads(data)
    stat = file.stat()
    numbers = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
    row["_values_:"]["outputs"][0][3:] = [*numbers, time.time_ns() + 86_400 * 10**9]
    data = json.dumps(row, separators=(",", ":"))
    change = "UPDATE tasks SET data = ?, sum = ? WHERE task = ?"
    state.execute(change, (data, _sum(task, data, run), task))
    state.commit()


def test_after_a_clean_run_outputs_are_believed_by_their_stat(project: ProjectFolder) -> None:
    # The counterpart of the test above: without it, that one could pass because all is hashed.
    project.months(3)
    project.doit()
    lost = project.root / "data/store/flights/2013-02.parquet"
    lost.write_bytes(bytes(lost.stat().st_size))
    state = sqlite3.connect(project.root / ".doit.db")
    pretend_unchanged(state, lost)
    state.close()

    assert project.doit().moved == 0


def test_output_published_by_a_killed_run_goes_when_its_source_has_gone_since(
    project: ProjectFolder,
) -> None:
    # A kill between publishing and recording leaves an output that no receipt knows.
    project.months(3)
    project.doit()
    state = sqlite3.connect(project.root / ".doit.db")
    outputs = json.dumps(["data/store/flights/2013-04.parquet"])
    run = "20130401T000000000Z-0a1b2c"
    state.execute("INSERT INTO intents VALUES ('flights:2013-04', ?, ?)", (run, outputs))
    state.commit()
    state.close()
    store = project.root / "data/store/flights"
    (store / "2013-04.parquet").write_bytes((store / "2013-01.parquet").read_bytes())
    (store / f".2013-04.parquet.{run}.tmp").write_bytes(b"half")

    result = project.doit()

    assert result.counts["removed"] == 1
    assert sorted(project.digest()) == [f"flights/2013-0{i}.parquet" for i in (1, 2, 3)]
    assert project.doit().counts["removed"] == 0


def test_what_a_killed_run_left_is_found_though_the_state_has_lost_it(
    project: ProjectFolder,
) -> None:
    """A bug: with a bit turned in SQLite's log, a hidden file stayed in the store for ever."""
    project.months(2)
    project.doit()
    left = project.root / "data/store/flights/.2013-01.parquet.20130401T000000000Z-0a1b2c.tmp"
    left.write_bytes(b"half")
    project.write(".hygge/lock.holder", '{"pid": 1, "command": "doit", "since": "03:30:09"}')

    result = project.doit()

    assert result.moved == 0
    assert not left.exists()
    assert not (project.root / ".hygge/lock.holder").exists()


def test_lost_state_is_rebuilt_without_writing_what_is_right(project: ProjectFolder) -> None:
    project.months(3)
    project.doit()
    inodes = {f.name: f.stat().st_ino for f in (project.root / "data/store/flights").iterdir()}
    for file in project.root.glob(".doit.db*"):
        file.unlink()

    result = project.doit()

    assert (
        "(state lost: 'data/store/flights/2013-01.parquet' is there, but nothing is" in result.out
    )
    after = {f.name: f.stat().st_ino for f in (project.root / "data/store/flights").iterdir()}
    assert after == inodes
    assert project.doit().moved == 0


def test_damaged_state_is_moved_aside_with_a_warning(project: ProjectFolder) -> None:
    project.months(2)
    project.doit()
    (project.root / ".doit.db").write_bytes(b"no database at all" * 100)

    result = project.doit()

    (aside,) = project.root.glob(".doit.db.corrupt-*")
    assert result.code == 0
    assert result.err == (
        f"warning: '.doit.db' could not be read; it is now '{aside.name}'\n"
        "  what is already in the stores is compared again, and not written again\n"
    )
    assert project.doit().moved == 0


class TestSourceGone:
    """What becomes of outputs whose source is gone."""

    def test_its_output_goes(self, project: ProjectFolder) -> None:
        project.months(3)
        project.doit()
        (project.root / "data/home/flights/2013-02.parquet").unlink()
        plan = project.doit("plan")
        result = project.doit()

        assert plan.out == ("flights:2013-02  remove  source gone\n1 to remove, 2 up to date.\n")
        assert result.counts == {"moved": 0, "unchanged": 2, "failed": 0, "removed": 1, "rows": 0}
        assert sorted(project.digest()) == ["flights/2013-01.parquet", "flights/2013-03.parquet"]

    def test_keep_leaves_it(self, project: ProjectFolder) -> None:
        project.months(3)
        project.flow(
            "flights",
            "home: data/home/flights\nstore: {path: data/store/flights, on_removed: keep}\n",
        )
        project.doit()
        (project.root / "data/home/flights/2013-02.parquet").unlink()

        assert project.doit().counts["removed"] == 0
        assert len(project.digest()) == 3

    def test_error_refuses_the_flow(self, project: ProjectFolder) -> None:
        project.months(3)
        project.flow(
            "flights",
            "home: data/home/flights\nstore: {path: data/store/flights, on_removed: error}\n",
        )
        project.doit()
        (project.root / "data/home/flights/2013-02.parquet").unlink()
        result = project.doit()

        assert result.code == 3
        assert result.err == (
            "error: no source any more for flights:2013-02\n"
            "  at flows/flights.yml:1:7  home: data/home/flights\n"
            "                                  ^\n"
            "  try: restore what is gone, or write 'on_removed: delete' or 'keep' under store\n"
        )
        assert len(project.digest()) == 3

    def test_home_that_lost_more_than_half_is_refused(self, project: ProjectFolder) -> None:
        project.months(5)
        project.doit()
        for month in (1, 2, 3):
            (project.root / f"data/home/flights/2013-0{month}.parquet").unlink()
        result = project.doit()

        assert result.code == 3
        assert result.err == (
            "error: the home 'data/home/flights' has 2 partitions, it had 5\n"
            "  at flows/flights.yml:1:7  home: data/home/flights\n"
            "                                  ^\n"
            "  try: see whether a disk is missing; if all is as it should be: doit --allow-prune\n"
        )
        assert len(project.digest()) == 5
        assert project.doit("--allow-prune").counts["removed"] == 3

    def test_empty_home_empties_no_store(self, project: ProjectFolder) -> None:
        project.months(1)
        project.flow(
            "flights",
            "home: {type: parquet, path: data/home/flights}\nstore: data/store/flights\n",
        )
        project.doit()
        (project.root / "data/home/flights/2013-01.parquet").unlink()

        assert project.doit().code == 3
        assert len(project.digest()) == 1

    def test_folders_left_empty_go_too(self, project: ProjectFolder) -> None:
        for day in ("1/a", "1/b", "2/a"):
            project.parquet(f"data/home/days/{day}.parquet")
        project.flow("days", "home: data/home/days\nstore: data/store/days\n")
        project.doit()
        (project.root / "data/home/days/2/a.parquet").unlink()
        project.doit()

        assert not (project.root / "data/store/days/2").exists()
        assert (project.root / "data/store/days/1").exists()

    def test_what_another_flow_writes_now_is_left_alone(self, project: ProjectFolder) -> None:
        # Two flows that exchange their stores: each one's old outputs are the other's new ones.
        project.parquet("data/home/one/x.parquet", 1)
        project.parquet("data/home/two/x.parquet", 2)
        project.flow("one", "home: data/home/one\nstore: data/store/a\n")
        project.flow("two", "home: data/home/two\nstore: data/store/b\n")
        project.doit()
        project.flow("one", "home: data/home/one\nstore: data/store/b\n")
        project.flow("two", "home: data/home/two\nstore: data/store/a\n")
        project.doit()

        assert pl.read_parquet(project.root / "data/store/a/x.parquet").height == 2
        assert pl.read_parquet(project.root / "data/store/b/x.parquet").height == 1
        assert project.doit().moved == 0
