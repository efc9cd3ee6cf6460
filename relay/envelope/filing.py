"""A document as an e-filing system takes it in: safe names for its files, and its metadata as XML.

Element names and texts are those of the document's own edXML, unchanged (DocumentId, TypeName, CodeNumber,
CodeNotation, PromulgationDate, OrganId, OrganName, Subject, Priority). What the relay cannot know (file code,
fonds, language, keywords, page count) is left out: the archivist gives it.

Touches: nothing. Trusts: nothing; names and texts are the sender's. Raises: nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from relay.envelope.xmltext import escaped
from relay.model import Digest, Envelope, Party

NAMESPACE = "urn:truc-relay:filing:1"
_NAME_BYTES = 120
_UNSAFE = re.compile(r'[<>:"|?*]')
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FiledFile:
    """A file of the folder, by its path there; `called` is what the sender called it."""

    path: str
    digest: Digest
    size_bytes: int
    called: str = ""


def safe_name(position: int, name: str) -> str:
    """One that every file system takes, in one folder, whatever the sender wrote: `01-…`."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    shown = "".join(one for one in last if unicodedata.category(one)[0] != "C")
    plain = _UNSAFE.sub("_", " ".join(shown.split())).strip(". ")
    if not plain or _DEVICES.fullmatch(plain):
        plain = f"_{plain}"
    return f"{position:02}-{_shortened(plain)}"


def _shortened(name: str) -> str:
    """Cut before its extension, between characters."""
    suffix = PurePosixPath(name).suffix
    suffix = suffix if len(suffix.encode()) <= 16 else ""
    stem = name[: len(name) - len(suffix)].encode()[: _NAME_BYTES - len(suffix.encode())]
    return stem.decode(errors="ignore") + suffix


def write_metadata(
    envelope: Envelope, message_id: str, evidence: FiledFile, files: Sequence[FiledFile]
) -> bytes:
    """The document's metadata, and every file of the folder with its digest."""
    fields = (
        ("DocumentId", envelope.document_id),
        ("TypeName", envelope.document_type),
        ("CodeNumber", envelope.code_number),
        ("CodeNotation", envelope.code_notation),
        ("PromulgationDate", envelope.promulgation_date),
        ("OrganId", envelope.sender.organ_id),
        ("OrganName", envelope.sender.organ_name),
        ("Subject", envelope.subject),
        ("Priority", str(int(envelope.priority))),
    )
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<Filing xmlns="{NAMESPACE}" version="1">',
        "  <Document>",
        *(f"    {_element(name, value)}" for name, value in fields if value),
        *(f"    {line}" for one in envelope.recipients for line in _recipient(one)),
        "  </Document>",
        f"  {_element('MessageId', message_id)}",
        *_file("Evidence", evidence),
        *(line for one in files for line in _file("File", one)),
        "</Filing>",
        "",
    ]
    return "\n".join(lines).encode("utf-8", "replace")


def _recipient(party: Party) -> Iterator[str]:
    code, name = party.organ_id, party.organ_name
    yield f"<Recipient>{_element('OrganId', code)}{_element('OrganName', name)}</Recipient>"


def _file(kind: str, one: FiledFile) -> Iterator[str]:
    yield f"  <{kind}>"
    yield f"    {_element('Path', one.path)}"
    if one.called:
        yield f"    {_element('CalledBySender', one.called)}"
    yield f"    {_element('Sha256', one.digest)}"
    yield f"    {_element('SizeBytes', str(one.size_bytes))}"
    yield f"  </{kind}>"


def _element(name: str, text: str) -> str:
    return f"<{name}>{escaped(text)}</{name}>"
