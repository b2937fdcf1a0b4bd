"""Text becomes values that know their line; what is wrong is shown where it stands."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hygge.document import DEEPEST, MOST_CHARACTERS, MOST_NODES, Document, Place, merged, parse
from hygge.errors import ConfigError

ENVIRONMENT = {"NAME": "flights", "EMPTY": "", "ODD": "a: b # c", "_x1": "under"}


def values(text: str) -> Any:
    return parse(text, "flows/a.yml", ENVIRONMENT).values


def refusal(text: str) -> str:
    """Return the whole message with which *text* is refused."""
    with pytest.raises(ConfigError) as error:
        values(text)
    return str(error.value)


# Values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("# nothing but a comment\n", {}),
        ("a: 1", {"a": 1}),
        ("a: 1.5", {"a": 1.5}),
        ("a: true", {"a": True}),
        ("a:", {"a": None}),
        ("a: text", {"a": "text"}),
        ("a: '1'", {"a": "1"}),
        ("a: [1, two]", {"a": [1, "two"]}),
        ("a: {b: {c: 1}}", {"a": {"b": {"c": 1}}}),
        ("a: |\n  one\n  two\n", {"a": "one\ntwo\n"}),
        ("a: 2013-01-31", {"a": "2013-01-31"}),
        ("2013: a\ntrue: b\n", {"2013": "a", "true": "b"}),
        ("a: 1\r\nb: 2\r\n", {"a": 1, "b": 2}),
        ("a: &one [1]\nb: *one\n", {"a": [1], "b": [1]}),
        ("żółw: 🐢", {"żółw": "🐢"}),
    ],
)
def test_text_becomes_plain_values(text: str, expected: object) -> None:
    assert values(text) == expected


WITHOUT_VARIABLES = st.characters(codec="utf-8", exclude_characters="$")
LEAVES = st.none() | st.booleans() | st.integers() | st.text(WITHOUT_VARIABLES)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abcd-_ é"), inner),
    max_leaves=12,
)


@settings(deadline=None)
@given(tree=st.dictionaries(st.text("abcd", min_size=1), TREES))
def test_values_are_those_that_yaml_reads(tree: dict[str, Any]) -> None:
    text = yaml.safe_dump(tree, allow_unicode=True)

    assert values(text) == yaml.safe_load(text)


def test_place_of_a_value_and_of_its_key_is_remembered() -> None:
    document = parse("home:\n  path: data\nlist: [x, y]\n", "flows/a.yml")

    assert document.places["home", "path"] == Place("flows/a.yml", 2, 9, "  path: data")
    assert document.keys["home", "path"] == Place("flows/a.yml", 2, 3, "  path: data")
    assert document.places["list", 1] == Place("flows/a.yml", 3, 11, "list: [x, y]")


def test_place_of_what_is_missing_is_that_of_what_is_around_it() -> None:
    document = parse("home:\n  path: data\n", "flows/a.yml")

    assert document.place(("home", "type", "deep")) == document.places["home",]
    assert document.place(("store",)) == document.places[()]


def test_caret_stands_below_the_column() -> None:
    document = parse("home:\n    options: {separator: ab}\n", "flows/a.yml")

    assert str(document.error(("home", "options", "separator"), "wrong", "another")) == (
        "wrong\n"
        "  at flows/a.yml:2:26  options: {separator: ab}\n"
        "                                            ^\n"
        "  try: another"
    )


# Variables


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${NAME}", "flights"),
        ("data/${NAME}/x", "data/flights/x"),
        ("${NAME}${_x1}", "flightsunder"),
        ("'${NAME}'", "flights"),
        ("${ODD}", "a: b # c"),
        ("${EMPTY}", ""),
        ("${EMPTY:-default}", "default"),
        ("${UNSET:-default}", "default"),
        ("${UNSET:-}", ""),
        ("${UNSET:-a:-b}", "a:-b"),
        ("${UNSET:-1}", "1"),
        ("${NAME:-default}", "flights"),
        ("$${NAME}", "${NAME}"),
        ("$$${NAME}", "$${NAME}"),
        ("$NAME", "$NAME"),
        ("5$", "5$"),
    ],
)
def test_variable_is_expanded(text: str, expected: str) -> None:
    assert values(f"a: {text}") == {"a": expected}


def test_variable_is_expanded_in_every_string_and_in_no_key() -> None:
    assert values("'${NAME}': ['${NAME}', {b: '${NAME}'}]") == {
        "${NAME}": ["flights", {"b": "flights"}]
    }


def test_variable_in_a_comment_need_not_be_set() -> None:
    assert values("a: 1  # ${UNSET}") == {"a": 1}


def test_unset_variable_is_refused() -> None:
    assert refusal("home: data\nstore: data/${UNSET}/x\n") == (
        "the variable 'UNSET' is not set\n"
        "  at flows/a.yml:2:8  store: data/${UNSET}/x\n"
        "                             ^\n"
        "  try: set it: export UNSET=..., or give a default: ${UNSET:-...}"
    )


@pytest.mark.parametrize("text", ["${}", "${A-b}", "${1}", "${A B}", "${:-x}"])
def test_what_only_looks_like_a_variable_is_refused(text: str) -> None:
    assert refusal(f"a: {text}") == (
        f"'{text}' is not a variable\n"
        f"  at flows/a.yml:1:4  a: {text}\n"
        "                         ^\n"
        "  try: write $${ for a literal ${"
    )


# What is wrong


def test_key_that_stands_twice_is_refused() -> None:
    assert refusal("home: data\nstore: x\nhome: y\n") == (
        "the key 'home' stands twice\n"
        "  at flows/a.yml:3:1  home: y\n"
        "                      ^\n"
        "  try: remove it, or line 1"
    )


def test_key_that_stands_twice_in_one_line_is_refused() -> None:
    assert refusal("home: {path: x, type: csv, path: y}") == (
        "the key 'path' stands twice\n"
        "  at flows/a.yml:1:28  home: {path: x, type: csv, path: y}\n"
        "                                                  ^\n"
        "  try: remove it, or line 1"
    )


def test_same_key_in_two_mappings_is_no_mistake() -> None:
    assert values("home: {path: x}\nstore: {path: y}") == {
        "home": {"path": "x"},
        "store": {"path": "y"},
    }


def test_indentation_by_tab_is_refused() -> None:
    assert refusal("home:\n\tpath: data\n") == (
        "not YAML: found character that cannot start any token\n"
        "  at flows/a.yml:2:1  path: data\n"
        "                      ^\n"
        "  try: indent with spaces, not with tabs"
    )


def test_tab_between_key_and_value_is_no_mistake() -> None:
    assert values("home:\tdata") == {"home": "data"}


@pytest.mark.parametrize(
    ("text", "problem", "shown", "caret"),
    [
        ("a: b: c", "mapping values are not allowed in this context", "1:5  a: b: c", 4),
        ("a: *x", "found undefined alias", "1:4  a: *x", 3),
        ("a: @x", "found character that cannot start any token", "1:4  a: @x", 3),
        ("---\na: 1\n---\nb: 2", "but found another document", "3:1  ---", 0),
    ],
)
def test_what_is_no_yaml_is_refused(text: str, problem: str, shown: str, caret: int) -> None:
    before_text = len("  at flows/a.yml:1:1  ")

    assert refusal(text) == (
        f"not YAML: {problem}\n"
        f"  at flows/a.yml:{shown}\n"
        f"{' ' * (before_text + caret)}^\n"
        "  try: quote the value"
    )


def test_control_character_is_refused() -> None:
    assert refusal("a: \x00") == (
        "not YAML: unacceptable character #x0000: control characters are not allowed\n"
        "  at flows/a.yml"
    )


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("a: !!python/object x", "unknown YAML tag 'tag:yaml.org,2002:python/object'", "remove it"),
        ("a: !mine x", "unknown YAML tag '!mine'", "remove it"),
        ("a: &x [*x]", "a value that contains itself", "remove the alias"),
    ],
)
def test_value_that_is_not_plain_is_refused(text: str, what: str, hint: str) -> None:
    assert refusal(text) == (
        f"{what}\n  at flows/a.yml:1:4  {text}\n                         ^\n  try: {hint}"
    )


@pytest.mark.parametrize("text", ["<<: {a: 1}", "? [a]\n: 1", "{a: 1}: 2"])
def test_key_that_is_no_plain_name_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        values(text)

    assert (error.value.what, error.value.hint) == ("a key must be a plain name", "write it out")


def test_few_lines_that_mean_very_many_values_are_refused() -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]

    with pytest.raises(ConfigError) as error:
        values("\n".join(lines))

    assert error.value.what == f"more than {MOST_NODES:,} values"
    assert error.value.hint == "use fewer aliases"


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_very_deep_text_is_refused_before_the_parser_ends_the_process(opening: str) -> None:
    with pytest.raises(ConfigError) as error:
        values("a:\n  " + opening * 100_000)

    assert error.value.what == f"more than {DEEPEST} mappings and lists in each other"
    assert error.value.hint == "write it flatter"
    assert len(str(error.value)) < 1000


def test_aliases_that_nest_deep_are_refused() -> None:
    lines = [f"a{i}: &a{i} {'[' * 40}{f'*a{i - 1}' if i else 1}{']' * 40}" for i in range(100)]

    with pytest.raises(ConfigError) as error:
        values("\n".join(lines))

    assert error.value.what == f"more than {DEEPEST} mappings and lists in each other"


def test_long_value_with_many_aliases_is_refused() -> None:
    with pytest.raises(ConfigError) as error:
        values(f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 1000)}]")

    assert error.value.what == f"values of more than {MOST_CHARACTERS:,} characters"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("!!int ''", "not a int: ''"),
        ("!!int '-'", "not a int: '-'"),
        ("!!float ''", "not a float: ''"),
        ("!!bool maybe", "not a bool: 'maybe'"),
        ("!x:int 3", "not a int: '3'"),
        ("0x" + "f" * 200, "not a int: it has 202 characters"),
        ("1" + ":10" * 100_000, "not a int: it has 300,001 characters"),
        ("!!python/object/apply:os.system [x]", "unknown YAML tag"),
        ("!!python/object/new:os.system {a: 1}", "unknown YAML tag"),
    ],
)
def test_tag_that_does_not_fit_is_refused(text: str, what: str) -> None:
    with pytest.raises(ConfigError) as error:
        values(f"a: {text}")

    assert error.value.what.startswith(what)


def test_long_line_is_shown_in_part() -> None:
    with pytest.raises(ConfigError) as error:
        values(f"a: {{b: {'x' * 5000}, b: 1}}")

    *_, line, caret, _hint = str(error.value).split("\n")
    assert len(line) < 300
    assert line[len(caret) - 1 :].startswith("b: 1}")
    assert error.value.place == ("flows/a.yml", 1, 5010)


# Defaults


def test_mappings_are_merged_and_nothing_else() -> None:
    below = {"home": {"type": "csv", "options": {"a": 1, "b": 2}, "include": ["x"]}, "store": "s"}
    above = {"home": {"options": {"b": 3}, "include": ["y"]}, "store": {"path": "t"}}

    assert merged(below, above) == {
        "home": {"type": "csv", "options": {"a": 1, "b": 3}, "include": ["y"]},
        "store": {"path": "t"},
    }


@given(below=TREES, above=TREES)
def test_merging_changes_neither_and_keeps_all_of_the_upper_one(below: Any, above: Any) -> None:
    before = repr((below, above))

    result = merged(below, above)

    assert repr((below, above)) == before
    assert merged(result, above) == result
    assert merged({}, above) == above


def test_value_of_the_defaults_is_shown_where_the_defaults_stand() -> None:
    document = parse("home: {path: x}", "flows/a.yml").over(parse("home: {type: csv}", "hygge.yml"))

    assert document.values == {"home": {"type": "csv", "path": "x"}}
    assert str(document.error(("home", "type"), "wrong")).startswith("wrong\n  at hygge.yml:1:14  ")
    assert str(document.error(("home", "path"), "wrong")).startswith("wrong\n  at flows/a.yml:1:14")


def test_document_without_places_tells_none() -> None:
    assert str(Document({"a": 1}).error(("a",), "wrong", "another")) == "wrong\n  try: another"


# Parts


def test_part_of_a_document_knows_its_lines() -> None:
    document = parse("a: 1\nhome:\n  path: x\n  list: [y]\n", "flows/a.yml")

    home = document.below("home")

    assert home.values == {"path": "x", "list": ["y"]}
    assert home.places == {
        (): document.places["home",],
        ("path",): document.places["home", "path"],
        ("list",): document.places["home", "list"],
        ("list", 0): document.places["home", "list", 0],
    }
    assert home.keys == {
        (): document.keys["home",],
        ("path",): document.keys["home", "path"],
        ("list",): document.keys["home", "list"],
    }


@pytest.mark.parametrize("text", ["", "home:"])
def test_part_that_is_missing_is_empty(text: str) -> None:
    assert parse(text, "flows/a.yml").below("home").values == {}


def test_parts_of_a_list_are_in_order() -> None:
    document = parse("list: [x, {name: y}, null]", "flows/a.yml").below("list")

    parts = document.parts()

    assert [part.values for part in parts.values()] == ["x", {"name": "y"}, {}]
    assert str(parts[1].error(("name",), "wrong")).startswith("wrong\n  at flows/a.yml:1:18")


def test_what_is_taken_away_has_no_place_any_more() -> None:
    document = parse("a: {b: 1}\nc: 2\n", "flows/a.yml")

    rest = document.without("a", "d")

    assert rest.values == {"c": 2}
    assert list(rest.places) == [(), ("c",)]
    assert list(rest.keys) == [("c",)]
