"""`doit graph` draws the flows, whatever they are called, in three ways."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest
from conftest import ProjectFolder


def chain(project: ProjectFolder) -> None:
    """Make a diamond: `a` is read by `b` and, as an input, by `c`, which reads `b`."""
    project.write("home/1.csv", "id\n1\n")
    project.flow("a", "home: home\nstore: {path: one, type: csv}\n")
    project.flow("b", "home: one\nstore: {path: two, type: csv}\n")
    project.flow(
        "c",
        "home: two\nstore: {path: three, type: csv}\ninputs: {known: one}\n"
        "transform: {sql: 'SELECT * FROM self JOIN known USING (id) ORDER BY id'}\n",
    )


def data(project: ProjectFolder, *names: str) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(project.doit("graph", "--json", *names).out)
    return dict(whole["data"])


def test_text_is_a_tree_in_which_no_flow_is_drawn_twice(project: ProjectFolder) -> None:
    chain(project)
    project.doit()
    result = project.doit("graph")

    assert result.code == 0
    assert result.out == (
        "a  [1 partition]\n"
        "│    home -> one\n"
        "├─ b  [1 partition]\n"
        "│  │    one -> two\n"
        "│  ╰─ c  [1 partition]\n"
        "│          two -> three\n"
        "│          with known: one\n"
        "╰─ c  (see above)\n"
    )


def test_what_is_stale_or_failed_is_marked(project: ProjectFolder) -> None:
    project.write("home/1.csv", "id\n1\n")
    project.write("home/2.csv", "id\n2\n")
    project.flow("a", "home: home\nstore: one\nchecks: [{between: {id: [1, 1]}}]\n")
    project.doit("--continue")

    assert project.doit("graph").out == ("a  [2 partitions, 1 stale, 1 failed]\n     home -> one\n")
    assert [each["mark"] for each in data(project)["flows"]] == ["failed"]


def test_mermaid_has_flows_stores_and_arrows(project: ProjectFolder) -> None:
    chain(project)

    assert project.doit("graph", "--format", "mermaid", "b").out == (
        "flowchart LR\n"
        '  n0["a<br/>1 partition, 1 stale"]:::stale\n'
        '  n1["b<br/>0 partitions, may become stale"]:::stale\n'
        '  n2["c<br/>0 partitions, may become stale"]:::stale\n'
        '  n3[("home")]\n'
        '  n4[("one")]\n'
        '  n5[("two")]\n'
        '  n6[("three")]\n'
        "  n3 --> n0\n"
        "  n0 --> n4\n"
        "  n4 --> n1\n"
        "  n1 --> n5\n"
        "  n5 --> n2\n"
        '  n4 -- "known" --> n2\n'
        "  n2 --> n6\n"
        "  classDef fresh fill:#e8f5e9,stroke:#2e7d32,color:#1b1b1b\n"
        "  classDef stale fill:#fff8e1,stroke:#b26a00,color:#1b1b1b\n"
        "  classDef failed fill:#fdecea,stroke:#b3261e,color:#1b1b1b\n"
    )


def odd(project: ProjectFolder) -> None:
    """Make a flow whose home is called as badly as can be."""
    project.write('ho"me]<b>\\n/1.csv', "id\n1\n")
    project.flow("odd", "home: 'ho\"me]<b>\\n'\nstore: 'st#o`re'\n")


def test_odd_names_are_escaped_for_mermaid(project: ProjectFolder) -> None:
    odd(project)
    out = project.doit("graph", "--format", "mermaid").out

    assert '  n1[("ho#34;me#93;#60;b#62;#92;n")]\n  n2[("st#35;o#96;re")]\n' in out


def test_odd_names_are_escaped_for_dot(project: ProjectFolder) -> None:
    odd(project)

    assert project.doit("graph", "--format", "dot").out == (
        "digraph hygge {\n"
        "  rankdir=LR;\n"
        '  node [fontname="sans-serif"];\n'
        '  n0 [label="odd\\n1 partition, 1 stale" '
        'shape=box style="filled,rounded" fillcolor="#fff8e1" color="#b26a00"];\n'
        '  n1 [label="ho\\"me]<b>\\\\n" shape=cylinder];\n'
        '  n2 [label="st#o`re" shape=cylinder];\n'
        "  n1 -> n0;\n"
        "  n0 -> n2;\n"
        "}\n"
    )


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_graphviz_draws_odd_names(project: ProjectFolder) -> None:
    odd(project)
    text = project.doit("graph", "--format", "dot").out
    drawn = subprocess.run(
        ["dot", "-Tplain"], input=text, capture_output=True, text=True, check=True
    )

    assert drawn.stderr == ""
    assert drawn.stdout.count("node ") == 3


def test_named_flow_is_drawn_with_all_before_and_behind_it(project: ProjectFolder) -> None:
    chain(project)
    project.write("other/1.csv", "id\n1\n")
    project.flow("z", "home: other\nstore: four\n")
    found = data(project, "b")

    assert [each["name"] for each in found["flows"]] == ["a", "b", "c"]
    assert found["edges"] == [
        {"before": "a", "behind": "b", "through": ["home"]},
        {"before": "a", "behind": "c", "through": ["input known"]},
        {"before": "b", "behind": "c", "through": ["home"]},
    ]


def test_what_is_needed_by_name_is_drawn_too(project: ProjectFolder) -> None:
    project.write("home/1.csv", "id\n1\n")
    project.write("other/1.csv", "id\n1\n")
    project.flow("a", "home: home\nstore: one\n")
    project.flow("b", "home: other\nstore: two\nneeds: [a]\n")

    assert data(project)["edges"] == [{"before": "a", "behind": "b", "through": ["needs"]}]
    assert '  n0 -- "needs" --> n1\n' in project.doit("graph", "--format", "mermaid").out


def test_name_of_a_file_stands_for_its_entities(project: ProjectFolder) -> None:
    project.write("home/x/1.csv", "id\n1\n")
    project.write("home/y/1.csv", "id\n1\n")
    project.flow("land", "home: home\nstore: out\nentities: [x, y]\n")

    assert [each["name"] for each in data(project, "land")["flows"]] == ["land.x", "land.y"]


def test_broken_flow_is_drawn_as_such_and_told(project: ProjectFolder) -> None:
    chain(project)
    project.flow("bad", "home: nowhere\nstore: else\n")
    result = project.doit("graph")

    assert result.code == 3
    assert result.out.startswith("bad  [can't be used]\na  [1 partition, 1 stale]\n")
    assert result.err.startswith("error: no folder 'nowhere'\n")


def test_empty_project_has_no_graph(project: ProjectFolder) -> None:
    result = project.doit("graph")

    assert (result.code, result.out) == (0, "No flows yet: write a first one, flows/NAME.yml.\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["d"], "error: no task 'd'\n  try: see what there is: doit list --all\n"),
        (["--format", "mermiad"], "error: no format 'mermiad'\n  try: did you mean 'mermaid'?\n"),
    ],
)
def test_unknown_flow_or_format_is_refused(
    project: ProjectFolder, words: list[str], message: str
) -> None:
    chain(project)
    result = project.doit("graph", *words)

    assert (result.code, result.out, result.err) == (3, "", message)
