"""This is where it is written down how the state of a project can be damaged."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

from faults.built import PARTS, Case, Damage, Lose
from hygge.state_file import FORMAT

# The kinds of damage


def truncated(of: str, part: int) -> Damage:
    """Cut the file *of* the state off at one 64th of its length."""

    def damage(case: Case) -> None:
        file = case.root / of
        content = file.read_bytes()
        file.write_bytes(content[: len(content) * part // PARTS])

    return damage


def flipped(of: str, bits: int) -> Damage:
    """Flip *bits* random bits of the file *of* the state."""

    def damage(case: Case) -> None:
        file = case.root / of
        content = bytearray(file.read_bytes())
        for _ in range(bits):
            content[case.chance.randrange(len(content))] ^= 1 << case.chance.randrange(8)
        file.write_bytes(content)

    return damage


def clobbered(of: str) -> Damage:
    """Overwrite a stretch of the file *of* the state, as a bad sector does."""

    def damage(case: Case) -> None:
        file = case.root / of
        content = bytearray(file.read_bytes())
        start = case.chance.randrange(len(content))
        end = min(len(content), start + case.chance.choice([1, 16, 512, 4096]))
        content[start:end] = case.chance.randbytes(end - start)
        file.write_bytes(content)

    return damage


def text(case: Case) -> None:
    case.state.write_text("no database\n" * 1000)


def emptied(case: Case) -> None:
    case.state.write_bytes(b"")


def gone(case: Case) -> None:
    case.state.unlink()


def another_database(case: Case) -> None:
    case.state.unlink()
    _execute(case.state, "CREATE TABLE precious (a)")


def same_tables_of_another(case: Case) -> None:
    """A database with tables of our names, other columns, and our mark."""
    mark = sqlite3.connect(case.state).execute("PRAGMA application_id").fetchone()[0]
    case.state.unlink()
    _execute(
        case.state,
        "CREATE TABLE tasks (a)",
        f"PRAGMA application_id={mark}",
        f"PRAGMA user_version={FORMAT}",
    )


def newer(case: Case) -> None:
    _execute(case.state, f"PRAGMA user_version={FORMAT + 1}")


def _execute(file: Path, *statements: str) -> None:
    connection = sqlite3.connect(file)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def of_doit(backend: str) -> Damage:
    """Put there what doit itself would have written with one of its own backends."""

    def damage(case: Case) -> None:
        case.state.unlink()
        work = case.root.parent / backend
        work.mkdir(exist_ok=True)
        (work / "dodo.py").write_text("def task_a():\n    return {'actions': ['true']}\n")
        command = [sys.executable, "-m", "doit", "--backend", backend, "--db-file", case.state]
        subprocess.run(command, cwd=work, check=True, capture_output=True)

    return damage


def folder(case: Case) -> None:
    case.state.unlink()
    case.state.mkdir()
    (case.state / "of somebody").write_text("precious")


def link(case: Case) -> None:
    """The state lies elsewhere, and a link leads to it."""
    other = case.root.parent / "elsewhere.db"
    shutil.move(case.state, other)
    case.state.symlink_to(other)


def link_to_a_new_place(case: Case) -> None:
    case.state.unlink()
    (case.root.parent / "new.db").unlink(missing_ok=True)
    case.state.symlink_to(case.root.parent / "new.db")


def link_to_text(case: Case) -> None:
    case.state.unlink()
    other = case.root.parent / "letter.txt"
    other.write_text("not yours\n" * 500)
    case.state.symlink_to(other)


def index_garbage(case: Case) -> None:
    (case.root / ".doit.db-shm").write_bytes(case.chance.randbytes(32_768))


def foreign_log(case: Case) -> None:
    case.wal.write_bytes(case.chance.randbytes(10_000))


def lock_garbage(case: Case) -> None:
    (case.root / ".hygge/lock").write_bytes(case.chance.randbytes(1000))


def holder_garbage(content: bytes) -> Damage:
    def damage(case: Case) -> None:
        (case.root / ".hygge/lock.holder").write_bytes(content)

    return damage


def holder_is_a_folder(case: Case) -> None:
    holder = case.root / ".hygge/lock.holder"
    holder.unlink(missing_ok=True)
    holder.mkdir()


def nothing_of_ours(case: Case) -> None:
    shutil.rmtree(case.root / ".hygge")
    case.state.unlink()


HOLDERS = [b"", b"\xff\xfe", b"[]", b"{", b"null", b'{"pid": {}}', b"[" * 100_000, b"\0" * 100]

WHOLE: dict[str, Damage] = {
    "gone": gone,
    "emptied": emptied,
    "a text": text,
    "another database": another_database,
    "tables of ours with other columns": same_tables_of_another,
    "from a newer version": newer,
    **{f"doit's own: {each}": of_doit(each) for each in ("dbm", "json", "sqlite3")},
    "a folder": folder,
    "a link": link,
    "a link to a new place": link_to_a_new_place,
    "a link to a text": link_to_text,
    "garbage for -shm": index_garbage,
    "garbage for -wal": foreign_log,
    "garbage in lock": lock_garbage,
    **{f"{each[:9]!r} in lock.holder": holder_garbage(each) for each in HOLDERS},
    "lock.holder is a folder": holder_is_a_folder,
    "nothing of ours is left": nothing_of_ours,
}
"""What can lie there instead."""


# What happens to the log of a killed run


def log_missing(case: Case, state: bytes, log: bytes) -> None:
    case.wal.unlink(missing_ok=True)


def log_missing_but_its_index(case: Case, state: bytes, log: bytes) -> None:
    case.wal.unlink(missing_ok=True)
    index_garbage(case)


def log_cut_off(case: Case, state: bytes, log: bytes) -> None:
    if case.wal.exists():
        truncated(case.wal.name, case.chance.randrange(PARTS))(case)


def log_flipped(case: Case, state: bytes, log: bytes) -> None:
    if case.wal.exists() and case.wal.stat().st_size:
        flipped(case.wal.name, case.chance.choice([1, 8]))(case)


def log_of_another_time(case: Case, state: bytes, log: bytes) -> None:
    case.wal.write_bytes(log)
    (case.root / ".doit.db-shm").unlink(missing_ok=True)


def log_of_another_time_with_the_index(case: Case, state: bytes, log: bytes) -> None:
    case.wal.write_bytes(log)


def state_of_another_time(case: Case, state: bytes, log: bytes) -> None:
    case.state.write_bytes(state)


def index_missing(case: Case, state: bytes, log: bytes) -> None:
    (case.root / ".doit.db-shm").unlink(missing_ok=True)


LOGS: dict[str, Lose] = {
    "missing": log_missing,
    "missing, with garbage for its index": log_missing_but_its_index,
    "cut off": log_cut_off,
    "flipped bits": log_flipped,
    "of another time": log_of_another_time,
    "of another time, with the index": log_of_another_time_with_the_index,
    "whole, but for an earlier state": state_of_another_time,
    "whole, without its index": index_missing,
    "whole": lambda case, state, log: None,
}

STOPS = [
    *(("commit", number) for number in (2, 3, 5, 7, 9, 12)),
    *(("rename", number) for number in (1, 2, 3, 4, 5)),
    *(("touch", number) for number in (6, 11, 17, 23, 31, 40, 52, 65, 80)),
]
"""Where runs are killed, as `Server.start` takes it."""
