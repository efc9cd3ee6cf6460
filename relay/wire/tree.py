"""Name what is wrong with a wire document: its children in order, as a hardened parser sees them.

Touches: nothing.
Trusts:  nothing; the document was refused already, and whatever these functions do not look at (white
         space, text between elements) is refused by their callers all the same.
Raises:  WireError.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator

from lxml import etree

from relay.errors import WireError
from relay.wire.values import NAMESPACE

_NAME = f"{{{NAMESPACE}}}"
_NOT_A_PLAIN_TAG = re.compile(rb"<(?!/?[A-Za-z]+>)")
"""Attributes, prefixes, declarations, comments, CDATA, instructions: none of them, so that no parser
has to be trusted with them."""
_local = threading.local()


def parser() -> etree.XMLParser:
    """Loads and expands nothing. One a thread: lxml locks a shared one."""
    found: etree.XMLParser | None = getattr(_local, "parser", None)
    if found is None:
        found = _local.parser = etree.XMLParser(
            encoding="utf-8",
            resolve_entities=False,
            load_dtd=False,
            no_network=True,
            huge_tree=False,
        )
    return found


class Children:
    """The children of one element, taken in document order."""

    __slots__ = ("_coming", "_next")

    def __init__(self, element: etree._Element) -> None:
        self._coming: Iterator[etree._Element] = iter(element)
        self._next = next(self._coming, None)

    def _advance(self) -> None:
        self._next = next(self._coming, None)

    def text(self, name: str) -> str:
        """The text of the child that must come next."""
        found = self.text_if(name)
        if found is None:
            raise WireError(f"{name} is missing or out of order")
        return found

    def text_if(self, name: str) -> str | None:
        """The text of the next child if it has this name; an empty one is never written."""
        child = self._next
        if child is None or child.tag != _NAME + name:
            return None
        self._advance()
        if not child.text:
            raise WireError(f"{name} is empty")
        return child.text

    def inside(self, name: str) -> Children:
        """The children of the child that must come next."""
        found = self.inside_if(name)
        if found is None:
            raise WireError(f"{name} is missing or out of order")
        return found

    def inside_if(self, name: str) -> Children | None:
        """The children of the next child if it has this name."""
        child = self._next
        if child is None or child.tag != _NAME + name:
            return None
        self._advance()
        return Children(child)

    @property
    def more(self) -> bool:
        return self._next is not None

    def end(self, name: str) -> None:
        if self._next is not None:
            raise WireError(f"{name} holds an unknown or misplaced element")


def open_document(content: bytes, name: str, limit_bytes: int) -> Children:
    """The children of the root, which must be `name` in the wire namespace."""
    if len(content) > limit_bytes:
        raise WireError(f"{name} document of {len(content)} bytes, limit {limit_bytes} bytes")
    head = f'<{name} xmlns="{NAMESPACE}">'.encode()
    if not content.startswith(head):
        raise WireError(f"the root is not {name} of {NAMESPACE}")
    if _NOT_A_PLAIN_TAG.search(content, len(head)):
        raise WireError(f"{name} document holds something other than plain elements and text")
    try:
        return Children(etree.fromstring(content, parser()))
    except (etree.XMLSyntaxError, ValueError):
        raise WireError(f"{name} document is not well-formed XML in UTF-8") from None
