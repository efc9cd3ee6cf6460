"""An envelope, judged as its bytes come: each attachment when it ends, the document's own XML at the end.

Memory is flat: attachments go to a scratch file, one after another; the XML is kept only up to its limit,
and only as long as it may hold a Signature.

Touches: the scratch file. Trusts: nothing of the bytes. Raises: MemoryError.
"""

from __future__ import annotations

import re
from dataclasses import replace

from relay.envelope.limits import Limits
from relay.envelope.reader import EnvelopeReader
from relay.errors import EnvelopeError
from relay.judgement import ENVELOPE, Flaw, Judgement, Part, Verdict, worst
from relay.model import Envelope
from relay.signing.others.files import Bench, Found, Gathering
from relay.signing.others.naming import part_of
from relay.signing.others.xmldsig import judge_xml

_MARK = b"<SignedInfo"
_NAMESPACE = re.compile(rb"""xmldsig#["']""")
"""Declared as a namespace, and not as the beginning of an algorithm's name, as fill-in elements do."""


class EnvelopeJudge:
    """Feed it the envelope's bytes, then close it."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._reader = EnvelopeReader(
            Limits(envelope_bytes=bench.limits.envelope_bytes), self._take
        )
        self._files: dict[int, Found] = {}
        self._gathering: Gathering | None = None
        self._flaws: list[Flaw] = []
        self._xml = bytearray()
        self._xml_is_whole = True
        self._dummy = self._signed = self._broken = False

    def feed(self, chunk: bytes) -> None:
        if self._broken:
            return
        self._dummy = self._dummy or _MARK in chunk
        self._signed = self._signed or _NAMESPACE.search(chunk) is not None
        if self._xml_is_whole and len(self._xml) + len(chunk) <= self._bench.limits.xml_bytes:
            self._xml += chunk
        else:
            self._xml, self._xml_is_whole = bytearray(), False
        try:
            self._reader.feed(chunk)
        except EnvelopeError as error:
            self._broken = True
            self._flaws.append(_unread(error))

    def close(self) -> Judgement:
        envelope = self._close()
        if envelope is None:
            return Judgement(self._bench.known, Verdict.UNKNOWN, tuple(self._flaws), ())
        parts = [*self._document(), *self._attachments(envelope)]
        flaws = list(dict.fromkeys(self._flaws))
        unjudged = [Verdict.UNKNOWN] if flaws else []
        return Judgement(
            self._bench.known,
            worst([*unjudged, *(part.verdict for part in parts)]),
            tuple(flaws),
            tuple(parts),
        )

    def _close(self) -> Envelope | None:
        if self._broken:
            return None
        try:
            return self._reader.close()
        except EnvelopeError as error:
            self._flaws.append(_unread(error))
            return None

    def _take(self, position: int, content: bytes, fault: str) -> None:
        if position >= self._bench.limits.files:
            if Flaw.TOO_MANY not in self._flaws:
                self._flaws.append(Flaw.TOO_MANY)
            return
        if self._gathering is None:
            self._gathering = Gathering(self._bench)
        if content:
            self._gathering.feed(content)
        else:
            self._files[position] = self._gathering.close(fault)
            self._gathering = None

    def _attachments(self, envelope: Envelope) -> list[Part]:
        parts: list[Part] = []
        main = next((at for at, found in sorted(self._files.items()) if found.kind == "pdf"), None)
        for position, attachment in enumerate(envelope.attachments):
            found = self._files.get(position)
            if found is not None:
                parts.append(part_of(position, attachment, found, main=position == main))
        return parts

    def _document(self) -> list[Part]:
        """Its own XML, where it bears a Signature."""
        if not self._signed:
            return [_xml_part(None, Flaw.DUMMY)] if self._dummy else []
        if not self._xml_is_whole:
            return [_xml_part(Verdict.UNKNOWN, Flaw.TOO_LARGE)]
        content, self._xml = bytes(self._xml), bytearray()
        bench = self._bench
        found = judge_xml(content, bench.court, bench.known, bench.limits.signatures)
        if not found.flaws and not found.signatures:
            return []
        verdicts = [one.verdict for one in found.signatures]
        if not set(found.flaws) <= {Flaw.DUMMY}:
            verdicts.append(Verdict.UNKNOWN)
        part = _xml_part(worst(verdicts), *found.flaws)
        return [replace(part, signatures=found.signatures)]


def _xml_part(verdict: Verdict | None, *flaws: Flaw) -> Part:
    return Part(ENVELOPE, "", "xml", None, verdict, flaws, ())


def _unread(error: EnvelopeError) -> Flaw:
    return Flaw.TOO_LARGE if error.what == "envelope too large" else Flaw.UNREADABLE
