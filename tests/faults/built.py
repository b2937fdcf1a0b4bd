"""This is where a project is built whose state is damaged, and is held against what it was."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from conftest import DODO, check_records
from laws.server import Ended, Server

from hygge.fingerprint import content_hash

FLOWS = {
    "copied": "home: data/home/copied\nstore: data/store/copied\n",
    "spread": "home: data/home/raw\nstore: {path: data/store/spread, partition_by: [k]}\n",
    "grouped": """
home: {path: data/store/spread, partition: hive}
transform: {sql: "SELECT k, n * 2 AS m FROM self ORDER BY n"}
store: data/store/grouped
""",
    "checked": """
home: {type: csv, path: data/home/raw}
checks: [{between: {n: [0, 40]}, on_fail: quarantine}]
store: data/store/checked
""",
}

STATE = (".doit.db", ".doit.db-wal", ".doit.db-shm")

PARTS = 64
"""Into so many parts a file is cut to be truncated at each."""

Damage = Callable[["Case"], None]

Lose = Callable[["Case", bytes, bytes], None]
"""Does something to the log of a killed run, given the state and the log of an earlier time."""


@dataclass
class Case:
    """A project that is built, and whose state is damaged again and again."""

    root: Path
    server: Server
    reference: list[tuple[str, str, int]] = field(default_factory=list)
    """Path, content hash and rows of each output of the undisturbed run."""
    counts: Counter[str] = field(default_factory=Counter)
    chance: random.Random = field(default_factory=random.Random)

    @property
    def state(self) -> Path:
        return self.root / ".doit.db"

    @property
    def wal(self) -> Path:
        return self.root / ".doit.db-wal"

    def doit(self, *args: str, **more: Any) -> Ended:
        """Type `doit` with a clock that is ahead, so that no file counts as written just now."""
        ended = self.server.doit(self.root, *args, ahead=10, limit=240, **more)
        said = ended.out + ended.err
        self.counts["commands"] += 1
        assert "Traceback" not in said, f"{args}\n{said}"
        assert "did not foresee" not in said, f"{args}\n{said}"
        return ended

    def digest(self) -> list[tuple[str, str, int]]:
        return [
            (path.relative_to(self.root).as_posix(), content_hash(path), _rows(path))
            for top in ("data/store", "data/quarantine")
            for path in sorted((self.root / top).rglob("[!.]*"))
            if path.is_file()
        ]

    def try_with(self, damage: Damage, hurt: bool, about: str) -> None:
        """Damage the state, and an output too if *hurt*; then everything must come right.

        What is said while it is damaged must never be that a hurt output is up to date.
        """
        damage(self)
        hurt_path = self.hurt() if hurt else None
        sound = self.sound()
        plan = self.doit("plan", "--json")
        listed = self.doit("list")
        assert plan.code == listed.code == 0, f"{about}\n{plan}\n{listed}"
        if hurt_path is not None:
            planned = json.loads(plan.out)["data"]
            assert is_known(hurt_path, planned), f"{about}: {hurt_path} is up to date?\n{planned}"
        ran = self.doit()
        assert ran.code == 0, f"{about}\n{ran}"
        self.check(sound, f"{about}\n{ran.out}{ran.err}")
        self.counts["cases"] += 1
        self.counts["outputs damaged, and found"] += hurt_path is not None

    def sound(self) -> dict[str, int]:
        """Return the inode of each output that is as it should be."""
        paths = {path for path, *_ in {*self.digest()} & {*self.reference}}
        return {path: (self.root / path).lstat().st_ino for path in paths}

    def check(self, sound: dict[str, int], about: str) -> None:
        """Hold the project against the reference; what was *sound* may not be written again."""
        assert self.digest() == self.reference, about
        after = self.sound()
        assert not [path for path in sound if after[path] != sound[path]], f"rewritten: {about}"
        assert list((self.root / "data").rglob(".*")) == [], about
        again = self.doit("plan", "--check")
        assert again.code == 0, f"{about}\n{again}"
        for aside in self.root.glob(".doit.db.corrupt-*"):
            self.counts["moved aside"] += aside.suffix.startswith(".corrupt")
            shutil.rmtree(aside) if aside.is_dir() and not aside.is_symlink() else aside.unlink()
        if self.counts["cases"] % 100 == 0:
            check_records(self.root)
            shutil.rmtree(self.root / ".hygge/runs", ignore_errors=True)

    def hurt(self) -> str:
        """Damage an output; return its path."""
        path, _, _ = self.chance.choice(self.reference)
        file, stat = self.root / path, (self.root / path).stat()
        content = bytearray(file.read_bytes())
        how = self.chance.choice(["truncated", "deleted", "edited"])
        self.counts[f"output {how}"] += 1
        if how == "deleted":
            file.unlink()
        elif how == "truncated":
            file.write_bytes(content[: self.chance.randrange(len(content))])
        else:
            content[self.chance.randrange(len(content))] ^= 1 << self.chance.randrange(8)
            file.write_bytes(content)
            os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        return path

    def killed(self, what: str, number: int) -> bytes:
        """Change a source and kill the run that moves it; return the log that it left."""
        _source(self.root, self.chance.randrange(1, 10**6))
        ended = self.doit(stop=(signal.SIGKILL, what, number))
        self.counts["killed"] += ended.code == -signal.SIGKILL
        return self.wal.read_bytes() if self.wal.exists() else b""

    def lose_log(self, stop: tuple[str, int], lose: Lose, hurt: bool, about: str) -> None:
        """Kill a run, *lose* its log, and let everything be as it was before."""
        old = self.state.read_bytes(), self.killed("commit", 3)
        assert self.doit().code == 0
        self.killed(*stop)
        _source(self.root, 0)
        self.try_with(lambda case: lose(case, *old), hurt, about)


def is_known(path: str, planned: dict[str, Any]) -> bool:
    """Tell whether the flow that writes *path* is planned to move, or waits for one that does."""
    flow = path.split("/")[2]
    steps = {each["flow"] for each in planned["partitions"]}
    return flow in steps or flow in {each["flow"] for each in planned["waiting"]}


def _rows(path: Path) -> int:
    try:
        return pq.read_metadata(path).num_rows
    except (pa.ArrowException, OSError):
        return -1


def _source(root: Path, value: int) -> None:
    """Write the source that changes: its rows end up in stores of three flows."""
    rows = [("a", 1), ("b", 2), ("c", 39), ("a", 99)]
    text = "k,n,v\n" + "".join(f"{k},{n},{value}\n" for k, n in rows)
    (root / "data/home/raw/changing.csv").write_text(text)


def build(root: Path) -> None:
    """Make the project: four flows, one of them behind another, 15 partitions."""
    for folder in ("flows", "data/home/copied", "data/home/raw"):
        (root / folder).mkdir(parents=True)
    (root / "dodo.py").write_text(DODO)
    for name, text in FLOWS.items():
        (root / f"flows/{name}.yml").write_text(text)
    for i in range(6):
        pl.DataFrame({"id": [i, i + 1]}).write_parquet(root / f"data/home/copied/{i}.parquet")
    for name, rows in {"one": [("a", 3), ("d", 50)], "two": [("b", 4), ("c", 5)]}.items():
        text = "k,n,v\n" + "".join(f"{k},{n},0\n" for k, n in rows)
        (root / f"data/home/raw/{name}.csv").write_text(text)
    _source(root, 0)
