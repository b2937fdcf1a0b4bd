"""This is where secrets are kept out of all that is shown or remembered."""

from __future__ import annotations

import contextlib
import json
import os
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

from hygge.own_words import OWN_WORDS

HIDDEN = "***"
"""What stands in the place of a secret."""

SHORTEST = 4
"""Characters from which on a value is looked for in other text; shorter ones are too common."""

_SECRET_NAME = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|PASSPHRASE|PASS|PWD|SECRETS?|TOKENS?|CREDENTIALS?|AUTH|APIKEY|KEY)"
    r"(?:_|$)",
    re.IGNORECASE,
)
_NOT_SECRET = {"PWD", "OLDPWD"}
# The scheme is bounded: a long word would be looked through again from each of its letters.
_PASSWORD_IN_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s/:@'\"]*:)([^\s/'\"]+)(@)")

# Times, ids of runs and hashes: what is in them by chance is no secret, and programs read them.
_OWN_FORM = re.compile(r"[\d-]{10}T[\d:.]+Z|\d{8}T\d{9}Z-[0-9a-f]{6}|[0-9a-f]{32}")

_registered: set[str] = set()

_in_json: set[str] = set()
"""What is registered, as it stands inside of text in JSON."""


def is_secret_name(name: str) -> bool:
    """Tell whether a variable called *name* holds a secret, by its name."""
    return bool(_SECRET_NAME.search(name)) and name not in _NOT_SECRET


def register(value: str) -> None:
    """Hide *value* from now on, wherever `hide` meets it, and a password in it if it is a URL."""
    _register(value)
    register_urls(value)


def register_urls(text: str) -> None:
    """Hide from now on each password in a URL in *text*, also where it stands alone."""
    for match in _PASSWORD_IN_URL.finditer(text):
        _register(match[2])


def register_environment(environment: Mapping[str, str] = os.environ) -> None:
    """Hide from now on the value of each variable of *environment* whose name says it is secret."""
    for name, value in environment.items():
        if is_secret_name(name):
            _register(value)


def _register(value: str) -> None:
    """Look for *value* from now on, unless it is too short or one of `OWN_WORDS`."""
    plain = value.isascii() and value.isalnum()
    forms = [value] if plain else _forms(value)
    hidden = [each for each in forms if len(each) >= SHORTEST and each not in OWN_WORDS]
    _registered.update(hidden)
    _in_json.update(json.dumps(each, ensure_ascii=False)[1:-1] for each in hidden)


def _forms(value: str) -> Iterator[str]:
    """Yield how *value* is written: as it is, quoted by Python and JSON, in a URL, line by line."""
    # A message may be cut to its first line, or be shown line by line.
    for text in (value, *map(str.strip, value.splitlines())):
        yield text
        yield repr(text)[1:-1]
        yield json.dumps(text)[1:-1]
        yield json.dumps(text, ensure_ascii=False)[1:-1]
        with contextlib.suppress(UnicodeEncodeError):  # no URL holds it, then
            yield urllib.parse.quote(text, safe="")
            yield urllib.parse.quote_plus(text)


def hide(text: str) -> str:
    """Return *text* with ``***`` for each secret in it: registered values and passwords in URLs."""
    if "://" in text:
        text = _PASSWORD_IN_URL.sub(rf"\1{HIDDEN}\3", text)
    # The longest first: one secret may be the beginning of another.
    for value in sorted(_registered, key=len, reverse=True):
        if value in text:
            text = text.replace(value, HIDDEN)
    return text


def hide_in(value: Any) -> Any:
    """Return the JSON-like *value* with each string in it, keys too, as `hide` returns it.

    What gives it its form stays as it is: `OWN_WORDS`, times, ids of runs and hashes.
    """
    if isinstance(value, str):
        return _hidden(value)
    if isinstance(value, Mapping):
        return {_hidden(str(key)): hide_in(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [hide_in(each) for each in value]
    return value


def as_json(value: Any, **more: Any) -> str:
    """Return the JSON-like *value* as JSON, with all in it that `hide_in` hides hidden.

    Args:
        more: For `json.dumps`.
    """
    text = json.dumps(value, ensure_ascii=False, **more)
    # Nearly always there is nothing to hide, and that is seen at once.
    if "://" in text or any(each in text for each in tuple(_in_json)):
        text = json.dumps(hide_in(value), ensure_ascii=False, **more)
    return text


def _hidden(text: str) -> str:
    hidden = hide(text)
    if hidden == text or text in _registered:
        return hidden
    own = _OWN_FORM.fullmatch(text) or all(word in OWN_WORDS for word in text.split("."))
    return text if own else hidden
