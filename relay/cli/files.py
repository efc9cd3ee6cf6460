"""Small files that a command is given: read within a bound, and named where they are not what they are taken for.

Touches: the files named. Raises: CommandError, OSError.
"""

from __future__ import annotations

from pathlib import Path

from relay.cli.outcome import DATA, CommandError
from relay.errors import SignatureError

CERTIFICATES_BYTES = 1 << 20
STATEMENT_BYTES = 16 << 20


def small_file(path: Path, limit_bytes: int) -> bytes:
    """Whole, however long it says it is: a device has no size, and no end."""
    with path.open("rb") as file:
        content = file.read(limit_bytes + 1)
    if len(content) > limit_bytes:
        raise CommandError(f"{path} is over {limit_bytes >> 10} KiB", DATA)
    return content


def certificates_in(path: Path) -> list[bytes]:
    """As DER, of PEM or DER; each one that can be read."""
    from relay.signing.tls import is_certificate  # noqa: PLC0415 - brings in cryptography
    from relay.signing.trust import certificates_of  # noqa: PLC0415

    try:
        found = certificates_of(small_file(path, CERTIFICATES_BYTES))
    except SignatureError as error:
        raise CommandError(f"{path}: {error}", DATA) from None
    if not all(map(is_certificate, found)):
        raise CommandError(f"{path} holds no certificate", DATA, "PEM, or one as DER")
    return found


def statement_in(path: Path) -> bytes:
    """A CRL or an OCSP response, whoever's: what is neither would say nothing, and nobody would notice."""
    from relay.signing.revocation.asof import is_statement  # noqa: PLC0415

    content = small_file(path, STATEMENT_BYTES)
    if not is_statement(content):
        raise CommandError(f"{path} is neither a CRL nor an OCSP response (DER)", DATA)
    return content


def crl_in(path: Path) -> bytes:
    """As it is, DER or PEM."""
    from relay.signing.revocation.crl import is_crl  # noqa: PLC0415

    content = small_file(path, STATEMENT_BYTES)
    if not is_crl(content):
        raise CommandError(f"{path} is no CRL", DATA, "DER or PEM")
    return content
