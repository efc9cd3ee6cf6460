"""Whom a certificate names, and when its holder signed: told from the words that are met."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from asn1crypto import x509

from relay.judgement import Flaw, SignerKind
from relay.signing.others.signers import signer_of
from relay.signing.others.times import VIETNAM, signing_time
from tests.signing.others.papers import AT, issue, name


@pytest.mark.parametrize(
    ("texts", "kind", "organisation", "person"),
    [
        (
            {"cn": "Ủy ban nhân dân tỉnh Mẫu", "o": "Ủy ban nhân dân tỉnh Mẫu"},
            SignerKind.ORGANISATION,
            "Ủy ban nhân dân tỉnh Mẫu",
            "",
        ),
        ({"cn": "Sở Mẫu", "o": "UBND tỉnh Mẫu"}, SignerKind.ORGANISATION, "Sở Mẫu", ""),
        ({"cn": "SỞ MẪU", "o": "UBND tỉnh Mẫu"}, SignerKind.ORGANISATION, "SỞ MẪU", ""),
        (
            {"cn": "Đơn vị X", "o": "UBND tỉnh Mẫu", "uid": "MST:0100000000"},
            SignerKind.ORGANISATION,
            "Đơn vị X",
            "",
        ),
        (
            {"cn": "Nguyễn Văn Mẫu", "ou": "Phòng Mẫu", "o": "Sở Mẫu"},
            SignerKind.PERSON,
            "Sở Mẫu",
            "Nguyễn Văn Mẫu",
        ),
        (
            {"cn": "Đoàn Minh Mẫu", "o": "Sở Mẫu"},
            SignerKind.PERSON,
            "Sở Mẫu",
            "Đoàn Minh Mẫu",
        ),
        ({"cn": "Vụ Thị Mẫu", "o": "Sở Mẫu"}, SignerKind.PERSON, "Sở Mẫu", "Vụ Thị Mẫu"),
        (
            {"cn": "Bộ Thị Mẫu", "o": "Sở Mẫu", "uid": "CCCD:000000000000"},
            SignerKind.PERSON,
            "Sở Mẫu",
            "Bộ Thị Mẫu",
        ),
        (
            {"cn": "Trần Thị Mẫu", "title": "Giám đốc"},
            SignerKind.PERSON,
            "",
            "Trần Thị Mẫu",
        ),
        ({"cn": "Lê Mẫu"}, SignerKind.UNKNOWN, "", ""),
        ({"o": "Sở Mẫu"}, SignerKind.ORGANISATION, "Sở Mẫu", ""),
    ],
)
def test_organisation_and_person_are_told_apart(
    texts: dict[str, str], kind: SignerKind, organisation: str, person: str
) -> None:
    signer = signer_of(x509.Certificate.load(issue(name(**texts), None).der))
    assert (signer.kind, signer.organisation, signer.person) == (kind, organisation, person)


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("claimed", "stamped", "known", "written", "signed_at", "flaws"),
    [
        (AT, None, AT + HOUR, None, AT, {Flaw.NO_TIMESTAMP}),
        (AT, AT, AT + HOUR, None, AT, set()),
        (AT + VIETNAM, AT, AT + 99 * HOUR, None, AT, {Flaw.LOCAL_TIME}),
        (AT + VIETNAM, None, AT + HOUR, None, AT, {Flaw.LOCAL_TIME, Flaw.NO_TIMESTAMP}),
        # Long afterwards only the PDF's own date, which has its zone, can tell.
        (AT + VIETNAM, None, AT + 99 * HOUR, AT, AT, {Flaw.LOCAL_TIME, Flaw.NO_TIMESTAMP}),
        (AT + VIETNAM, None, AT + 99 * HOUR, None, AT + VIETNAM, {Flaw.NO_TIMESTAMP}),
        (AT + 9 * HOUR, None, AT, None, AT + 9 * HOUR, {Flaw.NO_TIMESTAMP, Flaw.FROM_THE_FUTURE}),
        (None, None, AT, None, None, {Flaw.NO_TIMESTAMP}),
        (None, AT, AT, None, AT, set()),
    ],
)
def test_when_it_was_signed(
    claimed: datetime | None,
    stamped: datetime | None,
    known: datetime,
    written: datetime | None,
    signed_at: datetime | None,
    flaws: set[Flaw],
) -> None:
    found = signing_time(claimed, stamped, known, written)
    assert (found.signed_at, set(found.flaws)) == (signed_at, flaws)


def test_the_zone_of_a_claim_is_heeded() -> None:
    local = AT.astimezone(timezone(VIETNAM))
    assert signing_time(local, None, AT + HOUR).flaws == (Flaw.NO_TIMESTAMP,)
