"""This is where secrets are kept out of all that is shown or remembered."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

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

_registered: set[str] = set()


def is_secret_name(name: str) -> bool:
    """Tell whether a variable called *name* holds a secret, by its name."""
    return bool(_SECRET_NAME.search(name)) and name not in _NOT_SECRET


def register(value: str) -> None:
    """Hide *value* from now on, wherever `hide` meets it, and a password in it if it is a URL."""
    if len(value) >= SHORTEST:
        _registered.add(value)
    register_urls(value)


def register_urls(text: str) -> None:
    """Hide from now on each password in a URL in *text*, also where it stands alone."""
    for match in _PASSWORD_IN_URL.finditer(text):
        if len(match[2]) >= SHORTEST:
            _registered.add(match[2])


def register_environment(environment: Mapping[str, str] = os.environ) -> None:
    """Hide from now on the value of each variable of *environment* whose name says it is secret."""
    for name, value in environment.items():
        if is_secret_name(name) and len(value) >= SHORTEST:
            _registered.add(value)


def hide(text: str) -> str:
    """Return *text* with ``***`` for each secret in it: registered values and passwords in URLs."""
    text = _PASSWORD_IN_URL.sub(rf"\1{HIDDEN}\3", text)
    # The longest first: one secret may be the beginning of another.
    for value in sorted(_registered, key=len, reverse=True):
        if value in text:
            text = text.replace(value, HIDDEN)
    return text


def hide_in(value: Any) -> Any:
    """Return the JSON-like *value* with each string in it, keys too, as `hide` returns it."""
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, Mapping):
        return {hide(str(key)): hide_in(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [hide_in(each) for each in value]
    return value
