"""What the fuzzer starts from, and what alone may be proven: good signatures with their documents.

Touches: the vectors on disk. Trusts: the vectors. Raises: nothing of its own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from relay.errors import RelayError
from relay.model import Seal, Signed
from relay.signing.trust import TrustStore
from tests.vectors.signing.judging import FOLDER, Entry, entries, usual_documents

ENVELOPES = FOLDER.parent / "envelope"
SMALL_BYTES = 20_000


@dataclass(frozen=True)
class Original:
    """A signature that holds at this entry, with its document."""

    entry: str
    signature: bytes
    document: bytes


class Originals:
    """The accepted vectors, and everything that they prove."""

    def __init__(self) -> None:
        manifest = json.loads((FOLDER / "manifest.json").read_text("utf-8"))
        usual = usual_documents()
        trust = TrustStore([(FOLDER / "root.pem").read_bytes()])
        self.entries: dict[str, Entry] = dict(entries(trust))
        del self.entries["head"]  # it has no document beside it; a target of its own
        # Nor do these prove anything of the document that stands beside them; two other targets.
        self.by_statements = {kind: self.entries.pop(kind) for kind in ("standing", "asof")}
        found = [_original("accepted", name, usual) for name in manifest["accepted"]]
        self.all = [one for one in found if one.entry in self.entries]
        good_elsewhere = [
            _original("refused", name, usual)
            for name, vector in manifest["refused"].items()
            if "holds_as" in vector
        ]
        self.revoking = [
            (FOLDER / "refused" / f"revoked-certificate--{case}.asof.xml").read_bytes()
            for case in ("by-crl", "by-ocsp", "by-delegate", "on-hold", "authority")
        ]
        """Of which no part, for itself, clears anybody."""
        self.statements = [
            path.read_bytes() for path in sorted(FOLDER.glob("accepted/*.standing.xml"))
        ]
        self.spoilt = [
            path.read_bytes()
            for path in sorted(FOLDER.glob("refused/*.xml"))
            if path.stat().st_size < SMALL_BYTES
        ]
        known = [*self.all, *good_elsewhere]
        self._proven = {name: self._right(name, known) for name in self.entries}

    def of(self, entry: str) -> list[Original]:
        return [one for one in self.all if one.entry == entry]

    def _right(self, entry: str, known: Sequence[Original]) -> dict[bytes, list[object]]:
        """By document: what any of these signatures proves of it at this entry."""
        documents = {one.document for one in known}
        found: dict[bytes, list[object]] = {document: [] for document in documents}
        for document in documents:
            for one in known:
                try:
                    found[document].append(_said(self.entries[entry](one.signature, document)))
                except RelayError:
                    continue
        return found

    def require_right(self, entry: str, document: bytes, proven: object) -> None:
        """Raise unless that is what was signed of that document: a false accept."""
        if _said(proven) not in self._proven[entry].get(document, ()):
            raise AssertionError(f"{entry} accepts what nobody signed: {proven!r}")


def _said(proven: object) -> object:
    """A seal that was judged is given back as it came; what counts is its kind."""
    return proven.kind if isinstance(proven, Seal) else proven


def _original(part: str, name: str, usual: dict[str, bytes]) -> Original:
    entry = name.rpartition(".")[2]
    own = FOLDER / part / f"{name}.document"
    document = own.read_bytes() if own.exists() else usual[entry]
    return Original(entry, (FOLDER / part / f"{name}.xml").read_bytes(), document)


def small_envelopes() -> list[bytes]:
    """Of the envelope vectors, accepted and refused."""
    paths = sorted(ENVELOPES.glob("accepted/*")) + sorted(ENVELOPES.glob("refused/*"))
    return [_content(path) for path in paths if path.stat().st_size < SMALL_BYTES]


def _content(path: Path) -> bytes:
    return path.read_bytes()


def travelling(originals: Originals) -> list[tuple[Signed, ...]]:
    """Receipts as they travel."""
    receipts = [Signed(one.document, one.signature) for one in originals.of("receipt")]
    return [tuple(receipts), tuple(receipts[:1])]
