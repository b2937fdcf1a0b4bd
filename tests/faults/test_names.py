"""Names that people and programs give: each is one file's, and no other's."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import pytest
from laws.server import Server

from faults.ways import KINDS, SmallProject, Way, decoded, encoded, summed, ways

TOPIC = "names"

COMPOSED = "café"

DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)

ODD = {
    "composed": COMPOSED,
    "decomposed": DECOMPOSED,
    "lower case": "name",
    "upper case": "NAME",
    "mixed case": "Name",
    "a newline": "two\nlines",
    "a newline at its end": "ends\n",
    "a carriage return": "re\rturn",
    "a tab": "ta\tb",
    "a leading dash": "-a",
    "two leading dashes": "--continue",
    "a leading space": " a",
    "a trailing space": "a ",
    "only a space": " ",
    "a percent sign": "100%",
    "what looks encoded": "%2e%2e%2f",
    "what looks like a format": "%s{0}{x}",
    "emoji": "🐢🏳️‍🌈",
    "quotes": 'it\'s "so"',
    "a backslash": "back\\slash",
    "a colon": "a:b",
    "a comma and a semicolon": "a,b;c",
    "a pattern": "x[1]*?",
    "what a shell expands": "$(touch gone) ~ `x` ${HOME}",
    "a comment": "#a",
    "a negation": "!a",
    "right to left": "\u202egnp",
    "no width": "a\u200bb",
    "a dot at its end": "a.",
    "two dots within": "a..b",
    "the name of a command": "plan",
    "a control character": "bell\x07",
    "an escape sequence": "\x1b[31mred",
    "SQL": "'; DROP TABLE tasks; --",
    "markup": "[red]<b>&amp;[/red]",
    "a hundred characters": "é" * 100,
    "a null, they say": "null",
    "an equals sign": "year=2013",
}
"""Names without suffix, by what is odd about them."""

assert COMPOSED != DECOMPOSED

SHORT = ("csv-copied", "arrow-spread")


def rows_of(number: int) -> list[tuple[str, int]]:
    return [("a", 100 + number), ("b", 500 + number)]


SPREAD = [f"{kind}-spread" for kind in KINDS]


def put_all(project: SmallProject, names: list[str]) -> None:
    for number, name in enumerate(names):
        project.put(name, rows_of(number))


def settled(project: SmallProject, name: str) -> set[tuple[str | int, ...]]:
    """Return what lies where the partition *name* settles; its numbers alone where it fans out."""
    spread = project.way.mode == "spread"
    found = set()
    for folder in ("k=a", "k=b") if spread else (".",):
        path = project.store / folder / f"{name}.{project.way.kind}"
        found |= {row[-1:] if spread else row for row in decoded(path)}
    return found


def check_settled(project: SmallProject, names: list[str]) -> None:
    """See, without asking hygge, that each source lies where it has to, and nothing beside."""
    spread = project.way.mode == "spread"
    for number, name in enumerate(names):
        expected = {row[1:] if spread else row for row in rows_of(number)}
        assert settled(project, name) == expected, name
    assert len(project.outputs()) == len(names) * (2 if spread else 1)


@pytest.mark.parametrize("where", ["file", "folder", "both"])
@pytest.mark.parametrize("way", ways(*SHORT))
def test_files_with_odd_names_settle_side_by_side(
    tmp_path: Path, way: Way, where: str, server: Server, tally: Counter[str]
) -> None:
    project = SmallProject(tmp_path, way, server)
    form = {"file": "{0}", "folder": "{0}/x", "both": "{0}/{0}"}[where]
    names = [form.replace("{0}", name) for name in ODD.values()]
    put_all(project, names)

    assert summed(project.doit())[:3] == (len(names), 0, 0)

    check_settled(project, names)
    project.check()

    assert project.heal() == set()

    tally["odd names of a " + ("file" if where == "file" else "folder")] += len(names)


@pytest.mark.parametrize("way", ways("csv-copied", "arrow-spread"))
def test_each_odd_name_is_told_from_every_other(
    tmp_path: Path, way: Way, server: Server, tally: Counter[str], long: bool
) -> None:
    project = SmallProject(tmp_path, way, server)
    names = list(ODD.values())
    put_all(project, names)
    project.doit()
    left = list(names)
    for number, name in enumerate(names):
        if not long and number % 6:
            continue
        project.put(name, [("a", 900), ("b", 901)])

        assert summed(project.doit())[:4] == (1, len(left) - 1, 0, 0), name
        assert {row[-1] for row in settled(project, name)} == {900, 901}

        if len(left) > len(names) // 2 + 1:
            project.path(name).unlink()
            left.remove(name)

            assert summed(project.doit()) == (0, len(left), 0, 1), name

        tally["changed or removed alone"] += 1
    project.check()


@pytest.mark.parametrize("way", ways("parquet-copied"))
@pytest.mark.parametrize("command", ["run", "info", "why", "forget"])
def test_commands_take_odd_names(
    tmp_path: Path, way: Way, command: str, server: Server, tally: Counter[str]
) -> None:
    project = SmallProject(tmp_path, way, server)
    put_all(project, list(ODD.values()))
    before = [command] if command in ("info", "why") else []
    for name in ODD.values():
        if "*" in name or "[" in name or "?" in name:
            continue  # a pattern, for doit
        name = name.removeprefix("year=")
        if command == "forget":
            project.doit(f"t:{name}")
            ended = project.doit("forget", f"t:{name}")

            assert ended.code == 0, ended.out + ended.err

            continue
        ended = project.doit(*before, f"t:{name}")

        assert ended.code == (1 if command == "info" else 0), ended.out + ended.err
        if command == "run":
            assert summed(ended)[0] == 1, name

        tally["named on a command line"] += 1
    for command in (["plan"], ["list", "--all"], ["verify"], ["plan", "--json"], ["dumpdb"]):
        assert project.doit(*command).code in (0, 4), command


@pytest.mark.parametrize("way", ways(*SHORT))
@pytest.mark.parametrize("place", ["store", "home", "root"])
def test_project_and_its_folders_may_have_odd_names(
    tmp_path: Path, way: Way, place: str, server: Server, tally: Counter[str], long: bool
) -> None:
    for number, (what, name) in enumerate(ODD.items()):
        if (not long and number % 9) or "$" in name:
            continue  # a dollar is the sign of a variable in YAML
        if "/" in name and place != "store":
            continue  # these are the names of one folder
        folder = tmp_path / str(number)
        project = SmallProject(folder, way, server, f"data/{name}" if place == "store" else "out")
        if place == "home":
            project.home.rename(project.home.with_name(name))
            project.home = project.home.with_name(name)
            project.flow("t", way.flow(f"data/{name}", "out"))
        if place == "root":
            project.root = project.root.rename(folder / name)
            project.home, project.store = project.root / "data/home", project.root / "out"
        put_all(project, ["x", "y"])
        first = project.doit()

        assert first.code == 0, what + first.out + first.err
        check_settled(project, ["x", "y"])

        project.path("y").unlink()

        assert summed(project.doit()) == (0, 1, 0, 1), what
        assert summed(project.doit()) == (0, 1, 0, 0), what

        tally[f"odd names of a {place}"] += 1


@pytest.mark.parametrize("way", ways("csv-spread", "parquet-spread", every=SPREAD))
def test_values_that_name_folders_may_be_anything(
    tmp_path: Path, way: Way, server: Server, tally: Counter[str]
) -> None:
    project = SmallProject(tmp_path, way, server)
    # What is percent-encoded takes three bytes for each.
    values = [name for name in ODD.values() if len(os.fsencode(name)) < 80]
    values += ["a=b", "a/b", "/etc/passwd", "../../gone", "..", ".", "=", "%2F"]
    if way.kind == "csv":
        values = [value for value in values if not set(value) & set('",\n\r')]
    project.put("x", [(value, number) for number, value in enumerate(values, 100)])
    project.doit()

    assert len(project.outputs()) == len(values)
    assert {path.parent.parent for path in project.outputs()} == {project.store}

    back = [
        (unquote(path.parent.name.removeprefix("k=")), *row)
        for path in project.outputs()
        for row in decoded(path)
    ]

    assert sorted(back) == sorted(
        (value, value, number) for number, value in enumerate(values, 100)
    )

    tally["values that name folders"] += len(values)


@pytest.mark.parametrize("way", ways("csv-copied", "csv-checked", "arrow-spread"))
def test_names_as_long_as_may_be_are_moved(
    tmp_path: Path, way: Way, server: Server, tally: Counter[str]
) -> None:
    project = SmallProject(tmp_path, way, server)
    ending = len(way.kind) + 1
    names = ["x" * (255 - ending), "y" * (254 - ending), "é" * ((255 - ending) // 2)]
    names += [f"{'d' * 255}/{'x' * (255 - ending)}", "🐢" * ((255 - ending) // 4)]
    put_all(project, names)

    assert summed(project.doit())[:3] == (len(names), 0, 0)

    check_settled(project, names)

    assert project.heal() == set()

    tally["names of 255 bytes"] += len(names)


REFUSED = {
    b"a=b=c.csv": "'a=b=c.csv' can't name a partition: 'b=c' contains '='",
    b"caf\xe9.csv": "the name of the file 'caf\\xe9.csv' is no UTF-8",
    b"caf\xe9/x.csv": "the name of the file 'caf\\xe9/x.csv' is no UTF-8",
    b"\xff\xfe.csv": "the name of the file '\\xff\\xfe.csv' is no UTF-8",
}
"""Names that can't be taken, and the beginning of what is said."""


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("mode", ["copied", "spread"])
def test_name_that_can_not_be_taken_is_told_and_changes_nothing(
    tmp_path: Path, mode: str, name: bytes, server: Server, tally: Counter[str]
) -> None:
    project = SmallProject(tmp_path, Way("csv", mode), server)
    project.fill(2)
    project.doit()
    before = project.undisturbed()
    odd = os.fsencode(project.home) + b"/" + name
    os.makedirs(os.path.dirname(odd), exist_ok=True)
    with open(odd, "wb") as file:  # noqa: PTH123 - its name is no text
        file.write(encoded(rows_of(1), "csv"))
    ended = project.doit()

    assert ended.code == 3
    assert ended.err.startswith(f"error: {REFUSED[name]}"), ended.err
    assert "\n  try: rename it" in ended.err

    os.replace(odd, os.fsencode(project.path("p2")))

    assert project.heal() == {"p2"}
    assert len(project.undisturbed()) > len(before)

    tally["names refused"] += 1
