"""Judge what happened, with nothing but the root certificate, the sent bytes and the nodes' logs.

Touches: the nodes' native faces and control sockets, to collect; their journals, to read the logs.
Trusts:  the root certificate. Receipts, seals and logs are what is being judged.
Raises:  TransportError when there is nothing to judge because a node does not answer.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from relay.demo import plan
from relay.demo.native import NativeClient, at_socket, over_tls
from relay.demo.network import Network, RunningNode
from relay.demo.story import STATUSES, Journey, Tale
from relay.errors import AuditError, RelayError, TransportError
from relay.model import AgencyCode, Digest, Event, SealKind, Signed, digest_of
from relay.offline import verify_whole_log
from relay.signing.evidence import verify_receipt
from relay.signing.seal import require_sealed_by, verify_seal
from relay.signing.trust import TrustStore
from relay.wire.container import read_receipts
from relay.wire.remote_word import read_word

_CONTAINER_BYTES = 1 << 20
_NEEDED = (
    Event.SUBMISSION_ACCEPTANCE,
    Event.RELAY_ACCEPTANCE,
    Event.CONTENT_CONSIGNMENT,
    Event.CONTENT_HANDOVER,
)
_NEEDED_BEYOND = (
    Event.SUBMISSION_ACCEPTANCE,
    Event.RELAY_ACCEPTANCE,
    Event.RELAY_TO_NON_ERDS,
    Event.CONTENT_HANDOVER,
)
"""Over a bridge the consignment may be passed over: the remote is asked, it does not tell."""
_WITHOUT_EVIDENCE = frozenset(
    {Event.RELAY_TO_NON_ERDS, Event.CONTENT_CONSIGNMENT, Event.CONTENT_HANDOVER}
)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that had to hold, and what speaks against it."""

    what: str
    problems: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.problems


@dataclass(frozen=True, slots=True)
class Proof:
    """One receipt of a delivery, and whether it holds."""

    digest: Digest
    event: str
    issuer: str
    at: str
    problem: str
    remote: str = ""
    """The remote without evidence whose word it repeats."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A journey with what its sender's node can prove of it."""

    journey: Journey
    delivery: dict[str, Any]
    proofs: tuple[Proof, ...]
    seal_problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Log:
    """A node's audit log as recomputed; `entries` 0 when it does not hold."""

    node: RunningNode
    entries: int
    problem: str


@dataclass(frozen=True, slots=True)
class Verdict:
    carried: tuple[Carried, ...]
    logs: tuple[Log, ...]
    duplicates: int
    checks: tuple[Check, ...]

    @property
    def holds(self) -> bool:
        return all(check.holds for check in self.checks)


async def judge(network: Network, tale: Tale, token: str, cast: plan.Cast = plan.PLAIN) -> Verdict:
    """`token` speaks for the sender: what it may see is enough to prove everything."""
    trust = TrustStore([network.root.read_bytes()])
    origin = network.nodes[plan.SENDER.node]
    async with over_tls(origin.native_url, network.root, token) as native:
        carried = [await _carried(network, native, trust, one, cast) for one in tale.journeys]
    logs = [await _log(node) for node in network.nodes.values()]
    twice = [*await _twice_at_offices(tale), *await _twice_at_nodes(network.nodes.values())]
    checks: tuple[Check, ...] = (
        Check("fetched bytes equal sent bytes", tuple(_other_bytes(tale.journeys))),
        Check("every receipt verifies offline", tuple(_bad_receipts(carried, cast))),
        Check("every seal verifies offline", tuple(p for c in carried for p in c.seal_problems)),
        Check(
            "every node's audit log verifies",
            tuple(f"{log.node.plan.name}: {log.problem}" for log in logs if log.problem),
        ),
        Check("nothing arrived twice", tuple(twice)),
        Check("a repeated send got the first answer", tuple(_other_answers(tale))),
        Check("every status arrived", tuple(_missing_statuses(tale.journeys))),
    )
    if cast.remote:
        entered = await _entered(network, trust, tale.journeys, cast)
        checks += (
            Check("the remote hop is marked as without evidence", tuple(_unmarked(carried, cast))),
            Check("what came over the bridge has the gateway's seal", tuple(entered)),
        )
    return Verdict(tuple(carried), tuple(logs), len(twice), checks)


# ---------------------------------------------------------------- documents


def _other_bytes(journeys: Sequence[Journey]) -> list[str]:
    return [
        f"{one.document.name} at {one.receiver.written}"
        for one in journeys
        if one.arrived is None or one.arrived.content != one.document.content
    ]


def _other_answers(tale: Tale) -> list[str]:
    return [f"{first} became {again}" for first, again in tale.repeated if first != again]


def _missing_statuses(journeys: Sequence[Journey]) -> list[str]:
    problems = []
    for one in journeys:
        codes = sorted(s.envelope.status.status_code for s in one.statuses if s.envelope.status)
        if codes != sorted(STATUSES):
            problems.append(f"{one.document.name} from {one.receiver.written}: {codes}")
    return problems


# ---------------------------------------------------------------- proof


async def _carried(
    network: Network, native: NativeClient, trust: TrustStore, journey: Journey, cast: plan.Cast
) -> Carried:
    message = await native.message(journey.message_id)
    delivery = _delivery_to(journey, message)
    proofs = [await _proof(native, trust, journey, listed) for listed in delivery["receipts"]]
    seals = [await native.message_seal(journey.message_id)]
    if journey.arrived is not None:
        async with at_socket(network.nodes[journey.receiver.node].control) as there:
            seals.append(await there.delivery_seal(journey.arrived.doc_id))
    problems = [_seal_problem(seals[0], trust, journey)]
    for seal in seals[1:]:
        beyond = cast.beyond(journey.receiver)
        problems.append((_remote_seal_problem if beyond else _seal_problem)(seal, trust, journey))
    return Carried(journey, delivery, tuple(proofs), tuple(p for p in problems if p))


def _delivery_to(journey: Journey, message: dict[str, Any]) -> dict[str, Any]:
    code = journey.receiver.agency.code
    for delivery in message["deliveries"]:
        if delivery["recipient"] == code:
            return dict(delivery)
    raise TransportError(f"message {journey.message_id} has no delivery to {code}")


async def _proof(
    native: NativeClient, trust: TrustStore, journey: Journey, listed: dict[str, Any]
) -> Proof:
    container = await native.receipt(listed["digest"])
    try:
        problem = _receipt_problem(container, trust, journey, listed)
    except RelayError as error:
        problem = str(error)
    word = read_word(listed["detail"])
    return Proof(
        Digest(listed["digest"]),
        listed["event"],
        listed["issuer"],
        listed["at"],
        problem,
        "" if word is None else word.remote,
    )


def _receipt_problem(
    container: bytes, trust: TrustStore, journey: Journey, listed: dict[str, Any]
) -> str:
    """Empty when the receipt proves what the node says it proves, of the bytes that were sent."""
    found = read_receipts(container, _CONTAINER_BYTES)
    signed: Signed = found[0]
    receipt = verify_receipt(signed, trust, None)
    if len(found) != 1 or signed.digest != listed["digest"]:
        return "another receipt than was asked for"
    if receipt.issuer != listed["issuer"] or receipt.message_id != journey.message_id:
        return "of another issuer or message"
    if receipt.digest != digest_of(journey.document.content):
        return "of other bytes than were sent"
    said = {(e.event.value, e.recipient, e.previous, e.detail) for e in receipt.evidence}
    evidence = (listed["event"], journey.receiver.agency.code, listed["previous"], listed["detail"])
    if evidence not in said:
        return "of another event or recipient"
    return ""


def _seal_problem(seal: bytes, trust: TrustStore, journey: Journey) -> str:
    """Over the bytes the receiver has, in the sender's name."""
    arrived = journey.arrived
    content = journey.document.content if arrived is None else arrived.content
    try:
        proven = verify_seal(seal, digest_of(content), trust, None)
        require_sealed_by(proven, AgencyCode(plan.SENDER.agency.code), plan.SENDER.codes)
    except RelayError as error:
        return f"{journey.document.name} at {journey.receiver.written}: {error}"
    if not proven.agencies:
        return f"{journey.document.name}: sealed by node {proven.node}, not by its sender"
    return ""


def _remote_seal_problem(seal: bytes, trust: TrustStore, journey: Journey) -> str:
    """The ministry's own node vouches for who handed it in there: our seal did not go along."""
    content = b"" if journey.arrived is None else journey.arrived.content
    try:
        proven = verify_seal(seal, digest_of(content), trust, None)
    except RelayError as error:
        return f"{journey.document.name} at {journey.receiver.written}: {error}"
    if proven.node != journey.receiver.node:
        return f"{journey.document.name}: sealed by {proven.node}, not by {journey.receiver.node}"
    return ""


async def _entered(
    network: Network, trust: TrustStore, journeys: Sequence[Journey], cast: plan.Cast
) -> list[str]:
    """Statuses that came back over the bridge bear the seal of the node that fetched them."""
    problems = []
    async with at_socket(network.nodes[plan.SENDER.node].control) as origin:
        for one in (j for j in journeys if cast.beyond(j.receiver)):
            for status in one.statuses:
                seal = await origin.delivery_seal(status.doc_id)
                try:
                    proven = verify_seal(seal, status.digest, trust, None)
                except RelayError as error:
                    problems.append(f"status of {one.document.name}: {error}")
                    continue
                if (proven.kind, proven.node) != (SealKind.GATEWAY, plan.CENTRAL):
                    problems.append(
                        f"status of {one.document.name}: {proven.kind} of {proven.node}"
                    )
    return problems


def _unmarked(carried: Sequence[Carried], cast: plan.Cast) -> list[str]:
    """What only a remote said must be shown as its word, and nothing else may be."""
    problems = []
    for one in carried:
        name = f"{one.journey.document.name} to {one.journey.receiver.written}"
        beyond = cast.beyond(one.journey.receiver)
        for proof in one.proofs:
            wanted = cast.remote if beyond and proof.event in _WITHOUT_EVIDENCE else ""
            if proof.remote != wanted:
                problems.append(f"{name}: {proof.event} is marked {proof.remote or 'as proof'}")
        last = one.delivery["trace"][-1]
        marked = (last["node"], last["evidence"]) == (cast.remote, "none")
        if marked is not beyond:
            problems.append(f"{name}: the way ends at {last['node']}, evidence {last['evidence']}")
    return problems


def _bad_receipts(carried: Sequence[Carried], cast: plan.Cast) -> list[str]:
    problems = []
    for one in carried:
        name = f"{one.journey.document.name} to {one.journey.receiver.written}"
        problems += [
            f"{name}: {p.event} of {p.issuer}: {p.problem}" for p in one.proofs if p.problem
        ]
        events = {p.event for p in one.proofs}
        needed = _NEEDED_BEYOND if cast.beyond(one.journey.receiver) else _NEEDED
        problems += [f"{name}: no {event}" for event in needed if event.value not in events]
        problems += [f"{name}: {text}" for text in _broken_chain(one.delivery["receipts"])]
    return problems


def _broken_chain(receipts: Sequence[dict[str, Any]]) -> list[str]:
    """Each names the one before it, down to the submission."""
    known = {receipt["digest"] for receipt in receipts}
    return [
        f"{receipt['event']} of {receipt['issuer']} hangs on no receipt that is here"
        for receipt in receipts
        if receipt["event"] != Event.SUBMISSION_ACCEPTANCE and receipt["previous"] not in known
    ]


async def _log(node: RunningNode) -> Log:
    try:
        report = await asyncio.to_thread(verify_whole_log, node.config)
    except AuditError as error:
        return Log(node, 0, str(error))
    return Log(node, sum(verdict.checkpoint.size for verdict in report.verdicts), "")


# ---------------------------------------------------------------- once


async def _twice_at_offices(tale: Tale) -> list[str]:
    """The same bytes under two DocIds, or one DocId listed twice."""
    problems = []
    for desk in (tale.sender, *tale.receivers):
        listed = await desk.everything()
        where = desk.office.agency.name
        problems += _repeated((doc_id for doc_id, _ in listed), f"{where}: DocId")
        problems += _repeated((digest for _, digest in listed), f"{where}: document")
    return problems


async def _twice_at_nodes(nodes: Iterable[RunningNode]) -> list[str]:
    """A message that a node serves to one recipient more than once."""
    problems = []
    for node in nodes:
        async with at_socket(node.control) as operator:
            served = await operator.every_delivery()
        keys = (f"{d['message_id']} for {d['recipient']}" for d in served)
        problems += _repeated(keys, f"{node.plan.name}: message")
    return problems


def _repeated(keys: Iterable[str], what: str) -> list[str]:
    return [f"{what} {key}, {count} times" for key, count in Counter(keys).items() if count > 1]
