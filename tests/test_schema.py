"""The shipped JSON Schemas are valid, explain themselves, and say what the code takes."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ProjectFolder
from jsonschema import Draft202012Validator

import hygge
from hygge import entities, schema
from hygge.flow import Flow
from hygge.homes.base import Home, homes
from hygge.stores.base import Store, stores
from hygge.stores.files import FilesStore

SHIPPED = sorted(
    file.relative_to(Path(schema.__file__).parent).with_suffix("").as_posix()
    for file in Path(schema.__file__).parent.rglob("*.json")
)

FLOWS = sorted((Path(hygge.__file__).parents[1] / "flows").glob("*.yml"))

LONG_HOME = {"type": "csv", "path": "data/home"}


def properties(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every property that *node* declares, at any depth, with its path."""
    if isinstance(node, list):
        node = dict(enumerate(node))
    if not isinstance(node, dict):
        return
    for key, child in node.items():
        if key == "properties":
            yield from ((f"{path}/{name}", each) for name, each in child.items())
            yield from properties(list(child.values()), path)
        elif key not in ("if", "then"):  # which declare nothing
            yield from properties(child, f"{path}/{key}")


def valid(flow: Any) -> bool:
    return bool(Draft202012Validator(schema.composed("flow")).is_valid(flow))


def test_every_kind_of_home_and_store_is_shipped() -> None:
    kinds = ["arrow", "csv", "ndjson", "parquet"]

    written = ["flow", "project", *(f"{what}/{k}" for what in ("home", "store") for k in kinds)]
    assert sorted([*written, "answer", "event", "manifest"]) == SHIPPED
    assert schema.kinds("home") == schema.kinds("store") == kinds


@pytest.mark.parametrize("name", SHIPPED)
def test_schema_is_valid_draft_2020_12(name: str) -> None:
    shipped = schema.read(name)

    assert shipped["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    Draft202012Validator.check_schema(shipped)


@pytest.mark.parametrize("name", ["flow", "project"])
def test_composed_schema_is_valid_draft_2020_12(name: str) -> None:
    Draft202012Validator.check_schema(schema.composed(name))


@pytest.mark.parametrize("name", SHIPPED)
def test_every_property_is_described(name: str) -> None:
    shipped = schema.read(name)
    found = dict(properties(shipped))

    assert found
    assert shipped["description"]
    assert [path for path, each in found.items() if not each.get("description", "").strip()] == []


@pytest.mark.parametrize("name", SHIPPED)
def test_descriptions_are_sentences(name: str) -> None:
    described = [each["description"] for _, each in properties(schema.read(name))]

    assert [text for text in described if text[-1] not in ".})" or text.strip() != text] == []


@pytest.mark.parametrize("name", SHIPPED)
def test_no_mapping_takes_keys_that_are_not_declared(name: str) -> None:
    shipped = schema.read(name)
    closed = [
        path
        for path, each in (("", shipped), *properties(shipped))
        if "properties" in each and each.get("additionalProperties") is not False
    ]

    assert closed == []


@pytest.mark.parametrize("name", SHIPPED)
def test_defaults_are_values_that_the_schema_takes(name: str) -> None:
    wrong = [
        path
        for path, each in properties(schema.read(name))
        if "default" in each and not Draft202012Validator(each).is_valid(each["default"])
    ]

    assert wrong == []


@pytest.mark.parametrize("section", schema.SECTIONS)
def test_schema_of_a_kind_names_that_kind(section: str) -> None:
    for kind in schema.kinds(section):
        assert schema.read(f"{section}/{kind}")["properties"]["type"]["const"] == kind


def test_a_flow_has_the_fields_that_its_schema_has() -> None:
    fields = {field.name for field in dataclasses.fields(Flow)} - {"name", "file"}

    # Entities are flows of their own by the time that a file is read.
    assert fields == set(schema.read("flow")["properties"]) - entities.KEYS


def test_every_kind_has_a_class_and_every_class_a_schema() -> None:
    assert sorted(homes.built_in()) == schema.kinds("home")
    assert sorted(stores.built_in()) == schema.kinds("store")
    assert {kind: cls.kind for kind, cls in homes.built_in().items()} == {
        kind: kind for kind in schema.kinds("home")
    }


@pytest.mark.parametrize("kind", schema.kinds("home"))
def test_every_suffix_of_a_home_is_described(kind: str) -> None:
    suffixes = homes.built_in()[kind].suffixes
    description = schema.read(f"home/{kind}")["description"]

    endings = {"." + part for suffix in suffixes for part in suffix.split(".")[1:]}
    assert [ending for ending in sorted(endings) if f"{ending}" not in description] == []


@pytest.mark.parametrize("kind", schema.kinds("store"))
def test_every_compression_that_the_schema_offers_can_be_used(tmp_path: Path, kind: str) -> None:
    offered = schema.read(f"store/{kind}")["properties"]["compression"]
    default = Store.create({"type": kind, "path": "store"}, tmp_path)
    assert isinstance(default, FilesStore)

    for compression in offered["enum"]:
        config = {"type": kind, "path": "store", "compression": compression}
        assert Store.create(config, tmp_path).folder() == tmp_path / "store"
    assert f"written with '{default.default_compression}'" in offered["description"]


# The composed schema, which editors use


@pytest.mark.parametrize("file", FLOWS, ids=lambda file: file.stem)
def test_composed_schema_takes_every_flow_of_the_project(file: Path) -> None:
    assert valid(yaml.safe_load(file.read_text(encoding="utf-8")))


def test_the_project_has_flows() -> None:
    assert FLOWS


@pytest.mark.parametrize(
    "flow",
    [
        {"home": "data/home", "store": "data/store"},
        {"home": LONG_HOME, "store": "data/store"},
        {"home": {"path": "data/home"}, "store": {"path": "data/store"}},
        {"home": "data/home", "store": {"type": "csv", "path": "s", "options": {"separator": ";"}}},
    ],
)
def test_composed_schema_takes_both_forms(flow: Any) -> None:
    assert valid(flow)


@pytest.mark.parametrize(
    "flow",
    [
        {"home": "data/home"},
        {"home": "", "store": "data/store"},
        {"home": 5, "store": "data/store"},
        {"home": "data/home", "store": "data/store", "stor": "x"},
        {"home": {**LONG_HOME, "option": {}}, "store": "data/store"},
        {"home": {**LONG_HOME, "options": {"separater": ";"}}, "store": "data/store"},
        {"home": {**LONG_HOME, "type": "parqet"}, "store": "data/store"},
        {"home": {"type": "parquet", "path": "x", "options": {}}, "store": "data/store"},
        {"home": {"type": "csv"}, "store": "data/store"},
        {"home": "x", "store": {"type": "csv", "path": "s", "compression": "brotli"}},
        {"home": "x", "store": {"type": "parquet", "path": "s", "compresion": "zstd"}},
    ],
)
def test_composed_schema_rejects_what_is_wrong(flow: Any) -> None:
    assert not valid(flow)


def test_composed_schema_knows_that_a_store_without_a_type_is_parquet() -> None:
    assert not valid({"home": "x", "store": {"path": "s", "compresion": "zstd"}})
    assert not valid({"home": "x", "store": {"path": "s", "options": {"separator": ";"}}})


def test_composed_schema_refers_to_nothing_outside() -> None:
    composed = schema.composed("flow")
    references = [
        each["then"]["$ref"]
        for section in schema.SECTIONS
        for form in composed["properties"][section]["anyOf"]
        for each in form.get("allOf", ())
        if "$ref" in each["then"]
    ]

    assert {each.removeprefix("#/$defs/") for each in references} == set(composed["$defs"])


def test_composing_leaves_the_shipped_schema_as_it_is() -> None:
    schema.composed("flow")

    assert "$defs" not in schema.read("flow")


def test_schema_command_writes_the_composed_schema(project: ProjectFolder) -> None:
    printed = project.doit("schema")
    project.doit("schema", "-o", "flow.json", "flow")

    assert printed.code == 0
    assert json.loads(printed.out) == schema.composed("flow")
    assert (project.root / "flow.json").read_text(encoding="utf-8") == printed.out


def test_type_is_not_needed_by_a_home_whose_files_tell_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n1\n")

    assert Home.create({"path": "a.csv"}, tmp_path).kind == "csv"


@pytest.mark.parametrize("what", ["link", "pipe", "folder", "noise"])
def test_what_lies_where_it_is_remembered_what_fits_stops_nothing(
    project: ProjectFolder, what: str
) -> None:
    project.parquet("data/home/a/x.parquet", 1)
    project.flow("a", "home: data/home/a\nstore: data/store/a\n")
    file = project.root / ".hygge/fitting"
    file.parent.mkdir()
    elsewhere = project.root / "elsewhere"
    if what == "link":
        file.symlink_to(elsewhere)
    elif what == "pipe":
        os.mkfifo(file)
    elif what == "folder":
        file.mkdir()
    else:
        file.write_bytes(os.urandom(1000))

    assert project.doit().moved == 1
    assert project.doit("list").code == 0
    assert not elsewhere.exists()
