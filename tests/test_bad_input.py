"""Wrong input: a message that says what to do, nothing recorded, nothing lost, the rest goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import pytest
from conftest import DODO, ProjectFolder
from test_survival import receipts

Prepare = Callable[[ProjectFolder], object]


def flow(text: str) -> Prepare:
    return lambda project: project.flow("bad", text)


def home(name: str, content: bytes, store: str = "data/store/bad") -> Prepare:
    def prepare(project: ProjectFolder) -> None:
        project.write(f"data/home/bad/{name}", content)
        project.flow("bad", f"home: data/home/bad\nstore: {store}\n")

    return prepare


def link(name: str, target: str) -> Prepare:
    def prepare(project: ProjectFolder) -> None:
        home("ok.csv", b"a\n1\n")(project)
        (project.root / "data/home/bad" / name).symlink_to(target)

    return prepare


def shared_key(project: ProjectFolder) -> None:
    home("r.csv", b"a\n1\n")(project)
    project.write("data/home/bad/r.csv.gz", b"x")


def name_without_utf8(project: ProjectFolder) -> None:
    home("ok.csv", b"a\n1\n")(project)
    folder = os.fsencode(project.root / "data/home/bad")
    try:
        os.close(os.open(folder + b"/\xff.csv", os.O_CREAT | os.O_WRONLY))
    except OSError:
        pytest.skip("this file system has only UTF-8 names")


def pipe(project: ProjectFolder) -> None:
    home("ok.csv", b"a\n1\n")(project)
    os.mkfifo(project.root / "data/home/bad/pipe.csv")


def truncated_parquet(project: ProjectFolder) -> None:
    home("t.parquet", b"", "{path: data/store/bad, compression: snappy}")(project)
    file = project.parquet("data/home/bad/t.parquet", 1000)
    file.write_bytes(file.read_bytes()[:500])


def folder_as_output(project: ProjectFolder) -> None:
    home("ok.csv", b"a\n1\n")(project)
    (project.root / "data/store/bad/ok.parquet").mkdir(parents=True)


NOTHING_STARTED = {
    "unknown key": (
        flow("hoem: data/home/good\nstore: data/store/bad\n"),
        "error: unknown key 'hoem' in flow\n"
        "  at flows/bad.yml:1:1  hoem: data/home/good\n"
        "                        ^\n"
        "  try: did you mean 'home'?\n",
    ),
    "unknown option": (
        flow(
            "home:\n"
            "  type: csv\n"
            "  path: data/home/good\n"
            "  options:\n"
            "    seperator: ';'\n"
            "store: data/store/bad\n"
        ),
        "error: unknown key 'seperator' in home.options\n"
        "  at flows/bad.yml:5:5  seperator: ';'\n"
        "                        ^\n"
        "  try: did you mean 'separator'?\n",
    ),
    "wrong type": (
        flow("home: 5\nstore: data/store/bad\n"),
        "error: 'home' must be text or a mapping, not 5\n"
        "  at flows/bad.yml:1:7  home: 5\n"
        "                              ^\n"
        "  try: write text or a mapping. Where the data comes from: a path to a file, a folder or "
        "a glob, or a mapping with its type and options.\n",
    ),
    "missing home": (
        flow("home: data/home/god\nstore: data/store/bad\n"),
        "error: no folder 'data/home/god'\n"
        "  at flows/bad.yml:1:7  home: data/home/god\n"
        "                              ^\n"
        "  try: create it, or did you mean 'data/home/good'?\n",
    ),
    "store equal to its home": (
        flow("home: data/home/good\nstore: data/home/good\n"),
        "error: the store 'data/home/good' and the home 'data/home/good' share files\n"
        "  at flows/bad.yml:2:8  store: data/home/good\n"
        "                               ^\n"
        "  try: give the store a folder of its own: data/store/bad\n",
    ),
    "store inside its home": (
        flow("home: data/home/good\nstore: data/home/good/x\n"),
        "error: the store 'data/home/good/x' and the home 'data/home/good' share files\n"
        "  at flows/bad.yml:2:8  store: data/home/good/x\n"
        "                               ^\n"
        "  try: give the store a folder of its own: data/store/bad\n",
    ),
    "home inside its store": (
        flow("home: data/home/good/g.parquet\nstore: data/home\n"),
        "error: the store 'data/home' and the home 'data/home/good/g.parquet' share files\n"
        "  at flows/bad.yml:2:8  store: data/home\n"
        "                               ^\n"
        "  try: give the store a folder of its own: data/store/bad\n",
    ),
    "key that two files share": (
        shared_key,
        "error: 'r.csv' and 'r.csv.gz' would both be the partition 'r'\n"
        "  at flows/bad.yml:1:7  home: data/home/bad\n"
        "                              ^\n"
        "  try: rename one of them, or exclude it\n",
    ),
    "name that doit refuses": (
        home("a=b=c.csv", b"a\n1\n"),
        "error: 'a=b=c.csv' can't name a partition: 'b=c' contains '='\n"
        "  at flows/bad.yml:1:7  home: data/home/bad\n"
        "                              ^\n"
        "  try: rename it without the '=', or exclude it\n",
    ),
    "name without UTF-8": (
        name_without_utf8,
        "error: the name of the file '\\xff.csv' is no UTF-8\n"
        "  at flows/bad.yml:1:7  home: data/home/bad\n"
        "                              ^\n"
        "  try: rename it, for example with convmv\n",
    ),
    "link to a folder above": (
        link("loop", "."),
        "error: 'data/home/bad/loop' is a link to a folder above it\n"
        "  at flows/bad.yml:1:7  home: data/home/bad\n"
        "                              ^\n"
        "  try: remove the link\n",
    ),
    "files of several types": (
        lambda project: (
            home("ok.csv", b"a\n1\n")(project),
            project.parquet("data/home/bad/x.parquet"),
        ),
        "error: files of several types in 'data/home/bad': csv, parquet\n"
        "  at flows/bad.yml:1:7  home: data/home/bad\n"
        "                              ^\n"
        "  try: home: {type: csv, path: data/home/bad}\n",
    ),
}

ONE_FAILS = {
    "empty file": (
        home("e.csv", b""),
        "bad:e  failed\n"
        "error: 'data/home/bad/e.csv' is empty: it has 0 bytes\n"
        "  at data/home/bad/e.csv\n"
        "  try: write it again, remove it, or exclude it\n",
    ),
    "corrupt parquet": (
        home("e.parquet", b"PAR1 no parquet"),
        "bad:e  failed\n"
        "error: 'data/home/bad/e.parquet' can't be read as parquet: Parquet magic bytes not found "
        "in footer. Either the file is corrupted or this is not a parquet file.\n"
        "  at data/home/bad/e.parquet\n"
        "  try: write it again, remove it, or exclude it\n",
    ),
    "truncated parquet": (
        truncated_parquet,
        "bad:t  failed\n"
        "error: 'data/home/bad/t.parquet' can't be read as parquet: Parquet magic bytes not found "
        "in footer. Either the file is corrupted or this is not a parquet file.\n"
        "  at data/home/bad/t.parquet\n"
        "  try: write it again, remove it, or exclude it\n",
    ),
    "corrupt arrow": (
        home("e.arrow", b"xx"),
        "bad:e  failed\n"
        "error: 'data/home/bad/e.arrow' can't be read as arrow: File is too small: 2\n"
        "  at data/home/bad/e.arrow\n"
        "  try: write it again, remove it, or exclude it\n",
    ),
    "corrupt ndjson": (
        home("e.ndjson", b'{"a":1}\n{"a":\n'),
        "bad:e  failed\n"
        "error: line 2 of 'data/home/bad/e.ndjson' is no JSON\n"
        "  at data/home/bad/e.ndjson:2\n"
        "  try: correct the line: one whole object, '{' to '}', on each line\n",
    ),
    "short CSV line": (
        home("r.csv", b"a,b,c\n1,2,3\n4,5\n"),
        "bad:r  failed\n"
        "error: line 3 of 'data/home/bad/r.csv' has 2 fields, the first row has 3\n"
        "  at data/home/bad/r.csv:3\n"
        "  try: correct the line, or quote the field that holds a separator or a line break\n",
    ),
    "long CSV line": (
        home("r.csv", b'a,b,c\n1,"2\n2",3\n4,5,6,7\n'),
        "bad:r  failed\n"
        "error: line 4 of 'data/home/bad/r.csv' has 4 fields, the first row has 3\n"
        "  at data/home/bad/r.csv:4\n"
        "  try: correct the line, or quote the field that holds a separator or a line break\n",
    ),
    "CSV value of another type": (
        home("r.csv", b"a,b\n" + b"1,2\n" * 20_000 + b"x,3\n"),
        "bad:r  failed\n"
        "error: 'x' in the column 'a' of 'data/home/bad/r.csv' is no i64\n"
        "  at data/home/bad/r.csv\n"
        "  try: if it means null: options: {null_values: ['x']}; if it is a value: "
        "options: {types: {a: string}}\n",
    ),
    "CSV that is no UTF-8": (
        home("r.csv", b"a,b\n1,\xff\xfe\n"),
        "bad:r  failed\n"
        "error: 'data/home/bad/r.csv' can't be read as csv: invalid utf-8 sequence\n"
        "  at data/home/bad/r.csv\n"
        "  try: write it again, remove it, or exclude it\n",
    ),
    "dangling link": (
        link("link.csv", "nowhere.csv"),
        "bad:link  failed\n"
        "error: 'data/home/bad/link.csv' is a link to 'nowhere.csv', which leads to no file\n"
        "  at data/home/bad/link.csv\n"
        "  try: restore its target, remove the link, or exclude it\n",
    ),
    "link to itself": (
        link("link.csv", "link.csv"),
        "bad:link  failed\n"
        "error: 'data/home/bad/link.csv' is a link to 'link.csv', which leads to no file\n"
        "  at data/home/bad/link.csv\n"
        "  try: restore its target, remove the link, or exclude it\n",
    ),
    "pipe": (
        pipe,
        "bad:pipe  failed\n"
        "error: 'data/home/bad/pipe.csv' is no plain file\n"
        "  at data/home/bad/pipe.csv\n"
        "  try: remove it, or exclude it\n",
    ),
    "folder where the output should be": (
        folder_as_output,
        "bad:ok  failed\n"
        "error: 'data/store/bad/ok.parquet' is a folder\n"
        "  at data/store/bad/ok.parquet\n"
        "  try: move it away: a file has to be written there\n",
    ),
}


@pytest.fixture
def project(project: ProjectFolder) -> ProjectFolder:
    """A project with one good flow, already moved once, whose source has changed since."""
    project.flow("good", "home: data/home/good\nstore: data/store/good\n")
    project.parquet("data/home/good/g.parquet", 1)
    project.doit()
    project.parquet("data/home/good/g.parquet", 2)
    return project


@pytest.mark.parametrize(
    ("prepare", "message"), NOTHING_STARTED.values(), ids=NOTHING_STARTED.keys()
)
def test_broken_flow_is_told_before_anything_is_moved(
    project: ProjectFolder, prepare: Prepare, message: str
) -> None:
    before = project.digest()
    prepare(project)
    result = project.doit()

    assert (result.code, result.out, result.err) == (3, "", message)
    assert project.digest() == before

    going_on = project.doit("--continue")

    assert going_on.code == 1
    assert f"bad  failed\n{message}" in going_on.out
    assert going_on.counts["moved"] == 1
    assert going_on.counts["failed"] == 1
    assert receipts(project) == {"good:g"}


@pytest.mark.parametrize(("prepare", "message"), ONE_FAILS.values(), ids=ONE_FAILS.keys())
def test_bad_source_fails_its_partition_alone(
    project: ProjectFolder, prepare: Prepare, message: str
) -> None:
    prepare(project)
    result = project.doit("--continue")

    assert result.code == 1, result.out + result.err
    assert message in result.out
    assert result.err == ""
    assert result.counts["failed"] == 1
    assert receipts(project) == {"good:g", *moved(result.out)}
    assert not [name for name in project.digest(".") if name.endswith(".tmp")]


def moved(out: str) -> set[str]:
    return {line.split("  ")[0] for line in out.split("\n") if "  moved  " in line}


def test_two_flows_with_one_store_are_both_refused(project: ProjectFolder) -> None:
    project.flow("bad", "home: data/home/good\nstore: data/store/good\n")
    result = project.doit()

    assert result.code == 3
    assert result.err == (
        "error: the store 'data/store/good' is also the store of the flow 'good'\n"
        "  at flows/bad.yml:2:8  store: data/store/good\n"
        "                               ^\n"
        "  try: give each of the two a folder of its own\n"
        "error: the store 'data/store/good' is also the store of the flow 'bad'\n"
        "  at flows/good.yml:2:8  store: data/store/good\n"
        "                                ^\n"
        "  try: give each of the two a folder of its own\n"
    )
    assert project.doit("--continue").counts["moved"] == 0


def test_broken_flow_does_not_keep_a_named_one_from_running(project: ProjectFolder) -> None:
    project.flow("bad", "hoem: x\n")

    assert project.doit("good").moved == 1
    assert project.doit("bad").code == 3


def test_source_that_turns_bad_keeps_the_output_of_the_good_one(project: ProjectFolder) -> None:
    project.doit()
    before = project.digest()
    project.write("data/home/good/g.parquet", b"no parquet")
    result = project.doit()

    assert result.code == 1
    assert project.digest() == before


def test_reading_commands_show_the_rest_and_exit_with_3(project: ProjectFolder) -> None:
    project.flow("bad", "hoem: x\nstore: y\n")
    plan = project.doit("plan")
    listed = project.doit("list")
    message = (
        "error: unknown key 'hoem' in flow\n"
        "  at flows/bad.yml:1:1  hoem: x\n"
        "                        ^\n"
        "  try: did you mean 'home'?\n"
    )

    assert (plan.code, plan.err) == (3, message)
    assert plan.out.startswith("good:g  move  880B  source changed: 'g.parquet', content ")
    assert (listed.code, listed.err) == (3, message)
    assert listed.out == (
        "bad    error: unknown key 'hoem' in flow\ngood   data/home/good -> data/store/good\n"
    )


@pytest.mark.parametrize("words", [["plan"], ["info", "f:a\x1b[31m\nb"], ["dumpdb"]])
def test_name_that_would_colour_a_terminal_or_break_a_line_is_escaped(
    project: ProjectFolder, words: list[str]
) -> None:
    project.parquet("data/home/f/a\x1b[31m\nb.parquet")
    project.flow("f", "home: data/home/f\nstore: data/store/f\n")
    if words == ["dumpdb"]:
        project.doit()
    shown = project.doit(*words)

    assert "f:a\\x1b[31m\\nb" in shown.out
    assert "\x1b" not in shown.out
    assert "\nb" not in shown.out


def test_dumpdb_hides_secrets(project: ProjectFolder) -> None:
    project.parquet("data/home/token-0815/a.parquet")
    project.flow("f", "home: data/home/${API_TOKEN}\nstore: data/store/f\n")
    project.doit(API_TOKEN="token-0815")
    shown = project.doit("dumpdb", API_TOKEN="token-0815")
    answer = project.doit("dumpdb", "--json", API_TOKEN="token-0815")

    assert "data/home/***/a.parquet" in shown.out
    assert "data/home/***/a.parquet" in answer.out
    assert "token-0815" not in shown.out + answer.out


@pytest.mark.parametrize("command", ["list", "info", "plan", "why", "verify"])
@pytest.mark.parametrize("name", ["flihgts", "flights:2013-09"])
def test_unknown_name_is_answered_in_json_where_that_is_asked_for(
    project: ProjectFolder, command: str, name: str
) -> None:
    project.months(2)
    project.doit()
    answered = project.doit(command, "--json", name)
    answer = json.loads(answered.out)

    assert (answered.code, answered.err) == (3, "")
    assert (answer["command"], answer["status"], answer["data"]) == (command, "error", {})
    assert [each["what"] for each in answer["diagnostics"]] == [f"no task '{name}'"]


def test_info_answers_in_json_of_a_task_of_ones_own_too(project: ProjectFolder) -> None:
    project.months(1)
    own = "\ndef task_mine():\n    return {'actions': ['true'], 'targets': ['made']}\n"
    project.write("dodo.py", DODO + own)
    answered = project.doit("info", "--json", "mine", "flights:2013-01")
    answer = json.loads(answered.out)

    assert (answered.code, answered.err, answer["status"]) == (1, "", "stale")
    assert [(each["name"], each["kind"], each["status"]) for each in answer["data"]["tasks"]] == [
        ("mine", "task", "stale"),
        ("flights:2013-01", "partition", "stale"),
    ]
    assert answer["data"]["tasks"][0]["targets"] == ["made"]
