"""What a hostile signature may cost: less than an honest one that does not hold."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import pytest

from relay.errors import SignatureError
from relay.model import digest_of
from relay.signing.seal import verify_seal

OPEN = b'<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#">'
CLOSE = b"</ds:Signature>"
NESTED = 250
HOSTILE = {
    "many elements": OPEN + b"<a/>" * 16_000 + CLOSE,
    "many attributes": OPEN[:-1] + b"".join(b' a%d="x"' % i for i in range(6_000)) + b">" + CLOSE,
    "nested namespaces": OPEN
    + b"".join(
        b"<a%d%s>" % (i, b"".join(b' xmlns:p%d_%d="u:x"' % (i, j) for j in range(10)))
        for i in range(NESTED)
    )
    + b"".join(b"</a%d>" % i for i in reversed(range(NESTED)))
    + CLOSE,
    "deep": OPEN + b"<a>" * 20_000,
    "long base64": OPEN + b"A" * 65_000 + CLOSE,
    "nearly the shape": OPEN.replace(b">", b' Id="signature">') + b"<ds:SignedInfo>" * 4_000,
}


@pytest.mark.parametrize("signature", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_markup_is_refused_at_little_cost(
    pki: Any, now: datetime, signature: bytes
) -> None:
    """Nested namespaces once took two seconds to canonicalise; fifty milliseconds is generous."""
    started = time.process_time()

    with pytest.raises(SignatureError) as caught:
        verify_seal(signature, digest_of(b"x"), pki.trust, now)

    assert time.process_time() - started < 0.05
    assert caught.value.reason in {"shape", "malformed", "many-signatures", "references"}
