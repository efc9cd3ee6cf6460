"""An exported log while it is put together: what of it is changed, its node signs all the same.

Touches: nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from relay.audit.checkpoint import head_of
from relay.audit.exported import (
    ABOUT,
    FILES,
    SIGNATURE,
    About,
    ListedFile,
    Part,
    checkpoint_name,
    head_names,
    leaves_name,
    write_about,
    write_files,
)
from relay.audit.ranges import RangeProof
from relay.conformance.certificates import Made
from relay.conformance.drafts import packed
from relay.conformance.office import ORIGIN, Log, Office
from relay.model import Digest, MessageId, Signed, digest_of, mint_uuid7
from relay.signing.bundle_shape import CoveredFile
from relay.signing.bundles import sign_bundle
from relay.signing.keys import LogSigner
from relay.wire import bundle

ENTRIES = 8


@dataclass
class LogDraft:
    """All of the origin's log, of eight entries, under one head that nobody cosigned yet."""

    office: Office
    lines: bytes = b""
    """Cosignatures on that head."""
    carried: tuple[bytes, ...] = ()
    """Certificates beside those of log and exporter."""
    heads: dict[int, bytes] = field(default_factory=dict)
    """By the size in their name."""
    tokens: dict[int, bytes] = field(default_factory=dict)
    exported_by: Made | None = None
    more: dict[str, bytes] = field(default_factory=dict)
    """Files that have no place in it."""
    about_bytes: Callable[[bytes], bytes] = lambda text: text
    listing: Callable[[list[ListedFile]], list[ListedFile]] = list
    others: dict[str, bytes] = field(default_factory=dict)
    """In the place of what belongs under these names."""
    covering: Callable[[list[CoveredFile]], list[CoveredFile]] = list

    def __post_init__(self) -> None:
        self.message = MessageId(mint_uuid7(self.office.at, secrets.token_bytes(10)))
        self.log = self.first(ENTRIES)

    def first(self, count: int, what: str = "receipt", by: LogSigner | None = None) -> Log:
        """The log when it had so many entries."""
        named = [Signed(f"{what} {number}".encode(), b"") for number in range(count)]
        return self.office.log(ORIGIN, named, self.message, by)

    def file(self) -> bytes:
        files = {name: self.others.get(name, one) for name, one in self._members()}
        files |= self.more
        listed = [
            ListedFile(name, len(content), digest_of(content)) for name, content in files.items()
        ]
        files[FILES] = write_files(self.listing(listed))
        files[bundle.MANIFEST] = bundle.write_manifest([*files, bundle.MANIFEST])
        every = [CoveredFile(name, digest_of(content)) for name, content in files.items()]
        at, by = self.office.at + timedelta(hours=3), self.exported_by or self.office.origin
        signature = sign_bundle(self.covering(every), by.signer(), at)
        return packed({**files, SIGNATURE: bundle.wrapped(signature)})

    def _members(self) -> Iterator[tuple[str, bytes]]:
        chain = self.log.signer.chain
        note, leaves = self.log.note + self.lines, self.log.leaves
        proof = RangeProof(0, len(leaves), len(leaves), (), ())
        parts = (Part(0, head_of(note).origin, proof),)
        yield bundle.MIMETYPE, bundle.MIMETYPE_CONTENT
        about = write_about(About(ORIGIN, None, None, False, _digests(chain), parts))
        yield ABOUT, self.about_bytes(about)
        yield checkpoint_name(0), note
        yield from sorted(self._kept())
        yield leaves_name(0), b"".join(leaf + b"\n" for leaf in leaves)
        for der in sorted({*chain, *self.office.origin.ders, *self.carried}, key=digest_of):
            yield f"certificates/{digest_of(der)}.cer", der

    def _kept(self) -> Iterator[tuple[str, bytes]]:
        for size, note in self.heads.items():
            yield head_names(0, size)[0], note
        for size, token in self.tokens.items():
            yield head_names(0, size)[1], token


def _digests(chain: tuple[bytes, ...]) -> tuple[Digest, ...]:
    return tuple(digest_of(one) for one in chain)
