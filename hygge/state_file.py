"""This is where ``.doit.db`` is opened to read or to write, or moved aside if it is damaged."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hygge import room
from hygge.errors import StateError
from hygge.state_reading import READERS, connect

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
CREATE TABLE IF NOT EXISTS intents (task TEXT, run TEXT, outputs TEXT, PRIMARY KEY (task, run));
CREATE TABLE IF NOT EXISTS unclean (run TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS flow_seals (flow TEXT PRIMARY KEY, seal BLOB, sum TEXT);
COMMIT;
"""

COLUMNS = {
    "task, data, run, sum": "tasks",
    "hash, config": "configs",
    "task, message": "failures",
    "task, run, outputs": "intents",
    "run": "unclean",
    "flow, seal, sum": "flow_seals",
}
"""What is read of each table; a damaged definition passes SQLite's own check."""

DAMAGED = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What a damaged file raises; the second where sqlite3 can't even read its own message."""

ROOM = 5_000_000
"""Bytes that a run may need beside the file: SQLite's log before it is written back, 4.1 MB."""

CIRCUMSTANCES = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_AUTH,
}
"""Errors that are mended around the file, not in it."""


class StateFile:
    """An SQLite file with hygge's tables. Safe to use from several threads.

    Args:
        name: Path of the file; it need not be there.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.guard = threading.RLock()
        """Held while the file is used."""
        self._connection: sqlite3.Connection | None = None
        self._reading_only = True
        self._warned = False

    @property
    def is_writable(self) -> bool:
        """Whether it was opened to write."""
        return self._connection is not None and not self._reading_only

    def close(self) -> None:
        """Close the file, if it is open."""
        with self.guard:
            if self._connection is not None:
                self._closed_at_last()
                self._connection = None

    def _use(self, connection: sqlite3.Connection, *, reading_only: bool) -> None:
        self._connection, self._reading_only = connection, reading_only
        # doit's reading commands close nothing.
        self._closed_at_last = weakref.finalize(self, connection.close)

    def select(self, query: str, arguments: tuple[Any, ...] = ()) -> list[Any]:
        """Return the rows of *query*; none if the file is not there or is damaged.

        Raises:
            StateError: It can't be read, and not because it is damaged.
        """
        with self.guard:
            if self._connection is None and not self._open_to_read():
                return []
            assert self._connection is not None
            try:
                return self._connection.execute(query, arguments).fetchall()
            except DAMAGED as error:
                if isinstance(error, sqlite3.Error) and self._is_circumstance(error):
                    raise self._error("can't be read", error) from error
                # Damaged: nothing is remembered. A run moves the file aside, others leave it.
                self._check_readable()
                self._warn_unreadable()
                return []

    def texts(
        self, columns: str, table: str, where: str = "true", arguments: tuple[Any, ...] = ()
    ) -> list[Any]:
        """Return those rows of *table* in which all of *columns* are text, as we wrote them."""
        texts = " AND ".join(f"typeof({each}) = 'text'" for each in columns.split(", "))
        return self.select(f"SELECT {columns} FROM {table} WHERE {where} AND {texts}", arguments)

    @contextlib.contextmanager
    def transaction(self, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """Commit what is done within, or nothing of it.

        Args:
            durable: Whether to wait until it is on the disk, with all that was committed before.

        Raises:
            StateError: It could not be written.
        """
        with self.guard:
            assert self._connection is not None
            try:
                if durable:
                    self._connection.execute("PRAGMA synchronous=FULL")
                with self._connection:
                    yield self._connection
                if durable:
                    self._connection.execute("PRAGMA synchronous=NORMAL")
            except sqlite3.Error as error:
                raise self._error("can't be written", error) from error

    def write_back(self) -> None:
        """Bring what was committed from SQLite's log into the file, and both onto the disk.

        Closing the file does so too, but tells nobody if it fails.

        Raises:
            StateError: It did not get there.
        """
        with self.guard:
            assert self._connection is not None
            try:
                self._connection.execute("PRAGMA wal_checkpoint").fetchall()
            except sqlite3.Error as error:
                raise self._error("can't be written", error) from error

    def _open_to_read(self) -> bool:
        """Open the file as it is; return False if there is nothing to be read."""
        if not os.path.exists(self.name):
            return False
        for opened in READERS:
            try:
                connection = opened(self.name)
            except DAMAGED:
                continue
            with contextlib.suppress(*DAMAGED):
                if connection is not None and _is_ours(connection):
                    self._use(connection, reading_only=True)
                    return True
            if connection is not None:
                connection.close()
        if os.path.getsize(self.name) > 0:
            self._check_readable()
            self._warn_unreadable()
        return False

    def _warn_unreadable(self) -> None:
        if not self._warned:
            self._warned = True
            what_next = "the next `doit` moves it aside and compares what is in the stores"
            if not os.access(self.name, os.R_OK):
                what_next = "see to it that you may read it"
            sys.stderr.write(
                f"warning: '{self.name}' can't be read; nothing is known of earlier moves\n"
                f"  {what_next}\n"
            )

    def open_to_write(self) -> None:
        """Make the file ready to be written; a damaged or foreign one is moved aside first.

        Raises:
            StateError: It can't be written.
        """
        self.close()
        if os.path.isdir(self.name):
            self._move_aside()
        try:
            connection = self._connected_despite_others()
        except DAMAGED as error:
            if isinstance(error, sqlite3.Error) and self._is_circumstance(error):
                raise self._error("can't be written", error) from error
            connection = self._connected_at_second_look()
        self._use(connection, reading_only=False)

    def _connected_at_second_look(self) -> sqlite3.Connection:
        """Open what looked damaged, or move it aside and begin anew."""
        # A read that failed is damage to SQLite (SQLITE_IOERR_CORRUPTFS), and may have passed.
        self._check_readable()
        try:
            return self._connected()
        except DAMAGED:
            self._move_aside()
            return self._connected()

    def _check_readable(self) -> None:
        """Refuse to take for damaged what the disk does not give.

        Raises:
            StateError: It can't be read, though it is there and may be read.
        """
        for suffix in ("", "-wal"):
            try:
                with Path(self.name + suffix).open("rb") as opened:
                    while opened.read(2**20):
                        pass
            except (FileNotFoundError, IsADirectoryError, PermissionError):
                continue
            except OSError as error:
                name = os.path.basename(self.name) + suffix
                raise StateError(
                    f"'{name}' can't be read: {error.strerror}",
                    self.name + suffix,
                    "see to it that the disk is sound; then run again",
                ) from error

    def _connected_despite_others(self) -> sqlite3.Connection:
        try:
            return self._connected()
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_READONLY:
                raise
            # The files beside it were somebody else's; where they held nothing they are gone now.
            return self._connected()

    def _is_circumstance(self, error: sqlite3.Error) -> bool:
        """Tell whether *error* speaks of rights, room or another program, and not of damage."""
        code = _code(error)
        if code == sqlite3.SQLITE_READONLY:
            return self._is_for_writing()
        return code in CIRCUMSTANCES

    def _is_for_writing(self) -> bool:
        """Tell whether the file says that it may be written.

        SQLite takes what it does not know for newer than itself, and only reads it: so does a
        damaged byte look. All else that keeps it from writing lies around the file.
        """
        # https://www.sqlite.org/fileformat.html: the write version is at offset 18.
        try:
            with Path(self.name).open("rb") as opened:
                header = opened.read(19)
        except OSError:
            return True
        return len(header) < 19 or header[18] in (1, 2)

    def _connected(self) -> sqlite3.Connection:
        exists = os.path.exists(self.name) and os.path.getsize(self.name) > 0
        connection = connect(self.name)
        try:
            if exists and not _is_ours(connection) and _has_tables(connection):
                raise sqlite3.DatabaseError("not written by this version of hygge")
            _check(connection)
            connection.execute("PRAGMA journal_mode=WAL")
            # NORMAL: a kill loses nothing, a power cut may lose the last commits, never the file.
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.executescript(TABLES)
            for columns, table in COLUMNS.items():
                connection.execute(f"SELECT {columns} FROM {table} LIMIT 0")
        except DAMAGED:
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
        name, folder = os.path.basename(self.name), Path(self.name).absolute().parent
        if os.path.islink(self.name) and not os.path.exists(self.name):
            what += f": it is a link to '{os.readlink(self.name)}', where no file can be"
            hint = "make the folder that it leads to, or remove the link"
            return StateError(f"'{name}' {what}", self.name, hint)
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        # Of what it could not write beside the file itself, SQLite tells no cause.
        is_io = code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
        if code == sqlite3.SQLITE_FULL or (is_io and room.free(folder) < ROOM):
            told = f"no space left on the device: {room.amount(folder, ROOM)}"
            return StateError(f"'{name}' {what}: {told}", self.name, "make room; then run again")
        hint = "see to it that there is room and that you may write there; then run again"
        return StateError(f"'{name}' {what}: {error}", self.name, hint)


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def is_state(file: Path) -> bool:
    """Tell whether *file* was written by this module, whatever its version."""
    try:
        with file.open("rb") as opened:
            header = opened.read(100)
    except OSError:
        return False
    # https://www.sqlite.org/fileformat.html: the application id is at offset 68, big-endian.
    mark = header[68:72]
    # While a first run goes on, the mark may be in the log alone, or the file have no byte yet.
    begun = mark in (b"", bytes(4)) and os.path.exists(f"{file}-wal")
    return not header or begun or mark == APPLICATION_ID.to_bytes(4, "big")


def _is_ours(connection: sqlite3.Connection) -> bool:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return bool(application == APPLICATION_ID and version == FORMAT)


def _check(connection: sqlite3.Connection) -> None:
    """Raise what is wrong with the file, if anything is."""
    (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict == "ok":
        return
    error = sqlite3.DatabaseError("malformed")
    # A page that can't be read is told in words only, and is no damage done to the file.
    code = re.search(r"error code[= ](\d+)", str(verdict))
    if code is not None and int(code[1]) & 0xFF in CIRCUMSTANCES:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = int(code[1])
    raise error


def _has_tables(connection: sqlite3.Connection) -> bool:
    # A run that was killed while it made the file leaves an empty one, which is nobody's.
    return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
