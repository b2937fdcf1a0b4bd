"""This is where what has been moved is remembered: ``.doit.db``, a backend for doit on SQLite."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path
from typing import Any

from hygge.errors import StateError
from hygge.fingerprint import canonical_json, text_hash
from hygge.lock import ProjectLock
from hygge.receipt import Receipt

APPLICATION_ID = 0x68796767
"""``hygg``: the mark in an SQLite file's header that says whose it is."""

FORMAT = 1
"""Version of the tables; a file of another version is moved aside."""

TABLES = f"""
BEGIN;
PRAGMA application_id={APPLICATION_ID};
PRAGMA user_version={FORMAT};
CREATE TABLE IF NOT EXISTS tasks (task TEXT PRIMARY KEY, data TEXT, run TEXT, sum TEXT);
CREATE TABLE IF NOT EXISTS configs (hash TEXT PRIMARY KEY, config TEXT);
CREATE TABLE IF NOT EXISTS failures (task TEXT PRIMARY KEY, message TEXT);
CREATE TABLE IF NOT EXISTS intents (task TEXT PRIMARY KEY, run TEXT, outputs TEXT);
CREATE TABLE IF NOT EXISTS unclean (run TEXT PRIMARY KEY);
COMMIT;
"""

REMOVED: Mapping[str, Any] = {"removed": True}
"""Values of a task that removed a partition's outputs: its row goes."""

_VALUES, _DEPS = "_values_:", "deps:"


class State:
    """All that is remembered, read at once when it is first asked for.

    Reading takes no lock. Each row is written, and committed, when its task has succeeded: doit
    sets ``deps:`` last. The receipt is the task's saved values, and what doit asks about a
    partition's ``file_dep`` is answered from it.

    Args:
        name: Path of the file.
        codec: Given by doit, not needed.
        module_name: Given by doit, not needed.
    """

    def __init__(self, name: str, codec: object = None, *, module_name: str | None = None) -> None:
        self.name = name
        self.kept: frozenset[str] = frozenset()
        """Tasks that `remove` leaves alone: in a run, doit removes the state of what failed and of
        everything behind it, although nothing of that has changed."""
        self.fresh = False
        """Whether nothing was remembered when it was opened."""
        self._lock = ProjectLock(Path(name).parent / ".hygge")
        self._guard = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._rows: dict[str, dict[str, Any]] | None = None
        self._runs: dict[str, str] = {}
        self._dirty: set[str] = set()
        self._current_run = ""
        self._warned = False

    # What doit asks a backend for

    def get(self, task: str, key: str) -> Any:
        """Return what is stored for *task* under *key*, or None."""
        row = self._loaded().get(task)
        if row is None:
            return None
        receipt = row.get(_VALUES)
        if key in row or receipt is None or not _is_receipt(receipt):
            return row.get(key)
        if key == _DEPS:
            return [source[0] for source in receipt["sources"]]
        return next((source for source in receipt["sources"] if source[0] == key), None)

    def set(self, task: str, key: str, value: Any) -> None:
        """Store *value*; it is committed when *key* is the last that doit sets of a task."""
        self._writable()
        rows = self._loaded()
        with self._guard:
            if key == _VALUES and (_is_receipt(value) or value == REMOVED):
                rows[task] = {_VALUES: value}
            elif not _is_receipt(rows.get(task, {}).get(_VALUES)) or key == "ignore:":
                rows.setdefault(task, {})[key] = value
            self._dirty.add(task)
            if key == _DEPS:
                self._commit()

    def in_(self, task: str) -> bool:
        """Tell whether anything is stored for *task*."""
        return task in self._loaded()

    def remove(self, task: str) -> None:
        """Forget *task*, unless it is one of `kept`."""
        if task not in self.kept:
            self.forget([task])

    def remove_all(self) -> None:
        """Forget everything."""
        self._writable()
        self._loaded().clear()
        self._dirty.clear()
        with self._transaction() as connection:
            for table in ("tasks", "failures", "configs"):
                connection.execute(f"DELETE FROM {table}")

    def dump(self) -> None:
        """Commit what is left and close."""
        with self._guard:
            if self._dirty:
                self._commit()
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    # What hygge asks it for

    def begin(self, wait: bool = False) -> None:
        """Make ready to write: take the project's lock, then read afresh.

        Raises:
            RunInProgress: Another process holds it and *wait* is False.
            StateError: The file can't be written.
        """
        self._lock.acquire(wait)
        self._open_to_write()
        self._rows = None
        self._loaded()

    def receipt(self, task: str) -> Receipt | None:
        """Return what is remembered of the last move of *task*, or None."""
        row = self._loaded().get(task)
        return None if row is None else Receipt.from_json(row.get(_VALUES))

    def tasks_of(self, flow: str) -> list[str]:
        """Return the tasks of *flow* that have a receipt or were being moved when a run ended."""
        prefix = flow + ":"
        known = {*self.receipts(), *self.intents()}
        return sorted(task for task in known if task.startswith(prefix))

    def receipts(self) -> list[str]:
        """Return every task that has a receipt."""
        return [t for t, row in self._loaded().items() if _is_receipt(row.get(_VALUES))]

    def run_of(self, task: str) -> str:
        """Return the id of the last run that vouched for the outputs of *task*."""
        self._loaded()
        return self._runs.get(task, "")

    def refresh(self, receipts: Mapping[str, Receipt]) -> None:
        """Replace *receipts* by task. One commit.

        A run that was marked unclean vouches for their outputs from now on.
        """
        if not receipts:
            return
        self._writable()
        with self._guard:
            for task, receipt in receipts.items():
                self._loaded().setdefault(task, {})[_VALUES] = receipt.to_json()
            self._dirty.update(receipts)
            self._commit()

    def forget(self, tasks: Iterable[str]) -> None:
        """Remove all that is remembered of *tasks*. One commit."""
        self._writable()
        with self._guard, self._transaction() as connection:
            for task in tasks:
                self._loaded().pop(task, None)
                self._dirty.discard(task)
                for table in ("tasks", "failures", "intents"):
                    connection.execute(f"DELETE FROM {table} WHERE task = ?", (task,))

    def failures(self) -> dict[str, str]:
        """Return the messages of the tasks whose last move failed."""
        return dict(self._select("SELECT task, message FROM failures"))

    def fail(self, task: str, message: str) -> None:
        """Remember that the last move of *task* failed; its receipt stays."""
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO failures VALUES (?, ?)", (task, message))
            connection.execute("DELETE FROM intents WHERE task = ?", (task,))

    def config(self, digest: str) -> dict[str, Any]:
        """Return the configuration whose hash is *digest*; empty if it is not remembered."""
        rows = self._select("SELECT config FROM configs WHERE hash = ?", (digest,))
        return dict(json.loads(rows[0][0])) if rows else {}

    def remember_config(self, digest: str, config: Mapping[str, Any]) -> None:
        """Remember *config*, so that a later change to it can be shown."""
        with self._transaction() as connection:
            row = (digest, canonical_json(config))
            connection.execute("INSERT OR IGNORE INTO configs VALUES (?, ?)", row)

    def intend(self, task: str, outputs: Iterable[str], run: str) -> None:
        """Remember, before anything is written, what *task* is about to write.

        So that a file which a killed run published but did not record is found again even when
        its source has gone since.
        """
        with self._transaction() as connection:
            row = (task, run, json.dumps(list(outputs)))
            connection.execute("INSERT OR REPLACE INTO intents VALUES (?, ?, ?)", row)

    def intents(self) -> dict[str, tuple[str, list[str]]]:
        """Return (run, outputs) of what was being written when an earlier run ended."""
        found = self._select("SELECT task, run, outputs FROM intents")
        return {task: (run, json.loads(outputs)) for task, run, outputs in found}

    def forget_intents(self, tasks: Iterable[str]) -> None:
        """Remove the intents of *tasks*. One commit, none if there are no *tasks*."""
        rows = [(task,) for task in tasks]
        if rows:
            with self._transaction() as connection:
                connection.executemany("DELETE FROM intents WHERE task = ?", rows)

    def doubted(self) -> Set[str]:
        """Return the runs that did not end cleanly; what they wrote may have been lost since."""
        return {run for (run,) in self._select("SELECT run FROM unclean")} - {self._current_run}

    def mark_unclean(self, run: str) -> None:
        """Remember that *run* has begun to write."""
        self._current_run = run
        with self._transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO unclean VALUES (?)", (run,))

    def mark_clean(self) -> None:
        """Remember that what the current run wrote is on the disk.

        Earlier runs that no receipt names any more are clean too.
        """
        with self._transaction() as connection:
            connection.execute("DELETE FROM unclean WHERE run = ?", (self._current_run,))
            connection.execute("DELETE FROM unclean WHERE run NOT IN (SELECT run FROM tasks)")

    def all_rows(self) -> dict[str, dict[str, Any]]:
        """Return everything that is stored by task, for people to read."""
        return dict(self._loaded())

    # How it is kept

    def _loaded(self) -> dict[str, dict[str, Any]]:
        if self._rows is None:
            self._rows, self._runs = {}, {}
            for task, data, run, total in self._select("SELECT task, data, run, sum FROM tasks"):
                # A row that was damaged on the disk is not believed.
                if total == _sum(task, data, run):
                    self._rows[task] = json.loads(data)
                    self._runs[task] = run
            self.fresh = not self._rows
        return self._rows

    def _commit(self) -> None:
        rows = self._loaded()
        with self._transaction() as connection:
            for task in self._dirty:
                values = rows[task].get(_VALUES)
                if values == REMOVED:
                    rows.pop(task)
                    connection.execute("DELETE FROM tasks WHERE task = ?", (task,))
                else:
                    run = self._runs[task] = self._current_run or self._runs.get(task, "")
                    data = json.dumps(rows[task], separators=(",", ":"))
                    row = (task, data, run, _sum(task, data, run))
                    connection.execute("INSERT OR REPLACE INTO tasks VALUES (?, ?, ?, ?)", row)
                connection.execute("DELETE FROM failures WHERE task = ?", (task,))
                connection.execute("DELETE FROM intents WHERE task = ?", (task,))
        self._dirty.clear()

    def _select(self, query: str, arguments: tuple[Any, ...] = ()) -> list[Any]:
        with self._guard:
            if self._connection is None and not self._open_to_read():
                return []
            assert self._connection is not None
            try:
                return self._connection.execute(query, arguments).fetchall()
            except sqlite3.DatabaseError:
                # Damaged: nothing is remembered. A run moves the file aside, others leave it.
                self._warn_unreadable()
                return []

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._writable()
        with self._guard:
            assert self._connection is not None
            try:
                with self._connection:
                    yield self._connection
            except sqlite3.Error as error:
                raise self._error("can't be written", error) from error

    def _writable(self) -> None:
        if not self._is_writable:
            self.begin()

    @property
    def _is_writable(self) -> bool:
        return self._connection is not None and not self._reading_only

    _reading_only = True

    def _open_to_read(self) -> bool:
        """Open the file as it is; return False if there is nothing to be read."""
        if not os.path.exists(self.name):
            return False
        for mode in ("mode=ro", "mode=ro&immutable=1"):  # the second: a folder without write access
            try:
                uri = f"{Path(self.name).absolute().as_uri()}?{mode}"
                connection = sqlite3.connect(uri, uri=True, check_same_thread=False, timeout=30)
                known = _is_ours(connection)
            except sqlite3.DatabaseError:
                continue
            if known:
                self._connection, self._reading_only = connection, True
                return True
            connection.close()
        if os.path.getsize(self.name) > 0:
            self._warn_unreadable()
        return False

    def _warn_unreadable(self) -> None:
        if not self._warned:
            self._warned = True
            sys.stderr.write(
                f"warning: '{self.name}' can't be read; nothing is known of earlier moves\n"
                "  the next `doit` moves it aside and compares what is in the stores\n"
            )

    def _open_to_write(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        try:
            connection = self._connected()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                # Held by another program, no room, no right to write: no damage.
                raise self._error("can't be written", error) from error
            self._move_aside()
            connection = self._connected()
        self._connection, self._reading_only = connection, False

    def _connected(self) -> sqlite3.Connection:
        exists = os.path.exists(self.name) and os.path.getsize(self.name) > 0
        connection = sqlite3.connect(self.name, check_same_thread=False, timeout=30)
        try:
            if exists and not _is_ours(connection) and _has_tables(connection):
                raise sqlite3.DatabaseError("not written by this version of hygge")
            connection.execute("PRAGMA journal_mode=WAL")
            # NORMAL: a kill loses nothing, a power cut may lose the last commits, never the file.
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.executescript(TABLES)
            if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("malformed")
        except sqlite3.DatabaseError:
            connection.close()
            raise
        return connection

    def _move_aside(self) -> None:
        aside = f"{self.name}.corrupt-{time.strftime('%Y%m%dT%H%M%S')}"
        os.replace(self.name, aside)
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.replace(self.name + suffix, aside + suffix)
        sys.stderr.write(
            f"warning: '{self.name}' could not be read; it is now '{os.path.basename(aside)}'\n"
            "  what is already in the stores is compared again, and not written again\n"
        )

    def _error(self, what: str, error: sqlite3.Error) -> StateError:
        hint = "see to it that there is room and that you may write there; then run again"
        return StateError(f"'{os.path.basename(self.name)}' {what}: {error}", self.name, hint)


def is_state(file: Path) -> bool:
    """Tell whether *file* was written by this module, whatever its version."""
    try:
        with file.open("rb") as opened:
            header = opened.read(100)
    except OSError:
        return False
    # https://www.sqlite.org/fileformat.html: the application id is at offset 68, big-endian.
    return header[68:72] == APPLICATION_ID.to_bytes(4, "big")


def _is_ours(connection: sqlite3.Connection) -> bool:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return bool(application == APPLICATION_ID and version == FORMAT)


def _has_tables(connection: sqlite3.Connection) -> bool:
    # A run that was killed while it made the file leaves an empty one, which is nobody's.
    return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])


def _is_receipt(values: Any) -> bool:
    return isinstance(values, dict) and "outputs" in values and "config" in values


def _sum(task: str, data: str, run: str) -> str:
    return text_hash(f"{task}\0{data}\0{run}")
