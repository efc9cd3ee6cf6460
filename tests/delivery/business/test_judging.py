"""Signatures made by others: judged after acceptance where a document enters and ends, or awaited by policy.

The judge is played; what it says of real files is in tests/signing/others.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from relay.audit.entries import AuditEvent
from relay.delivery import judging
from relay.delivery.judging import (
    AT_ONCE,
    MOST_RESTS,
    REST_SECONDS,
    JudgingDesk,
    Policies,
    Policy,
    Treatment,
)
from relay.errors import SignatureError
from relay.journal.judging import FINDING, JudgingTable
from relay.judgement import (
    Cover,
    Flaw,
    Form,
    Judgement,
    Part,
    Signature,
    Signer,
    SignerKind,
    Verdict,
    read_judgement,
    unjudged,
    write_judgement,
)
from relay.model import AgencyCode, Digest, Payload, Reason

AT = datetime(2026, 11, 23, 4, 5, 6, 123000, tzinfo=UTC)
SENDER, RECIPIENT = AgencyCode("H01.16"), AgencyCode("H01")
RECORD, REFUSE = Policy(), Policy(Treatment.REFUSE)


def found(verdict: Verdict | None, *flaws: Flaw) -> Judgement:
    """Of a document with one attached PDF."""
    signer = Signer(
        SignerKind.PERSON, "UBND xã Mẫu", "Nguyễn Văn Mẫu", "CN=Mẫu", "CN=Gốc", Digest("b" * 64)
    )
    signature = Signature(
        Form.PADES,
        verdict or Verdict.UNKNOWN,
        flaws,
        signer,
        "rsa-sha256",
        AT,
        AT,
        stamped=False,
        covers=Cover.WHOLE_FILE,
        field="Sig1",
    )
    signatures = () if verdict is None else (signature,)
    part = Part(0, "cong-van.pdf", "pdf", Digest("a" * 64), verdict, (), signatures)
    return Judgement(AT, verdict, (), (part,))


INVALID = found(Verdict.INVALID, Flaw.CHANGED)
UNKNOWN = found(Verdict.UNKNOWN, Flaw.UNTRUSTED)


@dataclass
class PlayedJudge:
    answer: Judgement
    judged: list[Digest] = field(default_factory=list)
    never: bool = False
    rested: int = 0

    async def judge(self, payload: Payload, known: datetime) -> Judgement:
        self.judged.append(payload.digest)
        if self.never:
            await asyncio.Event().wait()
        return self.answer

    async def rest(self) -> None:
        self.rested += 1


def desk_of(
    post: Any,
    answer: Judgement,
    policy: Policy = RECORD,
    *,
    recipients: Mapping[AgencyCode, Policy] | None = None,
    senders: Mapping[AgencyCode, Policy] | None = None,
    wait: timedelta = timedelta(seconds=5),
    never: bool = False,
) -> JudgingDesk:
    """Given to the post's desks, as a start does."""
    desk = JudgingDesk(
        Policies(policy, senders or {}, recipients or {}),
        JudgingTable(post.journal, post.node),
        PlayedJudge(answer, never=never),
        post.clock,
        wait,
    )
    post.intake = replace(post.intake, judging=desk)
    post.transfers = replace(post.transfers, judging=desk)
    return desk


async def judgement(post: Any, message: Any) -> tuple[Judgement | None, bool]:
    view = await post.journal.message(message)
    return view.judgement, view.judging


async def entries(post: Any) -> list[dict[str, Any]]:
    return [e for e in await post.events() if e["event"] == AuditEvent.SIGNATURES_JUDGED]


# ---------------------------------------------------------------- in the background


async def test_a_document_is_accepted_as_always_and_judged_afterwards(row: Any) -> None:
    desk = desk_of(row.thon, INVALID)
    accepted = await row.thon.submit(SENDER, row.letter())
    assert await judgement(row.thon, accepted.message_id) == (None, True)

    assert await desk.sweep() == 1
    assert await desk.sweep() == 0
    assert await judgement(row.thon, accepted.message_id) == (INVALID, False)


async def test_what_waits_survives_a_restart(row: Any) -> None:
    desk_of(row.thon, INVALID)
    accepted = await row.thon.submit(SENDER, row.letter())
    again = desk_of(row.thon, INVALID)
    assert await again.sweep() == 1
    assert (await judgement(row.thon, accepted.message_id))[0] == INVALID


async def test_only_where_it_entered_and_where_its_recipient_is_served_is_judged(row: Any) -> None:
    desks = [desk_of(post, INVALID) for post in row.posts]
    accepted = await row.thon.submit(SENDER, row.letter())
    await row.settle_down()
    assert await row.tinh.state(accepted.message_id) == "available"
    assert [await desk.sweep() for desk in desks] == [1, 0, 1]
    assert await judgement(row.xa, accepted.message_id) == (None, False)


async def test_a_status_is_not_judged(row: Any) -> None:
    desk = desk_of(row.tinh, INVALID)
    await row.tinh.submit(RECIPIENT, row.status("01", "x"), SENDER)
    assert await desk.sweep() == 0


async def test_the_log_has_codes_and_digests_and_no_names(row: Any) -> None:
    desk = desk_of(row.thon, INVALID)
    accepted = await row.thon.submit(SENDER, row.letter())
    await desk.sweep()
    (entry,) = await entries(row.thon)
    assert entry["message"] == accepted.message_id
    assert entry["verdict"] == "INVALID"
    assert entry["flaws"] == ["changed-after-signing"]
    assert entry["signatures"] == 1
    assert entry["files"] == ["a" * 64]
    assert "Mẫu" not in json.dumps(entry, ensure_ascii=False)


async def test_of_what_is_not_signed_the_log_says_nothing(row: Any) -> None:
    desk = desk_of(row.thon, found(None))
    accepted = await row.thon.submit(SENDER, row.letter())
    await desk.sweep()
    assert await entries(row.thon) == []
    kept, _ = await judgement(row.thon, accepted.message_id)
    assert kept == found(None)


async def test_what_was_found_is_exported_for_the_evidence_file(row: Any) -> None:
    desk = desk_of(row.thon, INVALID)
    accepted = await row.thon.submit(SENDER, row.letter())
    table = JudgingTable(row.thon.journal, row.thon.node)
    assert await table.export(accepted.message_id) is None
    await desk.sweep()
    exported = json.loads(await table.export(accepted.message_id) or b"")
    assert exported.pop("judged_by") == "thon"
    assert exported.pop("message_id") == accepted.message_id
    assert read_judgement(json.dumps(exported)) == INVALID


async def test_a_warning_stands_among_the_findings(row: Any) -> None:
    desk = desk_of(row.thon, INVALID, senders={SENDER: Policy(Treatment.WARN)})
    accepted = await row.thon.submit(SENDER, row.letter())
    await desk.sweep()
    view = await row.thon.journal.message(accepted.message_id)
    assert [(f.code, f.detail) for f in view.findings] == [
        (FINDING, "signatures INVALID: changed-after-signing")
    ]


async def test_recorded_alone_it_is_no_finding(row: Any) -> None:
    desk = desk_of(row.thon, INVALID)
    accepted = await row.thon.submit(SENDER, row.letter())
    await desk.sweep()
    assert (await row.thon.journal.message(accepted.message_id)).findings == ()


async def test_switched_off_nothing_is_judged_and_nothing_waits(row: Any) -> None:
    desk = desk_of(row.thon, INVALID, Policy(Treatment.OFF))
    accepted = await row.thon.submit(SENDER, row.letter())
    task = asyncio.create_task(desk.run())
    async with asyncio.timeout(10):
        while (await judgement(row.thon, accepted.message_id))[1]:
            await asyncio.sleep(0.005)
    task.cancel()
    assert desk.by.judged == []  # type: ignore[attr-defined]


async def test_for_one_sender_it_can_be_switched_off(row: Any) -> None:
    desk = desk_of(row.thon, INVALID, senders={SENDER: Policy(Treatment.OFF)})
    accepted = await row.thon.submit(SENDER, row.letter())
    assert await desk.sweep() == 1
    assert await judgement(row.thon, accepted.message_id) == (None, False)


async def test_a_long_list_is_judged_to_its_end_without_another_call(row: Any) -> None:
    desk = desk_of(row.thon, INVALID)
    for _ in range(AT_ONCE + 3):
        await row.thon.submit(SENDER, row.letter())
    task = asyncio.create_task(desk.run())
    async with asyncio.timeout(10):
        while len(await entries(row.thon)) < AT_ONCE + 3:
            await asyncio.sleep(0.01)
    task.cancel()


async def test_while_very_many_come_judging_takes_a_turn_only_now_and_then(
    row: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = desk_of(row.thon, INVALID)
    rests: list[float] = []

    async def rest(seconds: float) -> None:
        rests.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", rest)
    await row.thon.submit(SENDER, row.letter())
    desk._since = asyncio.get_running_loop().time() - 1
    await desk.sweep()
    assert rests == []
    await row.thon.submit(SENDER, row.letter())
    desk._since, desk._came = asyncio.get_running_loop().time() - 1, 500
    await desk.sweep()
    assert rests == [REST_SECONDS] * MOST_RESTS
    assert len(await entries(row.thon)) == 2


async def test_after_a_while_without_documents_the_judge_may_rest(
    row: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "LOOK_SECONDS", 0.001)
    desk = desk_of(row.thon, INVALID)
    task = asyncio.create_task(desk.run())
    async with asyncio.timeout(10):
        while not desk.by.rested:  # type: ignore[attr-defined]
            await asyncio.sleep(0.005)
    task.cancel()


async def test_what_left_by_retention_before_its_turn_is_unknown(row: Any) -> None:
    desk = desk_of(row.thon, INVALID)
    accepted = await row.thon.submit(SENDER, row.letter())
    await row.thon.journal.perform(lambda tx: tx.run("DELETE FROM payloads"))
    await desk.sweep()
    kept, _ = await judgement(row.thon, accepted.message_id)
    assert kept is not None
    assert (kept.verdict, kept.flaws) == (Verdict.UNKNOWN, (Flaw.GONE,))


async def test_a_judgement_leaves_with_its_message(row: Any) -> None:
    desk = desk_of(row.thon, INVALID)
    await row.thon.submit(SENDER, row.letter())
    await desk.sweep()
    await row.thon.submit(SENDER, row.letter())
    await row.thon.journal.perform(lambda tx: tx.run("DELETE FROM messages"))
    for table in ("judging", "judged", "judgements"):
        assert await row.thon.journal.rows(f"SELECT * FROM {table}") == []


# ---------------------------------------------------------------- refused by policy


async def test_a_sender_s_invalid_document_is_refused_before_anything_is_stored(row: Any) -> None:
    desk_of(row.thon, INVALID, senders={SENDER: REFUSE})
    with pytest.raises(SignatureError, match="signatures INVALID: changed-after-signing") as caught:
        await row.thon.submit(SENDER, row.letter())
    assert caught.value.reason == "refused-by-policy"
    assert await row.thon.journal.rows("SELECT 1 FROM messages") == []


@pytest.mark.parametrize("refused", [True, False])
async def test_unknown_is_refused_only_where_policy_says_so(row: Any, refused: bool) -> None:
    desk_of(row.thon, UNKNOWN, Policy(Treatment.REFUSE, refuse_unknown=refused))
    if refused:
        with pytest.raises(SignatureError, match="untrusted"):
            await row.thon.submit(SENDER, row.letter())
    else:
        assert await row.thon.submit(SENDER, row.letter())


async def test_a_document_that_nobody_signed_is_not_refused(row: Any) -> None:
    desk_of(row.thon, found(None), Policy(Treatment.REFUSE, refuse_unknown=True))
    assert await row.thon.submit(SENDER, row.letter())


async def test_a_verdict_that_does_not_come_in_time_is_unknown(row: Any) -> None:
    quick = timedelta(milliseconds=20)
    desk_of(row.thon, INVALID, REFUSE, wait=quick, never=True)
    assert await row.thon.submit(SENDER, row.letter())
    desk_of(row.thon, INVALID, Policy(Treatment.REFUSE, True), wait=quick, never=True)
    with pytest.raises(SignatureError, match="timed-out"):
        await row.thon.submit(SENDER, row.letter())


async def test_one_strict_recipient_of_two_is_refused_and_the_other_is_served(row: Any) -> None:
    desk = desk_of(row.thon, INVALID, recipients={RECIPIENT: REFUSE})
    accepted = await row.thon.submit(SENDER, row.letter(to=(RECIPIENT, "H01.15")))
    view = await row.thon.journal.message(accepted.message_id)
    states = {d.recipient: (d.state.value, d.reason) for d in view.deliveries}
    assert states == {"H01": ("refused", Reason.POLICY), "H01.15": ("queued", None)}
    assert await desk.sweep() == 1
    assert len(desk.by.judged) == 1, "judged once, though asked twice"  # type: ignore[attr-defined]


async def test_the_recipient_s_node_refuses_by_a_signed_receipt(row: Any) -> None:
    desk_of(row.tinh, INVALID, recipients={RECIPIENT: REFUSE})
    accepted = await row.thon.submit(SENDER, row.letter())
    await row.settle_down()
    view = await row.thon.journal.message(accepted.message_id)
    (delivery,) = view.deliveries
    assert (delivery.state.value, delivery.reason) == ("refused", Reason.POLICY)
    assert delivery.detail == "signatures INVALID: changed-after-signing"
    assert delivery.receipts[-1].issuer == "tinh"
    assert await row.tinh.listed() == []


async def test_a_repeat_of_what_was_accepted_gets_its_answer_whatever_policy_says_now(
    row: Any,
) -> None:
    letter = row.letter()
    first = await row.thon.submit(SENDER, letter)
    desk_of(row.thon, INVALID, REFUSE)
    again = await row.thon.submit(SENDER, letter)
    assert again.repeated
    assert again.receipt == first.receipt


async def test_the_stricter_rule_counts_where_two_fit(row: Any) -> None:
    policies = Policies(
        REFUSE, {SENDER: Policy(Treatment.RECORD)}, {RECIPIENT: Policy(Treatment.WARN)}
    )
    assert policies.of(SENDER, RECIPIENT).treatment is Treatment.WARN
    assert policies.of(SENDER, AgencyCode("H02")).treatment is Treatment.RECORD
    assert policies.of(AgencyCode("H03"), AgencyCode("H02")) is REFUSE


# ---------------------------------------------------------------- the record itself


def test_a_judgement_is_read_back_as_it_was_written() -> None:
    for one in (INVALID, UNKNOWN, found(None), unjudged(Flaw.CRASHED, AT)):
        assert read_judgement(write_judgement(one)) == one


@pytest.mark.parametrize("content", [b"", b"{}", b'{"at":1}', write_judgement(INVALID)[:-1]])
def test_anything_else_is_no_judgement(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_judgement(content)
