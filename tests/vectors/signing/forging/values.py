"""Signature values in other forms, and forged ones: ECDSA's two numbers, RSA's padding, base64.

Everything else of these seals is right, and the forms are made with the key itself: what is refused is
the form alone.

Touches: nothing. Trusts: nothing. Raises: nothing.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from relay.signing.shape import read_parts
from tests.vectors.signing.forging.keys import AT, ORDER, certificate, derived_rsa, signer
from tests.vectors.signing.forging.originals import (
    ISSUING,
    NODE_SIGN,
    RSA,
    RSA_KEY,
    cut,
    seal,
    signed,
)
from tests.vectors.signing.forging.vector import Vector, Vectors

# One line a vector, as a table is read.
# fmt: off

GOOD, GOOD_RSA = seal(), seal(RSA)
R = int.from_bytes(base64.b64decode(read_parts(GOOD).value)[:32], "big")
S = int.from_bytes(base64.b64decode(read_parts(GOOD).value)[32:], "big")
FIELD = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
MODULUS = RSA_KEY.public_key().public_numbers().n
SIZE = 256
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


def with_value(signature: bytes, text: str) -> bytes:
    head, _, tail = cut(signature.decode(), "<ds:SignatureValue>", "</ds:SignatureValue>")
    return f"{head}{text}{tail}".encode()


def _raw(r: int, s: int, size: int = 32) -> bytes:
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def high_s() -> bytes:
    """The second of the two values that every ECDSA signature has: it is accepted.

    Tokens make either; XML-DSig asks for none. So the bytes of a signature name nothing; what is
    named is the digest of the document.
    """
    return with_value(GOOD, base64.b64encode(_raw(R, ORDER - S)).decode())


def values() -> Vectors:
    yield from _ecdsa()
    yield from _rsa()
    yield from _base64()


def _ecdsa() -> Vectors:
    def value(case: str, what: str, content: bytes) -> Vector:
        signature = with_value(GOOD, base64.b64encode(content).decode())
        return Vector("bad-signature", case, "seal", what, signature)

    good = _raw(R, S)
    yield value("der", "r and s in DER, as X.509 writes them", encode_dss_signature(R, S))
    yield value("r-zero", "r is 0", _raw(0, S))
    yield value("s-zero", "s is 0", _raw(R, 0))
    yield value("zero", "both are 0: it held for some verifiers", _raw(0, 0))
    yield value("r-is-the-order", "r is the order of the curve", _raw(ORDER, S))
    yield value("s-is-the-order", "s is the order of the curve", _raw(R, ORDER))
    yield value("order-and-order", "both are the order", _raw(ORDER, ORDER))
    yield value("r-is-the-field", "r is the prime of the field", _raw(FIELD, S))
    yield value("all-ones", "both are the largest number of 32 bytes", b"\xff" * 64)
    yield value("one-and-one", "both are 1", _raw(1, 1))
    yield value("negative-r", "r negated", _raw(ORDER - R, S))
    yield Vector("bad-signature", "leading-zero-left-out", "seal", "63 bytes: the zero that s begins with is left out", _without_zero())
    yield value("swapped", "s before r", _raw(S, R))
    yield value("short", "63 bytes", good[:-1])
    yield value("long", "65 bytes", good + b"\0")
    yield value("leading-zeros", "66 bytes, each number with a zero before it", _raw(R, S, 33))
    yield value("twice", "128 bytes, the value twice", good * 2)
    yield value("only-r", "32 bytes", good[:32])
    other = base64.b64decode(read_parts(signed("receipt")).value)
    yield value("of-a-receipt", "the value of another document", other)


def _without_zero() -> bytes:
    """Of the first second in which s begins with a zero: one number, written shorter."""
    for second in range(10_000):
        made = signed("seal", at=AT + timedelta(seconds=second))
        value = base64.b64decode(read_parts(made).value)
        if value[32] == 0:
            return with_value(made, base64.b64encode(value[:32] + value[33:]).decode())
    raise AssertionError("no such second")


def _rsa() -> Vectors:
    digest = hashlib.sha256(read_parts(GOOD_RSA).signed_info()).digest()
    info = DIGEST_INFO + digest
    no_null = bytes.fromhex("302f300b0609608648016503040201") + b"\x04\x20" + digest
    long_form = bytes.fromhex("308131300d060960864801650304020105000420") + digest
    sha1 = bytes.fromhex("3021300906052b0e03021a05000414")

    def padded(tail: bytes, head: bytes = b"\0\1", filling: bytes = b"\xff") -> bytes:
        room = SIZE - len(head) - 1 - len(tail)
        return head + filling * room + b"\0" + tail

    def value(case: str, what: str, block: bytes) -> Vector:
        number = pow(
            int.from_bytes(block, "big"), RSA_KEY.private_numbers().d, MODULUS
        )
        return _of(case, what, number.to_bytes(SIZE, "big"))

    def _of(case: str, what: str, content: bytes) -> Vector:
        signature = with_value(GOOD_RSA, base64.b64encode(content).decode())
        return Vector("bad-signature", case, "seal", what, signature, control="rsa.seal")

    yield value("rsa-garbage-behind", "a short padding and garbage behind the digest", b"\0\1" + b"\xff" * 8 + b"\0" + info + bytes(SIZE - 11 - len(info)))
    yield value("rsa-garbage-in-parameters", "garbage in the parameters of the hash", padded(bytes.fromhex("3041301d0609608648016503040201") + b"\x04\x10" + bytes(16) + b"\x04\x20" + digest))
    yield value("rsa-no-parameters", "the hash without its NULL", padded(no_null))
    yield value("rsa-long-form", "a length in the long form, which is no DER", padded(long_form))
    yield value("rsa-no-digest-info", "the digest alone", padded(digest))
    yield value("rsa-sha1-inside", "the digest of SHA-1 under the method of SHA-256", padded(sha1 + hashlib.sha1(read_parts(GOOD_RSA).signed_info()).digest()))
    yield value("rsa-digest-cut", "31 bytes of the digest", padded(info[:-1]))
    yield value("rsa-byte-behind", "one byte behind the digest", padded(info + b"\0"))
    yield value("rsa-block-type-2", "padded as for encryption", padded(info, head=b"\0\2"))
    yield value("rsa-block-type-0", "padded with zeros", padded(info, head=b"\0\0", filling=b"\0"))
    yield value("rsa-no-padding", "the digest's number and no padding", info.rjust(SIZE, b"\0"))
    yield value("rsa-hole-in-the-padding", "one byte of the padding is no FF", padded(info).replace(b"\xff" * 9, b"\xff" * 8 + b"\xfe", 1))
    good = base64.b64decode(read_parts(GOOD_RSA).value)
    number = int.from_bytes(good, "big")
    yield _of("rsa-zero-before", "a zero byte before the value", b"\0" + good)
    yield _of("rsa-zero-behind", "a zero byte behind the value", good + b"\0")
    yield _of("rsa-short", "255 bytes", good[1:])
    yield _of("rsa-zero", "the value 0", bytes(SIZE))
    yield _of("rsa-one", "the value 1", bytes(SIZE - 1) + b"\1")
    yield _of("rsa-plus-modulus", "the modulus added", (number + MODULUS).to_bytes(SIZE + 1, "big"))
    yield _of("rsa-modulus", "the modulus itself", MODULUS.to_bytes(SIZE, "big"))
    yield _of("rsa-less-one", "the modulus less one, which is its own inverse", (MODULUS - 1).to_bytes(SIZE, "big"))
    yield from _weak_exponents()


def _weak_exponents() -> Vectors:
    """The forgery of Bleichenbacher needs a small exponent; such a key is refused before its value."""
    key = derived_rsa("exponent 3", exponent=3)
    der = certificate("exponent 3", "Issuing", [NODE_SIGN], key=key)
    by = signer(der, ISSUING, key=key)
    yield Vector("weak-key", "exponent-3", "seal", "a good signature by an RSA key of exponent 3", signed("seal", by), control="rsa.seal")
    digest = hashlib.sha256(read_parts(signed("seal", by)).signed_info()).digest()
    prefix = b"\0\1" + b"\xff" * 8 + b"\0" + DIGEST_INFO + digest
    root = _cube_root(int.from_bytes(prefix.ljust(SIZE, b"\xff"), "big"))
    forged = base64.b64encode(root.to_bytes(SIZE, "big")).decode()
    yield Vector("weak-key", "bleichenbacher", "seal", "a cube root, made without the key", with_value(signed("seal", by), forged), control="rsa.seal")


def _cube_root(number: int) -> int:
    """The largest whole number whose cube is at most that."""
    low, high = 0, 1 << (number.bit_length() // 3 + 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**3 <= number else (low, middle - 1)
    return low


def _base64() -> Vectors:
    text = read_parts(GOOD).value

    def value(case: str, what: str, changed: str, fault: str = "malformed") -> Vector:
        return Vector(fault, case, "seal", what, with_value(GOOD, changed))

    loose = "B" if text[-3] == "A" else chr(ord(text[-3]) + 1)
    yield value("base64-digits", "a digit behind the padding", f"{text[:-3]}=A=")
    yield value("base64-loose-bits", "bits that decode to nothing", f"{text[:-3]}{loose}==")
    yield value("base64-no-padding", "no padding", text.rstrip("="))
    yield value("base64-more-padding", "padding more than there is to pad", text + "====")
    yield value("base64-url", "the letters of URLs", "-_" + text[2:], "shape")
    yield value("base64-line-separator", "a line separator of Unicode", f"{text[:8]}\u2028{text[8:]}")
    yield value("base64-full-width", "a digit of full width", f"\uff21{text[1:]}")
    yield value("base64-two-values", "two values behind each other", text + text)
