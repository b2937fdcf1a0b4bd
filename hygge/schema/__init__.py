"""This is where configuration is held against the JSON Schemas beside this file, the only truth."""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Any

from hygge.document import Document, Path
from hygge.errors import ConfigError, did_you_mean
from hygge.fingerprint import text_hash
from hygge.schema import memory
from hygge.schema.elsewhere import instead_of

SECTIONS = ("home", "store")
"""Keys of a flow whose schema depends on their ``type``; also folders beside this file."""

_TYPE_NAMES = {
    "string": "text",
    "object": "a mapping",
    "array": "a list",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


def read(name: str) -> dict[str, Any]:
    """Return the schema called *name*: ``flow``, ``project``, ``home/csv``, ``store/parquet``."""
    schema: dict[str, Any] = json.loads(_text(name))
    return schema


@functools.cache
def _text(name: str) -> str:
    return resources.files(__name__).joinpath(f"{name}.json").read_text(encoding="utf-8")


def kinds(section: str) -> list[str]:
    """Return the kinds that have a schema in *section* (``home`` or ``store``), sorted."""
    return list(_shipped(section))


@functools.cache
def _shipped(section: str) -> tuple[str, ...]:
    names = [each.name for each in resources.files(__name__).joinpath(section).iterdir()]
    return tuple(sorted(each.removesuffix(".json") for each in names if each.endswith(".json")))


def composed(name: str) -> dict[str, Any]:
    """Return the schema called *name* in one piece, with that of every kind, for an editor."""
    schema = read(name)
    if name != "flow":
        return schema
    # The keys of a file with entities may stand with each of them.
    required = {"required": schema.pop("required")}
    schema |= {"if": {"not": {"required": ["entities"]}}, "then": required}
    schema["$defs"] = {}
    for section in SECTIONS:
        known = kinds(section)
        for kind in known:
            schema["$defs"][f"{section}.{kind}"] = read(f"{section}/{kind}")
        schema["properties"][section] = _either_form(schema["properties"][section], section, known)
    return schema


def _either_form(property_: dict[str, Any], section: str, known: list[str]) -> dict[str, Any]:
    """Return the schema of a section that is a string or a mapping of one of the *known* kinds."""
    cases: list[dict[str, Any]] = [
        {
            "if": {"properties": {"type": {"const": kind}}, "required": ["type"]},
            "then": {"$ref": f"#/$defs/{section}.{kind}"},
        }
        for kind in known
    ]
    long_form = {
        "type": "object",
        "properties": {"type": {"enum": known, "description": "The format of the data."}},
        "allOf": cases,
    }
    if section == "store":
        plain = {"if": {"not": {"required": ["type"]}}, "then": {"$ref": "#/$defs/store.parquet"}}
        cases.append(plain)
    description = property_["description"]
    return {"description": description, "anyOf": [{"type": "string", "minLength": 1}, long_form]}


def check(document: Document, values: Any, name: str, path: Path = ()) -> None:
    """Hold *values*, which stand at *path* of *document*, against the schema called *name*.

    Raises:
        ConfigError: The first thing that is wrong, in the order of the text.
    """
    digest = text_hash(f"{_text(name)}\0{values!r}")
    if memory.knows(digest):
        return
    # Imported here: a tenth of a second that a second run need not pay.
    from jsonschema import Draft202012Validator

    schema = read(name)
    errors = sorted(
        Draft202012Validator(schema).iter_errors(values),
        # A key that is misspelt is missing too; what is written tells more, so it comes first.
        key=lambda error: (error.validator == "required", _position(document, path, error)),
    )
    if errors:
        raise _explained(errors[0], document, path, name)
    memory.learn(digest)


def _position(document: Document, path: Path, error: Any) -> tuple[int, int]:
    here: Path = (*path, *error.absolute_path)
    place = document.place(here)
    if error.validator == "additionalProperties":
        place = document.keys.get((*here, _unknown(error)), place)
    return (place.line, place.column) if place else (0, 0)


def _unknown(error: Any) -> str:
    """Return the first key that the schema does not know."""
    known = error.schema["properties"]
    return str(next(key for key in error.instance if key not in known))


def _explained(error: Any, document: Document, path: Path, name: str) -> ConfigError:
    here: Path = (*path, *error.absolute_path)
    called = ".".join(str(each) for each in here)
    if error.validator == "additionalProperties":
        return _unknown_key(error, document, here, name)
    if error.validator == "required":
        return _missing_key(error, document, here, f"'{called}'" if called else f"the {name}")
    if error.validator == "type":
        allowed = error.validator_value
        names = [_TYPE_NAMES[each] for each in ([allowed] if isinstance(allowed, str) else allowed)]
        wanted = " or ".join(names)
        what = f"'{called}' must be {wanted}, not {_shown(error.instance)}"
        return document.error(here, what, f"write {wanted}. {_description(error)}")
    if error.validator == "enum":
        known = [str(each) for each in error.validator_value]
        what = f"'{called}' can't be {_shown(error.instance)}"
        return document.error(here, what, did_you_mean(str(error.instance), known))
    what = f"'{called}' can't be {_shown(error.instance)}: {_rule(error)}"
    return document.error(here, what, _description(error))


def _unknown_key(error: Any, document: Document, here: Path, name: str) -> ConfigError:
    known = list(error.schema["properties"])
    unknown = _unknown(error)
    called = ".".join(str(each) for each in here)
    what = f"unknown key '{unknown}' in {called or name.replace('/', ' of type ')}"
    hint = instead_of(unknown, name.partition("/")[0]) or did_you_mean(unknown, known)
    return document.key_error((*here, unknown), what, hint)


def _missing_key(error: Any, document: Document, here: Path, called: str) -> ConfigError:
    missing = next(key for key in error.validator_value if key not in error.instance)
    described = error.schema["properties"][missing]["description"]
    hint = f"add '{missing}:'. {described}"
    return document.error(here, f"{called} lacks the key '{missing}'", hint)


def _description(error: Any) -> str:
    described: str = error.schema.get("description", "")
    return described


def _rule(error: Any) -> str:
    """Return in words the rule that a value of the right type broke."""
    limit = error.validator_value
    rules = (
        {
            "minLength": "it is too short" if limit > 1 else "it is empty",
            "maxLength": f"at most {limit} character" + ("" if limit == 1 else "s"),
            "minimum": f"at least {limit}",
            "maximum": f"at most {limit}",
            "pattern": f"it must match {limit}",
        }
        if isinstance(limit, int)
        else {"pattern": f"it must match {limit}"}
    )
    return rules.get(str(error.validator), str(error.message))


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    return "null" if value is None else f"'{value}'" if isinstance(value, str) else str(value)
