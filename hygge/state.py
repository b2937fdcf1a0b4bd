"""This is where what has been moved is remembered: ``.doit.db``, a backend for doit on SQLite."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import Any

import xxhash

from hygge import redaction
from hygge.fingerprint import canonical_json, text_hash
from hygge.lock import ProjectLock
from hygge.receipt import Receipt, is_path
from hygge.rows import DEPS, VALUES, Rows, as_doit_has_it, can_be_task, is_receipt, parsed
from hygge.state_file import StateFile
from hygge.variables import concealed

_ROWS = """
SELECT CAST(task || x'00' || data || x'00' || run AS BLOB), CAST(sum AS BLOB) FROM tasks
WHERE typeof(task) = 'text' AND typeof(data) = 'text' AND typeof(run) = 'text'
AND typeof(sum) = 'text'
"""
"""All rows, each as what its sum is the hash of; as bytes, because text costs twice as much."""

REMOVED: Mapping[str, Any] = {"removed": True}
"""Values of a task that removed a partition's outputs: its row goes."""


class State:
    """All that is remembered, read when it is first asked for.

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
        self._lock = ProjectLock(Path(name).parent / ".hygge")
        self._file = StateFile(name)
        self._rows: Rows | None = None
        self._runs: dict[str, str] = {}
        self._sums: dict[str, str] = {}
        self._dirty: set[str] = set()
        self._current_run = ""
        self._configs: set[str] = set()

    # What doit asks a backend for

    def get(self, task: str, key: str) -> Any:
        """Return what is stored for *task* under *key*, or None."""
        row = self._loaded().get(task)
        if row is None:
            return None
        values = row.get(VALUES)
        if key in row or values is None or not is_receipt(values):
            return as_doit_has_it(key, row.get(key))
        try:
            read = [*values["sources"], *values.get("inputs", ())]
            if key == DEPS:
                return as_doit_has_it(key, [source[0] for source in read])
            return next((source for source in read if source[0] == key), None)
        except (TypeError, LookupError):  # it says that it is a receipt, and is none
            return None

    def set(self, task: str, key: str, value: Any) -> None:
        """Store *value*; it is committed when *key* is the last that doit sets of a task."""
        self._writable()
        rows = self._loaded()
        with self._file.guard:
            if key == VALUES and (is_receipt(value) or value == REMOVED):
                rows[task] = {VALUES: value}
            elif not is_receipt(rows.get(task, {}).get(VALUES)) or key == "ignore:":
                rows.setdefault(task, {})[key] = value
            self._dirty.add(task)
            if key == DEPS:
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
        self._sums.clear()
        self._dirty.clear()
        self._configs.clear()
        with self._transaction() as connection:
            for table in ("tasks", "failures", "configs", "flow_seals"):
                connection.execute(f"DELETE FROM {table}")

    def dump(self) -> None:
        """Commit what is left, close, and give the project's lock back."""
        with self._file.guard:
            if self._dirty:
                self._commit()
            self._file.close()
            self._lock.release()

    # What hygge asks it for

    def begin(self, wait: bool = False) -> None:
        """Make ready to write: take the project's lock; what is read afterwards is read afresh.

        Raises:
            RunInProgress: Another process holds it and *wait* is False.
            StateError: The file can't be written.
        """
        self._lock.acquire(wait)
        self._file.open_to_write()
        self._rows = None
        self._runs, self._sums = {}, {}
        self._configs.clear()

    @property
    def was_left(self) -> bool:
        """Whether the run before this one ended without a word, whatever the file says of it."""
        return self._lock.was_left

    def receipt(self, task: str) -> Receipt | None:
        """Return what is remembered of the last move of *task*, or None."""
        row = self._loaded().get(task)
        return None if row is None else Receipt.from_json(row.get(VALUES))

    def tasks(self) -> Set[str]:
        """Return the tasks that have a receipt or were being moved when a run ended."""
        return {*self.receipts(), *self.intents()}

    def flows(self) -> Set[str]:
        """Return the flows of `tasks`, and the tasks of people's own."""
        begun = self._file.texts("task", "intents")
        return {*self._loaded().flows(), *(task.partition(":")[0] for (task,) in begun)}

    def entities(self) -> Set[tuple[str, str]]:
        """Return flow and entity of those of `tasks` that are partitions of an entity."""
        if not any("." in flow for flow in self.flows()):
            return set()
        named = (task.partition(":")[0].partition(".") for task in self.tasks())
        return {(flow, entity) for flow, _, entity in named if entity}

    def tasks_of(self, flow: str) -> list[str]:
        """Return those of `tasks` that are partitions of *flow*."""
        prefix = flow + ":"
        begun = (task for task in self.intents() if task.startswith(prefix))
        return sorted({*self._loaded().with_receipt(flow), *begun} - {flow})

    def receipts(self) -> list[str]:
        """Return every task that has a receipt."""
        return self._loaded().with_receipt()

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
        with self._file.guard:
            for task, receipt in receipts.items():
                self._loaded().setdefault(task, {})[VALUES] = receipt.to_json()
            self._dirty.update(receipts)
            self._commit()

    def forget(self, tasks: Iterable[str]) -> None:
        """Remove what is remembered of *tasks*, but not what is to be cleared away. One commit."""
        self._writable()
        tasks = [*tasks]
        with self._file.guard, self._transaction() as connection:
            for task in tasks:
                self._loaded().pop(task, None)
                self._dirty.discard(task)
                self._sums.pop(task, None)
                for table in ("tasks", "failures"):
                    connection.execute(f"DELETE FROM {table} WHERE task = ?", (task,))
            left = {task.partition(":")[0] for task in tasks} - {*self._loaded().flows()}
            gone = [(flow,) for flow in left]
            connection.executemany("DELETE FROM flow_seals WHERE flow = ?", gone)

    def failures(self) -> dict[str, str]:
        """Return the messages of the tasks whose last move failed."""
        return dict(self._file.texts("task, message", "failures"))

    def fail(self, task: str, message: str) -> None:
        """Remember that the last move of *task* failed; its receipt stays."""
        with self._transaction() as connection:
            row = (task, redaction.hide(message))
            connection.execute("INSERT OR REPLACE INTO failures VALUES (?, ?)", row)

    def config(self, digest: str) -> dict[str, Any]:
        """Return the configuration whose hash is *digest*; empty if it is not remembered."""
        config = self._remembered(digest)
        return config if isinstance(config, dict) else {}

    def stores(self) -> Set[str]:
        """Return the paths of the stores in the configurations that are remembered."""
        configs = [parsed(text) for _, text in self._file.texts("hash, config", "configs")]
        stores = [each.get("store") for each in configs if isinstance(each, dict)]
        paths = [each.get("path") for each in stores if isinstance(each, dict)]
        return {str(path) for path in paths if is_path(path)}

    def _remembered(self, digest: str) -> Any:
        found = self._file.texts("hash, config", "configs", "hash = ?", (digest,))
        return parsed(found[0][1]) if found else None

    def remember_config(self, digest: str, config: Mapping[str, Any]) -> None:
        """Remember *config*, without its secrets, so that a later change to it can be shown."""
        if digest in self._configs:
            return
        with self._transaction() as connection:
            row = (digest, canonical_json(concealed(config)))
            connection.execute("INSERT OR IGNORE INTO configs VALUES (?, ?)", row)
        self._configs.add(digest)

    def columns(self, digest: str) -> tuple[tuple[str, str], ...]:
        """Return the (name, type) of the columns remembered by *digest*; empty if they are not."""
        columns = self._remembered(digest)
        try:
            return tuple((str(name), str(kind)) for name, kind in columns)
        except (TypeError, ValueError):
            return ()

    def remember_columns(self, columns: Iterable[tuple[str, str]]) -> str:
        """Remember the (name, type) of columns; return their hash."""
        text = canonical_json([list(column) for column in columns])
        digest = text_hash(text)
        with self._transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO configs VALUES (?, ?)", (digest, text))
        return digest

    def intend(self, task: str, outputs: Iterable[str], run: str) -> None:
        """Remember, before anything is written, what *task* is about to write.

        So that a file which a killed run published but did not record is found again even when
        its source has gone since.
        """
        with self._transaction() as connection:
            row = (task, run, json.dumps(list(outputs)))
            connection.execute("INSERT OR REPLACE INTO intents VALUES (?, ?, ?)", row)

    def intents(self, only: str = "") -> dict[str, list[tuple[str, list[str]]]]:
        """Return (run, outputs), by task, of what was to be written and is not recorded.

        An intent stays until a later move, or a removal, of its task is recorded.

        Args:
            only: The task to look for; empty for all.
        """
        found: dict[str, list[tuple[str, list[str]]]] = {}
        where = ("task = ?", (only,)) if only else ()
        for task, run, text in self._file.texts("task, run, outputs", "intents", *where):
            if not can_be_task(task):
                continue
            outputs = parsed(text)
            paths = filter(is_path, outputs if isinstance(outputs, list) else ())
            found.setdefault(task, []).append((run, list(paths)))
        return found

    def forget_intents(self, tasks: Iterable[str]) -> None:
        """Remove the intents of *tasks*. One commit, none if there are no *tasks*."""
        rows = [(task,) for task in tasks]
        if rows:
            with self._transaction() as connection:
                connection.executemany("DELETE FROM intents WHERE task = ?", rows)

    def doubted(self) -> Set[str]:
        """Return the runs that did not end cleanly; what they wrote may have been lost since."""
        return {run for (run,) in self._file.texts("run", "unclean")} - {self._current_run}

    def mark_unclean(self, run: str) -> None:
        """Remember that *run* has begun to write, and wait until the disk does.

        Whatever a power cut leaves of the run, the next one then knows that there was one.
        """
        self._current_run = run
        with self._transaction(durable=True) as connection:
            connection.execute("INSERT OR IGNORE INTO unclean VALUES (?)", (run,))

    def mark_clean(self, swept: bool = True) -> None:
        """Remember that what the current run wrote is on the disk.

        Args:
            swept: Whether what earlier runs left half-written is gone everywhere: those that no
                receipt names any more are clean too then.
        """
        with self._transaction() as connection:
            connection.execute("DELETE FROM unclean WHERE run = ?", (self._current_run,))
            if swept:
                connection.execute("DELETE FROM unclean WHERE run NOT IN (SELECT run FROM tasks)")
        self._file.write_back()
        if swept:
            self._lock.was_left = False

    def seal(self, flow: str) -> bytes | None:
        """Return the seal of *flow* as it was remembered; None if it has none."""
        found = self._file.select("SELECT seal, sum FROM flow_seals WHERE flow = ?", (flow,))
        sound = (data for data, total in found if total == _sum_of_seal(flow, data))
        return next(sound, None)

    def remember_seal(self, flow: str, data: bytes) -> None:
        """Replace the seal of *flow*."""
        with self._transaction() as connection:
            row = (flow, data, _sum_of_seal(flow, data))
            connection.execute("INSERT OR REPLACE INTO flow_seals VALUES (?, ?, ?)", row)

    def sums(self, flow: str) -> dict[str, str]:
        """Return, for each task of *flow*, a hash of what is stored for it; empty if nothing is."""
        return {task: self._sums.get(task, "") for task in self._loaded().of_flow(flow)}

    def all_rows(self) -> dict[str, dict[str, Any]]:
        """Return everything that is stored by task, for people to read."""
        return dict(self._loaded())

    # How it is kept

    def _loaded(self) -> Rows:
        if self._rows is None:
            believed: list[tuple[str, bytes]] = []
            for row, total in self._file.select(_ROWS):
                digest, parts = xxhash.xxh3_128_hexdigest(row), row.split(b"\0")
                # A row that was damaged on the disk, or that nobody can have written, is not
                # believed.
                if digest.encode() != total or len(parts) != 3:
                    continue
                task = parts[0].decode("utf-8", "replace")
                if can_be_task(task):
                    believed.append((task, parts[1]))
                    self._runs[task], self._sums[task] = parts[2].decode("utf-8", "replace"), digest
            self._rows = Rows(believed)
        return self._rows

    def _commit(self) -> None:
        rows = self._loaded()
        removed = [(task,) for task in self._dirty if rows[task].get(VALUES) == REMOVED]
        written = [self._row(task, rows[task]) for task in self._dirty.difference(*removed)]
        dirty = [(task,) for task in self._dirty]
        with self._transaction() as connection:
            connection.executemany("DELETE FROM tasks WHERE task = ?", removed)
            connection.executemany("INSERT OR REPLACE INTO tasks VALUES (?, ?, ?, ?)", written)
            connection.executemany("DELETE FROM failures WHERE task = ?", dirty)
            connection.executemany("DELETE FROM intents WHERE task = ?", dirty)
        # Only now: what could not be written is tried again with the next commit.
        for task, _, run, total in written:
            self._runs[task], self._sums[task] = run, total
        for (task,) in removed:
            del rows[task]
            self._sums.pop(task, None)
        self._dirty.clear()

    def _row(self, task: str, stored: Mapping[str, Any]) -> tuple[str, str, str, str]:
        run = self._current_run or self._runs.get(task, "")
        data = json.dumps(stored, separators=(",", ":"))
        return task, data, run, _sum(task, data, run)

    def _transaction(
        self, durable: bool = False
    ) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        self._writable()
        return self._file.transaction(durable)

    def _writable(self) -> None:
        if not self._file.is_writable:
            self.begin()


def _sum(task: str, data: str, run: str) -> str:
    return text_hash(f"{task}\0{data}\0{run}")


def _sum_of_seal(flow: str, data: object) -> str | None:
    """Return the sum of the seal in *data*; None if that is none."""
    name = f"{flow}\0".encode("utf-8", "surrogatepass")
    return xxhash.xxh3_128_hexdigest(name + data) if isinstance(data, bytes) else None
