"""Notebooks and tests: flows as values, plans and runs as values, the command line's own code."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from conftest import ProjectFolder
from hypothesis import given, settings
from hypothesis import strategies as st

import hygge
from hygge import Coordinator, Flow, document, schema
from hygge.errors import ConfigError, HyggeError, UsageError
from hygge.homes.base import Home
from hygge.notebook.values import text_of
from hygge.stores.base import Store

ROOT = Path(__file__).resolve().parent.parent

SLOW = """
import time

def slowly(rows):
    time.sleep(0.2)
    return rows
"""


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder that is no project's."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def bare(tmp_path: Path) -> ProjectFolder:
    """Data without a dodo.py and without a flow."""
    project = ProjectFolder(tmp_path / "bare")
    project.months()
    (project.root / "dodo.py").unlink()
    (project.root / "flows/flights.yml").unlink()
    (project.root / "flows").rmdir()
    return project


def flights(**more: Any) -> Flow:
    return Flow(name="flights", home="data/home/flights", store="data/store/flights", **more)


def message(call: Callable[[], object]) -> str:
    """Return the class and the whole message of the error that *call* raises."""
    with pytest.raises(HyggeError) as caught:
        call()
    return f"{type(caught.value).__name__}: {caught.value}"


def python(program: str, folder: Path, *, wait: bool = True) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    if wait:
        process.wait(timeout=300)
    return process


# What is imported


def test_importing_hygge_loads_neither_polars_nor_doit() -> None:
    program = "import hygge, sys; print({'polars', 'doit', 'yaml'} & {*sys.modules}, dir(hygge))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert done.stdout.startswith("set() [")
    assert "'Coordinator', 'Flow'" in done.stdout


def test_unknown_name_of_the_package_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'hygge' has no attribute 'Flows'"):
        getattr(hygge, "Flows")  # noqa: B009


# A flow as a value


def test_every_key_of_a_flow_is_an_argument() -> None:
    import inspect

    named = set(inspect.signature(Flow).parameters) - {"name", "unknown"}

    assert named == set(schema.read("flow")["properties"])


def test_name_of_a_flow_is_the_last_part_of_its_store() -> None:
    assert Flow(home="a", store="data/store/flights").name == "flights"
    assert Flow(home="a", store={"path": Path("data/store/planes")}).name == "planes"
    assert Flow(home="a", store=Store.create("data/store/weather")).name == "weather"


def test_flow_shows_how_it_was_written() -> None:
    assert repr(Flow(home="a", store="b")) == "Flow(name='b', home='a', store='b')"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            {"hom": "a", "store": "b"},
            "unknown key 'hom' in flow\n"
            "  at Flow(name='b'):2:1  hom: a\n"
            "                         ^\n"
            "  try: did you mean 'home'?",
        ),
        (
            {"home": "a"},
            "the flow lacks the key 'store'\n"
            "  at Flow():1:1  home: a\n"
            "                 ^\n"
            "  try: add 'store:'. Where the data settles: a folder that is filled with parquet, "
            "or a mapping with its type and options.",
        ),
        (
            {"home": "a", "store": {}, "entities": ["x"]},
            "the flow has no name\n  at Flow()\n  try: Flow(name='flights', …)",
        ),
        (
            {"home": "a", "store": {"path": "b", "type": "parqet"}},
            "unknown store type 'parqet'\n"
            "  at Flow(name='b'):2:24  store: {path: b, type: parqet}\n"
            "                                                 ^\n"
            "  try: did you mean 'parquet'?",
        ),
        (
            {"home": {"path": "a", "type": "csv", "optoins": {}}, "store": "b"},
            "unknown key 'optoins' in home\n"
            "  at Flow(name='b'):1:28  home: {path: a, type: csv, optoins: {}}\n"
            "                                                     ^\n"
            "  try: did you mean 'options'?",
        ),
        (
            {"home": "a", "store": "b", "checks": [{"rows": {"min": -1}}]},
            "'checks.0.rows.min' can't be -1: at least 0\n"
            "  at Flow(name='b'):3:23  checks: [{rows: {min: -1}}]\n"
            "                                                ^\n"
            "  try: Fewest rows of a partition.",
        ),
        (
            {"home": "a", "store": "b", "checks": [object()]},
            "'checks.0' can't be of the type object\n"
            "  at Flow(name='b')\n"
            "  try: give text, numbers, True, False, None, dates, paths, lists and dicts of these",
        ),
        (
            {"home": "a", "store": "b", "schema": {None: "int64"}},
            "a key of 'schema' can't be None\n  at Flow(name='b')\n  try: name it with text",
        ),
        (
            {"home": "a", "store": "data/1st"},
            "a flow can't be called '1st'\n"
            "  at Flow(name='1st')\n"
            "  try: use letters, digits, '_' and '-', and begin with a letter",
        ),
        (
            {"home": "${HYGGE_TEST_UNSET}", "store": "b"},
            "the variable 'HYGGE_TEST_UNSET' is not set\n"
            "  at Flow(name='b'):1:7  home: '${HYGGE_TEST_UNSET}'\n"
            "                               ^\n"
            "  try: set it: export HYGGE_TEST_UNSET=..., "
            "or give a default: ${HYGGE_TEST_UNSET:-...}",
        ),
        (
            {"home": "a", "store": "b", "entities": [{"nam": "x"}]},
            "'entities.0' lacks the key 'name'\n"
            "  at Flow(name='b'):3:12  entities: [{nam: x}]\n"
            "                                     ^\n"
            "  try: add 'name:'. Name of the entity.",
        ),
    ],
)
def test_error_says_which_argument_is_wrong(arguments: dict[str, Any], told: str) -> None:
    assert message(lambda: Flow(**arguments)) == f"ConfigError: {told}"


def test_value_that_contains_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)

    assert message(lambda: Flow(home="a", store="b", checks=endless)) == (
        "ConfigError: 'checks.0' contains itself\n  at Flow(name='b')\n  try: give a copy"
    )


def test_function_that_stands_in_no_file_is_refused() -> None:
    assert message(lambda: Flow(home="a", store="b", transform=lambda rows: rows)) == (
        "ConfigError: 'transform.python' is the function '<lambda>', "
        "which stands in no file under this name\n"
        "  at Flow(name='b')\n"
        "  try: write it to a file of the project, at the top level of it"
    )


def test_kind_that_only_this_process_knows_is_refused() -> None:
    from hygge.homes.base import homes
    from hygge.homes.parquet import ParquetHome

    class HereOnly(ParquetHome, kind="here_only"):
        """A home of a notebook."""

    try:
        told = message(lambda: Flow(home={"type": "here_only", "path": "a"}, store="b"))
    finally:
        del homes._classes["here_only"]

    assert told == (
        "ConfigError: 'home' is a home of type 'here_only', which only this process knows\n"
        "  at Flow(name='b')\n"
        "  try: a run is another process: make a package with an entry point 'hygge.homes'"
    )


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", "planted-secret")
    arguments: dict[str, Any] = {"home": {"type": "csv", "planted-secret": 1}, "store": "b"}

    assert "planted-secret" not in message(lambda: Flow(**arguments))
    assert "planted-secret" not in repr(Flow(home="planted-secret", store="b"))


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text().filter(lambda text: "$" not in text),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(min_size=1), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["home", "checks", "needs"]), PLAIN, min_size=1))
@settings(deadline=None)
def test_what_is_written_in_python_is_what_a_file_would_say(values: dict[str, Any]) -> None:
    text = text_of("Flow()", values, Path("/"))

    assert document.parse(text, "Flow()").values == values
    assert len(text.split("\n")) == len(values) + 1


def test_dates_paths_tuples_and_types_of_polars_are_written_as_text() -> None:
    values = {
        "home": Path("data/home"),
        "checks": ({"between": {"day": (datetime.date(2024, 1, 2), None)}},),
        "schema": {"id": pl.Int64, "at": pl.Datetime("us")},
    }

    assert document.parse(text_of("Flow()", values, Path("/")), "Flow()").values == {
        "home": "data/home",
        "checks": [{"between": {"day": ["2024-01-02", None]}}],
        "schema": {"id": "int64", "at": "datetime[us]"},
    }


# A project


def test_flows_of_files_and_of_python_stand_side_by_side(
    project: ProjectFolder, elsewhere: Path
) -> None:
    project.months()
    again = Flow(
        home="data/store/flights", store="data/store/again", description="A copy.", name="again"
    )

    found = Coordinator(project.root, flows=[again]).flows

    assert list(found) == ["flights", "again"]
    assert found["flights"].written_in == "flows/flights.yml"
    assert dataclasses.replace(found["again"], home={}, store={}) == type(found["again"])(
        "again", "Flow(name='again')", description="A copy.", waits_for=("flights",)
    )


def test_broken_flow_is_among_the_flows_with_its_error(project: ProjectFolder) -> None:
    project.flow("broken", "home: data/home\n")

    found = Coordinator(project.root).flows["broken"]

    assert isinstance(found.error, ConfigError)
    assert found.error.what == "the flow lacks the key 'store'"


def test_two_flows_of_one_name_are_refused(project: ProjectFolder) -> None:
    project.months()
    both = Coordinator(project.root, flows=[flights()])

    told = "ConfigError: two flows are called 'flights'\n  at {} and {}\n  try: rename one of them"
    where = "Flow(name='flights')", "flows/flights.yml"
    assert message(both.plan) == told.format(*where)
    assert message(both.run) == told.format(*where)
    assert message(lambda: Coordinator(project.root, [flights(), flights()])) == (
        "ConfigError: two flows are called 'flights'\n"
        "  at Flow(name='flights'), given twice\n"
        "  try: rename one of them"
    )


def test_project_is_found_from_a_folder_of_it(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.months()
    monkeypatch.chdir(project.root / "data/home")

    assert Coordinator().root == project.root


def test_folder_without_a_project_is_refused_unless_flows_are_given(elsewhere: Path) -> None:
    assert message(Coordinator) == (
        f"UsageError: no project here\n"
        f"  at {elsewhere}: no dodo.py or hygge.yml here or above, and no flows/ here\n"
        "  try: go to your project's folder, or write a first flow: flows/NAME.yml"
    )
    assert Coordinator(flows=[flights()]).root == elsewhere


def test_root_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert message(lambda: Coordinator(tmp_path / "gone")) == (
        f"UsageError: no project here\n  at {tmp_path / 'gone'}: no folder\n"
        "  try: make it, or correct the path"
    )


# A plan


def test_plan_says_what_doit_plan_says(project: ProjectFolder, elsewhere: Path) -> None:
    project.months()

    planned = Coordinator(project.root).plan()

    data = json.loads(project.doit("plan", "--json").out)["data"]
    assert [step.task for step in planned.steps] == [each["task"] for each in data["partitions"]]
    assert planned.frame().rows() == [
        (f"flights:2013-0{i}", "flights", "move", "new", "", step.bytes, None, None)
        for i, step in enumerate(planned.steps, 1)
    ]
    assert planned.is_stale
    assert repr(planned) == (
        "Planned(move=3, remove=0, unchanged=0, ignored=0, waiting={}, errors=())"
    )
    assert not (project.root / ".doit.db").exists()


def test_plan_of_a_broken_flow_raises_unless_it_is_to_go_on(project: ProjectFolder) -> None:
    project.months()
    project.flow("broken", "home: data/home/flights\nstor: x\n")
    coordinator = Coordinator(project.root)

    told = project.doit().err
    assert message(coordinator.plan) == "ConfigError: " + told.removeprefix("error: ").rstrip()
    planned = coordinator.plan(keep_going=True)
    assert planned.move == 3
    assert [error.what for error in planned.errors] == ["unknown key 'stor' in flow"]


def test_plan_and_run_of_an_unknown_name_say_the_same(bare: ProjectFolder) -> None:
    coordinator = Coordinator(bare.root, [flights()])

    told = "UsageError: no task 'flihgts'\n  try: did you mean 'flights'?"
    assert message(lambda: coordinator.plan("flihgts")) == told
    assert message(lambda: coordinator.run("flihgts")) == told


# A run


def test_store_is_the_same_as_by_yaml(
    project: ProjectFolder, bare: ProjectFolder, elsewhere: Path
) -> None:
    more: dict[str, Any] = {
        "store": {"path": "data/store/flights", "partition_by": ["name"]},
        "transform": {"sql": 'SELECT id, name,\n  id * 2 AS twice -- "so"\nFROM self'},
        "checks": [{"not_null": "id"}, {"between": {"id": [0, 10**16]}}],
        "schema": {"id": "int64", "twice": "int64", "name": "string"},
    }
    project.months()
    project.flow("flights", json.dumps({"home": "data/home/flights", **more}))

    result = Coordinator(bare.root, [Flow(home="data/home/flights", **more)]).run()

    typed = project.doit()
    assert typed.counts == {
        name: getattr(result, name) for name in ("moved", "unchanged", "failed", "removed", "rows")
    }
    assert result.moved == 3
    assert bare.digest() == project.digest() != {}
    assert Path.cwd() == elsewhere


def test_objects_make_the_same_flow_as_dicts(
    bare: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_text = Coordinator(bare.root, [flights()])
    as_text.run()
    monkeypatch.chdir(bare.root / "data")
    objects = Flow(
        home=Home.create("home/flights"),
        store=Store.create({"path": "store/flights"}),
        inputs={"other": Home.create("home/flights/2013-01.parquet")},
    )

    found = Coordinator(bare.root, [objects])

    assert found.flows["flights"].home["path"] == "data/home/flights"
    assert found.flows["flights"].store["path"] == "data/store/flights"
    assert [step.reason for step in found.plan().steps] == ["config changed"] * 3
    without = Flow(home=objects._arguments["home"], store=objects._arguments["store"])
    assert not Coordinator(bare.root, [without]).plan().is_stale


def test_function_of_a_file_is_found_there(
    bare: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare.write(
        "shaping.py", "def twice(rows):\n    return rows.with_columns(rows.collect()['id'] * 2)\n"
    )
    monkeypatch.syspath_prepend(bare.root)
    import shaping  # type: ignore[import-not-found]

    result = Coordinator(bare.root, [flights(transform=shaping.twice)]).run("flights:2013-01")

    assert result.ok, result
    stored = pl.read_parquet(bare.root / "data/store/flights/2013-01.parquet")
    assert stored["id"].to_list() == [20, 22, 24]


def test_result_has_what_was_done_as_values_and_as_a_frame(
    bare: ProjectFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    result = Coordinator(bare.root, [flights()]).run(select=["flights:2013-02", "flights:2013-03"])

    assert capfd.readouterr() == ("", "")
    assert result.ok
    assert (result.status, result.code, result.moved, result.rows) == ("succeeded", 0, 2, 6)
    assert (bare.root / ".hygge/runs" / result.run_id / "manifest.json").exists()
    assert [(f.path, f.reason, f.rows) for f in result.files] == [
        ("data/store/flights/2013-02.parquet", "created", 3),
        ("data/store/flights/2013-03.parquet", "created", 3),
    ]
    frame = result.frame()
    assert frame.select("task", "flow", "action", "reason", "rows", "message").rows() == [
        ("flights:2013-02", "flights", "moved", "new", 3, ""),
        ("flights:2013-03", "flights", "moved", "new", 3, ""),
    ]
    assert result.bytes == frame["bytes"].sum() == sum(f.size_bytes or 0 for f in result.files)
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.moved = 3  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(result)) == result


def test_frames_of_nothing_have_their_columns(bare: ProjectFolder) -> None:
    coordinator = Coordinator(bare.root, [flights()])
    coordinator.run()

    assert coordinator.run().frame().schema == coordinator.run(forced=True).frame().schema
    assert coordinator.plan().frame().schema["bytes"] == pl.Int64


def test_only_what_changed_is_moved_again(bare: ProjectFolder) -> None:
    coordinator = Coordinator(bare.root, [flights()])
    moved = [coordinator.run().moved]
    for start in (100, 200):
        bare.parquet("data/home/flights/2013-02.parquet", start=start)
        assert [step.task for step in coordinator.plan().steps] == ["flights:2013-02"]
        result = coordinator.run()
        moved.append(result.moved)

    assert moved == [3, 1, 1]
    assert (result.unchanged, result.steps[0].task) == (2, "flights:2013-02")
    assert coordinator.run().moved == 0


def test_forced_run_moves_everything(bare: ProjectFolder) -> None:
    coordinator = Coordinator(bare.root, [flights()])
    coordinator.run()

    assert coordinator.plan(forced=True).move == 3
    assert coordinator.run(forced=True, threads=2).moved == 3


def test_empty_selection_moves_nothing(bare: ProjectFolder) -> None:
    coordinator = Coordinator(bare.root, [flights()])

    assert coordinator.run(select=[]).moved == 0
    assert coordinator.plan(select=[]).move == 0
    assert not (bare.root / "data/store").exists()


def test_pattern_selects_what_it_matches(bare: ProjectFolder) -> None:
    coordinator = Coordinator(bare.root, [flights()])

    assert coordinator.plan("flights:*-0[12]").move == 2
    assert coordinator.run("flights:*-0[12]").moved == 2


def test_name_that_doit_would_take_for_a_variable_is_refused(bare: ProjectFolder) -> None:
    coordinator = Coordinator(bare.root, [flights()])

    told = (
        "UsageError: 'year=2013' names no task: no name has a '='\n"
        "  try: the key of 'year=2013/month=1' is '2013/1'"
    )
    assert message(lambda: coordinator.run("year=2013")) == told
    assert message(lambda: coordinator.plan(["flights", "year=2013"])) == told


def test_home_that_lost_most_of_its_files_is_refused_by_plan_and_run(bare: ProjectFolder) -> None:
    coordinator = Coordinator(bare.root, [flights()])
    coordinator.run()
    for month in (1, 2):
        (bare.root / f"data/home/flights/2013-0{month}.parquet").unlink()

    told = message(coordinator.plan)
    assert told.startswith("HomeError: the home 'data/home/flights' has 1 partitions, it had 3\n")
    assert message(coordinator.run) == told
    assert coordinator.plan(allow_prune=True).remove == 2
    assert coordinator.run(allow_prune=True).removed == 2


def test_entities_are_flows_of_their_own(bare: ProjectFolder) -> None:
    bare.parquet("data/home/planes/planes.parquet")
    landing = Flow(name="landing", home="data/home", store="data/store", entities="*")
    coordinator = Coordinator(bare.root, [landing])

    assert list(coordinator.flows) == ["landing.flights", "landing.planes"]
    assert coordinator.run("landing.planes").moved == 1
    assert coordinator.run("landing").moved == 3


def test_damaged_state_is_rebuilt(bare: ProjectFolder) -> None:
    coordinator = Coordinator(bare.root, [flights()])
    coordinator.run()
    before = bare.digest()
    (bare.root / ".doit.db").write_bytes(b"rubbish" * 1000)

    assert coordinator.run().ok
    assert bare.digest() == before
    assert not coordinator.plan().is_stale


def test_no_threads_are_refused(bare: ProjectFolder) -> None:
    coordinator = Coordinator(bare.root, [flights()])

    assert message(lambda: coordinator.run(threads=0)) == "UsageError: threads=0\n  try: at least 1"


def test_failure_is_in_the_result(project: ProjectFolder) -> None:
    project.months()
    project.write("data/home/flights/2013-02.parquet", "nothing")
    coordinator = Coordinator(project.root)

    result = coordinator.run(keep_going=True)

    assert not result.ok
    assert (result.status, result.code, result.moved, result.failed) == ("failed", 1, 2, 1)
    told = project.doit("--continue").out.split("error: ")[1].split("\n2 up to date")[0]
    (task, failure), *others = result.failures.items()
    assert (task, others) == ("flights:2013-02", [])
    assert told.startswith(failure + "\n")
    failed = next(step for step in result.steps if step.action == "failed")
    assert (failed.error_type, failed.reason) == ("HomeError", "new")


def test_failed_check_has_the_exit_code_of_one(bare: ProjectFolder) -> None:
    result = Coordinator(bare.root, [flights(checks=[{"rows": {"min": 4}}])]).run()

    assert (result.code, result.status) == (5, "failed")


def test_tasks_of_the_project_run_too_and_what_they_print_is_kept(
    project: ProjectFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    project.months()
    own = "\ndef task_own():\n    return {'actions': ['echo of my own', 'cat']}\n"
    project.write("dodo.py", (project.root / "dodo.py").read_text() + own)

    result = Coordinator(project.root).run()

    assert result.ok
    assert "of my own\n" in result.printed
    assert capfd.readouterr() == ("", "")


def test_dodo_without_flows_is_refused(bare: ProjectFolder) -> None:
    bare.write("dodo.py", "def task_own():\n    return {'actions': []}\n")

    assert message(Coordinator(bare.root, [flights()]).run) == (
        "ConfigError: doit does not use hygge's state\n"
        "  at DOIT_CONFIG in dodo.py\n"
        "  try: from hygge.tasks import DOIT_CONFIG, task_hygge"
    )


def test_dodo_that_cannot_be_loaded_is_told_in_three_lines(bare: ProjectFolder) -> None:
    bare.write("dodo.py", "import nothing_there\n")

    assert message(Coordinator(bare.root, [flights()]).run) == (
        "ConfigError: the project can't be loaded\n"
        "  at ModuleNotFoundError: No module named 'nothing_there'\n"
        "  try: see where: type 'doit list' in the project's root"
    )


def test_project_within_another_is_not_taken_for_it(project: ProjectFolder) -> None:
    project.months()
    inner = ProjectFolder(project.root / "inner")
    inner.months()
    (inner.root / "dodo.py").unlink()
    (inner.root / "flows/flights.yml").unlink()

    result = Coordinator(inner.root, [flights()]).run()

    assert result.moved == 3
    assert not (project.root / "data/store").exists()


def test_run_while_another_goes_on_is_refused(project: ProjectFolder) -> None:
    project.months(6)
    slow(project)
    with running(project.root):
        coordinator = Coordinator(project.root)
        assert coordinator.plan().steps  # takes no lock

        told = message(coordinator.run)
        waited = coordinator.run(wait=True)

    assert re.fullmatch(
        r"RunInProgress: another run holds this project\n"
        r"  at process \d+, since [\d:]+: hygge run\n"
        r"  try: wait until it has ended, or let hygge wait: doit --wait",
        told,
    )
    assert (waited.ok, waited.moved) == (True, 0)


# While a run goes on


def slow(project: ProjectFolder) -> None:
    """Make the flow of *project* take a fifth of a second for each partition."""
    project.write("flows/slow.py", SLOW)
    project.flow(
        "flights",
        "home: data/home/flights\nstore: data/store/flights\n"
        "transform: {python: flows/slow.py:slowly}\n",
    )


@contextlib.contextmanager
def running(root: Path) -> Iterator[subprocess.Popen[str]]:
    """Run the project at *root* from Python in another process, until something was moved."""
    program = f"from hygge import Coordinator; print(Coordinator({str(root)!r}).run())"
    process = python(program, root, wait=False)
    try:
        wait_until(lambda: any((root / "data/store").rglob("*.parquet")))
        yield process
        process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)


def manifest(root: Path) -> dict[str, Any]:
    newest = max((root / ".hygge/runs").iterdir())
    found: dict[str, Any] = json.loads((newest / "manifest.json").read_text())
    return found


def test_interrupt_stops_in_good_order_and_is_raised_again(project: ProjectFolder) -> None:
    project.months(12)
    slow(project)
    with running(project.root) as process:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)

    assert out == ""
    assert err.rstrip().endswith("KeyboardInterrupt")
    before = manifest(project.root)
    assert before["status"] == "interrupted"
    result = Coordinator(project.root).run()
    assert result.ok
    assert 0 < before["counts"]["moved"] < 12
    assert result.moved == 12 - before["counts"]["moved"]


def test_run_stops_in_good_order_when_whoever_asked_is_killed(project: ProjectFolder) -> None:
    project.months(12)
    slow(project)
    with running(project.root) as process:
        process.kill()
    wait_until(lambda: manifest(project.root)["status"] != "running")

    before = manifest(project.root)
    assert before["status"] == "interrupted"
    result = Coordinator(project.root).run(wait=True)
    assert (result.ok, result.moved) == (True, 12 - before["counts"]["moved"])


def test_run_that_is_killed_tells_what_it_had_done(project: ProjectFolder) -> None:
    project.months(12)
    slow(project)

    def kill() -> None:
        wait_until(lambda: any((project.root / "data/store").rglob("*.parquet")))
        time.sleep(0.1)
        os.kill(manifest(project.root)["pid"], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    result = Coordinator(project.root).run()
    killer.join()

    assert (result.ok, result.status, result.code) == (False, "interrupted", 137)
    assert result.moved == len([s for s in result.steps if s.action == "moved"])
    assert Coordinator(project.root).run().moved == 12 - result.moved


def test_run_in_a_thread_leaves_the_others_alone(bare: ProjectFolder, elsewhere: Path) -> None:
    results = []
    thread = threading.Thread(
        target=lambda: results.append(Coordinator(bare.root, [flights()]).run())
    )
    thread.start()
    thread.join()

    assert [result.moved for result in results] == [3]
    assert Path.cwd() == elsewhere


def test_two_projects_are_run_at_once_while_the_loop_goes_on(
    project: ProjectFolder, tmp_path: Path
) -> None:
    other = ProjectFolder(tmp_path / "other")
    for each in (project, other):
        each.months(4)
        slow(each)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.05)
            ticks += 1

    async def both() -> list[Any]:
        ticking = asyncio.create_task(tick())
        runs = [Coordinator(each.root).run_async() for each in (project, other)]
        results = await asyncio.gather(*runs)
        ticking.cancel()
        return results

    results = asyncio.run(both())

    assert [result.moved for result in results] == [4, 4]
    assert ticks > 10


def test_cancelled_run_stops_in_good_order(project: ProjectFolder) -> None:
    project.months(12)
    slow(project)

    async def cancelled() -> None:
        run = asyncio.create_task(Coordinator(project.root).run_async())
        while not any((project.root / "data/store").rglob("*.parquet")):
            await asyncio.sleep(0.02)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(cancelled())

    before = manifest(project.root)
    assert before["status"] == "interrupted"
    assert Coordinator(project.root).run().moved == 12 - before["counts"]["moved"]


def test_errors_of_an_awaited_run_are_the_same(bare: ProjectFolder) -> None:
    coordinator = Coordinator(bare.root, [flights()])

    with pytest.raises(UsageError, match="no task 'nothing'"):
        asyncio.run(coordinator.run_async("nothing"))


# What is documented


def test_example_runs_by_itself_in_an_empty_folder(elsewhere: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs/examples/parquet_flow.py")],
        capture_output=True,
        text=True,
    )

    assert done.stderr == ""
    assert done.stdout.split("shape:")[0] == (
        "a run would move: ['sales:february', 'sales:january']\n"
        "moved: 2 rows: 3\n"
        "again: moved: 0 unchanged: 2\n"
        "after a change: [('sales:february', 'moved')]\n"
        "ok: False failed: ['sales:march']\n"
    )
    assert [*elsewhere.iterdir()] == []


def test_code_on_the_page_is_run_by_what_the_page_types() -> None:
    page = (ROOT / "docs/python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^(?:<!-- file: (\S+) -->\n)?```python$", page, re.MULTILINE)

    assert len(blocks) > 3
    for file in blocks:
        imported = f"from {file.removesuffix('.py')} import "
        assert f"$ python {file}\n" in page or imported in page, file


@pytest.mark.parametrize("cls", [Flow, Coordinator])
def test_page_names_every_argument(cls: type[Any]) -> None:
    import inspect

    page = (ROOT / "docs/python.md").read_text(encoding="utf-8")
    calls = [cls, *(m for n, m in vars(cls).items() if n in ("plan", "run", "run_async"))]
    for call in calls:
        for name in inspect.signature(call).parameters:
            assert name in ("self", "unknown") or f"`{name}`" in page, name
