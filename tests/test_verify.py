"""`doit verify` finds whatever differs in a store, and changes nothing."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from conftest import ProjectFolder


def moved(project: ProjectFolder) -> None:
    """Move two files; wait until their times are proof."""
    project.write("home/1.csv", "id\n1\n")
    project.write("home/2.csv", "id\n2\n")
    project.flow("a", "home: home\nstore: {path: out, type: csv}\n")
    project.doit()
    project.settle()
    project.doit("-a")
    project.settle()
    project.doit()


def data(project: ProjectFolder, *words: str) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(project.doit("verify", "--json", *words).out)
    return dict(whole["data"])


def files(project: ProjectFolder) -> dict[str, str]:
    """Return every file, but those that SQLite makes beside its own when it reads."""
    found = project.digest(".")
    return {name: found[name] for name in found if not name.startswith(".doit.db-")}


def test_stores_that_match_are_fine_without_being_read(project: ProjectFolder) -> None:
    moved(project)
    result = project.doit("verify")

    assert (result.code, result.err) == (0, "")
    assert result.out == "2 of 2 outputs match their receipts (10B; 0B had to be read).\n"


def test_full_reads_every_byte(project: ProjectFolder) -> None:
    moved(project)

    assert project.doit("verify", "--full").out == (
        "2 of 2 outputs match their receipts (10B; every byte was read).\n"
    )
    assert data(project, "--full")["read"] == 10


def test_missing_output_is_told_with_what_to_type(project: ProjectFolder) -> None:
    moved(project)
    (project.root / "out/1.csv").unlink()
    result = project.doit("verify")

    assert result.code == 1
    assert result.out == (
        "missing: 'out/1.csv' of a:1\n"
        "1 of 2 outputs match their receipts (5B; 0B had to be read).\n"
        "To make what does not match again: doit a:1\n"
    )


def test_what_is_advised_mends_it(project: ProjectFolder) -> None:
    moved(project)
    (project.root / "out/1.csv").unlink()
    project.doit("a:1")

    assert project.doit("verify").code == 0


def test_another_size_is_told_with_old_and_new(project: ProjectFolder) -> None:
    moved(project)
    project.write("out/1.csv", "id\n100\n")

    assert project.doit("verify").out.startswith("another size: 'out/1.csv' of a:1, 5 -> 7 bytes\n")


def test_same_size_with_other_times_is_read(project: ProjectFolder) -> None:
    moved(project)
    project.write("out/1.csv", "id\n9\n")
    os.utime(project.root / "out/2.csv", (1, 1))
    found = data(project)

    assert [(each["path"], each["what"]) for each in found["mismatches"]] == [
        ("out/1.csv", "another content")
    ]
    assert found["read"] == 10


def test_what_times_hide_full_finds(project: ProjectFolder) -> None:
    moved(project)
    # No program can hide a change from the time of the inode: here the receipt is made to lie.
    import sqlite3

    from hygge.fingerprint import text_hash

    database = sqlite3.connect(project.root / ".doit.db")
    task, text, run, _ = database.execute(
        "SELECT task, data, run, sum FROM tasks WHERE task = 'a:1'"
    ).fetchone()
    row = json.loads(text)
    row["_values_:"]["outputs"][0][1] = "0" * 32
    text = json.dumps(row, separators=(",", ":"))
    total = text_hash(f"{task}\0{text}\0{run}")
    with database:
        database.execute("UPDATE tasks SET data = ?, sum = ? WHERE task = ?", (text, total, task))
    database.close()

    assert project.doit("verify").code == 0
    assert project.doit("verify", "--full").code == 1


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_what_is_no_plain_file_any_more_does_not_match(project: ProjectFolder, kind: str) -> None:
    moved(project)
    output = project.root / "out/1.csv"
    output.unlink()
    if kind == "folder":
        output.mkdir()
    else:
        output.symlink_to(project.root / "home/1.csv")

    assert project.doit("verify").out.startswith("no plain file: 'out/1.csv' of a:1\n")


def test_unknown_files_are_a_warning(project: ProjectFolder) -> None:
    moved(project)
    project.write("out/sub/mine.csv", "x\n")
    project.write("out/.DS_Store", "x\n")
    result = project.doit("verify")

    assert result.code == 0
    assert result.out == (
        "unknown file: 'out/.DS_Store' in the store of a\n"
        "unknown file: 'out/sub/mine.csv' in the store of a\n"
        "2 of 2 outputs match their receipts (10B; 0B had to be read).\n"
        "Unknown files are left alone; who reads the store reads them too.\n"
    )


def test_left_overs_of_a_killed_run_are_named(project: ProjectFolder) -> None:
    moved(project)
    left = "out/.1.csv.20261121T083000123Z-abcdef.tmp"
    project.write(left, "half")
    result = project.doit("verify")

    assert result.code == 0
    assert result.out == (
        f"left over: '{left}', half-written by a run that was stopped\n"
        "2 of 2 outputs match their receipts (10B; 0B had to be read).\n"
        "What is left over goes with the next run: doit\n"
    )


def test_rows_that_were_set_aside_are_outputs_too(project: ProjectFolder) -> None:
    project.write("home/1.csv", "id\n1\n2\n")
    project.flow(
        "a", "home: home\nstore: out\nchecks: [{between: {id: [1, 1]}, on_fail: quarantine}]\n"
    )
    project.doit()
    aside = project.root / "data/quarantine/a/1.parquet"
    aside.unlink()

    assert [each["path"] for each in data(project)["mismatches"]] == ["data/quarantine/a/1.parquet"]


def test_names_choose_what_is_verified(project: ProjectFolder) -> None:
    moved(project)
    project.flow("b", "home: home\nstore: {path: other, type: csv}\n")
    project.doit("b")
    (project.root / "out/1.csv").unlink()

    assert project.doit("verify", "b").code == 0
    assert project.doit("verify", "a:2").code == 0
    assert project.doit("verify", "a:1").code == 1


def test_what_a_vanished_flow_wrote_is_verified(project: ProjectFolder) -> None:
    moved(project)
    (project.root / "flows/a.yml").unlink()

    assert data(project)["outputs"] == 2


def test_broken_flow_is_told_and_its_outputs_are_verified(project: ProjectFolder) -> None:
    moved(project)
    project.flow("a", "home: nowhere\nstore: {path: out, type: csv}\n")
    result = project.doit("verify")

    assert result.code == 3
    assert result.out == "2 of 2 outputs match their receipts (10B; 0B had to be read).\n"
    assert result.err.startswith("error: no folder 'nowhere'\n")


def test_empty_project_has_nothing_to_verify(project: ProjectFolder) -> None:
    result = project.doit("verify")

    assert (result.code, result.out) == (
        0,
        "Nothing that was moved is remembered here: there is nothing to verify.\n",
    )


def test_unknown_name_has_a_near_miss(project: ProjectFolder) -> None:
    moved(project)
    result = project.doit("verify", "a:11")

    assert (result.code, result.out, result.err) == (
        3,
        "",
        "error: no task 'a:11'\n  try: did you mean 'a:1'?\n",
    )


def test_nothing_is_written(project: ProjectFolder) -> None:
    moved(project)
    (project.root / "out/1.csv").unlink()
    project.write("out/.1.csv.20261121T083000123Z-abcdef.tmp", "half")
    before = files(project)
    project.doit("verify", "--full")

    assert files(project) == before
