"""Bytes to elements: expat, fed in slices, with every bound kept as they go by.

Attachments are decoded in passing and handed to a sink, never held. Expat was chosen over a tree
parser because one 500 MB attachment must cost what a small one does.

Touches: nothing. Trusts: nothing, every byte is hostile. Raises: EnvelopeError.
"""

from __future__ import annotations

from operator import itemgetter
from xml.parsers import expat

from relay.envelope.contents import Passing, Sink
from relay.envelope.elements import (
    AMBIGUOUS,
    CONTENT,
    DOCUMENT,
    EITHER,
    LEAF,
    OPAQUE,
    Element,
    Shape,
    canonical,
)
from relay.envelope.findings import Findings
from relay.envelope.limits import SLICE_BYTES, Limits, in_units
from relay.envelope.marking import MARKING_ENDS, Marking, marking_of
from relay.errors import EnvelopeError, SecretError

_NAME = itemgetter(0)
_UNFINISHED = frozenset(
    expat.errors.codes[fault]
    for fault in (
        expat.errors.XML_ERROR_NO_ELEMENTS,
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
)
"""What expat finds only where the document ends."""


class EdxmlParser:
    """One document. Feed it slices of SLICE_BYTES, then close it; after an error it is spent (E1.3).

    `_start` and `_end` run for every element of every document: what is regular is decided in
    them, everything else in the functions they call. A known element cannot nest too deep, so
    depth is counted where unknown ones begin.
    """

    def __init__(self, limits: Limits, findings: Findings, sink: Sink | None = None) -> None:
        self.findings = findings
        self.attachments: list[Element] = []
        self._limits = limits
        # A limit of -1 sends every text to be judged, for the names that mark a secret.
        self._text_chars = -1 if limits.marking_elements else limits.text_chars
        self._sink = sink
        self._pieces: list[str] = []
        self._path = [("", DOCUMENT)]
        self._open = [Element("")]
        self._elements = self._declarations = self._declared_at = self._fed = 0
        self._foreign = self.unfinished = False
        self._position = -1
        self._passing: Passing | None = None
        self._passing_from = self._base64_bytes = 0
        # None: expat's own dictionary of names costs more than it saves.
        self._expat = expat.ParserCreate("UTF-8", " ", None)
        self._expat.buffer_text = True
        self._expat.ordered_attributes = True
        self._expat.XmlDeclHandler = self._declaration
        self._expat.StartDoctypeDeclHandler = self._doctype
        self._expat.StartNamespaceDeclHandler = self._namespace
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._expat.CharacterDataHandler = self._pieces.append

    def feed(self, data: bytes | memoryview) -> None:
        self._parse(data, final=False)
        self._check_slice(self._expat.CurrentByteIndex)

    def close(self, data: bytes | memoryview) -> Element:
        """Take the last bytes, at most a slice; the root element."""
        self._parse(data, final=True)
        self._check_bounds(self._fed)
        return self._open[0].children["edXML"]

    def release(self) -> None:
        """Let go of expat's references back to us, so that memory is freed at once."""
        self._expat.XmlDeclHandler = None
        self._expat.StartDoctypeDeclHandler = None
        self._expat.StartNamespaceDeclHandler = None
        self._expat.StartElementHandler = None
        self._expat.EndElementHandler = None
        self._expat.CharacterDataHandler = None

    @property
    def begun(self) -> bool:
        """Has the root element started?"""
        return self._elements > 0

    def _parse(self, data: bytes | memoryview, *, final: bool) -> None:
        self._fed += len(data)
        try:
            self._expat.Parse(data, final)
        except expat.ExpatError as error:
            seen = self._expat.ErrorByteIndex
            if error.code in _UNFINISHED:  # nothing else is wrong with the last slice
                self.unfinished = True
                self._check_slice(seen)
            fault = f"not well-formed: {expat.ErrorString(error.code)}"
            raise EnvelopeError(fault, where=f"byte {seen}") from None

    def _check_slice(self, seen: int) -> None:
        if self._fed - seen > self._limits.token_bytes + SLICE_BYTES:
            limit = in_units(self._limits.token_bytes)
            raise EnvelopeError("tag or comment too long", where=f"byte {seen}", limit=limit)
        self._check_bounds(seen)

    def _check_bounds(self, seen: int) -> None:
        """After each slice, which holds at most SLICE_BYTES more than allowed."""
        outside = (self._passing_from if self._passing else seen) - self._base64_bytes
        if outside > self._limits.header_bytes:
            limit = in_units(self._limits.header_bytes)
            raise EnvelopeError("too much outside attachments", limit=limit)
        if self._elements > self._limits.elements:
            raise self._over("too many elements", self._limits.elements)

    # ------------------------------------------------------------ what expat calls

    def _declaration(self, version: str, encoding: str | None, _standalone: int) -> None:
        # Of other versions expat reads some and other parsers none.
        if version != "1.0":
            raise EnvelopeError("xml version other than 1.0", where="the xml declaration")
        if encoding is not None and encoding.lower() != "utf-8":
            raise EnvelopeError("encoding other than UTF-8", where="the xml declaration")

    def _doctype(self, *_: object) -> None:
        raise EnvelopeError("document type declaration")

    def _namespace(self, _prefix: str | None, uri: str | None) -> None:
        if self._declared_at != self._elements:
            self._declared_at, self._declarations = self._elements, 0
        self._declarations += 1
        if self._declarations > self._limits.attributes:
            raise self._over("too many attributes", self._limits.attributes)
        if uri is not None and len(uri) > self._limits.namespace_chars:
            raise self._over("namespace too long", self._limits.namespace_chars)

    def _start(self, name: str, attributes: list[str]) -> None:
        self._elements += 1
        if attributes:
            self._check_attributes(len(attributes) // 2)
        pieces = self._pieces
        if pieces:
            text = pieces.pop()
            if pieces:
                text = self._whole(text)
            if not text.isspace():
                self._take_stray(text.strip())
        path = self._path
        step = path[-1][1].get(name) or self._irregular(name)
        path.append(step)
        local, shape = step
        if shape:
            element = Element(local)
            self._open[-1].add(element)
            self._open.append(element)
            if local == "Attachment":
                self._begin_attachment(element)
        elif shape is CONTENT:
            self._begin_content()

    def _end(self, _name: str) -> None:
        local, shape = self._path.pop()
        pieces = self._pieces
        text = ""
        if pieces:
            text = pieces.pop()
            if pieces:
                text = self._whole(text)
            text = text.strip()
            if text and (text[-1] in MARKING_ENDS or len(text) > self._text_chars):
                self._judge(text, local)
        if shape is LEAF:
            self._open[-1].fields.append((local, text))
        elif shape:
            self._open.pop()
            if text:
                self._take_text(local, shape, text)
        elif self._passing is not None:
            self._end_content(self._passing)

    def _check_attributes(self, number: int) -> None:
        """Of the element that starts; the namespaces it declares itself count, too."""
        if self._declared_at == self._elements - 1:
            number += self._declarations
        if number > self._limits.attributes:
            raise self._over("too many attributes", self._limits.attributes)

    # ------------------------------------------------------------ elements

    def _take_text(self, local: str, shape: Shape, text: str) -> None:
        """Text at the end of an element that holds others."""
        if shape is EITHER:
            self._open[-1].fields.append((local, text))
        else:
            self._remark_stray(local)

    def _irregular(self, name: str) -> tuple[str, Shape]:
        """An element that is unknown here, inside an unknown one, or in a namespace of its own."""
        above_name, above = self._path[-1]
        if above is CONTENT:
            raise EnvelopeError("element inside base64", where=self._here())
        if len(self._path) > self._limits.depth:
            raise self._over("elements nested too deep", self._limits.depth)
        local = canonical(name)
        if len(local) > self._limits.name_chars:
            raise self._over("element name too long", self._limits.name_chars)
        if above is OPAQUE:
            return local, OPAQUE
        known = above.get(local)
        if known is not None:
            self._remark_namespace(local)
            return known
        if above is DOCUMENT:
            raise EnvelopeError("root element is not edXML")
        if above is LEAF and above_name in AMBIGUOUS:
            raise EnvelopeError("element inside a code", where=self._here())
        self.findings.add("unknown-element", "kept, not read", self._here(local))
        return local, OPAQUE

    def _remark_namespace(self, local: str) -> None:
        if not self._foreign:
            self._foreign = True
            self.findings.add("foreign-namespace", "not a namespace of edXML", self._here(local))

    def _here(self, *below: str) -> str:
        return "/".join((*map(_NAME, self._path), *below))[1:]

    def _over(self, what: str, limit: int, *below: str) -> EnvelopeError:
        return EnvelopeError(what, where=self._here(*below), limit=str(limit))

    # ------------------------------------------------------------ texts

    def _whole(self, last: str) -> str:
        """A text that came in pieces."""
        whole = "".join([*self._pieces, last])
        self._pieces.clear()
        return whole

    def _take_stray(self, text: str) -> None:
        """Text before a child element: judged, not kept."""
        self._judge(text)
        if self._path[-1][1] is not OPAQUE:
            self._remark_stray()

    def _remark_stray(self, *below: str) -> None:
        self.findings.add("stray-text", "text between elements, not read", self._here(*below))

    def _judge(self, text: str, *below: str) -> None:
        """A text that is long or ends like a marking."""
        limits = self._limits
        if len(text) > limits.text_chars:
            raise self._over("text too long", limits.text_chars, *below)
        marking = marking_of(text)
        name = below[-1] if below else self._path[-1][0]
        in_element = name in limits.marking_elements and text.lower() not in {"", "0", "false"}
        if marking is Marking.CERTAIN or in_element:
            raise SecretError("marked as a state secret", where=self._here(*below))
        if marking is Marking.POSSIBLE:
            detail = "a marking without diacritics"
            self.findings.add("possible-secret-marking", detail, self._here(*below))

    # ------------------------------------------------------------ attachments

    def _begin_attachment(self, element: Element) -> None:
        self._position += 1
        if self._position >= self._limits.attachments:
            raise EnvelopeError("too many attachments", limit=str(self._limits.attachments))
        self.attachments.append(element)

    def _begin_content(self) -> None:
        if self._open[-1].content is not None:
            raise EnvelopeError("second ContentTransferEncoded", where=self._here())
        self._passing = Passing(self._position, self._sink)
        self._passing_from = self._expat.CurrentByteIndex
        if self._fed >= SLICE_BYTES:
            self._expat.buffer_size = SLICE_BYTES  # a larger text comes in fewer calls
        self._expat.CharacterDataHandler = self._passing.feed

    def _end_content(self, passing: Passing) -> None:
        self._open[-1].content = passing.close()
        self._base64_bytes += self._expat.CurrentByteIndex - self._passing_from
        self._passing = None
        self._expat.CharacterDataHandler = self._pieces.append
