"""This is where a small project is made, moved once and changed, so that a run has all to do.

Outputs are replaced, come and go; bytes are copied, rows written anew, spread over folders and
checked, and one flow waits for another.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
from conftest import ProjectFolder

from faults import trial
from faults.disturbed import Ended

FLOWS = {
    "copied": "home: data/home/copied\nstore: data/store/copied\n",
    "written": "home: data/home/written\nstore: {path: data/store/written, compression: snappy}\n",
    "fan": "home: data/home/fan\nstore: {path: data/store/fan, partition_by: [kind]}\n",
    "text": "home: data/home/text\nstore: {type: csv, path: data/store/text}\n",
    "behind": "home: data/store/written\nstore: {type: arrow, path: data/store/behind}\n",
    "checked": """\
        home: data/home/checked
        store: data/store/checked
        checks: [{not_null: [id]}]
        """,
}


def make(project: ProjectFolder) -> None:
    """Make six flows of ten partitions."""
    for name, text in FLOWS.items():
        project.flow(name, text)
    for i in range(3):
        project.parquet(f"data/home/copied/{i}.parquet", 5, start=i)
    for i in range(2):
        project.parquet(f"data/home/written/{i}.parquet", 5, start=i)
        project.write(f"data/home/text/{i}.csv", f"id,name\n{i},a\n")
        _spread(project.root / f"data/home/fan/{i}.parquet", ["a", "b"])
    project.write("data/home/checked/x.csv", "id,name\n1,a\n2,b\n")


def change(project: ProjectFolder) -> None:
    """Change, add and remove sources, and how a flow is compressed."""
    project.parquet("data/home/copied/0.parquet", 9)
    (project.root / "data/home/copied/1.parquet").unlink()
    project.parquet("data/home/copied/9.parquet", 4)
    project.parquet("data/home/written/1.parquet", 8)
    _spread(project.root / "data/home/fan/0.parquet", ["b", "c"])
    project.flow(
        "text", "home: data/home/text\nstore: {type: csv, path: data/store/text, compression: gzip}"
    )
    project.write("data/home/checked/x.csv", "id,name\n1,a\n2,b\n3,c\n")


def _spread(file: Path, kinds: list[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame({"kind": kinds * 2, "n": range(2 * len(kinds))}).write_parquet(file)


def judged(template: Path, root: Path, ended: Ended) -> trial.Reference:
    """Build the reference from *template* and from *root*, its copy after a run without faults."""
    assert ended.code == 0, ended.out + ended.err
    return trial.reference(template, root, ended.out)
