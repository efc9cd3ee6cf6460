"""A run as one signed container: the page, the same as JSON and JUnit XML, and the bytes of what did not hold.

An ASiC-E container in the form of W14, signed by the runner as whoever exports one (W14.4): other people's
software can check it, and `relay conformance --check` does.

Touches: nothing.
Raises:  WireError, SignatureError for a container that does not hold.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from relay.errors import WireError
from relay.model import NodeId, digest_of
from relay.signing.bundle_shape import CoveredFile
from relay.signing.bundles import sign_bundle, verify_bundle
from relay.signing.keys import Signer
from relay.signing.trust import TrustStore
from relay.wire import bundle
from relay.wire.archive import Archive

PAGE, DOCUMENT, JUNIT = "report.html", "report.json", "junit.xml"
SIGNATURE = bundle.SEAL
LIMIT_BYTES = 512 << 20
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    ValueError,  # an offset before the file's beginning, a name that is no text
    OSError,
    OverflowError,
)
"""What the library says of bytes that are no container."""


@dataclass(frozen=True, slots=True)
class Filed:
    """Made only by `proven`: this runner signed exactly these files."""

    runner: NodeId
    signed_at: datetime
    files: Mapping[str, bytes]


def written(files: Mapping[str, bytes], signer: Signer, at: datetime) -> bytes:
    """The container of these, by their names."""
    content = {bundle.MIMETYPE: bundle.MIMETYPE_CONTENT}
    content |= {bundle.check_name(name): files[name] for name in sorted(files)}
    content |= {f"certificates/{digest_of(one)}.cer": one for one in signer.chain}
    content[bundle.MANIFEST] = bundle.write_manifest(content)
    covered = [CoveredFile(name, digest_of(one)) for name, one in content.items()]
    content[SIGNATURE] = bundle.wrapped(sign_bundle(covered, signer, at))
    archive = Archive()
    return b"".join(archive.entry(*one) for one in content.items()) + archive.ending()


def proven(container: bytes, trust: TrustStore) -> Filed:
    """What was filed, once its runner's signature is proven over every file of it, and its form to the byte."""
    if len(container) > LIMIT_BYTES:
        raise WireError(f"{len(container)} bytes, limit {LIMIT_BYTES}")
    content = _entries(container)
    signature = bundle.unwrapped(content.pop(SIGNATURE, b""), SIGNATURE)
    covered = [CoveredFile(name, digest_of(one)) for name, one in content.items()]
    found = verify_bundle(signature, covered, trust)
    archive = Archive()
    content[SIGNATURE] = bundle.wrapped(signature)
    again = b"".join(archive.entry(*one) for one in content.items()) + archive.ending()
    if again != container:
        raise WireError(
            "the container is not in its one form: something lies beside what is signed"
        )
    return Filed(found.node, found.signed_at, content)


def _entries(container: bytes) -> dict[str, bytes]:
    """Each file, read by a library; that nothing else is there, the comparison to the byte says."""
    try:
        with zipfile.ZipFile(io.BytesIO(container)) as opened:
            heads = opened.infolist()
            if sum(one.file_size for one in heads) > len(container):
                raise WireError("the entries are larger than their container")
            found = {bundle.check_name(one.filename): opened.read(one) for one in heads}
    except _BROKEN as error:
        raise WireError(f"no container: {error}") from None
    if len(found) != len(heads):
        raise WireError("a name stands there twice")
    return found
