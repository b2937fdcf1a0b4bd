"""`doit config` shows what holds and where it is written; secrets are in none of it."""

from __future__ import annotations

import copy
import json
import pickle
import sqlite3
from typing import Any

import pytest
from conftest import ProjectFolder

from hygge.fingerprint import config_hash
from hygge.variables import Expanded, expand

SECRET = "hunter-22-hunter"


def data(project: ProjectFolder, *words: str, **environment: str) -> list[dict[str, Any]]:
    whole = json.loads(project.doit("config", "--json", *words, **environment).out)
    return list(whole["data"]["flows"])


def sales(project: ProjectFolder) -> None:
    project.write("home/1.csv", "id\n1\n")
    project.write("hygge.yml", "defaults:\n  store:\n    compression: snappy\n")
    project.flow(
        "sales",
        """\
        # What was sold
        home:
          path: ${WHERE:-home}
          options: {null_values: [NA]}
        store: out
        """,
    )


def test_flow_is_shown_as_it_is_written_over_the_defaults(project: ProjectFolder) -> None:
    sales(project)

    assert project.doit("config", "sales").out == (
        "# sales, flows/sales.yml\n"
        "home:\n"
        "  path: ${WHERE:-home}\n"
        "  options:\n"
        "    null_values:\n"
        "    - NA\n"
        "store:\n"
        "  compression: snappy\n"
        "  path: out\n"
    )


def test_resolved_has_variables_types_and_defaults(project: ProjectFolder) -> None:
    sales(project)

    assert project.doit("config", "--resolved", "sales").out == (
        "# sales, flows/sales.yml\n"
        "home:\n"
        "  path: home\n"
        "  options:\n"
        "    null_values:\n"
        "    - NA\n"
        "    separator: ','\n"
        "    quote: '\"'\n"
        "    header: true\n"
        "    skip_rows: 0\n"
        "    encoding: utf8\n"
        "    decimal_comma: false\n"
        "    dates: false\n"
        "    infer_rows: 10000\n"
        "  type: csv\n"
        "  partition: file\n"
        "store:\n"
        "  compression: snappy\n"
        "  path: out\n"
        "  type: parquet\n"
        "  options:\n"
        "    row_group_size: 100000\n"
        "    statistics: true\n"
        "  on_removed: delete\n"
        "isolate: thread\n"
    )


def test_origin_is_a_line_a_file_or_a_variable(project: ProjectFolder) -> None:
    sales(project)

    assert project.doit("config", "--origin", WHERE="home").out == (
        "# sales, flows/sales.yml\n"
        "home.path                    ${WHERE:-home}  flows/sales.yml:3, variable WHERE\n"
        "home.options.null_values[0]  NA              flows/sales.yml:4\n"
        "store.compression            snappy          hygge.yml:3\n"
        "store.path                   out             flows/sales.yml:5\n"
    )


def test_origin_of_what_nobody_wrote_is_said_too(project: ProjectFolder) -> None:
    sales(project)
    (found,) = data(project, "--resolved", "--origin")
    origins = {each["key"]: each for each in found["origins"]}

    assert origins["home.type"]["otherwise"] == "found out"
    assert origins["store.type"]["otherwise"] == "default"
    assert origins["store.on_removed"]["otherwise"] == "default"
    assert origins["home.path"] == {
        "key": "home.path",
        "value": "home",
        "file": "flows/sales.yml",
        "line": 3,
        "variables": [],
        "otherwise": "",
    }


def test_entities_are_flows_only_when_resolved(project: ProjectFolder) -> None:
    project.write("home/a/1.csv", "id\n1\n")
    project.write("home/b/1.csv", "id\n1\n")
    project.write("flows/land/flow.yml", "home: home\nstore: out/{entity}\nentities: [a]\n")
    project.write("flows/land/entities/b.yml", "description: The second\n")

    assert [each["name"] for each in data(project)] == ["land", "land.b"]
    resolved = data(project, "--resolved", "land")
    assert [each["name"] for each in resolved] == ["land.a", "land.b"]
    assert [each["values"]["store"]["path"] for each in resolved] == ["out/a", "out/b"]
    assert [each["name"] for each in data(project, "--resolved", "land.b")] == ["land.b"]


def test_text_of_several_lines_stays_readable(project: ProjectFolder) -> None:
    project.write("home/1.csv", "id\n1\n")
    project.flow(
        "a", "home: home\nstore: out\ntransform:\n  sql: |\n    SELECT id\n    FROM self\n"
    )

    assert project.doit("config", "a").out.endswith(
        "transform:\n  sql: |\n    SELECT id\n    FROM self\n"
    )
    assert "transform.sql  SELECT id FROM self  flows/a.yml:4\n" in (
        project.doit("config", "--origin").out
    )


def test_flow_that_can_not_be_used_is_shown_and_told(project: ProjectFolder) -> None:
    project.flow("a", "home: nowhere\nstore: out\n")
    result = project.doit("config", "--resolved")

    assert result.code == 3
    assert result.out == (
        "# a, flows/a.yml\nhome:\n  path: nowhere\nstore:\n  path: out\nisolate: thread\n"
    )
    assert result.err.startswith("error: no folder 'nowhere'\n")


def test_yaml_that_can_not_be_read_leaves_the_others(project: ProjectFolder) -> None:
    sales(project)
    project.flow("bad", "home: [\n")
    result = project.doit("config")

    assert result.code == 3
    assert result.out.startswith("# sales, flows/sales.yml\n")
    assert result.err.startswith("error: not YAML: ")


def test_empty_project_has_no_configuration(project: ProjectFolder) -> None:
    result = project.doit("config")

    assert (result.code, result.out) == (0, "No flows yet: write a first one, flows/NAME.yml.\n")


def test_unknown_flow_has_a_near_miss(project: ProjectFolder) -> None:
    sales(project)
    result = project.doit("config", "sale")

    assert (result.code, result.out, result.err) == (
        3,
        "",
        "error: no task 'sale'\n  try: did you mean 'sales'?\n",
    )


# Secrets


def with_token(project: ProjectFolder, text: str = "${TOKEN}") -> None:
    """Make a flow in whose transform a secret, or what is made of one, stands."""
    project.write("home/1.csv", "id\n1\n")
    project.flow(
        "a",
        "home: home\nstore: {path: out, type: csv}\n"
        f"transform: {{where: \"'{text}' <> 'none'\"}}\n",
    )


def test_value_of_a_secret_is_shown_nowhere(project: ProjectFolder) -> None:
    with_token(project, "x${TOKEN}y")
    shown = [
        project.doit("config", *words, TOKEN=SECRET)
        for words in ([], ["--resolved"], ["--resolved", "--origin"], ["--resolved", "--json"])
    ]

    assert not any(SECRET in each.out + each.err for each in shown)
    assert "  where: '''x***y'' <> ''none'''\n" in shown[1].out
    assert "'x***y' <> 'none'  flows/a.yml:3, variable TOKEN\n" in shown[2].out


def test_short_secret_is_not_shown_either(project: ProjectFolder) -> None:
    with_token(project)

    out = project.doit("config", "--resolved", "--origin", TOKEN="q7").out

    assert "'***' <> 'none'  flows/a.yml:3, variable TOKEN\n" in out


def test_another_value_of_a_secret_moves_for_it_can_change_the_result(
    project: ProjectFolder,
) -> None:
    with_token(project)
    project.doit(TOKEN=SECRET)
    planned = project.doit("plan", TOKEN="quite-another")
    moved = project.doit(TOKEN="quite-another")

    assert "  config changed: a value that is hidden\n" in planned.out
    assert (moved.moved, SECRET in moved.out, "quite-another" in moved.out) == (1, False, False)


def test_variables_can_stand_where_values_are_compared(project: ProjectFolder) -> None:
    project.write("home/1.csv", "id\nnorth\n")
    project.flow(
        "a",
        """
        home: home
        store: {path: out, type: csv}
        transform: {polish: {constants: [{name: region, value: "${REGION}"}]}}
        checks: [{in: {id: ["${REGION}"]}}]
        """,
    )

    assert project.doit(REGION="north").moved == 1
    assert (project.root / "out/1.csv").read_text() == "id,region\nnorth,north\n"


def test_another_value_of_what_is_no_secret_moves(project: ProjectFolder) -> None:
    with_token(project, "${REGION}")
    project.doit(REGION="north")
    result = project.doit("why", "a:1", REGION="south")

    assert "      - ''north' <> 'none''\n      + ''south' <> 'none''\n" in result.out


def test_secret_is_not_in_the_reason_of_another_change(project: ProjectFolder) -> None:
    with_token(project)
    project.doit(TOKEN=SECRET)
    project.flow("a", (project.root / "flows/a.yml").read_text() + "checks: [{rows: {min: 1}}]\n")
    result = project.doit("why", "a:1", TOKEN=SECRET)

    assert "  reason: config changed: checks: (not set) -> " in result.out
    assert "where" not in result.out


@pytest.mark.parametrize("text", ["${TOKEN}", "postgres://me:${PGPASSWORD}@host/db"])
def test_state_and_records_have_no_secret(project: ProjectFolder, text: str) -> None:
    with_token(project, text)
    flow = (project.root / "flows/a.yml").read_text()
    project.flow("a", f"{flow}checks: [{{expression: \"'{text}' = 'none'\"}}]\n")
    secrets = {"TOKEN": SECRET, "PGPASSWORD": SECRET}
    failed = project.doit(**secrets)
    project.flow("a", flow)
    moved = project.doit(**secrets)

    assert (failed.code, moved.moved) == (5, 1)
    database = sqlite3.connect(project.root / ".doit.db")
    rows = [
        row
        for table in ("tasks", "configs", "failures", "intents")
        for row in database.execute(f"SELECT * FROM {table}")
    ]
    database.close()
    assert rows
    assert SECRET not in str(rows)
    left = [file for file in project.root.rglob("*") if file.is_file()]
    assert [file for file in left if SECRET.encode() in file.read_bytes()] == []


ENVIRONMENT = {"TOKEN": "s3cret-value", "PLACE": "north", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "value", "shown", "variables"),
    [
        ("a${PLACE}b", "anorthb", "anorthb", ("PLACE",)),
        ("${TOKEN}", "s3cret-value", "***", ("TOKEN",)),
        ("${PLACE}/${TOKEN}", "north/s3cret-value", "north/***", ("PLACE", "TOKEN")),
        ("${NOT_SET:-x}", "x", "x", ()),
        ("${EMPTY:-x}", "x", "x", ()),
        ("${MY_TOKEN:-x}", "x", "***", ()),
        ("$${PLACE}", "${PLACE}", "${PLACE}", ()),
    ],
)
def test_expanded_text_knows_what_it_was(
    text: str, value: str, shown: str, variables: tuple[str, ...]
) -> None:
    found = expand(text, ENVIRONMENT)

    assert isinstance(found, Expanded)
    assert (found, found.shown, found.written, found.variables) == (value, shown, text, variables)


def test_text_without_variables_stays_as_it_is() -> None:
    assert type(expand("$5 {a}", ENVIRONMENT)) is str


def test_expanded_text_can_be_copied_and_sent() -> None:
    text = expand("${TOKEN}", ENVIRONMENT)

    for again in (copy.deepcopy(text), pickle.loads(pickle.dumps(text))):
        assert (again, again.shown) == ("s3cret-value", "***")


def test_replaced_text_hides_its_secret_still() -> None:
    text = expand("${TOKEN}/{entity}", ENVIRONMENT)

    assert text.replace("{entity}", "users").shown == "***/users"  # type: ignore[attr-defined]


def test_hash_is_that_of_the_plain_text() -> None:
    one = {"a": [expand("${TOKEN}", {"TOKEN": "first"})], "b": expand("${PLACE}", ENVIRONMENT)}

    assert config_hash(one) == config_hash({"a": ["first"], "b": "north"})
    assert config_hash(one) != config_hash({"a": ["second"], "b": "north"})
