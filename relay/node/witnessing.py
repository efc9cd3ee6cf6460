"""Witnesses, joined: whose logs this node cosigns, who cosigns its own, and what operators are shown of both.

Touches: the CA files of witnesses that the settings name, once.
Raises:  SettingsError.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import structlog

from relay.audit.checkpoint import parse_vkey
from relay.audit.cosignature import Cosigner, cosigner_name, parse_cosigner
from relay.audit.epochs import epoch_of, first_index
from relay.errors import SignatureError, UncertainError
from relay.journal.witnessing import WitnessTable
from relay.lines import Line
from relay.model import NodeId
from relay.node.ground import Ground
from relay.settings.witnesses import WitnessSection
from relay.signing.keys import LogSigner, verify_log_signature
from relay.signing.log_key import log_key_of
from relay.signing.tls import face_client_context
from relay.transport.nodes.client import NodesClient
from relay.transport.nodes.witnessing_client import NeighbourWitness, log_certificates
from relay.transport.witnessing import OtherWitness
from relay.witness.asking import Cosigners
from relay.witness.desk import WitnessDesk
from relay.witness.overview import WitnessOverview
from relay.witness.ports import AskWitness, LogKeyOf, OwnKey

log = structlog.get_logger("relay.witness")


@dataclass(frozen=True, slots=True)
class NeighbourKeys:
    """witness.ports.LogKeys: pinned in the journal with the certificates that prove them, and proven anew each
    time, for trust, revocation and directory change. What no longer holds is asked for again."""

    ground: Ground
    nodes: NodesClient
    table: WitnessTable

    async def of_node(self, node: NodeId, *, anew: bool = False) -> LogKeyOf:
        pinned = None if anew else await self.table.pinned(node)
        if pinned is not None:
            try:
                return _key(self._proven(node, pinned[1]))
            except UncertainError:
                raise
            except SignatureError as error:
                log.info(Line.LOG_CERTIFICATE_DOUBTED, neighbour=node, error=str(error)[:200])
        certificates = await log_certificates(self.nodes, node)
        key = self._proven(node, certificates)
        await self.table.pin(node, key, certificates, self.ground.clock.now())
        return _key(key)

    def _proven(self, node: NodeId, certificates: tuple[bytes, ...]) -> bytes:
        notary = self.ground.notary
        return log_key_of(certificates, node, notary.trust, notary.binding, self.ground.clock.now())


def _key(public_key: bytes) -> LogKeyOf:
    return LogKeyOf(public_key, partial(verify_log_signature, public_key))


@dataclass(frozen=True, slots=True)
class Witnessing:
    desk: WitnessDesk | None
    """None where this node cosigns nothing."""
    cosigners: Cosigners
    overview: WitnessOverview


def make_witnessing(ground: Ground, nodes: NodesClient, signer: LogSigner) -> Witnessing:
    table = WitnessTable(ground.journal, ground.node)
    keys = NeighbourKeys(ground, nodes, table)
    cosigners = _cosigners(ground, nodes, keys, table)
    desk = _desk(ground, keys, table, signer)
    return Witnessing(desk, cosigners, WitnessOverview(table, cosigners, desk, ground.clock))


def _desk(
    ground: Ground, keys: NeighbourKeys, table: WitnessTable, signer: LogSigner
) -> WitnessDesk | None:
    section = ground.settings.log
    if not section.witness:
        return None
    own = OwnKey(cosigner_name(ground.node), signer.public_key, signer.sign)
    others = {
        one.origin or name: _key(key)
        for one in section.witnessed
        for name, key in [parse_vkey(one.vkey)]
    }
    return WitnessDesk(table, keys, own, ground.clock, ground.neighbours, others)


def _cosigners(
    ground: Ground, nodes: NodesClient, keys: NeighbourKeys, table: WitnessTable
) -> Cosigners:
    section = ground.settings.log
    neighbours: Iterable[AskWitness] = (
        NeighbourWitness(nodes, node, keys, ground.clock) for node in sorted(ground.neighbours)
    )

    async def first_entry(origin: str) -> bytes:
        (entry,) = await ground.journal.entries(first_index(epoch_of(origin).number), 1)
        return entry.leaf

    return Cosigners(
        (*neighbours, *map(_other, section.witnesses)),
        table,
        first_entry,
        ground.clock,
        random.SystemRandom().random,
        section.witnesses_answer_within,
    )


def _other(section: WitnessSection) -> OtherWitness:
    name, key = parse_cosigner(section.vkey)
    tls = None if section.ca is None else face_client_context(section.ca)
    known = Cosigner(name, key, partial(verify_log_signature, key))
    return OtherWitness(known, section.url, section.answer_within, tls)
