"""A project that `init` makes runs at once, and nothing that was there is lost without a word."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ProjectFolder, Result

from hygge.fingerprint import content_hash

FILES = [
    ".gitignore",
    "README.md",
    "data/home/sales/2024-01.csv",
    "data/home/sales/2024-02.csv",
    "data/home/sales/2024-03.csv",
    "dodo.py",
    "flows/revenue.yml",
    "flows/sales.yml",
]

REVENUE = "shop,pieces,revenue\nAarhus,73,2853\nOdense,37,3057\nViborg,61,2361\n"


def typed(folder: Path, program: str, *args: str) -> Result:
    """Type *program*, `hygge` or `doit`, in *folder*."""
    kept = {k: v for k, v in os.environ.items() if k not in ("CI", "NO_COLOR", "PYTHONPATH")}
    done = subprocess.run(
        [Path(sys.executable).with_name(program), *args],
        cwd=folder,
        env=kept,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def made(folder: Path, *args: str) -> Path:
    """Make the project ``shop`` in *folder*."""
    result = typed(folder, "hygge", "init", *args, "shop")
    assert (result.code, result.err) == (0, "")
    return folder / "shop"


def files_in(root: Path) -> list[str]:
    return sorted(each.relative_to(root).as_posix() for each in root.rglob("*") if each.is_file())


def test_new_project_says_what_was_written_and_what_comes_next(tmp_path: Path) -> None:
    result = typed(tmp_path, "hygge", "init", "shop")

    assert (result.code, result.err) == (0, "")
    assert result.out == (
        "".join(f"written      {name}\n" for name in FILES)
        + "\nNext:\n  cd shop\n  hygge plan\n  hygge\n"
    )
    assert files_in(tmp_path / "shop") == FILES


@pytest.mark.parametrize("program", ["hygge", "doit"])
def test_new_project_runs_at_once_and_has_nothing_to_do_then(tmp_path: Path, program: str) -> None:
    root = made(tmp_path)
    first, second = typed(root, program), typed(root, program)

    assert (first.code, first.moved, first.err) == (0, 4, "")
    assert (root / "data/store/revenue/all.csv").read_text() == REVENUE
    assert (second.code, second.moved, second.counts["unchanged"]) == (0, 0, 4)


def test_new_project_can_be_made_in_the_folder_where_one_is(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    result = typed(tmp_path, "doit", "init", ".")

    assert result.code == 0
    assert result.out.endswith("\nNext:\n  doit plan\n  doit\n")
    assert files_in(tmp_path) == FILES


@pytest.mark.parametrize("name", ["a/b c", "x=1", "ø", "a'b"])
def test_odd_names_are_folders_too(tmp_path: Path, name: str) -> None:
    result = typed(tmp_path, "hygge", "init", name, "--force")
    command = result.out.split("\n")[-4].strip()

    assert result.code == 0
    assert files_in(tmp_path / name) == FILES
    assert subprocess.run(["bash", "-c", f"{command} && ls dodo.py"], cwd=tmp_path).returncode == 0


def test_project_can_be_made_within_another_one(project: ProjectFolder) -> None:
    folder = project.root / "deep"
    folder.mkdir()
    root = made(folder)

    assert files_in(root) == FILES
    assert typed(root / "data", "hygge").moved == 4


def test_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        (tmp_path / "shop" / name).mkdir(parents=True)
    result = typed(tmp_path, "hygge", "init", "shop")

    assert (result.code, result.out) == (3, "")
    assert result.err == (
        "error: 'shop' is not empty: 'a', 'b', 'c' and more\n"
        "  try: give another name; with --force the project's files are written beside what is "
        "there\n"
    )
    assert files_in(tmp_path) == []


def test_force_writes_its_own_files_alone_and_says_which(tmp_path: Path) -> None:
    root = made(tmp_path)
    (root / "notes.txt").write_text("mine")
    (root / "README.md").write_text("mine")
    (root / "dodo.py").unlink()
    result = typed(tmp_path, "hygge", "init", "--force", "shop")
    lines = result.out.split("\n")

    assert result.code == 0
    assert [each for each in lines if each.startswith("overwritten")] == ["overwritten  README.md"]
    assert [each for each in lines if each.startswith("written")] == ["written      dodo.py"]
    assert sum(each.startswith("unchanged") for each in lines) == len(FILES) - 2
    assert (root / "notes.txt").read_text() == "mine"


def test_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "shop").write_text("mine")
    result = typed(tmp_path, "hygge", "init", "shop", "--force")

    assert (result.code, result.out) == (3, "")
    assert result.err == (
        "error: 'shop' is no folder\n  at shop\n  try: give the project another name\n"
    )


def test_folder_in_the_place_of_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "shop/dodo.py").mkdir(parents=True)
    result = typed(tmp_path, "hygge", "init", "shop", "--force")

    assert result.code == 3
    assert result.err == (
        "error: 'dodo.py' can't be written: Is a directory\n"
        "  at shop/dodo.py\n"
        "  try: see to it that you may write there\n"
    )


def test_reader_that_goes_away_leaves_a_whole_project(tmp_path: Path) -> None:
    hygge = Path(sys.executable).with_name("hygge")
    command = f"set -o pipefail; {hygge} init shop | head -n 0"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True)

    assert (done.returncode in (0, 141), done.stderr) == (True, "")
    assert files_in(tmp_path / "shop") == FILES


WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "no name": (
        (),
        "error: the project has no name\n"
        "  try: doit init NAME; doit init . makes it in this folder\n",
    ),
    "two names": (
        ("a", "b"),
        "error: 'b' is one name too many\n  try: doit init a\n",
    ),
    "flows outside": (
        ("a", "--flows-dir", "../x"),
        "error: '../x' is no folder below the project's root\n"
        "  at --flows-dir ../x\n"
        "  try: --flows-dir flows\n",
    ),
    "flows in the root": (
        ("a", "--flows-dir=."),
        "error: '.' is no folder below the project's root\n"
        "  at --flows-dir .\n"
        "  try: --flows-dir flows\n",
    ),
}


@pytest.mark.parametrize(("args", "message"), WRONG.values(), ids=WRONG.keys())
def test_what_can_not_be_meant_is_refused(
    tmp_path: Path, args: tuple[str, ...], message: str
) -> None:
    result = typed(tmp_path, "hygge", "init", *args)

    assert (result.code, result.out, result.err) == (3, "", message)
    assert files_in(tmp_path) == []


# The folder with the flows


@pytest.mark.parametrize("flows_dir", ["etl", "etl/my flows", "${X}"])
def test_flows_can_lie_in_another_folder(tmp_path: Path, flows_dir: str) -> None:
    root = made(tmp_path, "--flows-dir", flows_dir)

    assert (root / flows_dir / "sales.yml").is_file()
    assert not (root / "flows").exists()
    assert typed(root, "hygge").moved == 4
    assert f"`{flows_dir}/sales.yml`" in (root / "README.md").read_text()


def test_flows_dir_that_is_not_there_is_told_and_forgets_nothing(tmp_path: Path) -> None:
    root = made(tmp_path, "--flows-dir", "etl")
    typed(root, "hygge")
    (root / "hygge.yml").write_text("flows_dir: elt\n")
    wrong = typed(root, "hygge")
    (root / "hygge.yml").write_text("flows_dir: etl\n")

    assert wrong.code == 3
    assert wrong.err == (
        "error: no folder 'elt' with flows\n"
        "  at hygge.yml:1:12  flows_dir: elt\n"
        "                                ^\n"
        "  try: did you mean 'etl'?\n"
    )
    assert typed(root, "hygge").moved == 0


def test_flows_dir_can_not_be_the_root(project: ProjectFolder) -> None:
    project.write("hygge.yml", "flows_dir: ./\n")
    result = project.doit("list")

    assert result.code == 3
    assert (
        "the flows can't lie in the root itself: 'hygge.yml' would be one of them\n" in result.err
    )


def test_entities_are_found_in_another_flows_dir(project: ProjectFolder) -> None:
    project.write("hygge.yml", "flows_dir: etl\n")
    project.write("data/home/users/a.csv", "id\n1\n")
    project.write("etl/landing/flow.yml", "home: data/home\nstore: data/store\n")
    project.write("etl/landing/entities/users.yml", "description: Users\n")

    assert project.doit().out.startswith("landing.users:a  moved  1 row")


# On GitHub


def workflow_of(root: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((root / ".github/workflows/hygge.yml").read_text())
    return loaded


def steps_of(root: Path) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = workflow_of(root)["jobs"]["stores"]["steps"]
    return steps


def test_workflow_restores_plans_runs_keeps_what_failed_and_saves(tmp_path: Path) -> None:
    steps = steps_of(made(tmp_path, "--github"))
    said = [(each.get("uses") or each["run"], each.get("if")) for each in steps]

    assert said == [
        ("actions/checkout@v4", None),
        ("actions/setup-python@v5", None),
        ("pip install -r requirements.txt", None),
        ("actions/cache/restore@v4", None),
        ("hygge plan", None),
        ("hygge", None),
        ("actions/upload-artifact@v4", "failure()"),
        ("actions/cache/save@v4", "always()"),
    ]
    assert steps[6]["with"]["path"] == ".hygge/runs"
    assert steps[6]["with"]["include-hidden-files"] is True


def test_workflow_saves_what_it_restores_under_a_key_of_its_own(tmp_path: Path) -> None:
    steps = steps_of(made(tmp_path, "--github"))
    restored, saved = steps[3]["with"], steps[7]["with"]

    assert restored["path"] == saved["path"]
    assert restored["key"] == saved["key"]
    assert "github.run_id" in saved["key"]
    assert saved["key"].startswith(restored["restore-keys"].split("\n")[0])


def test_workflow_of_a_project_names_the_folders_of_its_stores(project: ProjectFolder) -> None:
    project.months(1)
    project.write("data/home/landing/users.csv", "id\n1\n")
    project.flow("landing", "home: data/home/landing\nstore: {path: out/of}\nentities: [users]\n")
    result = typed(project.root / "data/home", "hygge", "init", "--github")
    path = steps_of(project.root)[3]["with"]["path"]

    assert result.code == 0
    assert result.out == (
        "written      .github/workflows/hygge.yml\n"
        "Name in requirements.txt where hygge is to be installed from: the workflow reads it.\n"
    )
    assert path.split("\n")[:-1] == [
        ".doit.db*",
        "data/store/flights",
        "out/of/users",
        "data/quarantine",
    ]


def test_workflow_that_is_there_is_written_again_only_by_force(project: ProjectFolder) -> None:
    project.months(1)
    project.write("requirements.txt", "hygge-data\n")
    file = project.write(".github/workflows/hygge.yml", "mine")
    refused = project.doit("init", "--github")

    assert (refused.code, refused.out) == (3, "")
    assert refused.err == (
        "error: '.github/workflows/hygge.yml' is there already\n"
        f"  at {file}\n"
        "  try: to write it again: doit init --github --force\n"
    )
    assert file.read_text() == "mine"

    forced = project.doit("init", "--github", "--force")

    assert (forced.code, forced.out) == (0, "overwritten  .github/workflows/hygge.yml\n")


def test_workflow_needs_flows_that_can_be_read(project: ProjectFolder) -> None:
    project.flow("bad", "home: x\nstor: y\n")
    result = project.doit("init", "--github")

    assert (result.code, result.out) == (3, "")
    assert result.err.startswith("error: unknown key 'stor' in flow\n  at flows/bad.yml:2:1")
    assert not (project.root / ".github").exists()


def test_workflow_below_the_root_of_a_repository_says_so(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    result = typed(tmp_path, "hygge", "init", "--github", "shop")

    assert (
        f"GitHub reads workflows at the root of the repository only, '{tmp_path}':\n"
        "move it there, with 'shop/' before its paths and as its working-directory.\n"
    ) in result.out


def restored(root: Path, other: Path) -> None:
    """Make *other* what a checkout of *root* is, after the workflow has restored its cache.

    New inodes and new times, nothing but the bytes.
    """
    ignored = (root / ".gitignore").read_text().split("\n")
    names = {each.strip("/*") for each in ignored if each and not each.startswith("#")}
    checkout = [name for name in files_in(root) if not name.startswith(tuple(names))]
    paths = steps_of(root)[3]["with"]["path"].split()
    kept = [each for path in paths for each in root.glob(path)]
    files = [each for top in kept for each in (top.rglob("*") if top.is_dir() else [top])]
    cached = [each.relative_to(root).as_posix() for each in files if each.is_file()]
    assert set(checkout) & set(cached) == set()
    for name in (*checkout, *cached):
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        (other / name).write_bytes((root / name).read_bytes())
        os.utime(other / name, (time.time() - 9, time.time() - 9))


def test_restored_cache_moves_nothing_on_another_machine(tmp_path: Path) -> None:
    root, other = made(tmp_path, "--github"), tmp_path / "elsewhere/checkout"
    typed(root, "hygge")
    restored(root, other)
    before = {name: content_hash(other / "data" / name) for name in files_in(other / "data")}
    planned, ran, again = (typed(other, "hygge", *args) for args in (("plan",), (), ()))

    assert planned.out == "Nothing to move: 4 up to date.\n"
    assert (ran.code, ran.moved, ran.counts["unchanged"]) == (0, 0, 4)
    assert again.moved == 0
    assert not (other / ".hygge/runs").exists()
    assert {
        name: content_hash(other / "data" / name) for name in files_in(other / "data")
    } == before


def test_restored_cache_moves_what_was_pushed_since_alone(tmp_path: Path) -> None:
    root, other = made(tmp_path, "--github"), tmp_path / "checkout"
    typed(root, "hygge")
    restored(root, other)
    with (other / "data/home/sales/2024-02.csv").open("a") as file:
        file.write("2024-02-29,Viborg,mug,1,89\n")
    planned = typed(other, "hygge", "plan", "--json")
    ran = typed(other, "hygge")

    tasks = [each["task"] for each in json.loads(planned.out)["data"]["partitions"]]
    assert tasks == ["sales:2024-02", "revenue:all"]
    assert (ran.code, ran.moved, ran.counts["unchanged"]) == (0, 2, 2)
