"""A file with entities is a flow for each of them; what is wrong is shown where it stands."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from pathlib import Path

import pytest

from hygge import flow, project
from hygge.errors import ConfigError, HomeError, HyggeError
from hygge.flow import Flow, Loaded
from hygge.homes.base import Home, homes
from hygge.landing import SUFFIXES
from hygge.stores.base import Store

TOP = "home: data/landing\nstore: data/store\n"


def write(root: Path, path: str, text: str | bytes = "id\n1\n") -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode() if isinstance(text, str) else text)


def loaded(root: Path, known: Collection[str] = ()) -> list[Loaded]:
    """Read what every file of the project at *root* defines."""
    found = project.load(root)
    return [
        each
        for name, file in found.flow_files()
        for each in flow.load_all(found, name, file, {"run", "list"}, known)
    ]


def flows(root: Path, text: str) -> list[Flow]:
    """Read the flows that the file `a.yml` with *text* defines."""
    write(root, "flows/a.yml", text)
    return [each.flow for each in loaded(root)]


def paths(root: Path, text: str) -> dict[str, tuple[str, str]]:
    """Return (home, store) of each flow that *text* defines."""
    return {
        each.name: (each.home.values["path"], each.store.values["path"])
        for each in flows(root, text)
    }


def homes_of(root: Path, text: str) -> dict[str, str]:
    return {name: home for name, (home, _) in paths(root, text).items()}


def refusal(root: Path, cls: type[HyggeError] = ConfigError) -> str:
    """Return the whole message with which a flow at *root*, its home or its store is refused."""
    with pytest.raises(HyggeError) as error:
        for each in loaded(root):
            Home.create(each.flow.home, root)
            Store.create(each.flow.store, root)
    assert type(error.value) is cls
    return str(error.value)


def keys(root: Path, each: Flow) -> list[str]:
    return [partition.key for partition in Home.create(each.home, root).partitions()]


# How entities are named


def test_flow_without_entities_is_one(tmp_path: Path) -> None:
    write(tmp_path, "flows/a.yml", TOP)

    (only,) = loaded(tmp_path)

    assert (only.flow.name, only.gone) == ("a", False)


@pytest.mark.parametrize(
    "entities",
    [
        "[users, orders]",
        "[{name: users}, {name: orders}]",
        "[users, {name: orders}]",
        "{users: {}, orders: {}}",
        "{users: , orders: null}",
        "\n  - users\n  - orders\n",
    ],
)
def test_each_entity_is_a_flow_in_the_order_that_was_written(tmp_path: Path, entities: str) -> None:
    assert paths(tmp_path, f"{TOP}entities: {entities}") == {
        "a.users": ("data/landing/users", "data/store/users"),
        "a.orders": ("data/landing/orders", "data/store/orders"),
    }
    assert [each.flow.name for each in loaded(tmp_path)] == ["a.users", "a.orders"]


@pytest.mark.parametrize("file", ["flows/a/flow.yml", "flows/a.yml"])
def test_each_entity_may_have_a_file_of_its_own(tmp_path: Path, file: str) -> None:
    write(tmp_path, file, TOP)
    write(tmp_path, "flows/a/entities/table10.yml", "")
    write(tmp_path, "flows/a/entities/table9.yaml", "home: {partition: all}")
    write(tmp_path, "flows/a/entities/notes.txt", "")

    found = [each.flow for each in loaded(tmp_path)]

    assert [(each.name, each.file) for each in found] == [("a.table9", file), ("a.table10", file)]
    assert found[0].home.values == {"path": "data/landing/table9", "partition": "all"}


def test_entities_with_files_come_after_those_in_the_flow(tmp_path: Path) -> None:
    write(tmp_path, "flows/a/flow.yml", TOP + "entities: [users]")
    write(tmp_path, "flows/a/entities/orders.yml", "")

    assert [each.flow.name for each in loaded(tmp_path)] == ["a.users", "a.orders"]


def test_files_of_entities_are_no_flows(tmp_path: Path) -> None:
    write(tmp_path, "flows/a/flow.yml", TOP)
    write(tmp_path, "flows/a/entities/users.yml", "")
    write(tmp_path, "flows/a/entities/flow.yml", "")

    assert [name for name, _ in project.load(tmp_path).flow_files()] == ["a"]


@pytest.mark.parametrize("name", ["a", "A1", "a-b", "a_b", "żółw", "flights-2013", "run"])
def test_good_name_of_an_entity_is_taken(tmp_path: Path, name: str) -> None:
    assert homes_of(tmp_path, f"{TOP}entities: [{name}]") == {f"a.{name}": f"data/landing/{name}"}


# What an entity says


def test_entity_goes_over_defaults_over_the_flow_over_the_project(tmp_path: Path) -> None:
    write(
        tmp_path,
        "hygge.yml",
        "defaults:\n  store: {options: {one: 1, two: 1, three: 1, four: 1}, compression: lz4}\n",
    )
    users, orders = flows(
        tmp_path,
        "home: data/landing\n"
        "store: {path: data/store, options: {two: 2, three: 2, four: 2}}\n"
        "defaults: {store: {options: {three: 3, four: 3}}}\n"
        "entities: [users, {name: orders, store: {options: {four: 4}}}]\n",
    )

    assert users.store.values == {
        "path": "data/store/users",
        "options": {"one": 1, "two": 2, "three": 3, "four": 3},
        "compression": "lz4",
    }
    assert orders.store.values["options"] == {"one": 1, "two": 2, "three": 3, "four": 4}


def test_lists_are_replaced_and_not_merged(tmp_path: Path) -> None:
    users, orders = flows(
        tmp_path,
        TOP
        + "checks: [{not_null: id}, {unique: id}]\n"
        + "entities: [users, {name: orders, checks: [{rows: {min: 1}}]}]\n",
    )

    assert [each.values for each in users.checks] == [{"not_null": "id"}, {"unique": "id"}]
    assert [each.values for each in orders.checks] == [{"rows": {"min": 1}}]


def test_entity_may_bring_everything(tmp_path: Path) -> None:
    assert paths(tmp_path, "entities: {users: {home: in, store: out}}") == {
        "a.users": ("in", "out")
    }


def test_every_key_of_a_flow_can_differ(tmp_path: Path) -> None:
    (users,) = flows(
        tmp_path,
        TOP
        + "entities:\n"
        + "  users:\n"
        + "    description: All users\n"
        + "    inputs: {cities: data/cities}\n"
        + "    transform: {where: id > 1}\n"
        + "    schema: freeze\n"
        + "    needs: [b]\n",
    )

    assert users.description == "All users"
    assert users.inputs["cities"].values == {"path": "data/cities"}
    assert users.transform is not None
    assert users.transform.values == {"where": "id > 1"}
    assert users.schema is not None
    assert users.schema.values == {"mode": "freeze"}
    assert users.needs == ("b",)


def test_entities_do_not_share_what_they_are_made_of(tmp_path: Path) -> None:
    users, orders = flows(
        tmp_path, TOP + "transform: {rename: {a: b}}\nentities: [users, orders]\n"
    )

    assert users.transform is not None
    assert orders.transform is not None
    assert users.transform.values["rename"] is not orders.transform.values["rename"]


# Names in texts and paths


def test_name_is_put_into_every_text_and_no_key(tmp_path: Path) -> None:
    (users,) = flows(
        tmp_path,
        "description: All {entity}\n"
        "home:\n"
        "  path: data/landing\n"
        "  include: ['**/{entity}*.csv']\n"
        "  partition: '{entity}-{year}.csv'\n"
        "store: data/store\n"
        "inputs: {old: 'data/old/{entity}', cities: data/cities}\n"
        "transform: {rename: {'{entity}': '{entity}_{entity}'}}\n"
        "needs: ['{entity}_before']\n"
        "entities: [users]\n",
    )

    assert users.description == "All users"
    assert users.home.values == {
        "path": "data/landing/users",
        "include": ["**/users*.csv"],
        "partition": "users-{year}.csv",
    }
    assert {name: each.values for name, each in users.inputs.items()} == {
        "old": {"path": "data/old/users"},
        "cities": {"path": "data/cities"},
    }
    assert users.transform is not None
    assert users.transform.values == {"rename": {"{entity}": "users_users"}}
    assert users.needs == ("users_before",)


def test_flow_without_entities_keeps_its_braces(tmp_path: Path) -> None:
    (only,) = flows(
        tmp_path, "home: {path: data/landing, partition: '{entity}.csv'}\nstore: data/store\n"
    )

    assert only.home.values["partition"] == "{entity}.csv"


@pytest.mark.parametrize(
    ("home", "expected"),
    [
        ("data/landing", "data/landing/users"),
        ("data/landing/", "data/landing/users"),
        (".", "./users"),
        ("/data", "/data/users"),
        ("data/{entity}/raw", "data/users/raw"),
        ("data/{entity}/{entity}.csv", "data/users/users.csv"),
        ("data/{entity}/*.csv", "data/users/*.csv"),
        ("data/{entity}_*.csv", "data/users_*.csv"),
        ("'{entity}'", "users"),
        ("{path: data/landing, type: csv}", "data/landing/users"),
        ("{path: 'data/{entity}.x', type: csv}", "data/users.x"),
    ],
)
def test_path_without_the_name_is_joined_with_it(tmp_path: Path, home: str, expected: str) -> None:
    text = f"home: {home}\nstore: {home}\nentities: [users]\n"

    assert paths(tmp_path, text) == {"a.users": (expected, expected)}


def test_path_of_the_defaults_is_joined_too(tmp_path: Path) -> None:
    write(tmp_path, "hygge.yml", "defaults: {store: {path: data/all}}")
    text = "defaults: {home: data/landing}\nentities: [users]\n"

    assert paths(tmp_path, text) == {"a.users": ("data/landing/users", "data/all/users")}


def test_path_that_an_entity_writes_is_taken_as_it_is(tmp_path: Path) -> None:
    text = TOP + (
        "entities:\n"
        "  users: {home: elsewhere, store: {path: data/people}}\n"
        "  orders: {home: {path: 'old/{entity}/all'}}\n"
    )

    assert paths(tmp_path, text) == {
        "a.users": ("elsewhere", "data/people"),
        "a.orders": ("old/orders/all", "data/store/orders"),
    }


def test_path_that_an_entity_writes_is_no_file_that_lies_elsewhere(tmp_path: Path) -> None:
    write(tmp_path, "data/landing/users.csv")
    text = TOP + "entities: {users: {home: elsewhere/users}}"

    assert homes_of(tmp_path, text) == {"a.users": "elsewhere/users"}


# Entities that are files


@pytest.mark.parametrize("kind", SUFFIXES)
def test_known_suffixes_are_those_that_homes_read(kind: str) -> None:
    assert SUFFIXES[kind] == homes.built_in()[kind].suffixes
    assert set(SUFFIXES) == set(homes.built_in())


@pytest.mark.parametrize("home", ["data/landing", "'data/landing/{entity}'"])
@pytest.mark.parametrize("file", ["users.csv", "users.CSV", "users.csv.gz", "users.pq"])
def test_file_with_the_name_is_the_home_where_there_is_no_folder(
    tmp_path: Path, home: str, file: str
) -> None:
    write(tmp_path, f"data/landing/{file}")
    write(tmp_path, "data/landing/users.txt")
    write(tmp_path, "data/landing/users.old.csv")
    write(tmp_path, "data/landing/orders/1.csv")
    text = f"home: {home}\nstore: data/store\nentities: [users, orders]\n"

    assert homes_of(tmp_path, text) == {
        "a.users": f"data/landing/{file}",
        "a.orders": "data/landing/orders",
    }


def test_partitions_of_an_entity_are_those_of_its_home(tmp_path: Path) -> None:
    write(tmp_path, "data/landing/users.csv")
    write(tmp_path, "data/landing/orders/1.csv")
    write(tmp_path, "data/landing/orders/2.csv")
    users, orders = flows(tmp_path, TOP + "entities: [users, orders]")

    assert keys(tmp_path, users) == ["users"]
    assert keys(tmp_path, orders) == ["1", "2"]


def test_folder_goes_before_a_file_where_entities_are_named(tmp_path: Path) -> None:
    write(tmp_path, "data/landing/users.csv")
    write(tmp_path, "data/landing/users/1.csv")

    assert homes_of(tmp_path, TOP + "entities: [users]") == {"a.users": "data/landing/users"}


@pytest.mark.parametrize(
    "option", ["type: csv", "exclude: ['*.parquet']", "include: ['*.csv']"], ids=lambda x: x[:7]
)
@pytest.mark.parametrize("own", [True, False])
def test_file_that_the_home_does_not_read_is_not_the_entity(
    tmp_path: Path, option: str, own: bool
) -> None:
    write(tmp_path, "data/landing/users.csv")
    write(tmp_path, "data/landing/users.parquet")
    home = "{path: data/landing}" if own else f"{{path: data/landing, {option}}}"
    entity = f"{{home: {{{option}}}}}" if own else "{}"
    text = f"home: {home}\nstore: data/store\nentities: {{users: {entity}}}\n"

    assert homes_of(tmp_path, text) == {"a.users": "data/landing/users.csv"}


def test_two_files_for_an_entity_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "data/landing/users.csv")
    write(tmp_path, "data/landing/users.parquet")
    write(tmp_path, "flows/a.yml", TOP + "entities: [users]")

    assert refusal(tmp_path, HomeError) == (
        "'data/landing/users.csv' and 'data/landing/users.parquet' would both be the entity "
        "'users'\n"
        "  at flows/a.yml:1:7  home: data/landing\n"
        "                            ^\n"
        "  try: rename one of them, or exclude it"
    )


@pytest.mark.parametrize("type_", ["", ", type: csv"])
def test_entity_without_a_folder_fails_alone(tmp_path: Path, type_: str) -> None:
    write(tmp_path, "data/landing/users.csv")
    text = f"home: {{path: data/landing{type_}}}\nstore: data/store\nentities: [users, order]\n"
    users, orders = flows(tmp_path, text)
    write(tmp_path, "data/landing/orders/1.csv")

    with pytest.raises(HomeError) as error:
        Home.create(orders.home, tmp_path).partitions()

    assert str(error.value) == (
        "no folder 'data/landing/order'\n"
        f"  at flows/a.yml:1:14  home: {{path: data/landing{type_}}}\n"
        "                                    ^\n"
        "  try: create it, or did you mean 'data/landing/orders'?"
    )
    assert keys(tmp_path, users) == ["users"]


# Each folder and each file below the home


def test_star_is_each_folder_and_each_file_in_natural_order(tmp_path: Path) -> None:
    for file in ("t10/1.csv", "t9.csv", "T1.CSV.GZ", "notes.txt", "LICENSE", ".hidden/1.csv"):
        write(tmp_path, f"data/landing/{file}")
    write(tmp_path, "data/landing/.t1.csv.tmp.csv")
    (tmp_path / "data/landing/empty").mkdir()

    found = homes_of(tmp_path, TOP + 'entities: "*"')

    assert list(found.items()) == [
        ("a.T1", "data/landing/T1.CSV.GZ"),
        ("a.empty", "data/landing/empty"),
        ("a.t9", "data/landing/t9.csv"),
        ("a.t10", "data/landing/t10"),
    ]


def test_star_takes_only_files_of_the_type(tmp_path: Path) -> None:
    for file in ("users.csv", "orders.parquet", "users.parquet"):
        write(tmp_path, f"data/landing/{file}")
    text = 'home: {path: data/landing, type: csv}\nstore: data/store\nentities: "*"\n'

    assert homes_of(tmp_path, text) == {"a.users": "data/landing/users.csv"}


def test_file_that_is_an_entity_is_not_taken_for_another_of_that_name(tmp_path: Path) -> None:
    write(tmp_path, "data/landing/users.csv")
    write(tmp_path, "data/landing/users", "no data")

    assert homes_of(tmp_path, TOP + 'entities: "*"') == {"a.users": "data/landing/users.csv"}


@pytest.mark.parametrize(
    "pattern",
    ["old*", "old_things/", "/data/landing/old_things", "data/landing/old_things/**"],
)
def test_star_passes_over_what_is_excluded(tmp_path: Path, pattern: str) -> None:
    for file in ("users/1.csv", "old_things/1.csv", "tmp.csv", "b c/1.csv"):
        write(tmp_path, f"data/landing/{file}")
    text = (
        f"home: {{path: data/landing, exclude: ['{pattern}', tmp.csv, 'b c']}}\n"
        'store: data/store\nentities: "*"\n'
    )

    assert homes_of(tmp_path, text) == {"a.users": "data/landing/users"}


def test_star_takes_only_files_that_are_included_and_every_folder(tmp_path: Path) -> None:
    for file in ("users/1.csv", "orders.csv", "cities.parquet"):
        write(tmp_path, f"data/landing/{file}")
    text = "home: {path: data/landing, include: ['**/*.csv']}\nstore: data/store\nentities: \"*\"\n"

    assert list(homes_of(tmp_path, text)) == ["a.orders", "a.users"]


@pytest.mark.parametrize(
    ("home", "files", "expected"),
    [
        ("'data/{entity}.csv'", ["data/users.csv", "data/x.pq"], {"a.users": "data/users.csv"}),
        ("'data/{entity}.xls'", ["data/users.xls"], {"a.users": "data/users.xls"}),
        ("'data/t_{entity}'", ["data/t_x/1.csv", "data/u/1.csv"], {"a.x": "data/t_x"}),
        (
            "'data/{entity}/raw'",
            ["data/users/raw/1.csv", "data/x.csv"],
            {"a.users": "data/users/raw"},
        ),
        (
            "'data/{entity}/{entity}*.csv'",
            ["data/users/users1.csv"],
            {"a.users": "data/users/users*.csv"},
        ),
        ("'data/{entity}-{entity}'", ["data/b-b/1.csv", "data/b-c/1.csv"], {"a.b": "data/b-b"}),
    ],
)
def test_star_stands_where_the_name_stands_in_the_path(
    tmp_path: Path, home: str, files: list[str], expected: dict[str, str]
) -> None:
    for file in files:
        write(tmp_path, file)

    assert homes_of(tmp_path, f'home: {home}\nstore: s\nentities: "*"\n') == expected


def test_star_may_begin_at_the_root(tmp_path: Path) -> None:
    write(tmp_path, "users.csv")
    text = "home: {path: '{entity}.csv', type: csv}\nstore: data/store\nentities: \"*\"\n"

    assert homes_of(tmp_path, text) == {"a.users": "users.csv"}


def test_star_is_completed_by_files_of_entities(tmp_path: Path) -> None:
    write(tmp_path, "data/landing/users/1.csv")
    write(tmp_path, "data/landing/orders/1.csv")
    write(tmp_path, "flows/a/flow.yml", TOP + 'entities: "*"')
    write(tmp_path, "flows/a/entities/orders.yml", "home: {partition: all}")
    write(tmp_path, "flows/a/entities/more.yml", "home: data/more")

    assert {each.flow.name: dict(each.flow.home.values) for each in loaded(tmp_path)} == {
        "a.more": {"path": "data/more"},
        "a.orders": {"path": "data/landing/orders", "partition": "all"},
        "a.users": {"path": "data/landing/users"},
    }


def test_star_looks_where_the_defaults_say(tmp_path: Path) -> None:
    write(tmp_path, "data/there/users.csv")
    text = TOP + 'defaults: {home: data/there}\nentities: "*"\n'

    assert homes_of(tmp_path, text) == {"a.users": "data/there/users.csv"}


# Entities that are gone


def test_remembered_entity_that_is_not_listed_is_gone(tmp_path: Path) -> None:
    write(tmp_path, "data/landing/users.csv")
    write(tmp_path, "flows/a.yml", TOP + 'entities: "*"')

    found = loaded(tmp_path, known=["users", "t10", "t9"])

    assert [(each.flow.name, each.gone) for each in found] == [
        ("a.users", False),
        ("a.t9", True),
        ("a.t10", True),
    ]
    assert found[1].flow.home.values["path"] == "data/landing/t9"
    assert found[1].flow.store.values["path"] == "data/store/t9"


def test_home_without_any_entity_is_no_error_while_some_are_remembered(tmp_path: Path) -> None:
    (tmp_path / "data/landing").mkdir(parents=True)
    write(tmp_path, "flows/a.yml", TOP + 'entities: "*"')

    assert [(each.flow.name, each.gone) for each in loaded(tmp_path, ["users"])] == [
        ("a.users", True)
    ]


def test_excluded_entity_is_gone(tmp_path: Path) -> None:
    write(tmp_path, "data/landing/users.csv")
    write(tmp_path, "data/landing/orders.csv")
    text = 'home: {path: data/landing, exclude: [orders.csv]}\nstore: s\nentities: "*"\n'
    write(tmp_path, "flows/a.yml", text)

    found = loaded(tmp_path, ["users", "orders"])

    assert [(each.flow.name, each.gone) for each in found] == [
        ("a.users", False),
        ("a.orders", True),
    ]


def test_entity_that_is_written_is_never_gone(tmp_path: Path) -> None:
    write(tmp_path, "data/landing/users.csv")
    write(tmp_path, "flows/a/flow.yml", TOP + 'entities: "*"')
    write(tmp_path, "flows/a/entities/orders.yml", "")

    found = loaded(tmp_path, ["users", "orders"])

    assert [(each.flow.name, each.gone) for each in found] == [
        ("a.orders", False),
        ("a.users", False),
    ]


def test_only_a_star_remembers(tmp_path: Path) -> None:
    write(tmp_path, "flows/a.yml", TOP + "entities: [users]")

    assert [each.flow.name for each in loaded(tmp_path, ["users", "orders"])] == ["a.users"]


# What is wrong, and where it stands

HOME_HINT = (
    "Where the data comes from: a path to a file, a folder or a glob, or a mapping with its type "
    "and options."
)
STORE_HINT = (
    "Where the data settles: a folder that is filled with parquet, or a mapping with its type "
    "and options."
)
ENTITIES_HINT = (
    "Tables that are moved alike, each a flow of its own called flow.entity: names, mappings with "
    "what differs, or \"*\" for each folder or file below the home. '{entity}' in any text becomes "
    "the name; a path without it is joined with the name."
)
NAME_HINT = "use letters, digits, '_' and '-', and begin with a letter"

WRONG = {
    "unknown key of the flow": (
        "home: x\nstor: y\nentities: [users]\n",
        "unknown key 'stor' in flow\n"
        "  at flows/a.yml:2:1  stor: y\n"
        "                      ^\n"
        "  try: did you mean 'store'?",
    ),
    "unknown key of the defaults": (
        TOP + "defaults:\n  hoem: x\nentities: [users]\n",
        "unknown key 'hoem' in flow\n"
        "  at flows/a.yml:4:3  hoem: x\n"
        "                      ^\n"
        "  try: did you mean 'home'?",
    ),
    "unknown key of an entity in a list": (
        TOP + "entities:\n- users\n- name: orders\n  hoem: x\n",
        "unknown key 'hoem' in flow\n"
        "  at flows/a.yml:6:3  hoem: x\n"
        "                      ^\n"
        "  try: did you mean 'home'?",
    ),
    "unknown key of an entity in a mapping": (
        TOP + "entities:\n  users: {hoem: x}\n",
        "unknown key 'hoem' in flow\n"
        "  at flows/a.yml:4:11  users: {hoem: x}\n"
        "                               ^\n"
        "  try: did you mean 'home'?",
    ),
    "unknown option in an entity": (
        TOP + "entities:\n- name: orders\n  store: {compresion: lz4}\n",
        "unknown key 'compresion' in store\n"
        "  at flows/a.yml:5:11  store: {compresion: lz4}\n"
        "                               ^\n"
        "  try: did you mean 'compression'?",
    ),
    "unknown option in the defaults": (
        TOP + "defaults: {store: {compresion: lz4}}\nentities: {users: {store: data/users}}\n",
        "unknown key 'compresion' in store\n"
        "  at flows/a.yml:3:20  defaults: {store: {compresion: lz4}}\n"
        "                                          ^\n"
        "  try: did you mean 'compression'?",
    ),
    "unknown option in the flow": (
        "home: x\nstore:\n  path: y\n  compresion: lz4\nentities: {users: {store: data/users}}\n",
        "unknown key 'compresion' in store\n"
        "  at flows/a.yml:4:3  compresion: lz4\n"
        "                      ^\n"
        "  try: did you mean 'compression'?",
    ),
    "wrong path in an entity, over a long form": (
        "home: {path: x, type: csv}\nstore: y\nentities:\n  users: {home: 5}\n",
        "'home' must be text or a mapping, not 5\n"
        "  at flows/a.yml:4:17  users: {home: 5}\n"
        "                                     ^\n"
        f"  try: write text or a mapping. {HOME_HINT}",
    ),
    "no store for an entity": (
        "home: x\nentities:\n  users: {store: y}\n  orders:\n    description: All\n",
        "the flow lacks the key 'store'\n"
        "  at flows/a.yml:5:5  description: All\n"
        "                      ^\n"
        f"  try: add 'store:'. {STORE_HINT}",
    ),
    "no store for an entity that is only named": (
        "home: x\ndefaults: {description: All}\nentities: [users, orders]\n",
        "the flow lacks the key 'store'\n"
        "  at flows/a.yml:3:12  entities: [users, orders]\n"
        "                                  ^\n"
        f"  try: add 'store:'. {STORE_HINT}",
    ),
    "no path": (
        "home: {type: csv}\nstore: y\nentities:\n- users\n",
        "'home' lacks the key 'path'\n"
        "  at flows/a.yml:1:7  home: {type: csv}\n"
        "                            ^\n"
        "  try: add 'path:'. Where the data lives: a file, a folder (read with everything below "
        "it) or a glob. Relative paths start at the project's root.",
    ),
    "empty path": (
        "home: {type: csv, path: ''}\nstore: y\nentities: [users]\n",
        "'home.path' can't be '': it is empty\n"
        "  at flows/a.yml:1:25  home: {type: csv, path: ''}\n"
        "                                               ^\n"
        "  try: Where the data lives: a file, a folder (read with everything below it) or a glob. "
        "Relative paths start at the project's root.",
    ),
    "glob": (
        "home: data/landing/**/*.csv\nstore: y\nentities: [users]\n",
        "the glob 'data/landing/**/*.csv' does not tell where the name of an entity belongs\n"
        "  at flows/a.yml:1:7  home: data/landing/**/*.csv\n"
        "                            ^\n"
        "  try: write {entity} there, for example 'data/landing/{entity}/**/*.csv'",
    ),
    "empty list": (
        TOP + "entities: []\n",
        "'entities' can't be a list: [] should be non-empty\n"
        "  at flows/a.yml:3:11  entities: []\n"
        "                                 ^\n"
        f"  try: {ENTITIES_HINT}",
    ),
    "empty mapping": (
        TOP + "entities: {}\n",
        "'entities' can't be a mapping: {} should be non-empty\n"
        "  at flows/a.yml:3:11  entities: {}\n"
        "                                 ^\n"
        f"  try: {ENTITIES_HINT}",
    ),
    "nothing": (
        TOP + "entities:\n",
        "'entities' must be a list or a mapping or text, not null\n"
        "  at flows/a.yml:3:10  entities:\n"
        "                                ^\n"
        f"  try: write a list or a mapping or text. {ENTITIES_HINT}",
    ),
    "text": (
        TOP + "entities: users\n",
        "'entities' can't be 'users': it must match ^\\*$\n"
        "  at flows/a.yml:3:11  entities: users\n"
        "                                 ^\n"
        f"  try: {ENTITIES_HINT}",
    ),
    "text for an entity": (
        TOP + "entities: {users: data/users}\n",
        "'entities.users' must be a mapping or null, not 'data/users'\n"
        "  at flows/a.yml:3:19  entities: {users: data/users}\n"
        "                                         ^\n"
        "  try: write a mapping or null. What differs for the entity; null for nothing.",
    ),
    "number for an entity": (
        TOP + "entities: [2013]\n",
        "'entities.0' must be text or a mapping, not 2013\n"
        "  at flows/a.yml:3:12  entities: [2013]\n"
        "                                  ^\n"
        "  try: write text or a mapping. An entity: its name, or a mapping with its name and what "
        "differs.",
    ),
    "entity without a name": (
        TOP + "entities: [{store: y}]\n",
        "'entities.0' lacks the key 'name'\n"
        "  at flows/a.yml:3:12  entities: [{store: y}]\n"
        "                                  ^\n"
        "  try: add 'name:'. Name of the entity.",
    ),
    "defaults that are text": (
        TOP + "defaults: x\nentities: [users]\n",
        "'defaults' must be a mapping, not 'x'\n"
        "  at flows/a.yml:3:11  defaults: x\n"
        "                                 ^\n"
        "  try: write a mapping. What holds for every entity that does not say otherwise, merged "
        "key by key.",
    ),
    "defaults for nothing": (
        TOP + "defaults: {store: {compression: lz4}}\n",
        "'defaults' are for entities, and there are none\n"
        "  at flows/a.yml:3:1  defaults: {store: {compression: lz4}}\n"
        "                      ^\n"
        "  try: name them, for example entities: [users, orders], or move what is below "
        "'defaults' one level up",
    ),
    "star among names": (
        TOP + "entities: ['*']\n",
        "an entity can't be called '*'\n"
        "  at flows/a.yml:3:12  entities: ['*']\n"
        "                                  ^\n"
        '  try: write it alone: entities: "*"',
    ),
    "star without quotes": (
        TOP + "entities: *\n",
        "not YAML: did not find expected alphabetic or numeric character\n"
        "  at flows/a.yml:3:12  entities: *\n"
        "                                  ^\n"
        "  try: quote the value",
    ),
    "entities of an entity": (
        TOP + "entities: {users: {entities: [b]}}\n",
        "unknown key 'entities' in the entity 'users'\n"
        "  at flows/a.yml:3:20  entities: {users: {entities: [b]}}\n"
        "                                          ^\n"
        "  try: write it at the top of the flow",
    ),
    "entities of the defaults": (
        TOP + "defaults: {entities: [b]}\nentities: [users]\n",
        "unknown key 'entities' in defaults\n"
        "  at flows/a.yml:3:12  defaults: {entities: [b]}\n"
        "                                  ^\n"
        "  try: write it at the top of the flow",
    ),
    "name that stands twice": (
        TOP + "entities:\n- users\n- {store: x, name: users}\n",
        "two entities are called 'users'\n"
        "  at flows/a.yml:5:20  - {store: x, name: users}\n"
        "                                          ^\n"
        "  try: rename it, or the one in flows/a.yml:4",
    ),
    "name that stands twice in a mapping": (
        TOP + "entities:\n  users: {store: x}\n  users: {store: y}\n",
        "the key 'users' stands twice\n"
        "  at flows/a.yml:5:3  users: {store: y}\n"
        "                      ^\n"
        "  try: remove it, or line 4",
    ),
    "bad name in a mapping": (
        TOP + "entities:\n  a.b: {store: x}\n",
        "an entity can't be called 'a.b'\n"
        "  at flows/a.yml:4:3  a.b: {store: x}\n"
        "                      ^\n"
        f"  try: {NAME_HINT}",
    ),
    "star without a home": (
        "store: x\nentities: '*'\n",
        "no home below which the entities lie\n"
        "  at flows/a.yml:1:1  store: x\n"
        "                      ^\n"
        "  try: write one, for example home: data/landing",
    ),
    "star below a glob": (
        "home: 'data/*/{entity}'\nstore: x\nentities: '*'\n",
        "the glob 'data/*/{entity}' does not tell the names of the entities\n"
        "  at flows/a.yml:1:7  home: 'data/*/{entity}'\n"
        "                            ^\n"
        "  try: name them, for example entities: [users, orders]",
    ),
    "star in a glob": (
        "home: 'data/{entity}_*.csv'\nstore: x\nentities: '*'\n",
        "the glob 'data/{entity}_*.csv' does not tell the names of the entities\n"
        "  at flows/a.yml:1:7  home: 'data/{entity}_*.csv'\n"
        "                            ^\n"
        "  try: name them, for example entities: [users, orders]",
    ),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG.keys())
def test_wrong_entities_are_refused(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, "x/users/1.csv")
    write(tmp_path, "x/orders/1.csv")
    write(tmp_path, "data/landing/users/1.csv")
    write(tmp_path, "data/landing/orders/1.csv")
    write(tmp_path, "flows/a.yml", text)

    assert refusal(tmp_path) == message


@pytest.mark.parametrize("name", ["1a", "a b", "-a", "_a", "a.b", "a:b", "a=b", "a/b", "../a"])
def test_bad_name_of_an_entity_is_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path, "flows/a.yml", f"{TOP}entities: [{{name: x}}, '{name}']\n")

    assert refusal(tmp_path) == (
        f"an entity can't be called '{name}'\n"
        f"  at flows/a.yml:3:23  entities: [{{name: x}}, '{name}']\n"
        "                                             ^\n"
        f"  try: {NAME_HINT}"
    )


def test_wrong_file_of_an_entity_is_shown(tmp_path: Path) -> None:
    write(tmp_path, "flows/a/flow.yml", TOP)
    write(tmp_path, "flows/a/entities/users.yml", "store:\n  compresion: lz4\n")
    write(tmp_path, "data/landing/users.csv")

    assert refusal(tmp_path) == (
        "unknown key 'compresion' in store\n"
        "  at flows/a/entities/users.yml:2:3  compresion: lz4\n"
        "                                     ^\n"
        "  try: did you mean 'compression'?"
    )


def test_mistake_below_a_file_of_an_entity_is_shown_where_it_stands(tmp_path: Path) -> None:
    write(tmp_path, "flows/a/flow.yml", TOP + "defaults:\n  store: {compresion: lz4}\n")
    write(tmp_path, "flows/a/entities/users.yml", "store: {options: {}}\n")
    write(tmp_path, "data/landing/users.csv")

    assert refusal(tmp_path) == (
        "unknown key 'compresion' in store\n"
        "  at flows/a/flow.yml:4:11  store: {compresion: lz4}\n"
        "                                    ^\n"
        "  try: did you mean 'compression'?"
    )


def test_file_of_an_entity_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "flows/a/flow.yml", TOP)
    write(tmp_path, "flows/a/entities/users.yml", "- a\n")

    assert refusal(tmp_path) == (
        "'flows/a/entities/users.yml' must hold a mapping\n"
        "  at flows/a/entities/users.yml:1:1  - a\n"
        "                                     ^\n"
        "  try: write 'key: value' lines"
    )


def test_bad_name_of_the_file_of_an_entity_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "flows/a/flow.yml", TOP)
    write(tmp_path, "flows/a/entities/a b.yml", "")

    assert refusal(tmp_path) == (
        f"an entity can't be called 'a b'\n  at flows/a/entities/a b.yml\n  try: {NAME_HINT}"
    )


def test_two_files_for_one_entity_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "flows/a/flow.yml", TOP)
    write(tmp_path, "flows/a/entities/users.yml", "")
    write(tmp_path, "flows/a/entities/users.yaml", "")

    assert refusal(tmp_path) == (
        "two entities are called 'users'\n"
        "  at flows/a/entities/users.yaml and flows/a/entities/users.yml\n"
        "  try: rename one of them"
    )


def test_entity_in_the_flow_and_in_a_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "flows/a/flow.yml", TOP + "entities: [users]\n")
    write(tmp_path, "flows/a/entities/users.yml", "")

    assert refusal(tmp_path) == (
        "two entities are called 'users'\n"
        "  at flows/a/entities/users.yml\n"
        "  try: rename it, or the one in flows/a/flow.yml:3"
    )


def test_flow_with_entities_named_like_a_command_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "flows/run.yml", TOP + "entities: [users]\n")

    assert refusal(tmp_path) == (
        "a flow can't be called 'run': it is a command\n"
        "  at flows/run.yml\n"
        "  try: rename it: 'run_flow'"
    )


# What is wrong below the home


def star(root: Path) -> str:
    """Return the message with which the entities below `data/landing` are refused."""
    write(root, "flows/a.yml", TOP + 'entities: "*"')
    return refusal(root, HomeError)


def at_home(what: str, hint: str) -> str:
    return f"{what}\n  at flows/a.yml:1:7  home: data/landing\n{' ' * 28}^\n  try: {hint}"


@pytest.mark.parametrize("file", ["notes.txt", ".hidden/1.csv", ".users.csv"])
def test_home_without_entities_is_refused(tmp_path: Path, file: str) -> None:
    write(tmp_path, f"data/landing/{file}")

    assert star(tmp_path) == at_home(
        "no entities in 'data/landing'",
        "put a folder or a file for each of them there, or name them, for example entities: "
        "[users, orders]",
    )


def test_home_that_is_missing_is_refused(tmp_path: Path) -> None:
    assert star(tmp_path) == at_home(
        "no folder 'data/landing'", "create it, or first run the flow that writes it: doit FLOW"
    )


def test_home_that_is_missing_is_refused_though_entities_are_remembered(tmp_path: Path) -> None:
    write(tmp_path, "flows/a.yml", TOP + 'entities: "*"')

    with pytest.raises(HomeError) as error:
        loaded(tmp_path, ["users"])

    assert str(error.value) == at_home(
        "no folder 'data/landing'", "create it, or first run the flow that writes it: doit FLOW"
    )


def test_home_that_is_misspelt_is_told(tmp_path: Path) -> None:
    write(tmp_path, "data/landings/users.csv")
    write(tmp_path, "data/landing.csv")

    assert star(tmp_path) == at_home(
        "no folder 'data/landing'", "create it, or did you mean 'data/landings'?"
    )


def test_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "data/landing")

    assert star(tmp_path) == at_home(
        "'data/landing' is no folder", "name the entities, for example entities: [users, orders]"
    )


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_home_that_can_not_be_listed_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "data/landing/users.csv")
    (tmp_path / "data/landing").chmod(0o000)

    try:
        message = star(tmp_path)
    finally:
        (tmp_path / "data/landing").chmod(0o700)

    assert message == at_home(
        "the folder 'data/landing' can't be listed: Permission denied",
        "see to it that you may read it",
    )


@pytest.mark.parametrize("file", ["1a.csv", "a b/1.csv", "_a.csv", "a.b/1.csv", "a=1/1.csv"])
def test_what_can_not_be_an_entity_is_refused(tmp_path: Path, file: str) -> None:
    write(tmp_path, f"data/landing/{file}")
    write(tmp_path, "data/landing/users.csv")

    shown = file.removesuffix("/1.csv")
    assert star(tmp_path) == at_home(
        f"'data/landing/{shown}' can't name an entity", f"rename it ({NAME_HINT}), or exclude it"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes only there")
def test_name_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "data/landing"
    folder.mkdir(parents=True)
    (folder / os.fsdecode(b"caf\xe9")).mkdir()

    assert star(tmp_path) == at_home(
        "'data/landing/caf\\xe9' can't name an entity", f"rename it ({NAME_HINT}), or exclude it"
    )


@pytest.mark.parametrize(
    ("one", "other"), [("users.csv", "users.pq"), ("users", "users.csv"), ("u.csv", "u.csv.gz")]
)
def test_two_things_with_one_name_are_refused(tmp_path: Path, one: str, other: str) -> None:
    for name in (one, other):
        write(tmp_path, f"data/landing/{name}" if "." in name else f"data/landing/{name}/1.csv")

    assert star(tmp_path) == at_home(
        f"'data/landing/{one}' and 'data/landing/{other}' would both be the entity "
        f"'{one.partition('.')[0]}'",
        "rename one of them, or exclude it",
    )


@pytest.mark.parametrize("key", ["include", "exclude"])
def test_pattern_of_the_wrong_type_is_told_and_harms_nothing_before(
    tmp_path: Path, key: str
) -> None:
    write(tmp_path, "data/landing/users.csv")
    text = f'home: {{path: data/landing, {key}: 5}}\nstore: s\nentities: "*"\n'
    write(tmp_path, "flows/a.yml", text)

    assert refusal(tmp_path).split("\n")[0] == f"'home.{key}' must be a list, not 5"


def test_link_that_leads_back_to_itself_is_no_entity(tmp_path: Path) -> None:
    write(tmp_path, "data/landing/users.csv")
    (tmp_path / "data/landing/loop").symlink_to("loop")

    assert homes_of(tmp_path, TOP + 'entities: "*"') == {"a.users": "data/landing/users.csv"}
