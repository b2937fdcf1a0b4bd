"""This is where a small project is moved in every way, disturbed, moved again, and compared."""

from __future__ import annotations

import io
import itertools
import json
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from laws.server import Ended, Server

from hygge.fingerprint import content_hash
from hygge.stores.staging import is_temporary

DODO = "from hygge.tasks import DOIT_CONFIG, task_hygge\n"

Digest = list[tuple[str, str, int]]
"""Path below the project, xxh3_128 and row count of each output, sorted."""

Rows = Sequence[tuple[str, int]]
"""Values of the columns k and n."""

KINDS = ("parquet", "csv", "ndjson", "arrow")

MODES = ("copied", "shaped", "spread", "checked")
"""Bytes are copied; rows pass through a LazyFrame; they fan out; they wait for their checks."""

SUMMARY = re.compile(r"^hygge: moved=(\d+) unchanged=(\d+) failed=(\d+) removed=(\d+) ", re.M)

_built: dict[str, Digest] = {}
"""What undisturbed runs made, by what they read."""

SETTLED = 10
"""Seconds after which no file counts as written just now."""


@dataclass(frozen=True)
class Way:
    """How data is moved."""

    kind: str
    """Of the home, and of the store."""
    mode: str
    """One of `MODES`."""

    def flow(self, home: str, store: str) -> dict[str, Any]:
        """Return a flow from *home* to *store*."""
        where: dict[str, Any] = {"type": self.kind, "path": store}
        flow: dict[str, Any] = {"home": {"type": self.kind, "path": home}, "store": where}
        if self.mode != "copied":
            flow["transform"] = {"where": "n <> 7"}
        if self.mode == "spread":
            where["partition_by"] = ["k"]
        if self.mode == "checked":
            flow["checks"] = [{"not_null": ["k"]}]
        return flow


EVERY = tuple(f"{kind}-{mode}" for mode in MODES for kind in KINDS)


def ways(*some: str, every: Sequence[str] = EVERY) -> list[Any]:
    """Return *every* way as a parameter of the long form, and *some* as those of the short."""
    short = [pytest.param(Way(*each.split("-")), id=each) for each in some]
    return short + [
        pytest.param(Way(*each.split("-")), marks=pytest.mark.full, id=f"all-{each}")
        for each in every
    ]


def write_flow(path: Path, flow: dict[str, Any]) -> None:
    """Write *flow* to the file at *path*."""
    # JSON is YAML, and leaves no name in doubt; but an escaped pair of surrogates is not.
    path.write_text(json.dumps(flow, ensure_ascii=False), encoding="utf-8")


class SmallProject:
    """A project with one flow ``t``, whose home is data/home.

    Args:
        store: Where the flow settles; absolute, or from the project's root.
    """

    def __init__(self, folder: Path, way: Way, server: Server, store: str = "data/store") -> None:
        self.root = folder / "project"
        self.way = way
        self.server = server
        self.home = self.root / "data/home"
        self.store = self.root / store
        self._numbers = itertools.count()
        self.home.mkdir(parents=True)
        (self.root / "flows").mkdir()
        (self.root / "dodo.py").write_text(DODO)
        self.flow("t", way.flow("data/home", store))

    def flow(self, name: str, flow: dict[str, Any]) -> None:
        """Write a flow."""
        write_flow(self.root / f"flows/{name}.yml", flow)

    def path(self, name: str) -> Path:
        """Return where the source of the partition *name* lies."""
        return self.home / f"{name}.{self.way.kind}"

    def put(self, name: str, rows: Rows) -> Path:
        """Write the source of the partition *name*, in place if it is there."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(rows, self.way.kind))
        return path

    def fill(self, count: int = 4) -> None:
        """Write *count* partitions, which settle in the folders a, b and c where they fan out."""
        for i in range(count):
            self.put(f"p{i}", [("a", 10 + i), ("b", 20 + i), ("c", 30 + i)])

    def doit(self, *args: str, **more: Any) -> Ended:
        """Type `doit`, when no file counts as written just now unless *more* says otherwise."""
        ended = self.server.doit(self.root, *args, **{"ahead": SETTLED, **more})
        assert "Traceback" not in ended.out + ended.err, ended.out + ended.err
        return ended

    def outputs(self, name: str = "*") -> list[Path]:
        """Return what lies in the store, of the partition *name* or of all."""
        return sorted(path for path in self.store.rglob(f"{name}.*") if path.is_file())

    def undisturbed(self) -> Digest:
        """Return what a run that nothing disturbs makes of the sources that are there now."""
        read = [[str(path.relative_to(self.root)), content_hash(path)] for path in self._read()]
        key = json.dumps(read)
        if key not in _built:
            _built[key] = self._build()
        return _built[key]

    def _read(self) -> Iterable[Path]:
        for folder in (self.home, self.root / "flows"):
            for above, _, names in os.walk(folder, followlinks=True):
                yield from sorted(Path(above, name) for name in names)

    def _build(self) -> Digest:
        fresh = self.root.with_name(f"undisturbed-{next(self._numbers)}")
        for part in ("data/home", "flows"):
            shutil.copytree(self.root / part, fresh / part)
        (fresh / "dodo.py").write_text(DODO)
        if not self.store.is_relative_to(self.root):
            flow = self.way.flow("data/home", "data/store")
            (fresh / "flows/t.yml").write_text(
                json.dumps(flow, ensure_ascii=False), encoding="utf-8"
            )
        ended = self.server.doit(fresh)
        assert ended.code == 0, ended.out + ended.err
        inside = self.store.is_relative_to(self.root)
        store = self.store.relative_to(self.root) if inside else Path("data/store")
        built = digest(fresh / store)
        shutil.rmtree(fresh)
        return built

    def heal(self, *args: str, **more: Any) -> set[str]:
        """Type `doit` once and hold what is there then against an undisturbed run.

        Returns:
            The keys of the partitions that were moved.
        """
        ended = self.doit(*args, **more)
        assert ended.code == 0, ended.out + ended.err
        self.check()
        return moved(ended)

    def check(self) -> None:
        """Hold what is there against an undisturbed run; nothing may be left over anywhere."""
        assert digest(self.store) == self.undisturbed()
        assert left_over(self.root) == []


def encoded(rows: Rows, kind: str) -> bytes:
    """Return *rows* as a file of *kind*; numbers of as many digits make as many bytes."""
    if kind == "csv":
        return ("k,n\n" + "".join(f"{k},{n}\n" for k, n in rows)).encode()
    if kind == "ndjson":
        return "".join(json.dumps({"k": k, "n": n}) + "\n" for k, n in rows).encode()
    frame = pl.DataFrame(rows, schema={"k": pl.String, "n": pl.Int64}, orient="row")
    buffer = io.BytesIO()
    if kind == "parquet":
        # Nothing that is shorter for some numbers than for others.
        plain: dict[str, Any] = {"compression": "none", "use_dictionary": False}
        pq.write_table(frame.to_arrow(), buffer, write_statistics=False, **plain)
    else:
        frame.write_ipc(buffer)
    return buffer.getvalue()


def decoded(path: Path) -> list[tuple[Any, ...]]:
    """Return the rows of the file at *path*, whatever its kind; without k where it lacks it."""
    read = {
        ".parquet": pl.read_parquet,
        ".csv": pl.read_csv,
        ".ndjson": pl.read_ndjson,
        ".arrow": pl.read_ipc,
    }
    return read[path.suffix](io.BytesIO(path.read_bytes())).rows()


def digest(store: Path) -> Digest:
    """Return what lies in *store*, hidden files too; what is no file has no rows."""
    found = []
    for path in sorted(store.rglob("*")):
        name = path.relative_to(store).as_posix()
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            found.append((name, "no file", -1))
        elif path.is_file():
            rows = -1 if path.name.startswith(".") else len(decoded(path))
            found.append((name, content_hash(path), rows))
    return found


def left_over(root: Path) -> list[Path]:
    """Return what runs have staged below *root* and not taken away."""
    return [path for path in root.rglob(".*") if is_temporary(path.name)]


def moved(ended: Ended) -> set[str]:
    """Return the keys of the partitions of ``t`` that a run moved."""
    return set(re.findall(r"^t:(.*?)  moved  ", ended.out, re.M))


def summed(ended: Ended) -> tuple[int, ...]:
    """Return what a run's last line says: moved, unchanged, failed, removed."""
    found = SUMMARY.findall(ended.out)
    assert found, ended.out + ended.err
    return tuple(map(int, found[-1]))
