"""This is where ``${VAR}`` becomes the variable's value, which stays known for what it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, SupportsIndex

from hygge import redaction

_VARIABLE = re.compile(r"\$(\$\{)|\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Expanded(str):
    """Text in which variables were replaced. Equal to plain text with the same characters."""

    __slots__ = ("shown", "variables", "written")

    written: str
    """The text before."""
    variables: tuple[str, ...]
    """Names of the variables of the environment whose values it holds, in their order."""
    shown: str
    """The text with ``***`` for each variable whose name says that it is secret."""

    def __new__(cls, text: str, written: str, variables: tuple[str, ...], shown: str) -> Expanded:
        result = super().__new__(cls, text)
        result.written, result.variables, result.shown = written, variables, shown
        return result

    def __reduce__(self) -> tuple[type[Expanded], tuple[str, str, tuple[str, ...], str]]:
        return Expanded, (str(self), self.written, self.variables, self.shown)

    def replace(self, old: str, new: str, count: SupportsIndex = -1, /) -> Expanded:
        """Replace as text does; what is known of the variables stays known."""
        shown = self.shown.replace(old, new, count)
        return Expanded(super().replace(old, new, count), self.written, self.variables, shown)


class Unusable(Exception):
    """A ``${...}`` that has no value. Its arguments are what is wrong and a hint."""


def expand(text: str, environment: Mapping[str, str]) -> str:
    """Return *text* with each ``${VAR}`` and ``${VAR:-default}`` replaced.

    What is secret of it is hidden from now on, wherever it would be shown.

    Raises:
        Unusable: One is not set, or is no variable.
    """
    if "$" not in text:
        return text
    names = [match[2].partition(":-")[0] for match in _VARIABLE.finditer(text) if match[2]]
    taken = tuple(name for name in dict.fromkeys(names) if environment.get(name))
    whole = _VARIABLE.sub(_replacing(environment, lambda name, value: value), text)
    if whole == text:
        return text
    redaction.register_urls(whole)
    for name in filter(redaction.is_secret_name, taken):
        redaction.register(environment[name])
    return Expanded(whole, text, taken, _VARIABLE.sub(_replacing(environment, _safe), text))


def _safe(name: str, value: str) -> str:
    return redaction.HIDDEN if redaction.is_secret_name(name) else value


def _replacing(
    environment: Mapping[str, str], shown: Callable[[str, str], str]
) -> Callable[[re.Match[str]], str]:
    """Return what replaces one match, with the values of the environment as *shown* makes them."""

    def replace(match: re.Match[str]) -> str:
        if match[1]:
            return "${"
        name, has_default, default = match[2].partition(":-")
        if not _NAME.fullmatch(name):
            raise Unusable(f"'{match[0]}' is not a variable", "write $${ for a literal ${")
        if name in environment and (environment[name] or not has_default):
            return shown(name, environment[name])
        if has_default:
            return shown(name, default)
        raise Unusable(
            f"the variable '{name}' is not set",
            f"set it: export {name}=..., or give a default: ${{{name}:-...}}",
        )

    return replace


def shown_in(value: Any) -> Any:
    """Return the JSON-like *value* with each expanded text in it as it may be shown."""
    if isinstance(value, Expanded):
        return value.shown
    if isinstance(value, Mapping):
        return {key: shown_in(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [shown_in(each) for each in value]
    return value


def concealed(value: Any) -> Any:
    """Return the JSON-like *value* without a secret that is known, so that it can be kept."""
    return redaction.hide_in(shown_in(value))
