"""This is where what hygge wrote for itself was written by somebody else, who means harm."""

from __future__ import annotations

import copy
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from run_folders import run_id

from faults.box import Box, box, full, rows, tree
from hygge.fingerprint import canonical_json
from hygge.state import _sum

__all__ = ["box"]

SETTINGS = {
    "deadline": None,
    "database": None,
    "suppress_health_check": list(HealthCheck),
}

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["../../x", "\0", "\ud800", "a" * 3000, 10**400, 1e308, -1]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=8,
)

DEEP = "[" * 100_000 + "]" * 100_000

RUN = "20260102T083000000Z-abcdef"


# Rows of the state


def paths(box: Box) -> list[str]:
    """Return what no row may make a command touch."""
    return [
        "../beside/precious.txt",
        str(box.beside / "precious.txt"),
        str(box.beside),
        "data/store/copied/../../../../beside/precious.txt",
        "data/store/spread/k=a/../../../../beside/k=a/one.parquet",
        "data/quarantine/../../../beside/precious.txt",
        "data/store/link/precious.txt",
        "data/store/copied/link/precious.txt",
        f"../beside/.precious.txt.{RUN}.tmp",
        str(box.beside / f".folder.{RUN}.tmp"),
        *("dodo.py", "flows/copied.yml", "data/home/one.parquet", ".hygge/lock", ".doit.db"),
        *("", ".", "..", "/", "data", "data/store", "data/home", "a\0b", "a" * 5000, "\ud800"),
        "data/store/copied/one.parquet/below",
    ]


def tasks() -> st.SearchStrategy[str]:
    named = st.sampled_from(
        [
            *("copied:one", "spread:one", "copied:gone", "spread:gone", "nobody:x", "copied"),
            *("copied:../../x", "copied:a=b", "copied:\x1b[2J\n", "x.y:z", ":", "", "copied:*"),
            *("_before:copied", "copied:-x", "copied:é", "run:x"),
        ]
    )
    return named | st.text(max_size=8)


@st.composite
def receipts(draw: st.DrawFn, hostile: list[str], sound: list[Any]) -> Any:
    """Return what could be a row's data: a sound receipt in which a part or two are others."""
    row = copy.deepcopy(draw(st.sampled_from(sound)))
    receipt = row["_values_:"]
    for _ in range(draw(st.integers(1, 3))):
        how = draw(st.integers(0, 5))
        if how <= 2:
            path = draw(st.sampled_from(hostile))
            numbers = draw(st.lists(st.integers(), min_size=5, max_size=5))
            receipt["outputs"] = [*_list(receipt.get("outputs")), [path, "0" * 32, 1, *numbers]]
        elif how == 3:
            receipt[draw(st.sampled_from([*receipt, "inputs", "columns"]))] = draw(JSON)
        elif how == 4:
            part = draw(st.sampled_from(["sources", "outputs", "values", "inputs"]))
            receipt[part] = [*_list(receipt.get(part)), draw(JSON)]
        else:
            row[draw(st.sampled_from(["_values_:", "deps:", "checker:", "ignore:", "x"]))] = draw(
                JSON
            )
            receipt = row["_values_:"] if isinstance(row["_values_:"], dict) else {}
    return row


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def cells() -> st.SearchStrategy[Any]:
    """Return what a cell can hold that should hold text."""
    number = st.integers(-(2**63), 2**63 - 1)
    return st.none() | number | st.binary(max_size=8) | st.text(max_size=8) | st.just(DEEP)


def forge(box: Box, data: st.DataObject, sound: list[Any]) -> None:
    """Write hostile rows into the state."""
    hostile = paths(box)
    lists = st.lists(st.sampled_from(hostile) | JSON, max_size=3)
    stores = st.sampled_from([".", "..", "../beside", str(box.beside), "data/home", "flows", "/"])
    configs = JSON | stores.map(lambda path: {"store": {"path": path}, "home": {}})
    connection = sqlite3.connect(box.root / ".doit.db")
    draw = data.draw

    def insert(table: str, *row: Any) -> None:
        marks = ", ".join("?" * len(row))
        connection.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", row)

    for _ in range(draw(st.integers(1, 5))):
        task = draw(tasks())
        text = _text(draw(receipts(hostile, sound) | JSON))
        text = draw(st.sampled_from([text, text, text, text, DEEP, '{"_values_:":' + DEEP + "}"]))
        run = draw(st.sampled_from([RUN, "", "../x", "a/b", "\n"]))
        insert("tasks", task, text, run, _sum(task, text, run))
    for _ in range(draw(st.integers(0, 3))):
        run = draw(st.sampled_from([RUN, "../../x", "", "a/b"]))
        insert("intents", draw(tasks()), run, _text(draw(lists | JSON)))
        insert("configs", draw(st.text(max_size=5)), _text(draw(configs)))
        insert("unclean", draw(st.sampled_from([RUN, "x", ""])))
        insert("failures", draw(tasks()), draw(st.text(max_size=20)))
    config = _text(draw(configs))
    connection.execute("UPDATE configs SET config = ? WHERE length(hash) = 32", (config,))
    for table, count in {
        "tasks": 4,
        "intents": 3,
        "configs": 2,
        "unclean": 1,
        "failures": 2,
    }.items():
        if draw(st.booleans()):
            insert(table, *(draw(cells()) for _ in range(count)))
    connection.commit()
    connection.close()


def _text(value: Any) -> str:
    """Return *value* as JSON that SQLite can bear."""
    return json.dumps(value).encode("utf-8", "replace").decode()


def two_flows(box: Box) -> list[Any]:
    """Make two flows, move them; return the rows that are remembered."""
    box.write("flows/copied.yml", "home: data/home\nstore: data/store/copied\n")
    box.write(
        "flows/spread.yml",
        "home: data/home\nstore: {path: data/store/spread, partition_by: [k]}\n",
    )
    (box.root / "data/home").mkdir(parents=True)
    for name in ("one", "two"):
        rows().drop("t").write_parquet(box.root / f"data/home/{name}.parquet")
    box.doit()
    connection = sqlite3.connect(box.root / ".doit.db")
    found = [json.loads(data) for (data,) in connection.execute("SELECT data FROM tasks")]
    connection.close()
    assert len(found) == 4
    return found


def kept(root: Path) -> dict[str, Any]:
    """Return what is the person's, not hygge's, and what the flows have settled."""
    found = tree(root / "data") | tree(root / "flows")
    linked = {path: what for path, what in found.items() if "link" not in path}
    return linked | {"dodo.py": (root / "dodo.py").read_bytes()}


LOOKS = [
    *(["plan"], ["list", "--all"], ["info", "copied:one"], ["why", "copied:one"], ["verify"]),
    *(["dumpdb"], ["plan", "--json"], ["graph"], ["debug"], ["status"][:0] or ["list", "--json"]),
]


@pytest.mark.parametrize("examples", [10, full(2000, 7200)])
def test_forged_row_makes_nothing_go_that_is_no_output(
    box: Box, examples: int, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = two_flows(box)
    for folder in (box.beside / f".folder.{RUN}.tmp",):
        folder.mkdir()
        (folder / "precious").write_text("precious")
    (box.beside / f".precious.txt.{RUN}.tmp").write_text("precious")
    (box.root / "data/store/link").symlink_to(box.beside)
    (box.root / "data/store/copied/link").symlink_to(box.beside)
    box.note()
    state = (box.root / ".doit.db").read_bytes()
    reference = kept(box.root)

    @settings(max_examples=examples, **SETTINGS)  # type: ignore[arg-type]
    @given(st.data())
    def hold(data: st.DataObject) -> None:
        for name in ("", "-wal", "-shm"):
            (box.root / f".doit.db{name}").unlink(missing_ok=True)
        (box.root / ".doit.db").write_bytes(state)
        shutil.rmtree(box.root / ".hygge", ignore_errors=True)
        forge(box, data, sound)
        look = data.draw(st.sampled_from(LOOKS))
        box.doit(*look)
        if data.draw(st.integers(0, 3)) == 0:
            act = data.draw(
                st.sampled_from([["clean"], ["forget"], ["reset-dep"], ["ignore", "copied"]])
            )
            box.doit(*act)
            if act[0] == "ignore":
                box.doit("forget")
        ended = box.doit("--continue", "--allow-prune")
        box.check()
        if " ignored" in ended.out:  # what a person, or a forged row, set aside is left alone
            box.doit("forget", "--all")
            ended = box.doit("--continue", "--allow-prune")
        assert kept(box.root) == reference, ended.out + ended.err
        box.counts["forged states"] += 1

    hold()

    box.tell("Forged rows of the state", capsys)


# Events and manifests

TYPES = [
    *(
        "job.started",
        "job.succeeded",
        "job.failed",
        "step.started",
        "step.succeeded",
        "step.failed",
    ),
    *(
        "step.skipped",
        "step.warned",
        "file.written",
        "progress",
        "cache.hit",
        "provider.retry",
        "x",
    ),
]

KEYS = [
    *("command", "pid", "planned", "reason", "action", "rows", "bytes", "seconds", "warnings"),
    *("error", "error_type", "error_message", "path", "hash", "size_bytes", "wrote", "flows"),
    *("moved", "failed", "removed", "unchanged", "not_run", "context_data", "message"),
]

ERRORS = st.dictionaries(
    st.sampled_from(["error_type", "error_message", "context_data", "operation"]),
    JSON | st.dictionaries(st.sampled_from(["row", "column", "traceback"]), JSON),
)

EVENTS = st.one_of(
    JSON,
    st.fixed_dictionaries(
        {
            "ts": st.sampled_from(
                ["2026-01-02T08:30:00.000Z", "9999-12-31T23:59:59.999Z", "0001-01-01", "x"]
            )
            | JSON,
            "level": st.sampled_from(["INFO", "WARN", "ERROR", "\x1b[2J"]) | JSON,
            "type": st.sampled_from(TYPES) | JSON,
        },
        optional={
            "step": st.sampled_from(["copied:one", "copied", "\x1b]0;x\x07", "../x"]) | JSON,
            "data": JSON | st.dictionaries(st.sampled_from(KEYS), JSON | ERRORS, max_size=5),
            "run_id": JSON,
        },
    ),
)

LINES = st.one_of(
    EVENTS.map(lambda event: json.dumps(event).encode("utf-8", "replace")),
    st.binary(max_size=30),
    st.sampled_from(
        [DEEP.encode(), b"{" * 5000, b"\xff\xfe", b"NaN", b"9" * 5000, b'"' + b"x" * 10**6]
    ),
)

MANIFEST_KEYS = {
    "status": st.sampled_from(["running", "succeeded", "failed", "interrupted", "x"]),
    "started": st.sampled_from(["2026-01-02T08:30:00.000Z", "x"]),
    "ended": st.sampled_from(["0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59"]),
    "command": st.lists(JSON, max_size=3),
    "pid": st.sampled_from([0, -1, 1, 2**31, 2**70]),
    "counts": st.dictionaries(st.sampled_from(["moved", "rows", "bytes", "failed"]), JSON),
    "partitions": st.dictionaries(
        st.sampled_from(["done", "failed", "skipped", "pending"]),
        JSON
        | st.lists(JSON, max_size=3)
        | st.dictionaries(
            st.sampled_from(["copied:one", "x", "\x1b[2J"]),
            JSON | st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4),
            max_size=3,
        ),
    ),
    "files": st.lists(
        JSON
        | st.dictionaries(st.sampled_from(["path", "reason", "rows", "size_bytes", "step"]), JSON),
        max_size=3,
    ),
    "resources": st.dictionaries(st.sampled_from(["seconds", "cpu_seconds"]), JSON),
}

MANIFESTS = st.one_of(
    st.fixed_dictionaries(
        {}, optional={key: value | JSON for key, value in MANIFEST_KEYS.items()}
    ).map(lambda each: json.dumps(each).encode("utf-8", "replace")),
    LINES,
    st.none(),
)

SHOWS: list[list[str]] = [
    *(["runs"], ["runs", "--json"], ["show"], ["show", "--json"], ["show", "--all"], ["tail"]),
    *(
        ["tail", "--json"],
        ["tail", "-n", "2"],
        ["tail", "--level", "WARN"],
        ["board", "-o", "b.html"],
    ),
    *(["tail", "--type", "step"], ["plan"], ["debug"]),
]


@pytest.mark.parametrize("examples", [10, full(2000, 7200)])
def test_hostile_event_or_manifest_is_shown_or_left_out(
    box: Box, examples: int, capsys: pytest.CaptureFixture[str]
) -> None:
    two_flows(box)
    runs = box.root / ".hygge/runs"

    @settings(max_examples=examples, **SETTINGS)  # type: ignore[arg-type]
    @given(st.lists(st.tuples(st.lists(LINES, max_size=6), MANIFESTS), max_size=3), st.data())
    def hold(left: list[tuple[list[bytes], bytes | None]], data: st.DataObject) -> None:
        shutil.rmtree(runs, ignore_errors=True)
        for i, (lines, manifest) in enumerate(left):
            folder = f".hygge/runs/{run_id(i)}"
            box.write(f"{folder}/events.jsonl", b"\n".join(lines))
            if manifest is not None:
                box.write(f"{folder}/manifest.json", manifest)
            box.counts["event lines"] += len(lines)
            box.counts["manifests"] += manifest is not None
        for words in data.draw(st.lists(st.sampled_from(SHOWS), min_size=3, max_size=4)):
            ended = box.doit(*words)
            assert "\x1b" not in ended.out.replace("\x1b[0m", ""), repr(ended.out)
        box.check()

    hold()

    box.tell("Hostile events and manifests", capsys)


def test_files_of_a_run_that_are_something_else_are_left_out(box: Box) -> None:
    two_flows(box)
    runs = box.root / ".hygge/runs"
    kinds: list[Callable[[Path], object]] = [
        lambda path: path.mkdir(),
        lambda path: path.symlink_to(path.name),
        lambda path: path.symlink_to(box.beside / "nowhere"),
        lambda path: path.symlink_to(box.beside),
    ]
    for i, make in enumerate(kinds):
        folder = runs / run_id(i)
        folder.mkdir(parents=True)
        make(folder / "events.jsonl")
        make(folder / "manifest.json")
    (runs / "not a run").write_text("x")
    (runs / run_id(9)).symlink_to(box.beside)
    for words in SHOWS:
        box.doit(*words)
    assert canonical_json({}) == "{}"
    box.check()
