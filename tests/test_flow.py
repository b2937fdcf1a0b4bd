"""Flows and projects are found and read; what is wrong in them is shown where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import ProjectFolder

from hygge import flow, project
from hygge.errors import ConfigError, HomeError, HyggeError, UsageError
from hygge.flow import Flow
from hygge.homes.base import Home
from hygge.stores.base import Store

GOOD = "home: {type: csv, path: data/home}\nstore: data/store\n"


def write(root: Path, path: str, text: str | bytes) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode() if isinstance(text, str) else text)


def load(root: Path) -> list[Flow]:
    """Read every flow of the project at *root*."""
    found = project.load(root)
    return [
        each.flow
        for name, file in found.flow_files()
        for each in flow.load_all(found, name, file, {"run", "list"})
    ]


def refusal(root: Path) -> str:
    """Return the whole message with which a flow at *root*, its home or its store is refused."""
    with pytest.raises(HyggeError) as error:
        for each in load(root):
            Home.create(each.home, root)
            Store.create(each.store, root)
    assert isinstance(error.value, ConfigError)
    return str(error.value)


# The root


@pytest.mark.parametrize("marker", ["dodo.py", "hygge.yml"])
def test_root_is_the_nearest_folder_upwards_with_a_marker(tmp_path: Path, marker: str) -> None:
    write(tmp_path, marker, "")
    write(tmp_path, f"inner/{marker}", "")
    (tmp_path / "inner/data/home").mkdir(parents=True)
    (tmp_path / "other/data").mkdir(parents=True)

    assert project.find_root(tmp_path / "inner/data/home") == (tmp_path / "inner").resolve()
    assert project.find_root(tmp_path / "other/data") == tmp_path.resolve()


def test_folder_with_flows_is_a_root_without_a_marker(tmp_path: Path) -> None:
    write(tmp_path, "flows/a.yml", GOOD)

    assert project.find_root(tmp_path) == tmp_path.resolve()


def test_folder_without_a_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        project.find_root(tmp_path)

    assert str(error.value) == (
        "no project here\n"
        f"  at {tmp_path.resolve()}: no dodo.py or hygge.yml here or above, and no flows/ here\n"
        "  try: go to your project's folder, or write a first flow: flows/NAME.yml"
    )


# Finding flows


def test_flows_are_found_by_name_in_order(tmp_path: Path) -> None:
    for path in ("flows/b.yml", "flows/a/flow.yml", "flows/c.yaml", "flows/d/flow.yaml"):
        write(tmp_path, path, GOOD)
    write(tmp_path, "flows/a/notes.yml", GOOD)
    write(tmp_path, "flows/notes.txt", "")

    assert [(each.name, each.file) for each in load(tmp_path)] == [
        ("a", "flows/a/flow.yml"),
        ("b", "flows/b.yml"),
        ("c", "flows/c.yaml"),
        ("d", "flows/d/flow.yaml"),
    ]


def test_project_without_flows_has_none(tmp_path: Path) -> None:
    assert load(tmp_path) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [("flows/a.yaml", "flows/a.yml"), ("flows/a/flow.yml", "flows/a.yml")],
)
def test_two_files_for_one_flow_are_refused(tmp_path: Path, one: str, other: str) -> None:
    write(tmp_path, one, GOOD)
    write(tmp_path, other, GOOD)

    assert refusal(tmp_path) == (
        f"two flows are called 'a'\n  at {one} and {other}\n  try: rename one of them"
    )


def test_flow_may_be_called_flow(tmp_path: Path) -> None:
    write(tmp_path, "flows/flow.yml", GOOD)

    assert [each.name for each in load(tmp_path)] == ["flow"]


@pytest.mark.parametrize("path", ["flows/run.yml", "flows/run/flow.yml"])
def test_flow_named_like_a_command_is_refused(tmp_path: Path, path: str) -> None:
    write(tmp_path, path, GOOD)

    assert refusal(tmp_path) == (
        f"a flow can't be called 'run': it is a command\n  at {path}\n  try: rename it: 'run_flow'"
    )


@pytest.mark.parametrize("name", ["list", "plan", "reset-dep", "help"])
def test_every_command_is_known_by_name(tmp_path: Path, name: str) -> None:
    folder = ProjectFolder(tmp_path / "project")
    folder.flow(name, GOOD)

    result = folder.doit("list")

    assert (result.code, result.err) == (
        3,
        f"error: a flow can't be called '{name}': it is a command\n"
        f"  at flows/{name}.yml\n"
        f"  try: rename it: '{name}_flow'\n",
    )


@pytest.mark.parametrize("name", ["1a", "a b", "-a", "_a", "a.b", ".a", "a:b", "a=b", "a*", "$a"])
def test_bad_name_of_a_flow_is_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path, f"flows/{name}.yml", GOOD)

    assert refusal(tmp_path) == (
        f"a flow can't be called '{name}'\n"
        f"  at flows/{name}.yml\n"
        "  try: use letters, digits, '_' and '-', and begin with a letter"
    )


@pytest.mark.parametrize("name", ["a", "A1", "a-b", "a_b", "żółw", "flights-2013"])
def test_good_name_of_a_flow_is_taken(tmp_path: Path, name: str) -> None:
    write(tmp_path, f"flows/{name}.yml", GOOD)

    assert [each.name for each in load(tmp_path)] == [name]


# What a flow is


def test_flow_holds_what_its_file_says(tmp_path: Path) -> None:
    write(tmp_path, "flows/a.yml", "description: All of it\nhome: data/home\nstore: data/store\n")

    (read,) = load(tmp_path)

    assert (read.name, read.file, read.description) == ("a", "flows/a.yml", "All of it")
    assert dict(read.home.values) == {"path": "data/home"}
    assert dict(read.store.values) == {"path": "data/store"}


def test_both_forms_of_a_section_are_one(tmp_path: Path) -> None:
    write(tmp_path, "flows/a.yml", "home: data/home\nstore: data/store\n")
    write(tmp_path, "flows/b.yml", "home: {path: data/home}\nstore: {path: data/store}\n")

    one, other = load(tmp_path)

    assert (one.home.values, one.store.values) == (other.home.values, other.store.values)


@pytest.mark.parametrize(
    "text",
    [GOOD.encode(), b"\xef\xbb\xbf" + GOOD.encode(), GOOD.replace("\n", "\r\n").encode()],
    ids=["plain", "byte order mark", "carriage returns"],
)
def test_file_may_be_saved_by_any_editor(tmp_path: Path, text: bytes) -> None:
    write(tmp_path, "flows/a.yml", text)

    assert dict(load(tmp_path)[0].home.values) == {"type": "csv", "path": "data/home"}


def test_byte_order_mark_does_not_move_the_caret(tmp_path: Path) -> None:
    write(tmp_path, "flows/a.yml", b"\xef\xbb\xbfhome: 5\nstore: data/store\n")

    assert refusal(tmp_path).split("\n")[1:3] == [
        "  at flows/a.yml:1:7  home: 5",
        "                            ^",
    ]


def test_variable_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "flows/a.yml", "home: ${HOME_OF_A}/x\nstore: ${STORE_OF_A:-data/store}\n")
    monkeypatch.setenv("HOME_OF_A", "elsewhere")

    (read,) = load(tmp_path)

    assert (read.home.values["path"], read.store.values["path"]) == ("elsewhere/x", "data/store")


# Defaults


def test_defaults_are_merged_below_every_flow(tmp_path: Path) -> None:
    write(
        tmp_path,
        "hygge.yml",
        "defaults:\n"
        "  home: {type: csv, exclude: ['*.old']}\n"
        "  store: {compression: lz4, options: {statistics: false}}\n",
    )
    write(tmp_path, "flows/a.yml", "home: data/home\nstore: data/a\n")
    write(
        tmp_path,
        "flows/b.yml",
        "home: {path: data/home, exclude: [b]}\n"
        "store: {path: data/b, compression: zstd, options: {row_group_size: 9}}\n",
    )

    plain, special = load(tmp_path)

    assert plain.home.values == {"type": "csv", "path": "data/home", "exclude": ["*.old"]}
    assert plain.store.values == {
        "path": "data/a",
        "compression": "lz4",
        "options": {"statistics": False},
    }
    assert special.home.values["exclude"] == ["b"]
    assert special.store.values == {
        "path": "data/b",
        "compression": "zstd",
        "options": {"statistics": False, "row_group_size": 9},
    }


def test_path_of_a_flow_is_shown_and_not_that_of_the_defaults(tmp_path: Path) -> None:
    write(tmp_path, "hygge.yml", "defaults:\n  home: {path: data/all}\n")
    write(tmp_path, "flows/a.yml", "home: data/home\nstore: data/store\n")

    (read,) = load(tmp_path)

    assert str(read.home.error(HomeError, "no folder", "create it", "path")) == (
        "no folder\n"
        "  at flows/a.yml:1:7  home: data/home\n"
        "                            ^\n"
        "  try: create it"
    )


def test_wrong_default_is_shown_where_it_stands(tmp_path: Path) -> None:
    write(tmp_path, "hygge.yml", "defaults:\n  store:\n    compresion: lz4\n")
    write(tmp_path, "flows/a.yml", GOOD)

    assert refusal(tmp_path) == (
        "unknown key 'compresion' in store\n"
        "  at hygge.yml:3:5  compresion: lz4\n"
        "                    ^\n"
        "  try: did you mean 'compression'?"
    )


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "{}\n"])
def test_project_file_may_be_empty(tmp_path: Path, text: str) -> None:
    write(tmp_path, "hygge.yml", text)
    write(tmp_path, "flows/a.yml", GOOD)

    assert dict(load(tmp_path)[0].store.values) == {"path": "data/store"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "default:\n  store: {}\n",
            "unknown key 'default' in project\n"
            "  at hygge.yml:1:1  default:\n"
            "                    ^\n"
            "  try: did you mean 'defaults'?",
        ),
        (
            "defaults:\n  stor: {}\n",
            "unknown key 'stor' in defaults\n"
            "  at hygge.yml:2:3  stor: {}\n"
            "                    ^\n"
            "  try: did you mean 'store'?",
        ),
        (
            "defaults: 5\n",
            "'defaults' must be a mapping, not 5\n"
            "  at hygge.yml:1:11  defaults: 5\n"
            "                               ^\n"
            "  try: write a mapping. What every flow has unless it says otherwise.",
        ),
        (
            "defaults:\n  store: data\n",
            "'defaults.store' must be a mapping, not 'data'\n"
            "  at hygge.yml:2:10  store: data\n"
            "                            ^\n"
            "  try: write a mapping. Options for every store, for example {compression: zstd}.",
        ),
        (
            "- defaults\n",
            "'hygge.yml' must hold a mapping\n"
            "  at hygge.yml:1:1  - defaults\n"
            "                    ^\n"
            "  try: write 'key: value' lines",
        ),
        (
            "defaults:\n  store:\n    compression: ${UNSET_OF_HYGGE}\n",
            "the variable 'UNSET_OF_HYGGE' is not set\n"
            "  at hygge.yml:3:18  compression: ${UNSET_OF_HYGGE}\n"
            "                                  ^\n"
            "  try: set it: export UNSET_OF_HYGGE=..., or give a default: ${UNSET_OF_HYGGE:-...}",
        ),
    ],
    ids=["near miss", "near miss below", "number", "text", "list", "variable"],
)
def test_wrong_project_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, "hygge.yml", text)
    write(tmp_path, "flows/a.yml", GOOD)

    assert refusal(tmp_path) == message


# What is wrong in a flow

WRONG = {
    "unknown key": (
        "home: data/home\nstore: data/store\nstor: x\n",
        "unknown key 'stor' in flow\n"
        "  at flows/a.yml:3:1  stor: x\n"
        "                      ^\n"
        "  try: did you mean 'store'?",
    ),
    "unknown key like no other": (
        "home: data/home\nstore: data/store\nzzz: x\n",
        "unknown key 'zzz' in flow\n"
        "  at flows/a.yml:3:1  zzz: x\n"
        "                      ^\n"
        "  try: one of 'description', 'home', 'store', 'inputs', 'transform', 'checks', 'schema', "
        "'needs', 'timeout', 'isolate', 'retry', 'on_error', 'entities', 'defaults'",
    ),
    "misspelt key that is needed": (
        "hoem: data/home\nstore: data/store\n",
        "unknown key 'hoem' in flow\n"
        "  at flows/a.yml:1:1  hoem: data/home\n"
        "                      ^\n"
        "  try: did you mean 'home'?",
    ),
    "unknown key of a section": (
        "home: data/home\nstore:\n  path: data/store\n  compresion: zstd\n",
        "unknown key 'compresion' in store\n"
        "  at flows/a.yml:4:3  compresion: zstd\n"
        "                      ^\n"
        "  try: did you mean 'compression'?",
    ),
    "unknown option": (
        "home: {type: csv, path: data/home, options: {separater: ';'}}\nstore: data/store\n",
        "unknown key 'separater' in home.options\n"
        "  at flows/a.yml:1:46  home: {type: csv, path: data/home, options: {separater: ';'}}\n"
        "                                                                    ^\n"
        "  try: did you mean 'separator'?",
    ),
    "option of another kind": (
        "home: {type: parquet, path: data/home, options: {}}\nstore: data/store\n",
        "unknown key 'options' in home\n"
        "  at flows/a.yml:1:40  home: {type: parquet, path: data/home, options: {}}\n"
        "                                                              ^\n"
        "  try: leave it out: only csv and ndjson files have options for reading",
    ),
    "no home": (
        "store: data/store\n",
        "the flow lacks the key 'home'\n"
        "  at flows/a.yml:1:1  store: data/store\n"
        "                      ^\n"
        "  try: add 'home:'. Where the data comes from: a path to a file, a folder or a glob, or a "
        "mapping with its type and options.",
    ),
    "no store": (
        "home: data/home\n",
        "the flow lacks the key 'store'\n"
        "  at flows/a.yml:1:1  home: data/home\n"
        "                      ^\n"
        "  try: add 'store:'. Where the data settles: a folder that is filled with parquet, or a "
        "mapping with its type and options.",
    ),
    "nothing": (
        "",
        "the flow lacks the key 'home'\n"
        "  at flows/a.yml:1:1  \n"
        "                      ^\n"
        "  try: add 'home:'. Where the data comes from: a path to a file, a folder or a glob, or a "
        "mapping with its type and options.",
    ),
    "no path": (
        "home: {type: csv}\nstore: data/store\n",
        "'home' lacks the key 'path'\n"
        "  at flows/a.yml:1:7  home: {type: csv}\n"
        "                            ^\n"
        "  try: add 'path:'. Where the data lives: a file, a folder (read with everything below "
        "it) or a glob. Relative paths start at the project's root.",
    ),
    "no path of a store": (
        "home: {type: csv, path: data/home}\nstore:\n  compression: zstd\n",
        "the store lacks a path\n"
        "  at flows/a.yml:3:3  compression: zstd\n"
        "                      ^\n"
        "  try: store: data/store/NAME",
    ),
    "number for a home": (
        "home: 5\nstore: data/store\n",
        "'home' must be text or a mapping, not 5\n"
        "  at flows/a.yml:1:7  home: 5\n"
        "                            ^\n"
        "  try: write text or a mapping. Where the data comes from: a path to a file, a folder or "
        "a glob, or a mapping with its type and options.",
    ),
    "nothing for a home": (
        "home:\nstore: data/store\n",
        "'home' must be text or a mapping, not null\n"
        "  at flows/a.yml:1:6  home:\n"
        "                           ^\n"
        "  try: write text or a mapping. Where the data comes from: a path to a file, a folder or "
        "a glob, or a mapping with its type and options.",
    ),
    "empty home": (
        "home: ''\nstore: data/store\n",
        "'home' can't be '': it is empty\n"
        "  at flows/a.yml:1:7  home: ''\n"
        "                            ^\n"
        "  try: Where the data comes from: a path to a file, a folder or a glob, or a mapping with "
        "its type and options.",
    ),
    "number for a path": (
        "home: {path: 2013}\nstore: data/store\n",
        "'home.path' must be text, not 2013\n"
        "  at flows/a.yml:1:14  home: {path: 2013}\n"
        "                                    ^\n"
        "  try: write text. Where the data lives: a file, a folder (read with everything below it) "
        "or a glob. Relative paths start at the project's root.",
    ),
    "list for a description": (
        "description: [a]\nhome: data/home\nstore: data/store\n",
        "'description' must be text, not a list\n"
        "  at flows/a.yml:1:14  description: [a]\n"
        "                                    ^\n"
        "  try: write text. What the flow is for, in one line; shown by 'doit list'.",
    ),
    "text for a list": (
        "home: {type: csv, path: data/home, exclude: old}\nstore: data/store\n",
        "'home.exclude' must be a list, not 'old'\n"
        "  at flows/a.yml:1:45  home: {type: csv, path: data/home, exclude: old}\n"
        "                                                                   ^\n"
        "  try: write a list. Never files that match one of these patterns, written as in "
        ".gitignore, seen from the project's root.",
    ),
    "value of no choice": (
        "home: data/home\nstore:\n  path: data/store\n  compression: zst\n",
        "'store.compression' can't be 'zst'\n"
        "  at flows/a.yml:4:16  compression: zst\n"
        "                                    ^\n"
        "  try: did you mean 'zstd'?",
    ),
    "value like no choice": (
        "home: data/home\nstore: {path: data/store, on_removed: ask}\n",
        "'store.on_removed' can't be 'ask'\n"
        "  at flows/a.yml:2:39  store: {path: data/store, on_removed: ask}\n"
        "                                                             ^\n"
        "  try: one of 'delete', 'keep', 'error'",
    ),
    "unknown type": (
        "home: {type: parqet, path: data/home}\nstore: data/store\n",
        "unknown home type 'parqet'\n"
        "  at flows/a.yml:1:14  home: {type: parqet, path: data/home}\n"
        "                                    ^\n"
        "  try: did you mean 'parquet'?",
    ),
    "too small": (
        "home: data/home\nstore:\n  path: data/store\n  options:\n    row_group_size: 0\n",
        "'store.options.row_group_size' can't be 0: at least 1\n"
        "  at flows/a.yml:5:21  row_group_size: 0\n"
        "                                       ^\n"
        "  try: Rows in a row group.",
    ),
    "too long": (
        "home: {type: csv, path: data/home, options: {separator: ab}}\nstore: data/store\n",
        "'home.options.separator' can't be 'ab': at most 1 character\n"
        "  at flows/a.yml:1:57  home: {type: csv, path: data/home, options: {separator: ab}}\n"
        "                                                                               ^\n"
        "  try: The character between two fields.",
    ),
    "list": (
        "- home\n",
        "'flows/a.yml' must hold a mapping\n"
        "  at flows/a.yml:1:1  - home\n"
        "                      ^\n"
        "  try: write 'key: value' lines",
    ),
    "first of two mistakes": (
        "home: 5\nstore: data/store\nzzz: x\n",
        "'home' must be text or a mapping, not 5\n"
        "  at flows/a.yml:1:7  home: 5\n"
        "                            ^\n"
        "  try: write text or a mapping. Where the data comes from: a path to a file, a folder or "
        "a glob, or a mapping with its type and options.",
    ),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG.keys())
def test_wrong_flow_is_refused(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, "data/home/a.csv", "id\n1\n")
    write(tmp_path, "flows/a.yml", text)

    assert refusal(tmp_path) == message


def test_file_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "flows/a.yml", GOOD.encode("utf-16"))

    assert refusal(tmp_path) == ("not UTF-8 text\n  at flows/a.yml\n  try: save the file as UTF-8")


def test_folder_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "flows/a.yml").mkdir(parents=True)

    assert refusal(tmp_path) == "can't be read: Is a directory\n  at flows/a.yml"
