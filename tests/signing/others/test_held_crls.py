"""What a node fetched to check its own peers also tells whether officials' certificates were revoked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from relay.judgement import Flaw, Verdict
from relay.node.judging import CrlFiles, CurrentTerms, JoinedCrls, crls_of
from relay.settings.signatures import SignaturesSection
from relay.signing.revocation.aims import Plan
from relay.signing.revocation.checking import RevocationCheck
from relay.signing.revocation.held import HeldStatements
from relay.signing.revocation.verdicts import Freshness
from relay.signing.trust import TrustStore
from tests.signing.others.papers import AT, Hierarchy, pdf, sign_pdf

LATER = AT + timedelta(minutes=10)
Judge = Callable[..., Any]


@pytest.fixture
def held() -> HeldStatements:
    return HeldStatements(Plan(lambda _: False, Freshness(), timedelta(hours=1), lambda: 0.5))


def _fetch(held: HeldStatements, hall: Hierarchy, *crls: bytes) -> None:
    """As for a seal whose certificate the same authority issued."""
    way = (hall.person.certificate, hall.issuing.certificate, hall.root.certificate)
    for one in crls:
        held.take_about(way, one, LATER + timedelta(hours=1))


def _terms(held: HeldStatements, hall: Hierarchy) -> CurrentTerms:
    """As a node makes them that names no files and checks revocation."""
    trust = TrustStore([hall.root.der], [hall.issuing.der])
    check = RevocationCheck(held, {}, lambda: LATER)
    return CurrentTerms(trust, SignaturesSection(), crls_of(SignaturesSection(), check))


def test_a_signature_is_judged_by_what_the_node_holds(
    judge: Judge, hall: Hierarchy, held: HeldStatements
) -> None:
    """UNKNOWN before, VALID with it, INVALID once the newer list has the certificate."""
    terms, signed = _terms(held, hall), sign_pdf(pdf(), hall.person)

    def verdict() -> Any:
        return judge(signed, terms=terms()).parts[0].signatures[0]

    assert Flaw.REVOCATION_UNKNOWN in verdict().flaws
    _fetch(held, hall, *hall.crls())
    assert verdict().verdict is Verdict.VALID
    _fetch(held, hall, *hall.crls(hall.person, at=LATER))
    assert verdict().verdict is Verdict.INVALID
    assert Flaw.REVOKED in verdict().flaws


def test_the_terms_stay_the_same_object_while_no_list_is_newer(
    hall: Hierarchy, held: HeldStatements
) -> None:
    """Another object would cost a new worker; a list that came again is none."""
    terms = _terms(held, hall)
    first = hall.crls()
    _fetch(held, hall, *first)
    before = terms()

    held.generation += 1  # as by an OCSP response
    _fetch(held, hall, *first)
    assert terms() is before

    _fetch(held, hall, *hall.crls(at=LATER))
    assert terms() is not before
    assert set(terms().crls).isdisjoint(first)


def test_files_come_first_and_what_has_no_room_is_left_out() -> None:
    """What is in a file as well is there once; the lists held have a bound of their own."""
    small, large = b"s" * 10, b"l" * 101
    held = (b"file", small, large, b"t" * 90)
    joined = JoinedCrls(lambda: files, lambda: held, 100)
    files = (b"file",)

    assert joined() == (b"file", small, b"t" * 90)
    assert joined() is joined()


def test_where_revocation_is_not_checked_the_files_alone_count() -> None:
    assert isinstance(crls_of(SignaturesSection(), None), CrlFiles)
