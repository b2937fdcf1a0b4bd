"""What once went wrong, each told as it happened."""

from __future__ import annotations

import shutil
import subprocess
import sys

import polars as pl
import pytest
from conftest import DODO, ProjectFolder

from hygge.state import State

KILLED_BEFORE_RECORDING = (
    DODO
    + """
import os
from hygge.state import State

def killed(self, *args):
    os._exit(137)

State.set = killed
"""
)
"""A dodo.py in which a run ends, as by a kill, after the first output is in its place."""


def kill_before_recording(project: ProjectFolder) -> None:
    project.write("dodo.py", KILLED_BEFORE_RECORDING)
    result = project.doit()
    project.write("dodo.py", DODO)

    assert result.code == 137


def text_flow(project: ProjectFolder, store: str) -> None:
    project.flow("text", f"home: data/home/text\nstore: {store}\n")


def test_store_that_is_spelt_otherwise_is_the_same_store(project: ProjectFolder) -> None:
    # The old spelling's outputs were removed as leftovers: they were the files just written.
    project.months(2)
    project.doit()
    project.flow(
        "flights", f"home: ./data//home/flights\nstore: {project.root}/data/../data/store/flights\n"
    )

    assert project.doit().moved == 0
    assert len(project.digest()) == 2


def test_store_behind_a_link_is_the_same_store(project: ProjectFolder) -> None:
    # As above, through a link.
    project.months(2)
    (project.root / "real").mkdir()
    (project.root / "link").symlink_to("real")
    project.flow("flights", "home: data/home/flights\nstore: link\n")
    project.doit()
    project.flow("flights", "home: data/home/flights\nstore: real\n")
    project.doit()

    assert sorted(project.digest("real")) == ["2013-01.parquet", "2013-02.parquet"]


def test_store_that_another_flow_took_over_through_a_link_is_left_alone(
    project: ProjectFolder,
) -> None:
    # Ownership compared the link's path with the real one.
    project.months(2)
    (project.root / "real").mkdir()
    (project.root / "link").symlink_to("real")
    project.flow("zed", "home: data/home/flights\nstore: link\n")
    (project.root / "flows/flights.yml").unlink()
    project.doit()
    project.flow("abe", "home: data/home/flights\nstore: real\n")
    project.flow("zed", "home: data/home/flights\nstore: other\n")
    project.doit()

    assert len(project.digest("real")) == len(project.digest("other")) == 2


def test_output_of_a_change_that_was_killed_and_taken_back_goes(project: ProjectFolder) -> None:
    # The next move's intent replaced the killed one's, and nothing knew of x.csv.gz any more.
    project.write("data/home/text/x.csv", "id\n1\n")
    text_flow(project, "{type: csv, path: data/store/text}")
    project.doit()
    text_flow(project, "{type: csv, path: data/store/text, compression: gzip}")
    kill_before_recording(project)
    text_flow(project, "{type: csv, path: data/store/text, compression: zstd}")
    project.doit()

    assert list(project.digest()) == ["text/x.csv.zst"]


def test_output_of_a_killed_change_goes_though_the_partition_is_up_to_date(
    project: ProjectFolder,
) -> None:
    # The intents of what was up to date were forgotten, and their outputs with them.
    project.write("data/home/text/x.csv", "id\n1\n")
    text_flow(project, "{type: csv, path: data/store/text}")
    project.doit()
    reference = project.digest()
    text_flow(project, "{type: csv, path: data/store/text, compression: gzip}")
    kill_before_recording(project)
    shutil.copy(project.root / "data/home/text/x.csv", project.root / "data/store/text/x.csv")
    text_flow(project, "{type: csv, path: data/store/text}")
    project.doit()

    assert project.digest() == reference


def test_output_of_a_killed_move_goes_though_the_next_one_failed(project: ProjectFolder) -> None:
    # A failure erased the intent.
    project.months(2)
    kill_before_recording(project)
    project.write("data/home/flights/2013-01.parquet", b"no parquet")
    assert project.doit("--continue").code == 1
    (project.root / "data/home/flights/2013-01.parquet").unlink()
    project.doit()

    assert list(project.digest()) == ["flights/2013-02.parquet"]


def test_hive_folder_with_another_key_is_moved_again(project: ProjectFolder) -> None:
    # The bytes and the partition's key were the same, the captured column was not.
    project.parquet("data/home/h/year=2013/part.parquet")
    project.flow(
        "h", "home: {type: parquet, path: data/home/h, partition: hive}\nstore: data/store/h\n"
    )
    project.doit()
    (project.root / "data/home/h/year=2013").rename(project.root / "data/home/h/anno=2013")
    result = project.doit()

    assert "(source changed: year=2013 -> anno=2013)" in result.out
    assert pl.read_parquet(project.root / "data/store/h/2013.parquet").columns == [
        "id",
        "name",
        "anno",
    ]


def test_file_with_another_suffix_is_moved_again(project: ProjectFolder) -> None:
    # The suffix decides on the separator, so that the same bytes are other rows.
    source = project.write("data/home/text/x.csv", "id\tn,m\n1\ta,b\n")
    project.flow("text", "home: {type: csv, path: data/home/text}\nstore: data/store/text\n")
    project.doit()
    source.rename(source.with_suffix(".tsv"))
    result = project.doit()

    assert "(source changed: 'x.csv' -> 'x.tsv')" in result.out
    assert pl.read_parquet(project.root / "data/store/text/x.parquet").columns == ["id", "n,m"]


def test_folder_that_becomes_a_file_and_back(project: ProjectFolder) -> None:
    # The old output was in the way, and was to be removed only after the new one was written.
    project.flow("a", "home: {type: parquet, path: data/home/a}\nstore: data/store/a\n")
    project.parquet("data/home/a/y.parquet")
    project.parquet("data/home/a/x.parquet/part.parquet", 3)
    project.doit()
    shutil.rmtree(project.root / "data/home/a/x.parquet")
    project.parquet("data/home/a/x.parquet", 5)
    to_file = project.doit()
    after = sorted(project.digest())
    (project.root / "data/home/a/x.parquet").unlink()
    project.parquet("data/home/a/x.parquet/part.parquet", 3)
    to_folder = project.doit("-n", "4")

    assert (to_file.code, after) == (0, ["a/x.parquet", "a/y.parquet"]), to_file.out
    assert to_folder.code == 0, to_folder.out
    assert sorted(project.digest()) == ["a/x.parquet/part.parquet", "a/y.parquet"]


def test_output_whose_folder_became_a_file_counts_as_gone(project: ProjectFolder) -> None:
    # Its removal failed in each run: "Not a directory".
    for name in ("d/x", "y", "z"):
        project.parquet(f"data/home/a/{name}.parquet")
    project.flow("a", "home: data/home/a\nstore: data/store/a\n")
    project.doit()
    (project.root / "data/home/a/d/x.parquet").unlink()
    shutil.rmtree(project.root / "data/store/a/d")
    project.write("data/store/a/d", b"in the way")

    assert project.doit().code == 0


def test_temporary_files_go_though_the_state_was_lost_while_a_flow_was_broken(
    project: ProjectFolder,
) -> None:
    # Only the first run after the loss looked for them, and only in the stores of sound flows.
    project.months(1)
    left = project.write("data/store/b/.x.parquet.20130101T000000000Z-abcdef.tmp", b"half")
    project.parquet("data/home/b/x.parquet")
    project.flow("b", "home: data/home/b\nstor: data/store/b\n")
    project.doit("--continue")
    project.flow("b", "home: data/home/b\nstore: data/store/b\n")
    project.doit()

    assert not left.exists()


def test_files_of_others_that_end_in_tmp_are_left_alone(project: ProjectFolder) -> None:
    # With a lost state, all of them were removed.
    project.months(1)
    other = project.write("data/store/flights/.editor.tmp", b"not ours")
    project.doit()

    assert other.exists()


@pytest.mark.parametrize("pattern", ["data/**/*.parquet", "data/*/*.parquet", "*/out/*.parquet"])
def test_glob_that_would_find_the_store_is_refused_at_once(
    project: ProjectFolder, pattern: str
) -> None:
    # The first run was well, the second found its own outputs.
    project.parquet("data/home/x.parquet")
    project.parquet("other/out/x.parquet")
    project.flow("a", f"home: '{pattern}'\nstore: data/out\n")
    result = project.doit()

    assert result.code == 3
    assert f"the store 'data/out' and the home '{pattern}' share files" in result.err


def test_glob_beside_its_store_is_well(project: ProjectFolder) -> None:
    project.parquet("data/x.parquet")
    project.flow("a", "home: 'data/*.parquet'\nstore: data/out\n")
    project.doit()

    assert project.doit().counts["unchanged"] == 1


def test_store_path_with_dots_leaves_no_empty_folders(project: ProjectFolder) -> None:
    # The folder was compared as it was spelt.
    for name in ("d/x", "y"):
        project.parquet(f"data/home/a/{name}.parquet")
    project.flow("a", "home: data/home/a\nstore: data/../out\n")
    project.doit()
    (project.root / "data/home/a/d/x.parquet").unlink()
    project.doit()

    assert not (project.root / "out/d").exists()


def test_old_store_folder_goes_when_it_is_empty(project: ProjectFolder) -> None:
    project.months(2)
    project.doit()
    project.flow("flights", "home: data/home/flights\nstore: data/elsewhere\n")
    project.doit()

    assert not (project.root / "data/store/flights").exists()
    assert len(project.digest("data/elsewhere")) == 2


def test_renamed_flow_takes_its_store_over_without_orphans(project: ProjectFolder) -> None:
    # A source that went with the renaming left its output in the store of the new flow.
    project.months(3)
    project.doit()
    (project.root / "flows/flights.yml").rename(project.root / "flows/departures.yml")
    (project.root / "data/home/flights/2013-02.parquet").unlink()
    result = project.doit()

    assert "flights  no such flow any more: 3 forgotten, data stays\n" in result.out
    assert sorted(project.digest()) == ["flights/2013-01.parquet", "flights/2013-03.parquet"]


def test_only_what_is_selected_counts_as_to_be_done(project: ProjectFolder) -> None:
    # "62 of 382 moved", though only 365 had been asked for.
    project.months(2)
    project.write("data/home/flights/2013-01.parquet", b"no parquet")
    project.parquet("data/home/other/x.parquet")
    project.flow("other", "home: data/home/other\nstore: data/store/other\n")
    result = project.doit("flights")

    assert (
        "1 failed, 1 not tried (`doit --continue` goes on after a failure). "
        "What failed is tried again by the next `doit`.\n"
    ) in result.out


def test_ignored_partitions_are_not_to_be_moved(project: ProjectFolder) -> None:
    # `plan --check` exited with 4 for ever.
    project.months(2)
    project.doit("ignore", "flights:*")
    plan = project.doit("plan", "--check")

    assert (plan.code, plan.out) == (0, "Nothing to move: 0 up to date, 2 ignored.\n")


def test_users_own_task_alone_leaves_no_event_log(project: ProjectFolder) -> None:
    # It held a lone step.succeeded.
    project.months(1)
    project.write("dodo.py", DODO + "def task_own():\n    return {'actions': ['true']}\n")
    project.doit("own")

    assert not (project.root / ".hygge/runs").exists()


def test_state_of_hygge_without_its_config_is_told(project: ProjectFolder) -> None:
    # doit's own backend asked for the file to be deleted, in a traceback.
    project.months(1)
    project.doit()
    project.write("dodo.py", "from hygge.tasks import task_hygge\n")
    result = project.doit()

    assert result.code == 3
    assert result.err.startswith("error: doit does not use hygge's state\n")


def test_reader_that_closes_the_pipe_is_no_error(project: ProjectFolder) -> None:
    project.months(200)
    project.doit()
    for command in (("list", "--all"), ("dumpdb",)):
        process = project.start(*command)
        assert process.stdout is not None and process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        err = process.stderr.read()
        process.stderr.close()
        process.wait(timeout=30)

        assert err == ""


IGNORING_HANGUP = """
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, "-m", "doit", "hang"])
"""


def test_run_under_nohup_outlives_its_terminal(project: ProjectFolder) -> None:
    # SIGHUP was heard although it was to be ignored.
    project.months(1)
    project.write(
        "dodo.py",
        DODO
        + "import os, signal\n"
        + "def hang():\n    os.kill(os.getpid(), signal.SIGHUP)\n"
        + "def task_hang():\n    return {'actions': [hang]}\n",
    )
    result = subprocess.run(
        [sys.executable, "-c", IGNORING_HANGUP],
        cwd=project.root,
        env=project.environment(),
        timeout=30,
    )

    assert result.returncode == 0


def test_store_taken_over_by_a_killed_run_is_cleared_by_the_next(project: ProjectFolder) -> None:
    # What the vanished flow had written was forgotten when the run began. That run was killed, the
    # new flow was edited to write other names, and nothing could tell any more whose the rest was.
    project.write("data/home/text/1.csv", "id\n1\n")
    text_flow(project, "{type: csv, path: data/store/text}")
    project.doit()
    (project.root / "flows/text.yml").rename(project.root / "flows/other.yml")
    project.write("dodo.py", KILLED_BEFORE_RECORDING.replace("State.set", "State.mark_unclean"))
    assert project.doit().code == 137
    project.write("dodo.py", DODO)
    project.flow(
        "other",
        "home: data/home/text\nstore: {type: csv, path: data/store/text, compression: gzip}",
    )
    result = project.doit()

    assert result.moved == 1
    assert list(project.digest()) == ["text/1.csv.gz"]
    assert "text  no such flow any more: 1 forgotten, data stays\n" in result.out


def test_copied_flow_with_an_input_remembers_what_the_input_was(project: ProjectFolder) -> None:
    # The hash of the copied file was taken for that of the input as well: each run found the
    # input changed, and fresh files never settled.
    project.months(2)
    project.parquet("data/home/other/a.parquet", rows=9)
    project.flow(
        "flights",
        "home: data/home/flights\nstore: data/store/flights\ninputs: {other: data/home/other}\n",
    )
    first = project.doit()
    project.settle()
    second = project.doit()

    assert (first.code, first.moved) == (0, 2)
    assert second.moved == 0


def test_state_of_no_bytes_is_nothing_remembered(project: ProjectFolder) -> None:
    # A copy of it in memory can't be made: reading commands ended in a MemoryError.
    project.months(1)
    project.write(".doit.db", b"")
    planned = project.doit("plan")

    assert (planned.code, planned.err) == (0, "")
    assert planned.out.startswith("flights:2013-01  move ")


@pytest.mark.parametrize("begun", [True, False])
def test_dumpdb_reads_the_state_of_a_first_run_that_goes_on(
    project: ProjectFolder, begun: bool
) -> None:
    """What said that the file is ours was in the log alone: doit's own dumpdb had a traceback."""
    state = State(str(project.root / ".doit.db"))
    if begun:
        state.begin()
    else:
        project.write(".doit.db", b"")

    result = project.doit("dumpdb")
    state.dump()

    assert (result.code, result.out, result.err) == (0, "", "")
