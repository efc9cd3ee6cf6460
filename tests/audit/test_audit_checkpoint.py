"""Signed heads: C2SP notes and checkpoints, against notes that others published."""

from __future__ import annotations

import base64

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import example, given
from hypothesis import strategies as st

from relay.audit.checkpoint import (
    NOTE_LIMIT_BYTES,
    Checkpoint,
    note_body,
    origin_of,
    parse_vkey,
    sign_note,
    verify_note,
    vkey,
)
from relay.errors import AuditError
from relay.model import NodeId

# A head that Sigstore's staging log (Rekor v2) published, with the key from its trust root.
REKOR = "log2025-alpha1.rekor.sigstage.dev"
REKOR_KEY = base64.b64decode("Pn+AREHoBaZ7wgS1zBqpxmLSGnyhxXj4lFxSdWVB8o8=")
REKOR_ROOT = "rs1YPY0ydAV0lxgfrq5pE4oRpUJwo3syeps5+eGUTDI="
REKOR_NOTE = (
    f"{REKOR}\n736\n{REKOR_ROOT}\n\n— {REKOR} "
    "8w1amdbj1mjNN674dHAkD92+QZoEgBC7o0mXYSTRluDjQrOPjrps3zQB9ut+ShLepyZPsWBDi5IB3yXyjgjQT6OG9A8=\n"
).encode()

# Verifier keys of the note format's published examples.
EXAMPLE_VKEYS = [
    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
]

ORIGIN = origin_of(NodeId("tinh-h01"))
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PRIVATE.public_key().public_bytes_raw()
VERIFY = PRIVATE.public_key().verify
ROOT = bytes(range(100, 132))
NOTE = sign_note(note_body(ORIGIN, 5, ROOT), ORIGIN, PUBLIC, PRIVATE.sign)


def signed(body: str) -> bytes:
    """A note by the right key over any text at all."""
    return sign_note(body.encode(), ORIGIN, PUBLIC, PRIVATE.sign)


def test_a_published_head_of_another_log_verifies() -> None:
    """Key id, note format and signature agree with a log that is not ours."""
    verify = Ed25519PublicKey.from_public_bytes(REKOR_KEY).verify

    assert verify_note(REKOR_NOTE, REKOR, REKOR_KEY, verify) == Checkpoint(
        REKOR, 736, base64.b64decode(REKOR_ROOT)
    )
    with pytest.raises(AuditError, match="does not hold"):
        verify_note(REKOR_NOTE.replace(b"\n736\n", b"\n737\n"), REKOR, REKOR_KEY, verify)


@pytest.mark.parametrize("text", EXAMPLE_VKEYS)
def test_published_verifier_keys_are_read_and_written_alike(text: str) -> None:
    """name+id+key, the id being computed from the other two."""
    assert vkey(*parse_vkey(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a+b",
        EXAMPLE_VKEYS[0].replace("c74f", "c74e"),
        EXAMPLE_VKEYS[0].replace("Peter", "Paul"),
        EXAMPLE_VKEYS[0].replace("+ARpc", "+BBpc"),
        EXAMPLE_VKEYS[0][:-4],
        EXAMPLE_VKEYS[0] + "=",
        EXAMPLE_VKEYS[0] + "é",
    ],
)
def test_damaged_verifier_keys_are_refused(text: str) -> None:
    """A slip in copying is noticed before it says that a log is forged."""
    with pytest.raises(AuditError, match="verifier key"):
        parse_vkey(text)


def test_a_head_has_this_exact_form() -> None:
    """Three lines, an empty one, the signature line; Ed25519 is deterministic, so byte for byte."""
    text = NOTE.decode()

    assert text.startswith(
        "truc-relay.example/log/tinh-h01\n5\nZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoM=\n"
        "\n— truc-relay.example/log/tinh-h01 "
    )
    assert text.endswith("=\n")
    assert text.count("\n") == 5
    assert verify_note(NOTE, ORIGIN, PUBLIC, VERIFY) == Checkpoint(ORIGIN, 5, ROOT)


@given(st.integers(0, 8 * len(NOTE) - 1))
def test_any_flipped_bit_is_refused(bit: int) -> None:
    """In the text, the key id or the signature: every bit of a note is bound."""
    changed = bytearray(NOTE)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(AuditError):
        verify_note(bytes(changed), ORIGIN, PUBLIC, VERIFY)


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
@example(b"\n\n\n\n")
@example("a\n\n— \n".encode())
def test_any_bytes_are_refused_with_an_audit_error(note: bytes) -> None:
    """Nobody without the key makes a head, and no other exception leaks."""
    with pytest.raises(AuditError):
        verify_note(note, ORIGIN, PUBLIC, VERIFY)


@pytest.mark.parametrize(
    "body",
    [
        f"{ORIGIN}\n5\n",
        f"{ORIGIN}\n05\n{REKOR_ROOT}\n",
        f"{ORIGIN}\n-5\n{REKOR_ROOT}\n",
        f"{ORIGIN}\n+5\n{REKOR_ROOT}\n",
        f"{ORIGIN}\n٥\n{REKOR_ROOT}\n",
        f"{ORIGIN}\n9223372036854775808\n{REKOR_ROOT}\n",
        f"{ORIGIN}\n{'9' * 5000}\n{REKOR_ROOT}\n",
        f"{ORIGIN}\n5\n{REKOR_ROOT[:-4]}\n",
        f"{ORIGIN}\n5\n{REKOR_ROOT[:-2]}J=\n",
        f"{ORIGIN}\n5\n{REKOR_ROOT[:-1]}\n",
        f"{ORIGIN}\n5\n{REKOR_ROOT}\n\nx\n",
        f"{ORIGIN}-2\n5\n{REKOR_ROOT}\n",
        f"{ORIGIN}\n5\n{REKOR_ROOT}\r\n",
    ],
)
def test_even_the_right_key_cannot_sign_a_malformed_head(body: str) -> None:
    """The form is checked after the signature, and there is one way to write each number."""
    with pytest.raises(AuditError):
        verify_note(signed(body), ORIGIN, PUBLIC, VERIFY)


def test_lines_after_the_third_are_passed_over() -> None:
    """The format allows extensions; a later release may sign some."""
    note = signed(f"{ORIGIN}\n5\n{REKOR_ROOT}\nextension\n")

    assert verify_note(note, ORIGIN, PUBLIC, VERIFY).size == 5


def test_other_signatures_beside_ours_change_nothing() -> None:
    """Witnesses add lines; a line under our name with another key id is another key."""
    other = Ed25519PrivateKey.from_private_bytes(b"\7" * 32)
    other_key = other.public_key().public_bytes_raw()
    body = note_body(ORIGIN, 5, ROOT)
    line = sign_note(body, "witness.example/w1", other_key, other.sign)[len(body) + 1 :]
    same_name = sign_note(body, ORIGIN, other_key, other.sign)[len(body) + 1 :]

    assert verify_note(NOTE + line + same_name, ORIGIN, PUBLIC, VERIFY).size == 5
    with pytest.raises(AuditError, match="not signed by"):
        verify_note(body + b"\n" + line + same_name, ORIGIN, PUBLIC, VERIFY)


def test_one_bad_signature_by_our_key_refuses_the_note() -> None:
    """A good line beside it does not help."""
    body = note_body(ORIGIN, 5, ROOT)
    bad = sign_note(body, ORIGIN, PUBLIC, lambda _: b"\0" * 64)[len(body) + 1 :]
    with pytest.raises(AuditError, match="does not hold"):
        verify_note(NOTE + bad, ORIGIN, PUBLIC, VERIFY)


def test_a_note_is_bounded() -> None:
    """Size and number of signatures are refused before any signature is checked."""
    line = NOTE[NOTE.index("\n—".encode()) + 1 :]

    def never(_signature: bytes, _message: bytes) -> None:
        raise AssertionError

    for note in (NOTE + line * 64, NOTE + b"x" * NOTE_LIMIT_BYTES):
        with pytest.raises(AuditError, match="limit"):
            verify_note(note, ORIGIN, PUBLIC, never)


def test_whatever_the_callable_raises_means_no() -> None:
    """The cause is kept for whoever looks closer."""
    with pytest.raises(AuditError) as refused:
        verify_note(NOTE.replace(b"\n5\n", b"\n6\n"), ORIGIN, PUBLIC, VERIFY)

    assert isinstance(refused.value.__cause__, InvalidSignature)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\N{NO-BREAK SPACE}b"])
def test_a_name_no_reader_would_accept_is_a_bug_of_ours(name: str) -> None:
    """It is found when signing, not by the first inspector."""
    with pytest.raises(ValueError, match="cannot name"):
        note_body(name, 5, ROOT)
