"""Judge a certificate chain against the anchors of its role: who may be believed, and from when to when.

One store for the whole life of a node, asked by everyone and replaced from within (`become`, in one
assignment, with all verdicts that were remembered): nobody has to be told.

Touches: nothing; the verdicts are kept in memory.
Trusts:  the anchors it was made with. Intermediates only help to build paths.
Raises:  SignatureError (self-signed, untrusted, path-too-long, algorithm, name-constraint,
         expired-certificate, not-yet-valid-certificate, wrong-purpose, weak-key); SettingsError for
         anchors that are none.

A path is leaf, zero to two issuing authorities, anchor. Revocation is judged by `check`, where there is
one, and as of now: `path` alone says nothing of it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from relay.errors import SignatureError
from relay.model import Digest, utc
from relay.signing.certificates import Chain, Leaf, Purpose, require_purpose
from relay.signing.faults import Fault
from relay.signing.trust.anchors import ROLES, Anchors, Role, read_anchors
from relay.signing.trust.path import Path, made_of
from relay.signing.trust.search import Search

CACHE_LIMIT = 4096
_Key = tuple[Digest, bytes, Purpose]


@dataclass(frozen=True, slots=True)
class _Book:
    """Who is believed at one time, and the paths that were found then."""

    anchors: Anchors
    paths: dict[_Key, Path] = field(default_factory=dict)


class PathCheck(Protocol):
    def __call__(self, path: Path, purpose: Purpose) -> None:
        """Raise SignatureError unless what the path's leaf signed may be taken now."""
        ...


class TrustStore:
    """Roots, helping intermediates and anchors pinned for roles, each PEM (one or more) or DER."""

    def __init__(
        self,
        roots: Iterable[bytes] | Anchors,
        intermediates: Iterable[bytes] = (),
        pinned: Mapping[Role, Iterable[bytes]] | None = None,
    ) -> None:
        """`Anchors` are all there is; nothing beside them."""
        found = roots if isinstance(roots, Anchors) else read_anchors(roots, intermediates, pinned)
        self.check: PathCheck | None = None
        """What a proven path must pass beside: revocation (revocation/checking.py)."""
        self._book = _Book(found)
        self._lock = threading.Lock()

    @property
    def anchors(self) -> Anchors:
        return self._book.anchors

    def become(self, anchors: Anchors) -> None:
        """From now on these count, and nothing that was found under those before. Whoever is judging a
        chain at this moment ends with what it began with."""
        self._book = _Book(anchors)

    def judge(self, chain: Chain, at: datetime, purpose: Purpose) -> Leaf:
        """The chain's leaf, proven to have been valid for `purpose` at that instant."""
        path = self.path(chain, at, purpose)
        self.require_unrevoked(path, purpose)
        return path.leaf

    def require_unrevoked(self, path: Path, purpose: Purpose) -> None:
        """Raise where the node checks revocation and what it knows, or does not know, forbids it now."""
        if self.check is not None:
            self.check(path, purpose)

    def path(self, chain: Chain, at: datetime, purpose: Purpose) -> Path:
        """A path of the chain's leaf that was valid for `purpose` at that instant."""
        require_purpose(chain.leaf, purpose)
        at, book = utc(at), self._book
        key = (chain.leaf.sha256, chain.digest, purpose)
        found = book.paths.get(key)
        if found is None or not found.window.holds(at):
            found = _find(book.anchors, chain, at, purpose)
            self._remember(book, key, found)
        return found

    def _remember(self, book: _Book, key: _Key, path: Path) -> None:
        with self._lock:
            if len(book.paths) >= CACHE_LIMIT:
                del book.paths[next(iter(book.paths))]
            book.paths[key] = path


def _find(anchors: Anchors, chain: Chain, at: datetime, purpose: Purpose) -> Path:
    """The first path that holds; else why the first that leads to an anchor does not."""
    leaf = chain.leaf
    if leaf.certificate.issuer == leaf.certificate.subject:
        raise SignatureError(Fault.SELF_SIGNED, "the certificate is its own issuer")
    search = Search(anchors.of(ROLES[purpose]), (*anchors.intermediates, *chain.above))
    fault: SignatureError | None = None
    for way in search.ways((leaf.certificate,)):
        try:
            return made_of(leaf, way, at, purpose)
        except SignatureError as error:
            fault = fault or error
    raise fault or search.fault()
