"""Whatever is changed in a signed file, the judges answer, and VALID only for what was signed."""

from __future__ import annotations

import random
import re

import pytest

from relay.judgement import Verdict
from tests.signing.others.conftest import Judge
from tests.signing.others.papers import Hierarchy, envelope, pdf, sign_pdf, sign_xml

TIMES = 150


def mutated(content: bytes, chance: random.Random) -> bytes:
    """A few bytes replaced, flipped, cut out or copied elsewhere."""
    found = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 8))):
        kind, at = chance.random(), chance.randrange(len(found))
        if kind < 0.5:
            found[at] = chance.randrange(256)
        elif kind < 0.7:
            found[at] ^= 1 << chance.randrange(8)
        elif kind < 0.85:
            del found[at : at + chance.randrange(1, 40)]
        else:
            source = chance.randrange(len(found))
            found[at:at] = found[source : source + chance.randrange(1, 60)]
    return bytes(found)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_pdf_with_any_byte_changed_is_never_valid(
    judge: Judge, hall: Hierarchy, seed: int
) -> None:
    """Outside the value itself, which holds what nobody signs: certificates, a timestamp, letters' case."""
    signed = sign_pdf(pdf(), hall.organisation, stamped_by=hall.stamper)
    assert judge(signed).verdict is Verdict.VALID

    def without(content: bytes) -> bytes:
        return re.sub(rb"/Contents <[0-9A-Fa-f]*>", b"", content)

    chance = random.Random(seed)
    for _ in range(TIMES):
        other = mutated(signed, chance)
        if judge(other).verdict is Verdict.VALID:
            assert without(other) == without(signed)


def test_padding_after_the_signature_s_value_holds_nothing(judge: Judge, hall: Hierarchy) -> None:
    signed = sign_pdf(pdf(), hall.organisation)
    at = signed.rindex(b"00000000000000>")
    assert judge(signed[:at] + b"1" + signed[at + 1 :]).verdict is Verdict.INVALID


@pytest.mark.parametrize("seed", [1, 2])
def test_a_document_with_any_byte_changed_outside_its_signature_is_never_valid(
    judge: Judge, hall: Hierarchy, seed: int
) -> None:
    signed = sign_xml(envelope(), hall.organisation)
    assert judge(signed, envelope=True).verdict is Verdict.VALID

    def without(content: bytes) -> bytes:
        return re.sub(rb"<ds:Signature .*</ds:Signature>", b"", content, flags=re.DOTALL)

    chance = random.Random(seed)
    for _ in range(TIMES):
        other = mutated(signed, chance)
        if judge(other, envelope=True).verdict is Verdict.VALID:
            assert without(other) == without(signed)


def test_an_instruction_beside_the_root_is_not_passed_over(judge: Judge, hall: Hierarchy) -> None:
    signed = sign_xml(envelope(), hall.organisation)
    at = signed.index(b"<edXML")
    other = signed[:at] + b"<?xml-stylesheet href='x.xsl'?>" + signed[at:]
    assert judge(other, envelope=True).verdict is Verdict.UNKNOWN
