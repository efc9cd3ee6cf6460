"""Say what is wrong with a configuration in words for its operator: where, and what belongs there.

Touches: nothing.
Trusts:  nothing; of the content it shows only the names by which rows are told apart, never a value
         that may be a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import ValidationError

URL: Final = r"^https://[^/]+/?$"
NODE_NAME: Final = r"^[a-z0-9][a-z0-9-]{0,62}$"
SYSTEMID: Final = r"^[!-~]+$"
DIGEST_TEXT: Final = r"^[0-9a-f]{64}$"
HOST: Final = r"^[A-Za-z0-9]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?$"
OBJECT_ID: Final = r"^[0-2](\.(0|[1-9][0-9]{0,30})){1,20}$"
REST_PREFIX: Final = r"^(/[A-Za-z0-9_-]{1,40}){1,4}$"

_NAMES: Final = ("id", "systemid", "code")
_NAME_LIMIT: Final = 64

_SPAN = 'a number of seconds or an ISO 8601 duration such as "PT5M" is needed'
_TEXT = 'a text in quotes is needed, such as "…"'
_WHOLE = "a whole number is needed, without quotes, such as 64"
_LIST = 'a list is needed, such as ["…"]'
_TABLE = "a table of keys is needed"

_PATTERNS: Final = {
    DIGEST_TEXT: "the SHA-256 of a certificate is needed: 64 lower-case hex digits",
    URL: 'an address such as "https://tinh-h01.example:8445" is needed: https://host:port',
    NODE_NAME: 'lower-case letters, digits and hyphens are needed, at most 63, such as "tinh-h01"',
    HOST: 'a host name or address such as "log.example" is needed',
    REST_PREFIX: 'a path such as "/lgsp" is needed, without a slash at its end',
    OBJECT_ID: 'an object identifier such as "1.3.6.1.4.1.13762.3" is needed',
    SYSTEMID: 'printable characters without spaces are needed, such as "vxp.h01"',
}

_Context = Mapping[str, Any]
_WORDS: Final[dict[str, Callable[[_Context], str]]] = {
    "missing": lambda _: "is missing",
    "extra_forbidden": lambda _: "unknown key",
    "string_pattern_mismatch": lambda context: _PATTERNS.get(
        context["pattern"], "not of the form needed"
    ),
    "string_type": lambda _: _TEXT,
    "string_too_short": lambda context: f"at least {context['min_length']} characters are needed",
    "string_too_long": lambda context: f"too long, limit {context['max_length']} characters",
    "too_short": lambda context: f"at least {context['min_length']} is needed in this list",
    "greater_than_equal": lambda context: f"too small, limit {context['ge']}",
    "less_than_equal": lambda context: f"too large, limit {context['le']}",
    "literal_error": lambda context: f"one of {_choices(context)} is needed",
    "enum": lambda context: f"one of {_choices(context)} is needed",
    "path_type": lambda _: 'a path in quotes is needed, such as "certs/tls.pem"',
    **dict.fromkeys(("time_delta_type", "time_delta_parsing"), lambda _: _SPAN),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), lambda _: _WHOLE),
    **dict.fromkeys(("bool_type", "bool_parsing"), lambda _: "true or false is needed"),
    **dict.fromkeys(("tuple_type", "list_type"), lambda _: _LIST),
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), lambda _: _TABLE),
}


def lines(error: ValidationError, content: object) -> list[str]:
    """One line a problem: where, what. Never the value: it may be a secret."""
    found = error.errors(include_url=False, include_input=False)
    within = {one["loc"][:depth] for one in found for depth in range(len(one["loc"]))}
    return [
        f"{_where(one['loc'], content)}: {_what(one['type'], one['msg'], one.get('ctx', {}))}"
        for one in found
        # A list is called too short for want of the element that has its own line.
        if one["type"] != "too_short" or one["loc"] not in within
    ]


def beneath(error: ValidationError, content: object, *way: int | str) -> list[str]:
    """What a row at that place contradicts itself in, and nothing of its keys, which have lines already."""
    found = error.errors(include_url=False, include_input=False)
    whole = [one for one in found if not one["loc"]]
    where = _where(way, content)
    return [f"{where}: {_what(one['type'], one['msg'], one.get('ctx', {}))}" for one in whole]


def _what(kind: str, said: str, context: _Context) -> str:
    if kind in _WORDS:
        return _WORDS[kind](context)
    text = said.removeprefix("Value error, ")
    return f"{text[:1].lower()}{text[1:]}"


def _choices(context: _Context) -> str:
    return str(context["expected"]).replace("'", '"')


def _where(way: tuple[int | str, ...], content: object) -> str:
    """`systems "vxp.h01": secret`: a row by its name, or by its number where it has none."""
    text = ""
    for step in way:
        content = _inside(content, step)
        name = _name(content) if isinstance(step, int) else ""
        between = "." if text and not text.endswith(" ") else ""
        text += f' "{name}": ' if name else f"{between}{step}"
    return text.removesuffix(": ") or "the file"


def _inside(content: object, step: int | str) -> object:
    if isinstance(content, Mapping):
        return content.get(step)
    if isinstance(content, list | tuple) and isinstance(step, int) and step < len(content):
        return content[step]
    return None


def _name(row: object) -> str:
    if not isinstance(row, Mapping):
        return ""
    named = next((row[key] for key in _NAMES if isinstance(row.get(key), str)), "")
    return str(named) if named.isprintable() and len(named) <= _NAME_LIMIT else ""
