"""Wrong transforms, checks and contracts: what to mend, nothing recorded, the rest goes on."""

from __future__ import annotations

import json

import pytest
from conftest import ProjectFolder
from test_survival import receipts

FUNCTIONS = """\
def mark(rows):
    return helper(rows)


def helper(rows):
    return rows.with_columns(x=1 / 0)


def nothing(rows):
    pass


def eager(rows):
    return rows.collect()


def late(rows):
    return rows.map_batches(lambda d: d.with_columns(x=int("q")))


def needs(rows, airports):
    return rows
"""

AT_THE_DATA = {
    "SQL that is no SQL": (
        "transform:\n  sql: SELECT id FRM self",
        1,
        "error: line 1, column 15 of the SQL: expected end of statement, found 'self'\n"
        "  at flows/bad.yml:4:22  sql: SELECT id FRM self\n"
        "                                            ^\n",
    ),
    "unknown column in SQL of several lines": (
        "transform:\n  sql: |\n    SELECT id,\n      dely\n    FROM self",
        1,
        "error: no column 'dely'\n"
        "  at flows/bad.yml:6:7  dely\n"
        "                        ^\n"
        "  try: did you mean 'delay'?\n",
    ),
    "unknown table": (
        "transform: {sql: SELECT * FROM selff}",
        1,
        "error: no table 'selff'\n"
        "  at flows/bad.yml:3:32  transform: {sql: SELECT * FROM selff}\n"
        "                                                        ^\n"
        "  try: did you mean 'self'?\n",
    ),
    "expression that ends too early": (
        'transform: {where: "delay >"}',
        1,
        "error: the SQL ends too early: expected an expression\n"
        '  at flows/bad.yml:3:27  transform: {where: "delay >"}\n'
        "                                                   ^\n",
    ),
    "unknown column in select": (
        "transform: {select: [id, orgin]}",
        1,
        "error: no column 'orgin'\n"
        "  at flows/bad.yml:3:26  transform: {select: [id, orgin]}\n"
        "                                                  ^\n"
        "  try: did you mean 'origin'?\n",
    ),
    "unknown column in rename": (
        "transform: {rename: {orgin: o}}",
        1,
        "error: no column 'orgin'\n"
        "  at flows/bad.yml:3:22  transform: {rename: {orgin: o}}\n"
        "                                              ^\n"
        "  try: did you mean 'origin'?\n",
    ),
    "impossible cast": (
        "transform: {cast: {delay: int32}}",
        1,
        "error: 'abc' in the column 'delay' is no int32: row 2 of 'data/home/bad/1.csv'\n"
        "  at flows/bad.yml:3:27  transform: {cast: {delay: int32}}\n"
        "                                                   ^\n"
        "  try: correct the value, or choose a type that can hold it\n",
    ),
    "function that raises": (
        "transform: {python: 'flows/t.py:mark'}",
        1,
        "error: ZeroDivisionError: division by zero\n"
        "  at flows/t.py:2 in mark: return helper(rows)\n"
        "     flows/t.py:6 in helper: return rows.with_columns(x=1 / 0)\n",
    ),
    "function that raises when rows come": (
        "transform: {python: 'flows/t.py:late'}",
        1,
        "error: ValueError: invalid literal for int() with base 10: 'q'\n"
        "  at flows/t.py:18 in <lambda>: "
        'return rows.map_batches(lambda d: d.with_columns(x=int("q")))\n',
    ),
    "function that returns nothing": (
        "transform: {python: 'flows/t.py:nothing'}",
        1,
        "error: 'nothing' in flows/t.py returned NoneType, not a LazyFrame\n"
        "  at flows/bad.yml:3:21  transform: {python: 'flows/t.py:nothing'}\n"
        "                                             ^\n"
        "  try: return the changed LazyFrame\n",
    ),
    "function that returns a DataFrame": (
        "transform: {python: 'flows/t.py:eager'}",
        1,
        "error: 'eager' in flows/t.py returned DataFrame, not a LazyFrame\n"
        "  at flows/bad.yml:3:21  transform: {python: 'flows/t.py:eager'}\n"
        "                                             ^\n"
        "  try: add .lazy()\n",
    ),
    "check on a missing column": (
        "checks: [{not_null: orgin}]",
        5,
        "error: no column 'orgin' to check\n"
        "  at flows/bad.yml:3:21  checks: [{not_null: orgin}]\n"
        "                                             ^\n"
        "  try: did you mean 'origin'?\n",
    ),
    "check that fails": (
        "checks: [{not_null: id}, {between: {id: [2, 9]}}]",
        5,
        "error: 'id' is not between 2 and 9 in 1 row: 1 in row 1 of 'data/home/bad/1.csv'\n"
        "  at flows/bad.yml:3:41  checks: [{not_null: id}, {between: {id: [2, 9]}}]\n"
        "                                                                 ^\n"
        "  try: correct the source, or relax the check; 'on_fail: quarantine' sets offending rows "
        "aside\n",
    ),
    "other columns than the contract's": (
        "schema: {id: int64, delay: int64}",
        5,
        "error: the columns of 'bad:1' are not the ones that 'schema' names\n"
        "    delay  int64 -> string\n"
        "  + origin string\n"
        "  at flows/bad.yml:3:9  schema: {id: int64, delay: int64}\n"
        "                                ^\n"
        "  try: cast 'delay': transform: {cast: {delay: int64}}, or change 'schema'\n",
    ),
}

BEFORE_THE_DATA = {
    "missing function": (
        "transform: {python: 'flows/t.py:marc'}",
        "error: no function 'marc' in flows/t.py\n"
        "  at flows/bad.yml:3:21  transform: {python: 'flows/t.py:marc'}\n"
        "                                             ^\n"
        "  try: did you mean 'mark'?\n",
    ),
    "missing file": (
        "transform: {python: 'flows/tt.py:mark'}",
        "error: no file 'flows/tt.py'\n"
        "  at flows/bad.yml:3:21  transform: {python: 'flows/tt.py:mark'}\n"
        "                                             ^\n"
        "  try: did you mean 't.py'?\n",
    ),
    "argument that is no input": (
        "transform: {python: 'flows/t.py:needs'}",
        "error: 'needs' in flows/t.py wants 'airports', which is no input\n"
        "  at flows/bad.yml:3:21  transform: {python: 'flows/t.py:needs'}\n"
        "                                             ^\n"
        "  try: it can have 'partition', 'params'; others need a default\n",
    ),
    "unknown type": (
        "transform: {cast: {delay: int99}}",
        "error: no type 'int99'\n"
        "  at flows/bad.yml:3:27  transform: {cast: {delay: int99}}\n"
        "                                                   ^\n"
        "  try: did you mean 'int'?\n",
    ),
}


def made(project: ProjectFolder, text: str) -> None:
    """Make the flow `bad` with *text*, and `good` beside it."""
    project.write("data/home/bad/1.csv", "id,delay,origin\n1,5,EWR\n2,abc,JFK\n3,7,LGA\n")
    project.write("flows/t.py", FUNCTIONS)
    project.flow("bad", f"home: data/home/bad\nstore: data/store/bad\n{text}\n")
    project.parquet("data/home/good/g.parquet")
    project.flow("good", "home: data/home/good\nstore: data/store/good\n")


@pytest.mark.parametrize(("text", "code", "message"), AT_THE_DATA.values(), ids=AT_THE_DATA)
def test_mistake_that_the_data_show_fails_its_partition_alone(
    project: ProjectFolder, text: str, code: int, message: str
) -> None:
    made(project, text)
    result = project.doit("--continue")

    assert result.code == code
    assert f"bad:1  failed\n{message}" in result.out
    assert (result.moved, result.counts["failed"]) == (1, 1)
    assert list(receipts(project)) == ["good:g"]
    assert list(project.digest()) == ["good/g.parquet"]


@pytest.mark.parametrize(("text", "message"), BEFORE_THE_DATA.values(), ids=BEFORE_THE_DATA)
def test_mistake_in_the_flow_is_told_before_anything_is_moved(
    project: ProjectFolder, text: str, message: str
) -> None:
    made(project, text)
    result = project.doit()

    assert (result.code, result.out, result.err) == (3, "", message)
    going_on = project.doit("--continue")
    assert going_on.code == 1
    assert f"bad  failed\n{message}" in going_on.out
    assert list(receipts(project)) == ["good:g"]


def test_entity_without_files_fails_alone(project: ProjectFolder) -> None:
    project.write("data/landing/users/1.csv", "id\n1\n")
    (project.root / "data/landing/orders").mkdir()
    project.flow(
        "landing",
        """
        home: {type: csv, path: data/landing}
        store: data/store/landing
        entities: [users, orders]
        """,
    )
    message = (
        "error: the entity 'orders' has no files in 'data/landing/orders'\n"
        "  at flows/landing.yml:2:25  home: {type: csv, path: data/landing}\n"
        "                                                     ^\n"
        "  try: put some there, or take the entity out\n"
    )

    assert project.doit().err == message
    going_on = project.doit("--continue")
    assert (going_on.code, going_on.moved) == (1, 1)
    assert f"landing.orders  failed\n{message}" in going_on.out
    assert list(receipts(project)) == ["landing.users:1"]


def test_old_outputs_stay_where_a_check_fails(project: ProjectFolder) -> None:
    project.write("data/home/a/1.csv", "id\n1\n")
    project.flow("a", "home: data/home/a\nstore: data/store/a\nchecks: [{between: {id: [0, 5]}}]\n")
    project.doit()
    before = project.digest()
    project.write("data/home/a/1.csv", "id\n9\n")

    assert project.doit().code == 5
    assert project.digest() == before
    assert not any(project.root.rglob("*.tmp"))
    project.write("data/home/a/1.csv", "id\n2\n")
    assert project.doit().moved == 1


def test_failed_check_beside_another_failure_is_exit_code_1(project: ProjectFolder) -> None:
    made(project, "checks: [{between: {id: [2, 9]}}]")
    project.write("data/home/good/g.parquet", b"PAR1 no more")
    project.flow("good", "home: data/home/good\nstore: {path: data/store/good, compression: lz4}\n")

    assert project.doit("--continue").code == 1


def test_offending_rows_are_set_aside_and_the_good_ones_move(project: ProjectFolder) -> None:
    import polars as pl

    made(project, "checks: [{in: {origin: [EWR, LGA]}, on_fail: quarantine}]")
    result = project.doit()

    assert result.code == 0
    assert (
        "bad:1  warning: 'origin' is not one of 'EWR', 'LGA' in 1 row: 'JFK' in row 2 of "
        "'data/home/bad/1.csv'; set aside in 'data/quarantine/bad/1.parquet'\n"
    ) in result.out
    good = pl.read_parquet(project.root / "data/store/bad/1.parquet")
    bad = pl.read_parquet(project.root / "data/quarantine/bad/1.parquet")
    assert good["id"].to_list() == [1, 3]
    assert bad.columns == ["id", "delay", "origin", "quarantine_reason"]
    assert bad["id"].to_list() == [2]
    project.write("data/home/bad/1.csv", "id,delay,origin\n1,5,EWR\n")
    assert project.doit().moved == 1
    assert not (project.root / "data/quarantine").exists() or not project.digest("data/quarantine")


def test_contract_tells_what_it_lets_pass(project: ProjectFolder) -> None:
    project.write("data/home/a/1.csv", "id\n1\n")
    project.write("data/home/a/2.csv", "id,name\n1,a\n")
    project.write("data/home/a/3.csv", "name\nb\n")
    project.flow("a", "home: data/home/a\nstore: data/store/a\nschema: evolve\n")
    result = project.doit()

    assert result.code == 0
    assert [line for line in result.out.splitlines() if "warning" in line] == [
        "a:2  warning: new column 'name' (string)",
        "a:3  warning: column 'id' is missing: null when the store is read as a whole",
    ]
    (log,) = sorted(project.root.glob(".hygge/runs/*/events.jsonl"))[-1:]
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [
        (each["step"], each["data"]["warnings"]) for each in events if each["level"] == "WARN"
    ] == [
        ("a:2", ["new column 'name' (string)"]),
        ("a:3", ["column 'id' is missing: null when the store is read as a whole"]),
    ]


def test_types_that_all_change_together_are_no_conflict(project: ProjectFolder) -> None:
    """Only what stays in the store counts, so that a run ends as a build from nothing."""
    for i in (1, 2, 3):
        project.write(f"data/home/a/{i}.csv", "id\n1\n")
    project.flow("a", "home: data/home/a\nstore: data/store/a\nschema: evolve\n")
    project.doit()
    for i in (1, 2, 3):
        project.write(f"data/home/a/{i}.csv", "id\nx\n")

    assert project.doit().moved == 3
    project.write("data/home/a/2.csv", "id\n1\n")
    result = project.doit()
    assert result.code == 5
    assert "error: the columns of 'a:2' do not fit those of 'a:1'\n    id string -> int64" in (
        result.out
    )


def test_frozen_columns_stay_frozen_for_all(project: ProjectFolder) -> None:
    for i in (1, 2):
        project.write(f"data/home/a/{i}.csv", "id\n1\n")
    project.flow("a", "home: data/home/a\nstore: data/store/a\nschema: freeze\n")
    project.doit()
    for i in (1, 2):
        project.write(f"data/home/a/{i}.csv", "id,x\n1,2\n")
    result = project.doit("--continue")

    assert (result.code, result.moved) == (5, 0)
    assert "error: the columns of 'a:1' are not those it had\n  + x int64\n" in result.out


def test_columns_that_came_apart_one_by_one_are_found(project: ProjectFolder) -> None:
    """Each was accepted while the other was about to change; from nothing they would not be."""
    for i in (1, 2):
        project.write(f"data/home/a/{i}.csv", "id\n1\n")
    project.flow("a", "home: data/home/a\nstore: data/store/a\nschema: evolve\n")
    project.doit()
    for i in (1, 2):
        project.write(f"data/home/a/{i}.csv", "id\nx\n")
    project.doit("a:1")
    project.write("data/home/a/2.csv", "id\n1\n")
    planned = project.doit("plan")

    assert planned.out.startswith("a:2  move  5B  contract broken: by the columns of 'a:1'\n")
    assert project.doit().code == 5


def test_instant_with_an_offset_is_told_which_type_it_needs(project: ProjectFolder) -> None:
    project.write("data/home/a/1.csv", "at\n2013-01-01T10:00:00Z\n")
    project.flow(
        "a", "home: data/home/a\nstore: data/store/a\ntransform: {cast: {at: timestamp}}\n"
    )

    assert "  try: it says how far it is from UTC: cast it to 'timestamptz'\n" in project.doit().out
    project.flow(
        "a", "home: data/home/a\nstore: data/store/a\ntransform: {cast: {at: timestamptz}}\n"
    )
    assert project.doit().moved == 1


def test_fraction_is_never_cut_off(project: ProjectFolder) -> None:
    project.write("data/home/a/1.csv", "n\n1.0\n2.5\n\n".rstrip("\n") + "\n")
    project.flow("a", "home: data/home/a\nstore: data/store/a\ntransform: {cast: {n: int64}}\n")
    result = project.doit()

    assert "error: 2.5 in the column 'n' is no int64: row 2 of 'data/home/a/1.csv'\n" in result.out
    project.write("data/home/a/1.csv", "n\n1.0\n2.0\n")
    assert project.doit().moved == 1
