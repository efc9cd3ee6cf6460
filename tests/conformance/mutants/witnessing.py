"""Faults of a witness, and of a node that has its own log witnessed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from relay.audit.add_checkpoint import write_request
from relay.audit.checkpoint import head_of
from relay.audit.cosignature import Cosignature
from relay.audit.epochs import Epoch
from relay.journal import witnessing as journal
from relay.journal.witnessing import WitnessTable
from relay.node import witnessing as joined
from relay.node.publishing import LogPublisher
from relay.signing.certificates import read_chain
from relay.signing.log_key import raw_log_key
from relay.transport import witnessing as transport
from relay.transport.nodes import witnessing as door
from relay.witness import asking, desk, judging
from relay.witness.asking import Cosigners
from relay.witness.desk import WitnessDesk
from relay.witness.judging import Verdict, Word
from relay.witness.ports import Presented, WitnessAnswer
from tests.conformance.mutants import mutant, put_in


@mutant("shows the certificate of another key for its log", "W15.2/chain")
def shows_another_chain() -> None:
    def add_to(self: door.LogFace, router: Any) -> None:
        face = replace(self, certificates=lambda: self.certificates()[::-1])
        router.add_get(door.KEY_PATH, face.key)
        router.add_post(door.ADD_PATH, face.add_checkpoint)

    put_in(door.LogFace, "add_to", add_to)


@mutant("believes any certificate that is shown for a log", "W15.3/another-node")
def believes_any_chain() -> None:
    put_in(joined, "log_key_of", lambda chain, *_: raw_log_key(read_chain(chain).leaf))


def _deciding(change: Any) -> None:
    """What becomes of a verdict: `change(verdict, presented)` is answered instead."""
    honest = judging.judge

    def judge(asked: Any, head: Any, known: Any, opening: Any = None) -> Verdict:
        found: Verdict = change(honest(asked, head, known, opening), known, head)
        return found

    put_in(journal, "judge", judge)


@mutant(
    "cosigns a rollback: whatever its log's key signed",
    "W15.4/conflict",
    "W15.4/unproven",
    "W15.5/one-at-a-time",
    "W15.6/no-opening",
    "W15.6/opening",
    "W15.6/not-higher",
    "W15.6/twin",
    "W15.6/another-root",
    "W15.7/two-roots",
    "W15.7/another-beginning",
    "W15.7/keeps-both",
    "W15.10/smaller",
)
def cosigns_a_rollback() -> None:
    _deciding(
        lambda verdict, *_: verdict if verdict.word is Word.MALFORMED else Verdict(Word.COSIGNED)
    )


@mutant(
    "goes on after two histories as if there was one",
    "W15.7/two-roots",
    "W15.7/another-beginning",
    "W15.6/another-root",
    "W15.6/twin",
)
def rings_no_alarm() -> None:
    put_in(journal, "ALARMS", frozenset())


@mutant("keeps one of two notes that contradict each other", "W15.7/keeps-both")
def keeps_one_note() -> None:
    honest = journal._alarm

    def alarm(tx: Any, presented: Presented, verdict: Verdict, at: Any) -> None:
        honest(tx, presented, replace(verdict, ours=None), at)

    put_in(journal, "_alarm", alarm)


@mutant("cosigns by the key's own name, not the witness's", "W15.4/cosigned")
def cosigns_under_another_name() -> None:
    put_in(joined, "cosigner_name", lambda node: f"truc-relay.example/log/{node}")


@mutant("believes a checkpoint whatever its signature is", "W15.4/unsigned")
def believes_checkpoints() -> None:
    async def signed(note: bytes, *_: Any) -> Any:
        return head_of(note)

    put_in(desk, "_signed", signed)


@mutant("answers for logs that it does not know as for known ones", "W15.4/unknown-log")
def knows_every_log() -> None:
    honest = WitnessDesk._answer

    async def answer(self: WitnessDesk, *arguments: Any, **how: Any) -> WitnessAnswer:
        found = await honest(self, *arguments, **how)
        return replace(found, status=403) if found.status == 404 else found

    put_in(WitnessDesk, "_answer", answer)


@mutant("reads requests of any length", "W15.4/too-long")
def reads_any_length() -> None:
    put_in(transport, "LIMIT_BYTES", 1 << 30)


@mutant(
    "reads what is malformed as what it may have meant",
    "W15.4/no-old",
    "W15.4/leading-zero",
    "W15.4/signed-number",
    "W15.4/base64",
    "W15.4/short-hash",
    "W15.4/sixty-four-hashes",
    "W15.4/sixty-five-signatures",
    "W15.4/no-signature",
    "W15.4/size",
    "W15.4/control-character",
    "W15.4/no-checkpoint",
    "W15.4/old-over-size",
)
def takes_malformed_for_unproven() -> None:
    honest = desk._refusal

    def refusal(verdict: Verdict) -> WitnessAnswer:
        malformed = verdict.word is Word.MALFORMED
        return honest(replace(verdict, word=Word.UNPROVEN) if malformed else verdict)

    put_in(desk, "_refusal", refusal)


@mutant("forgets in a crash what it cosigned", "W15.5/durable")
def forgets_what_it_cosigned() -> None:
    held: dict[str, Any] = {}

    async def decide(self: WitnessTable, presented: Presented, at: Any) -> Verdict:
        known = judging.Known(held=held.get(presented.head.origin))
        verdict = judging.judge(presented.asked, presented.head, known, presented.opening)
        if verdict.word is Word.COSIGNED:
            held[presented.head.origin] = judging.Held(presented.head, presented.asked.note)
        return verdict

    put_in(WitnessTable, "decide", decide)


@mutant("judges a checkpoint before it looks what became of the one before", "W15.5/one-at-a-time")
def judges_beside_each_other() -> None:
    honest = WitnessTable.decide

    async def decide(self: WitnessTable, presented: Presented, at: Any) -> Verdict:
        def looking(tx: Any) -> Verdict:
            known = journal._known(tx, presented)
            return judging.judge(presented.asked, presented.head, known, presented.opening)

        verdict: Verdict = await self.journal.perform(looking)
        if verdict.word is not Word.COSIGNED:
            return await honest(self, presented, at)
        await asyncio.sleep(0.2)
        await self.journal.perform(lambda tx: journal._hold(tx, presented, at))
        return verdict

    put_in(WitnessTable, "decide", decide)


@mutant(
    "takes a later epoch without looking how it begins", "W15.6/no-opening", "W15.6/another-root"
)
def believes_epochs() -> None:
    put_in(judging, "_proven", lambda head, *_: head)


@mutant("goes on with an epoch that a later one has ended", "W15.6/opening")
def goes_on_with_the_old() -> None:
    put_in(judging, "_ended", lambda *_: False)


@mutant("takes a new epoch whatever its number is", "W15.6/not-higher", "W15.6/twin")
def counts_no_epochs() -> None:
    put_in(judging, "epoch_of", lambda _: Epoch())
    honest = judging._new

    def new(asked: Any, head: Any, known: Any, opening: Any) -> Verdict:
        found: Verdict = honest(asked, head, replace(known, newest=None), None)
        return found

    put_in(judging, "_new", new)


# ------------------------------------------------------------ as a log


@mutant("publishes without asking its witnesses", "W15.8/before-published")
def asks_no_witness() -> None:
    honest = Cosigners.cosign

    async def cosign(self: Cosigners, note: bytes, consistency: Any) -> tuple[bytes, ...]:
        await honest(self, note, consistency)
        return ()

    put_in(Cosigners, "cosign", cosign)


@mutant("hands in proofs that prove nothing", "W15.8/asks-well")
def proves_nothing() -> None:
    def spoilt(asked: Any) -> bytes:
        return write_request(
            replace(
                asked, proof=tuple(bytes(32) for _ in asked.proof) or (bytes(32),) * (asked.old > 0)
            )
        )

    put_in(asking, "write_request", spoilt)


@mutant("keeps whatever a witness answers", "W15.8/not-this-note")
def keeps_any_answer() -> None:
    def answered(_: bytes, answer: bytes, cosigner: Any) -> Cosignature:
        return Cosignature(cosigner.name, datetime.now(UTC), answer)

    put_in(asking, "answered", answered)


@mutant("asks a witness that refuses again and again", "W15.8/not-faster")
def asks_without_end() -> None:
    honest = Cosigners._dispute

    async def dispute(self: Cosigners, witness: str, head: Any, error: Any) -> None:
        await honest(self, witness, head, error)
        self._pace(witness).not_before = 0.0
        await asyncio.sleep(0.1)
        self.wake()

    put_in(Cosigners, "_dispute", dispute)
    put_in(Cosigners, "cosign", _again(Cosigners.cosign))


def _again(honest: Any) -> Any:
    async def cosign(self: Cosigners, note: bytes, consistency: Any) -> tuple[bytes, ...]:
        for _ in range(20):
            lines: tuple[bytes, ...] = await honest(self, note, consistency)
            if any(
                self._pace(one.name).failures == 0 for one in self.witnesses if "kit" in one.name
            ):
                break
        return lines

    return cosign


@mutant("publishes nothing before all its witnesses have cosigned", "W15.8/bounded")
def waits_for_its_witnesses() -> None:
    honest = LogPublisher._cosigned

    async def cosigned(self: LogPublisher, *arguments: Any) -> Any:
        while True:
            found = await honest(self, *arguments)
            first = arguments[0].published is None
            if first or any(b"/witness/kit-" in line for line in found):
                return found
            await asyncio.sleep(0.2)

    put_in(LogPublisher, "_cosigned", cosigned)


@mutant("writes every cosignature into its own log", "W15.8/no-entry")
def writes_cosignatures_down() -> None:
    honest = journal._told

    def told(node: Any, presented: Presented, verdict: Verdict, at: Any) -> Any:
        again = verdict.word is Word.COSIGNED
        return honest(node, presented, replace(verdict, epoch=True) if again else verdict, at)

    put_in(journal, "_told", told)
