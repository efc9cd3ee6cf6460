"""Attachments as the manifest and the encoded part name them.

Touches: nothing. Raises: EnvelopeError for a name no reader could use and a ContentId given twice.
"""

from __future__ import annotations

import pybase64

from relay.envelope.documents import AttachmentContent
from relay.envelope.elements import QCVN
from relay.envelope.manifest import name_fault, plain_id
from relay.envelope.xmltext import INDENT, block, field, optional
from relay.envelope.zipping import zip_one
from relay.errors import EnvelopeError


def content_ids(attachments: tuple[AttachmentContent, ...]) -> list[str]:
    """The ContentId of each, the position where none is given."""
    ids = [plain_id(given.content_id) or str(number) for number, given in enumerate(attachments, 1)]
    if any(character.isspace() for content_id in ids for character in content_id):
        raise EnvelopeError("white space in a ContentId")
    if len(set(ids)) < len(ids):
        raise EnvelopeError("ContentId given twice")
    return ids


def manifest_lines(attachments: tuple[AttachmentContent, ...], ids: list[str]) -> list[str]:
    references = [
        line
        for content_id, attachment in zip(ids, attachments, strict=True)
        for line in block(
            "Reference",
            [
                field("ContentId", f"cid:{content_id}"),
                field("ContentType", _content_type(attachment)),
                *optional("Description", attachment.description),
                field("AttachmentName", _name(attachment)),
            ],
        )
    ]
    return block("edXMLManifest", references, attributes=' version="1.0"')


def attachment_parts(content_id: str, attachment: AttachmentContent) -> list[bytes]:
    """One Attachment; its base64 is one line and one part, so that it is copied only once."""
    content = zip_one(attachment) if attachment.zipped else attachment.content
    before = [
        INDENT * 2 + "<Attachment>",
        *(
            INDENT * 3 + line
            for line in (
                field("ContentId", f"cid:{content_id}", prefix=""),
                field("AttachmentName", attachment.name, prefix=""),
                *optional("Description", attachment.description, prefix=""),
                field("ContentType", _content_type(attachment), prefix=""),
            )
        ),
        f'{INDENT * 3}<edXML:ContentTransferEncoded xmlns:edXML="{QCVN}">',
    ]
    after = f"</edXML:ContentTransferEncoded>\n{INDENT * 2}</Attachment>\n"
    return ["\n".join(before).encode(), pybase64.b64encode(content), after.encode()]


def _content_type(attachment: AttachmentContent) -> str:
    return "application/zip" if attachment.zipped else attachment.content_type


def _name(attachment: AttachmentContent) -> str:
    fault = name_fault(attachment.name) if attachment.name else "empty"
    if fault:
        raise EnvelopeError(f"attachment name: {fault}", where="AttachmentName")
    return attachment.name
