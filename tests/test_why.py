"""`doit why` tells of one partition all that is known, and never decides otherwise than a run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from conftest import ProjectFolder, Result

STEADY = (
    (r"\d{8}T\d{9}Z-[0-9a-f]{6}", "RUN"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "TIME"),
    (r"\b[0-9a-f]{32}\b", "HASH"),
    (r"\b[0-9a-f]{8}\b", "SHORT"),
    (r"\d+\.\d\ds\b", "SECONDS"),
)


def steady(text: str) -> str:
    """Return *text* with names for what differs from run to run."""
    for pattern, name in STEADY:
        text = re.sub(pattern, name, text)
    return text


def envelope(result: Result) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(result.out)
    return whole


def partition(project: ProjectFolder, task: str) -> dict[str, Any]:
    """Return what `doit why --json` says of *task*."""
    (one,) = envelope(project.doit("why", "--json", task))["data"]["partitions"]
    return dict(one)


def files(project: ProjectFolder) -> dict[str, str]:
    """Return every file, but those that SQLite makes beside its own when it reads."""
    found = project.digest(".")
    return {name: found[name] for name in found if not name.startswith(".doit.db-")}


def sales(project: ProjectFolder, **more: str) -> None:
    """Make a flow over two text files."""
    project.write("data/home/sales/1.csv", "id,name\n1,a\n")
    project.write("data/home/sales/2.csv", "id,name\n2,b\n")
    extra = "".join(f"{key}: {value}\n" for key, value in more.items())
    project.flow("sales", f"home: data/home/sales\nstore: {{path: out, type: csv}}\n{extra}")


def test_partition_that_is_up_to_date_has_its_sources_and_its_last_move(
    project: ProjectFolder,
) -> None:
    sales(project)
    project.doit()
    result = project.doit("why", "sales:1")

    assert result.code == 0
    assert steady(result.out) == (
        "sales:1: up to date\n"
        "\n"
        "  depends on\n"
        "    source 'data/home/sales/1.csv', 12B\n"
        "\n"
        "  last move\n"
        "    run RUN, TIME, SECONDS\n"
        "    'out/1.csv', 12B, HASH\n"
    )


def test_new_partition_has_no_last_move(project: ProjectFolder) -> None:
    sales(project)

    assert project.doit("why", "sales:2").out == (
        "sales:2: stale\n  reason: new\n\n  depends on\n    source 'data/home/sales/2.csv', 12B\n"
    )


def test_first_reason_is_the_reason_and_everything_else_that_differs_is_shown(
    project: ProjectFolder,
) -> None:
    sales(project)
    project.doit()
    project.write("data/home/sales/1.csv", "id,name,more\n1,a,x\n")
    sales_flow = (
        "home: {path: data/home/sales, options: {null_values: [NA]}}\n"
        "store: {path: out, type: csv}\n"
    )
    project.flow("sales", sales_flow)
    (project.root / "out/1.csv").unlink()
    result = project.doit("why", "sales:1")

    assert steady(result.out) == (
        "sales:1: stale\n"
        "  reason: config changed: home.options.null_values: (not set) -> ['NA']\n"
        "\n"
        "  changed since the last move\n"
        "    config home.options.null_values\n"
        "      + ['NA']\n"
        "    source 'data/home/sales/1.csv' changed\n"
        "      content   SHORT -> SHORT\n"
        "      size      12 -> 19 bytes\n"
        "      modified  TIME -> TIME\n"
        "    output 'out/1.csv' gone\n"
        "    columns: not compared, no file 'out/1.csv'\n"
        "\n"
        "  depends on\n"
        "    source 'data/home/sales/1.csv', 19B\n"
        "\n"
        "  last move\n"
        "    run RUN, TIME, SECONDS\n"
        "    'out/1.csv', 12B, HASH\n"
    )


def test_changed_key_has_its_old_and_its_new_value_on_lines_of_their_own(
    project: ProjectFolder,
) -> None:
    sales(project, transform='{where: "id > 0"}')
    project.doit()
    sales(project, transform='{where: "id > 1"}')
    out = project.doit("why", "sales:1").out

    assert "    config transform.where\n      - 'id > 0'\n      + 'id > 1'\n" in out


def test_columns_are_compared_where_a_source_changed(project: ProjectFolder) -> None:
    sales(project, schema="evolve")
    project.doit()
    project.write("data/home/sales/1.csv", "id,more\nx,1.5\n")
    changes = partition(project, "sales:1")["changes"]

    assert [
        (each["name"], each["how"], each["old"], each["new"])
        for each in changes
        if each["about"] == "column"
    ] == [
        ("id", "changed", {"value": "int64"}, {"value": "string"}),
        ("more", "added", None, {"value": "float64"}),
        ("name", "removed", {"value": "string"}, None),
    ]


def test_columns_are_read_back_where_none_are_remembered(project: ProjectFolder) -> None:
    project.months(1)
    project.doit()
    file = project.root / "data/home/flights/2013-01.parquet"
    pl.read_parquet(file).drop("name").write_parquet(file)
    changes = partition(project, "flights:2013-01")["changes"]

    assert [(each["about"], each["name"], each["how"]) for each in changes] == [
        ("source", "data/home/flights/2013-01.parquet", "changed"),
        ("column", "name", "removed"),
    ]


def test_files_that_joined_or_left_a_group_are_told_apart(project: ProjectFolder) -> None:
    project.write("home/a.csv", "id\n1\n")
    project.write("home/b.csv", "id\n2\n")
    project.flow("all", "home: {path: home, partition: all}\nstore: out\n")
    project.doit()
    (project.root / "home/a.csv").rename(project.root / "home/c.csv")
    found = partition(project, "all:all")

    assert found["reason"]["kind"] == "source added/removed to the group"
    assert [(each["name"], each["how"]) for each in found["changes"]] == [
        ("home/c.csv", "added"),
        ("home/a.csv", "removed"),
    ]


def chain(project: ProjectFolder) -> None:
    """Make two flows, of which the second reads what the first writes, and has an input."""
    project.write("home/1.csv", "id\n1\n")
    project.write("names/n.csv", "id,name\n1,a\n")
    project.flow("first", "home: home\nstore: {path: mid, type: csv}\n")
    project.flow("names", "home: names\nstore: {path: known, type: csv}\n")
    project.flow(
        "second",
        "home: mid\nstore: {path: end, type: csv}\ninputs: {names: known}\n"
        "transform: {sql: 'SELECT id, name FROM self JOIN names USING (id) ORDER BY id'}\n",
    )


def test_what_a_partition_depends_on_names_the_tasks_that_wrote_it(project: ProjectFolder) -> None:
    chain(project)
    project.doit()

    assert partition(project, "second:1")["depends_on"] == [
        {"path": "mid/1.csv", "role": "source", "size": 5, "written_by": "first:1"},
        {"path": "known/n.csv", "role": "input names", "size": 12, "written_by": "names:n"},
    ]


def test_what_needs_a_partition_is_what_read_its_outputs(project: ProjectFolder) -> None:
    chain(project)
    project.doit()

    assert partition(project, "first:1")["needed_by"] == ["second:1"]
    assert partition(project, "names:n")["needed_by"] == ["second:1"]
    assert partition(project, "second:1")["needed_by"] == []


def test_change_before_a_partition_is_its_reason_too(project: ProjectFolder) -> None:
    chain(project)
    project.doit()
    project.write("home/1.csv", "id\n1\n1\n")

    assert partition(project, "second:1")["reason"] == {
        "kind": "upstream changed",
        "detail": "'first:1' is to be moved first",
    }


def test_last_failure_is_shown(project: ProjectFolder) -> None:
    sales(project, checks="[{rows: {min: 2}}]")
    project.doit()
    found = partition(project, "sales:1")

    assert found["last_failure"] == "1 row: fewer than 2"
    assert f"\n  last failure\n    {found['last_failure']}\n" in project.doit("why", "sales:1").out


def test_partition_that_is_to_be_removed_says_so(project: ProjectFolder) -> None:
    sales(project)
    project.doit()
    (project.root / "data/home/sales/2.csv").unlink()
    found = partition(project, "sales:2")

    assert (found["action"], found["reason"]["kind"]) == ("remove", "source gone")
    assert [each["how"] for each in found["changes"]] == ["removed"]


def test_ignored_partition_is_ignored(project: ProjectFolder) -> None:
    sales(project)
    project.doit("ignore", "sales:1")

    assert project.doit("why", "sales:1").out.startswith("sales:1: ignored\n  reason: new\n")


def test_flow_is_one_paragraph_with_its_reasons(project: ProjectFolder) -> None:
    sales(project)
    project.doit()
    for i in range(3, 8):
        project.write(f"data/home/sales/{i}.csv", f"id\n{i}\n")
    project.write("data/home/sales/1.csv", "id,name\n9,a\n")

    assert project.doit("why", "sales").out == (
        "sales: 7 partitions, 1 up to date, 6 stale\n"
        "  source changed (1): sales:1\n"
        "  new (5): sales:3, sales:4, sales:5 and 2 more\n"
        "  more about one of them: doit why sales:1\n"
    )


def test_nothing_named_is_every_flow(project: ProjectFolder) -> None:
    chain(project)
    project.doit()

    assert [
        (each["flow"], each["partitions"], each["stale"])
        for each in envelope(project.doit("why", "--json"))["data"]["flows"]
    ] == [("first", 1, 0), ("names", 1, 0), ("second", 1, 0)]


def test_file_with_entities_is_a_paragraph_for_each(project: ProjectFolder) -> None:
    project.write("home/a/1.csv", "id\n1\n")
    project.write("home/b/1.csv", "id\n1\n")
    project.flow("land", "home: home\nstore: out\nentities: [a, b]\n")

    assert project.doit("why", "land").out == (
        "land.a: 1 partition, 0 up to date, 1 stale\n"
        "  new (1): land.a:1\n"
        "  more about one of them: doit why land.a:1\n"
        "\n"
        "land.b: 1 partition, 0 up to date, 1 stale\n"
        "  new (1): land.b:1\n"
        "  more about one of them: doit why land.b:1\n"
    )


def test_empty_project_has_nothing_to_explain(project: ProjectFolder) -> None:
    result = project.doit("why")

    assert (result.code, result.out) == (0, "No flows yet: write a first one, flows/NAME.yml.\n")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sales:11", "error: no task 'sales:11'\n  try: did you mean 'sales:1'?\n"),
        ("sale:1", "error: no task 'sale:1'\n  try: did you mean 'sales'?\n"),
        ("sale", "error: no task 'sale'\n  try: did you mean 'sales'?\n"),
        ("xyz", "error: no task 'xyz'\n  try: see what there is: doit list --all\n"),
    ],
)
def test_unknown_name_has_a_near_miss(project: ProjectFolder, name: str, message: str) -> None:
    sales(project)
    result = project.doit("why", name)

    assert (result.code, result.out, result.err) == (3, "", message)


def test_task_of_somebodys_own_is_left_to_info(project: ProjectFolder) -> None:
    sales(project)
    project.write(
        "dodo.py",
        """\
        from hygge.tasks import DOIT_CONFIG, task_hygge

        def task_report():
            yield {"name": "weekly", "actions": ["true"]}
        """,
    )
    result = project.doit("why", "report:weekly")

    assert (result.code, result.err) == (
        3,
        "error: 'report:weekly' is a task of your own, not a partition\n"
        "  try: doit info report:weekly\n",
    )


def test_broken_flow_says_what_is_wrong_and_others_are_explained(project: ProjectFolder) -> None:
    sales(project)
    project.flow("bad", "home: nowhere\nstore: else\n")
    result = project.doit("why", "bad:1", "sales:1")

    assert result.code == 3
    assert result.out.startswith(
        "bad: nothing of it can be moved\n  no folder 'nowhere'\n\nsales:1"
    )
    assert result.err == (
        "error: no folder 'nowhere'\n"
        "  at flows/bad.yml:1:7  home: nowhere\n"
        "                              ^\n"
        "  try: create it\n"
    )


def test_odd_names_do_nothing_to_the_terminal(project: ProjectFolder) -> None:
    project.write("home/a\x1b[31m b.csv", "id\n1\n")
    project.flow("odd", "home: home\nstore: out\n")
    result = project.doit("why", "odd:a\x1b[31m b")

    assert "\x1b" not in result.out
    assert result.out.startswith("odd:a\\x1b[31m b: stale\n  reason: new\n")


def test_nothing_is_written(project: ProjectFolder) -> None:
    sales(project)
    project.doit()
    before = files(project)
    project.doit("why", "sales:1")
    project.doit("why")

    assert files(project) == before


@pytest.mark.parametrize(
    "change",
    ["touch", "edit", "config", "output", "gone", "forget"],
)
def test_reason_is_the_one_that_plan_shows(project: ProjectFolder, change: str) -> None:
    sales(project)
    project.doit()
    source = project.root / "data/home/sales/1.csv"
    if change == "touch":
        os.utime(source, (1, 1))
    elif change == "edit":
        source.write_text("id,name\n7,c\n")
    elif change == "config":
        sales(project, transform="{select: [id]}")
    elif change == "output":
        (project.root / "out/1.csv").write_text("other")
    elif change == "gone":
        source.unlink()
    else:
        project.doit("forget", "sales:1")
    planned = json.loads(project.doit("plan", "--json", "sales:1").out)["data"]["partitions"]
    found = partition(project, "sales:1")

    assert [each["reason"] for each in planned] == [found["reason"]] * (found["state"] == "stale")


def test_one_of_many_is_decided_alone(project: ProjectFolder, tmp_path: Path) -> None:
    sales(project)
    project.doit()
    project.write("data/home/sales/2.csv", "id,name\n3,c\n")
    script = tmp_path / "decided.py"
    script.write_text(
        "import sys\n"
        "from hygge.coordinator import Coordinator, Options\n"
        "from hygge.fingerprint import ContentHashes\n"
        "from hygge.project import load\n"
        "from hygge.state import State\n"
        "from pathlib import Path\n"
        "state = State('.doit.db')\n"
        "coordinator = Coordinator(load(Path.cwd()), state, Options(), ContentHashes())\n"
        "plan = coordinator.plan(only=['sales:2'])\n"
        "print([each.task for flow in plan.flows for each in flow.decisions])\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], cwd=project.root, capture_output=True, text=True, check=True
    )

    assert done.stdout == "['sales:2']\n"
