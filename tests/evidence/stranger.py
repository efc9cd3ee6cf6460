"""Evidence of messages in real journals: exported by a node's own desk, judged with the root alone."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from relay.delivery.clock import Clock
from relay.delivery.evidence.exporting import EvidenceDesk
from relay.delivery.evidence.ports import EvidenceLog, Gathered
from relay.delivery.ports import Caller
from relay.delivery.tracking import TrackingDesk
from relay.journal.attaching import AttachTable
from relay.journal.proving import Prover
from relay.journal.witnessing import WitnessTable
from relay.model import MessageId, NodeId
from relay.node.proving import LogOfEvidence, ProofDesk
from relay.signing.bundle_steps import BundleJudge
from relay.signing.bundle_words import Outcome, Step
from relay.signing.keys import LogSigner
from relay.signing.log_key import key_of_log
from relay.signing.trust import TrustStore

OPERATOR = Caller("operator:test", frozenset(), operator=True)


@dataclass
class Told:
    steps: list[Step]

    @property
    def refused(self) -> list[tuple[str, str]]:
        return [(s.what, s.said) for s in self.steps if s.outcome is Outcome.REFUSED]

    def of(self, what: str) -> list[Step]:
        return [step for step in self.steps if step.what == what]

    def said(self, what: str) -> str:
        return " | ".join(step.said for step in self.of(what))


async def exported(
    journal: Any, notary: Any, message: MessageId, log: EvidenceLog | None = None
) -> bytes:
    desk = EvidenceDesk(
        notary.node, journal, TrackingDesk(journal), journal, notary, _nothing, Clock(), log
    )
    file = await desk.export(OPERATOR, message, "")
    return b"".join([chunk async for chunk in desk.write(file)])


async def _nothing(*_: object) -> Gathered:
    return Gathered()


def log_of(journal: Any, folder: Path, node: NodeId, key: LogSigner) -> LogOfEvidence:
    """Of a journal that lies in `folder`."""
    prover = Prover(folder, node, key_of_log(node, key.public_key), lambda: key.chain)
    return LogOfEvidence(ProofDesk(prover), WitnessTable(journal, node), AttachTable(journal, node))


def judged(content: bytes, root: Path) -> Told:
    return Told(list(BundleJudge(BytesIO(content), TrustStore([root.read_bytes()])).steps()))
