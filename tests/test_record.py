"""What a run leaves: events and a manifest that programs can rely on, whatever ended it."""

from __future__ import annotations

import dataclasses
import json
import pickle
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import DODO, MANIFEST, ProjectFolder

from hygge import run_log, schema
from hygge.board import data as board_data
from hygge.board import history, layout
from hygge.error_record import record
from hygge.errors import CheckFailed, HomeError
from hygge.events import EventLog
from hygge.own_words import OWN_WORDS
from hygge.redaction import SHORTEST

SECRETS = {
    "DB_PASSWORD": "pass-word-4711",
    "API_TOKEN": "token-0815",
    "WAREHOUSE": "postgres://me:url-secret@host/db",
}


def events_of(project: ProjectFolder) -> list[dict[str, Any]]:
    """Return the events of the last run."""
    last = max((project.root / ".hygge/runs").iterdir())
    return [json.loads(line) for line in (last / "events.jsonl").read_text().splitlines()]


def manifest_of(project: ProjectFolder) -> dict[str, Any]:
    last = max((project.root / ".hygge/runs").iterdir())
    read: dict[str, Any] = json.loads((last / "manifest.json").read_text())
    return read


def test_manifest_sums_up_what_was_done(project: ProjectFolder) -> None:
    project.months(3)
    project.doit("flights:2013-01")
    project.doit()
    manifest = manifest_of(project)

    assert manifest["status"] == "succeeded"
    assert manifest["counts"] == {
        "moved": 2,
        "removed": 0,
        "unchanged": 1,
        "failed": 0,
        "not_run": 0,
        "ignored": 0,
        "pending": 0,
        "rows": 6,
        "bytes": sum((project.root / f["path"]).stat().st_size for f in manifest["files"]),
    }
    assert list(manifest["partitions"]["done"]) == ["flights:2013-02", "flights:2013-03"]
    assert [each["path"] for each in manifest["files"]] == [
        "data/store/flights/2013-02.parquet",
        "data/store/flights/2013-03.parquet",
    ]


def test_run_with_nothing_to_do_leaves_nothing(project: ProjectFolder) -> None:
    project.months(1)
    project.doit()
    before = list((project.root / ".hygge/runs").iterdir())
    project.doit()

    assert list((project.root / ".hygge/runs").iterdir()) == before


def test_failure_has_the_place_and_the_row(project: ProjectFolder) -> None:
    project.write("data/home/a.csv", "id,n\n1,1\n2,\n")
    project.flow("a", "home: data/home\nstore: data/store\nchecks:\n  - not_null: n\n")
    project.doit()
    (failed,) = [each for each in events_of(project) if each["type"] == "step.failed"]
    error = failed["data"]["error"]
    context = error["context_data"]

    assert (failed["step"], failed["level"]) == ("a:a", "ERROR")
    assert (error["error_type"], error["source_module"]) == ("CheckFailed", "hygge.checks")
    assert (context["row"], context["column"]) == (2, "n")
    assert (context["flow"], context["partition"]) == ("a", "a")
    assert context["file_being_processed"] == "data/home/a.csv"
    assert error["error_message"].startswith("'n' is null in 1 row: row 2 of 'data/home/a.csv'")


def test_error_record_has_exactly_its_keys(project: ProjectFolder) -> None:
    project.write("data/home/a.parquet", "nothing")
    project.flow("a", "home: data/home\nstore: {path: data/store, compression: snappy}\n")
    project.doit()
    (failed,) = [each for each in events_of(project) if each["type"] == "step.failed"]
    error = failed["data"]["error"]

    assert list(error) == [
        "source_module",
        "target_module",
        "operation",
        "original_error",
        "error_type",
        "error_message",
        "timestamp",
        "context_data",
    ]
    assert set(error["context_data"]) == {
        "traceback",
        "call_stack",
        "worker_id",
        "file_being_processed",
        "flow",
        "partition",
    }
    first, *causes = error["original_error"].split(" <- ")
    assert first.startswith("HomeError: 'data/home/a.parquet' can't be read as parquet")
    assert [each.partition(":")[0] for each in causes] == ["ArrowInvalid"]


def test_error_record_survives_pickling() -> None:
    try:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise HomeError("outer", "a.yml:1:2  x", "mend it") from error
    except HomeError as error:
        made = record(error, "flow:key", "data/a.csv")
    again = pickle.loads(pickle.dumps(made))

    assert again == made
    assert again.original_error == "HomeError: outer <- KeyError: 'inner'"


def test_errors_survive_pickling() -> None:
    error = CheckFailed("what", "where", "hint")
    error.row, error.column = 7, "n"
    again = pickle.loads(pickle.dumps(error))

    assert (str(again), again.row, again.column) == (str(error), 7, "n")


def test_partition_behind_a_failure_is_told_as_skipped(project: ProjectFolder) -> None:
    project.write("data/home/a/1.parquet", "nothing")
    project.flow("a", "home: data/home/a\nstore: {path: data/a, compression: snappy}\n")
    project.flow("b", "home: {path: data/a, partition: all}\nstore: data/b\ninputs: {a: data/a}\n")
    project.parquet("data/a/0.parquet")
    project.doit("-c")
    skipped = [each for each in events_of(project) if each["type"] == "step.skipped"]

    assert [(each["step"], each["data"]) for each in skipped] == [
        ("b:all", {"reason": "a:1 failed"})
    ]


def test_json_reporter_streams_the_events_of_the_file(project: ProjectFolder) -> None:
    project.months(2)
    streamed = project.doit("-r", "json").out

    assert [json.loads(line) for line in streamed.splitlines()] == events_of(project)


def test_json_reporter_tells_of_a_run_with_nothing_to_do(project: ProjectFolder) -> None:
    project.months(1)
    project.doit()
    lines = [json.loads(line) for line in project.doit("-r", "json").out.splitlines()]

    assert [line["type"] for line in lines] == ["job.started", "job.succeeded"]
    assert lines[1]["data"]["unchanged"] == 1


def test_json_reporter_leaves_stdout_to_events(project: ProjectFolder) -> None:
    project.months(1)
    project.write("dodo.py", DODO + 'def task_own():\n    return {"actions": ["echo hello"]}\n')
    result = project.doit("-r", "json")

    assert all(json.loads(line) for line in result.out.splitlines())
    assert "hello" in result.err


def test_json_reporter_is_doits_own_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "dodo.py").write_text('def task_own():\n    return {"actions": ["echo hello"]}\n')
    process = subprocess.run(
        [sys.executable, "-m", "doit", "-r", "json"], cwd=tmp_path, capture_output=True, text=True
    )

    assert [task["name"] for task in json.loads(process.stdout)["tasks"]] == ["own"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_stopped_run_leaves_readable_events_and_a_valid_manifest(
    project: ProjectFolder, number: int
) -> None:
    for i in range(300):
        project.parquet(f"data/home/many/{i}.parquet", rows=2000)
    project.flow("many", "home: data/home/many\nstore: {path: data/many, compression: zstd}\n")
    process = project.start()
    while len(list(project.root.glob("data/many/*.parquet"))) < 20:
        time.sleep(0.01)
    process.send_signal(number)
    process.communicate()
    events, manifest = events_of(project), manifest_of(project)

    assert MANIFEST.is_valid(manifest)
    assert sum(each["type"] == "step.succeeded" for each in events) >= 10
    if number == signal.SIGKILL:
        assert (manifest["status"], manifest["ended"]) == ("running", None)
    else:
        assert (manifest["status"], events[-1]["type"]) == ("interrupted", "job.interrupted")
        done, pending = manifest["partitions"]["done"], manifest["partitions"]["pending"]
        assert len(done) + len(pending) == 300


def test_secrets_appear_nowhere(project: ProjectFolder) -> None:
    project.parquet("data/home/a/1.parquet")
    project.write("data/home/a/2.parquet", "nothing of token-0815")
    project.flow(
        "a",
        """
        description: "${DB_PASSWORD}"
        home: data/home/a
        store: data/store/a
        transform:
          where: "name <> '${API_TOKEN}' AND name <> '${WAREHOUSE}'"
          polish:
            constants: [{name: secret, value: "${DB_PASSWORD}"}]
        """,
    )
    project.flow("b", "home: data/home/${API_TOKEN}\nstore: data/store/b\n")
    project.flow("c", "home: data/home/a\nstroe: ${DB_PASSWORD}\n")
    told = []
    for args in (
        ["-c"],
        ["-c", "-r", "json"],
        ["plan"],
        ["plan", "--json"],
        ["list", "--all"],
        ["list", "--json", "--all"],
        ["info"],
        ["info", "a:1"],
        ["why", "a:1", "a:2"],
        ["why", "--json", "a:1"],
        ["config", "a", "--resolved", "--origin"],
        ["config", "a", "--resolved", "--json"],
        ["graph"],
        ["graph", "--json"],
        ["verify"],
        ["runs"],
        ["show"],
        ["show", "--json"],
        ["tail"],
        ["dumpdb"],
        ["debug"],
        ["debug", "--json"],
        ["board"],
    ):
        result = project.doit(*args, **SECRETS)
        assert "Traceback (most recent call last)" not in result.err, (args, result.err)
        told += [(args, result.out + result.err)]
    secrets = ("pass-word-4711", "token-0815", "url-secret")

    assert [args for args, text in told if any(secret in text for secret in secrets)] == []
    files = [*project.root.glob(".hygge/**/*"), *project.root.glob(".doit.db*")]
    leaks = [
        file.name
        for file in files
        if file.is_file() and any(secret.encode() in file.read_bytes() for secret in secrets)
    ]
    assert leaks == []
    assert any(file.name == "manifest.json" for file in files)


def test_secrets_are_hidden_however_they_are_written(project: ProjectFolder) -> None:
    project.months(1)
    project.write(
        "flows/boom.py",
        """
        import os
        from urllib.parse import quote

        def cut(frame):
            raise ValueError(os.environ["SIGNING_KEY"])

        def quoted(frame):
            raise KeyError(os.environ["SIGNING_KEY"])

        def special(frame):
            raise KeyError(os.environ["DB_PASSWORD"])

        def in_a_url(frame):
            raise ValueError("http://host/?p=" + quote(os.environ["DB_PASSWORD"], safe=""))
        """,
    )
    for name in ("cut", "quoted", "special", "in_a_url"):
        project.flow(
            name,
            f"""
            home: data/home/flights
            store: data/store/{name}
            transform: {{python: "flows/boom.py:{name}"}}
            """,
        )
    secrets = {"SIGNING_KEY": "first-line\nsecond-line\n", "DB_PASSWORD": "p'\"w\\ord/é@:"}
    told = [project.doit(*args, **secrets) for args in (["-c"], ["plan"], ["show", "--json"])]
    files = [*project.root.glob(".hygge/**/*"), *project.root.glob(".doit.db*")]
    everything = "".join(each.out + each.err for each in told)
    everything += "".join(
        file.read_bytes().decode("utf-8", "replace") for file in files if file.is_file()
    )

    parts = ("first-line", "second-line", "\\ord", "%5Cord", '\\"w')
    assert [part for part in parts if part in everything] == []


@pytest.mark.parametrize("word", ["data", "moved", "step", "type", "flows", "20261121", "2026"])
def test_secret_that_is_a_common_word_leaves_records_and_answers_readable(
    project: ProjectFolder, word: str
) -> None:
    project.months(1)
    ran = project.doit("-r", "json", APP_KEY=word)
    shown = json.loads(project.doit("show", "--json", APP_KEY=word).out)["data"]
    project.doit("board", "--output", "board.html", APP_KEY=word)

    assert json.loads(ran.out.splitlines()[-1])["type"] == "job.succeeded"
    assert shown["steps"][0]["status"] == "moved"
    assert shown["manifest"]["started"].startswith("20")
    assert (project.root / "board.html").is_file()


def test_no_key_or_kind_of_what_programs_read_is_taken_for_a_secret(project: ProjectFolder) -> None:
    project.months(2)
    project.flow("second", "home: data/store/flights\nstore: data/store/second\n")
    project.flow("wrong", "home: data/none\nstroe: x\n")
    project.doit("-c")
    project.parquet("data/home/flights/2013-01.parquet", 7)
    answers = [
        json.loads(project.doit(words[0], "--json", *words[1:]).out)
        for words in (
            *(["plan"], ["list", "--all"], ["info"], ["info", "flights:2013-01"], ["why"]),
            *(["why", "flights:2013-01"], ["runs"], ["show"], ["tail"], ["verify"], ["graph"]),
            *(["debug"], ["dumpdb"]),
        )
    ]
    keys = set(_keys([*answers, events_of(project), manifest_of(project)]))
    fields = {
        field.name
        for module in (board_data, history, layout)
        for each in vars(module).values()
        if dataclasses.is_dataclass(each) and each.__module__ == module.__name__
        for field in dataclasses.fields(each)
    }
    words = {*_words([schema.read(name) for name in ("event", "manifest", "answer")])}
    ours = {
        word for each in keys | fields | words for word in each.split(".") if word.isidentifier()
    }
    long_enough = {word for word in ours if len(word) >= SHORTEST}
    reserved = {"opened", "closed", "half_open", "cache", "miss", "provider", "call", "retry"}
    reserved |= {"breaker", "plugin", "loaded", "shadowed", "resource", "leaked"}

    assert long_enough - OWN_WORDS - reserved - {"_values_", "second", "stroe", "wrong"} == set()


def _keys(value: Any) -> Iterator[str]:
    """Yield every key of a JSON-like value."""
    for each in value.values() if isinstance(value, dict) else value:
        if isinstance(each, dict | list):
            yield from _keys(each)
    if isinstance(value, dict):
        yield from value


def _words(part: Any) -> Iterator[str]:
    """Yield every key and kind that a JSON Schema allows."""
    if isinstance(part, dict):
        yield from part.get("properties", ())
        yield from (each for each in part.get("enum", ()) if isinstance(each, str))
        part = list(part.values())
    for each in part if isinstance(part, list) else ():
        yield from _words(each)


def test_line_that_was_cut_off_by_a_full_disk_costs_no_other(tmp_path: Path) -> None:
    log = EventLog(tmp_path, "run")
    log.open()
    log.emit("step.started", "f:1", reason="new")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.file.stat().st_size + 20, hard))
    try:
        log.emit("step.started", "f:2", reason="new")
        log.emit("step.started", "f:3", reason="new")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    log.emit("step.started", "f:4", reason="new")
    log.close()
    read = run_log.read(log.file)

    assert [event["step"] for event in read.events] == ["f:1", "f:4"]
    assert read.broken == 1
