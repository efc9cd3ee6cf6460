"""Lines of XML text: the few shapes edXML is made of, escaped, or refused.

Touches: nothing. Raises: EnvelopeError for a character XML has no way to write.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from relay.envelope.limits import WRITTEN_CHARACTERS
from relay.errors import EnvelopeError

INDENT = "  "
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def escaped(text: str) -> str:
    # A bare CR would be read back as LF (XML 1.0 §2.11).
    return (
        text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
    )


def field(name: str, value: str | int, *, prefix: str = "edXML:") -> str:
    """One element with text, without its indentation."""
    text = str(value)
    limit = WRITTEN_CHARACTERS.get(name)
    if limit is not None and len(text) > limit:
        raise EnvelopeError(f"{name} of {len(text)} characters", limit=f"{limit} characters")
    if _UNWRITABLE.search(text):
        raise EnvelopeError("control character", where=name)
    return f"<{prefix}{name}>{escaped(text)}</{prefix}{name}>"


def optional(name: str, value: str | int | None, *, prefix: str = "edXML:") -> list[str]:
    """The element when there is something to say, else nothing."""
    return [] if value is None or value == "" else [field(name, value, prefix=prefix)]


def block(
    name: str, lines: Iterable[str], *, attributes: str = "", prefix: str = "edXML:"
) -> list[str]:
    """An element around others, which are moved in by one step."""
    inner = [INDENT + line for line in lines]
    return [f"<{prefix}{name}{attributes}>", *inner, f"</{prefix}{name}>"]


def optional_block(name: str, lines: list[str]) -> list[str]:
    return block(name, lines) if lines else []
