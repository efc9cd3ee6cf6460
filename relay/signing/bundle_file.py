"""The file as a whole: a container of the one form, whose members are what checksums, names, manifest and the
exporter's signature say.

Touches: the file, reading.
Trusts:  nothing but the trust store it is given; every byte of the file is hostile.
Raises:  OSError, WireError, DamagedError, SignatureError.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from relay.errors import SignatureError, WireError
from relay.model import Digest
from relay.signing.bundle_around import Members
from relay.signing.bundle_shape import CoveredFile
from relay.signing.bundle_words import Found
from relay.signing.bundles import ProvenBundle, verify_bundle
from relay.signing.faults import Fault
from relay.signing.trust import TrustStore
from relay.wire import bundle
from relay.wire.packed import Bounds, PackedFile, content_of, contents, digest_in, read_packed

FILE_LIMIT_BYTES = 8 << 30
SMALL_BYTES = 64 << 20
_BOUNDS = Bounds(FILE_LIMIT_BYTES, bundle.FILES_LIMIT, bundle.check_name)


class BundleFile:
    """Its steps in their order, each of which stands on those before; then what is in it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.entries: dict[str, PackedFile] = {}
        self.digests: dict[str, Digest] = {}

    def container(self) -> Found:
        found = read_packed(self._file, _BOUNDS)
        self.entries = {one.name: one for one in found}
        names = list(self.entries)
        if not names or names[0] != bundle.MIMETYPE:
            raise WireError("its first entry is not mimetype")
        if self.small(bundle.MIMETYPE, 100) != bundle.MIMETYPE_CONTENT:
            raise WireError(f"its mimetype is not {bundle.MIMETYPE_CONTENT.decode()}")
        for name in (bundle.ENVELOPE, bundle.SEAL, bundle.EXPORT, bundle.MANIFEST):
            if name not in self.entries:
                raise SignatureError(Fault.MISSING_FILE, f"it holds no {name}")
        if names[-1] != bundle.EXPORT:
            raise WireError(f"its last entry is not {bundle.EXPORT}")
        return Found(f"an ASiC-E container of {len(names)} files, stored end to end")

    def contents(self) -> Found:
        self.digests = {
            name: digest_in(self._file, entry)
            for name, entry in self.entries.items()
            if name != bundle.EXPORT
        }
        for name, digest in self.digests.items():
            if name.startswith(bundle.NAMED_BY_DIGEST) and digest not in name:
                raise SignatureError(Fault.DIGEST_MISMATCH, f"{name} is not what its name says")
        return Found(f"{len(self.digests)} files read, each as its checksum says")

    def manifest(self) -> Found:
        names = [name for name in self.entries if name != bundle.EXPORT]
        if self.small(bundle.MANIFEST) != bundle.write_manifest(names):
            raise WireError("the manifest does not name exactly the files that are there")
        for _, signature in bundle.receipts_among(names):
            if signature not in self.entries:
                raise SignatureError(Fault.MISSING_FILE, f"it holds no {signature}")
        return Found("names the files that are there, and no other")

    def exported(self, trust: TrustStore) -> ProvenBundle:
        """By whose signature all other files belong together."""
        content = self.small(bundle.EXPORT)
        files = [CoveredFile(name, digest) for name, digest in self.digests.items()]
        return verify_bundle(bundle.unwrapped(content, bundle.EXPORT), files, trust)

    @property
    def members(self) -> Members:
        return Members(self.entries, self.digests, self.small)

    def small(self, name: str, limit_bytes: int = SMALL_BYTES) -> bytes:
        return content_of(self._file, self.entries[name], limit_bytes)

    def chunks(self, name: str) -> Iterator[bytes]:
        return contents(self._file, self.entries[name])
