"""Judges an envelope by our own schema, edxml.xsd: what the strict writer promises.

Stricter than the reader, and for whoever writes edXML: the relay carries envelopes that are not
valid here. The bytes pass the reader first, so lxml sees no document type and nothing beyond the
limits; it may therefore lift its own bound on the length of a text.

Touches: the schema file beside this one. Trusts: nothing else. Raises: EnvelopeError.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from lxml import etree

from relay.envelope.limits import DEFAULT, Limits
from relay.envelope.reader import read
from relay.errors import EnvelopeError
from relay.model import MessageType

SCHEMA_PATH = Path(__file__).with_name("edxml.xsd")
_SPACE = "{http://www.mic.gov.vn/TBT/QCVN_102_2016}"


def validate(content: bytes, limits: Limits = DEFAULT) -> None:
    """Return quietly when the envelope is valid; else say what is not, and on which line."""
    envelope = read(content, limits)
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise EnvelopeError("not well-formed", where=f"line {error.lineno}") from None
    schema = _schema()
    if not schema.validate(root):
        raise _fault(schema)
    header, body, traces = (
        root.find(f"{_SPACE}edXMLEnvelope/{_SPACE}{path}")
        for path in ("edXMLHeader", "edXMLBody", f"edXMLHeader/{_SPACE}TraceHeaderList")
    )
    is_document = envelope.message_type is MessageType.DOCUMENT
    if header is None or (body is not None) != is_document:
        raise EnvelopeError("edXMLBody is for documents and only for them", where="edXMLEnvelope")
    if is_document and traces is None:
        raise EnvelopeError("document without TraceHeaderList", where="edXMLHeader")


@cache
def _schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(SCHEMA_PATH), etree.XMLParser(no_network=True)))


def _fault(schema: etree.XMLSchema) -> EnvelopeError:
    """The first fault by its kind and element; libxml2's own words would quote the document."""
    first = schema.error_log[0]  # type: ignore[index]  # the stubs know no more than its name
    element = (first.path or "").rpartition("/")[2].rpartition(":")[2] or "edXML"
    kind = first.type_name.removeprefix("SCHEMAV_").replace("_", " ").lower()
    return EnvelopeError(f"not valid: {kind}, {element}", where=f"line {first.line}")
