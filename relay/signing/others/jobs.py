"""One job after another, inside the worker: a file's bytes in, its judgement out.

Touches: the pipe and the scratch file. Trusts: nothing of the bytes.
Raises:  Ended when the node is gone; MemoryError and what else ends the process.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from relay.judgement import Flaw, Judgement, unjudged
from relay.model import Attachment
from relay.signing.others.court import Court, RevocationData
from relay.signing.others.envelopes import EnvelopeJudge
from relay.signing.others.files import Bench, Gathering
from relay.signing.others.naming import part_of
from relay.signing.others.protocol import CHUNK_BYTES, Heading, Terms, read_frame


class Jobs:
    def __init__(self, terms: Terms, scratch: BinaryIO) -> None:
        data = RevocationData(crls=terms.crls)
        self._court = Court(terms.anchors, terms.stampers, terms.helpers, data)
        self._limits = terms.limits
        self._scratch = scratch

    def close(self) -> None:
        self._court.close()

    def judge(self, heading: Heading, source: BinaryIO) -> Judgement:
        """Everything that is sent is read, so that the next job begins where this one ends."""
        chunks = _chunks(source)
        bench = Bench(self._court, self._limits, heading.known, self._scratch)
        try:
            if heading.is_pdf:
                return _of_file(heading.name, chunks, bench)
            judge = EnvelopeJudge(bench)
            for chunk in chunks:
                judge.feed(chunk)
            return judge.close()
        except MemoryError:
            return unjudged(Flaw.TOO_LARGE, heading.known)
        finally:
            for _ in chunks:
                pass


def _of_file(name: str, chunks: Iterator[bytes], bench: Bench) -> Judgement:
    gathering = Gathering(bench)
    for chunk in chunks:
        gathering.feed(chunk)
    part = part_of(0, Attachment("", name, "", "", 0), gathering.close(""), main=True)
    return Judgement(bench.known, part.verdict, (), (part,))


def _chunks(source: BinaryIO) -> Iterator[bytes]:
    while chunk := read_frame(source, CHUNK_BYTES):
        yield chunk
