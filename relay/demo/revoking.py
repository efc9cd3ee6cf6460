"""`relay demo --revoke`: an agency's certificate is revoked while its documents are queued.

Four real nodes that check revocation against a live CRL and OCSP responder on loopback. A letter arrives
and is receipted. Then the next node is killed, two documents wait, and the sender's certificate is
revoked. What is shown: both are held and the operator is told, nothing is sent and nothing lost, the
agency's next document is refused, the operator cancels one and releases the other, which the next node
refuses by its own judgement; and the letter that was receipted before still verifies as of its time.

Touches: the nodes, as their document-management systems and as an operator; one process by SIGKILL;
         the folder of the development PKI.
Raises:  TransportError when a step does not come true in time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from relay.demo import documents, plan
from relay.demo.authority import Publisher, serve
from relay.demo.checks import Check
from relay.demo.documents import Written
from relay.demo.native import NativeClient, at_socket
from relay.demo.network import Network, NodePlan
from relay.demo.offices import Desk
from relay.demo.waiting import NotYetError, until
from relay.errors import RelayError
from relay.model import AgencyCode, Digest, Event, MessageType, Reason, digest_of
from relay.offline import verify_whole_log
from relay.signing.evidence import verify_receipt
from relay.signing.pki_revoking import revoke
from relay.signing.pki_words import Reason as Why
from relay.signing.revocation.asof import judge_seal
from relay.signing.revocation.verdicts import RevocationState
from relay.signing.seal import require_sealed_by, verify_seal
from relay.signing.tls import face_client_context
from relay.signing.trust import TrustStore
from relay.transport.axis.answered import AxisFailure
from relay.transport.axis.client import AxisClient
from relay.wire.container import read_receipts

CONFIGURATION = """

[revocation]
check = true
hosts = ["127.0.0.1:{port}"]
refresh = 0.5"""
"""What a real node looks for once an hour is looked for twice a second here."""
OFFLINE = plan.PROVINCE
AT = plan.DISTRICT
"""Who is killed: the next hop of the sender's node."""
Tell = Callable[[str], None]
Clock = Callable[[], datetime]
Json = dict[str, Any]


@dataclass(slots=True)
class Outcome:
    """What was seen, for the checks and for programs."""

    checks: list[Check] = field(default_factory=list)
    documents: list[Json] = field(default_factory=list)
    why: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return bool(self.checks) and all(check.holds for check in self.checks)

    def check(self, what: str, *problems: str) -> None:
        self.checks.append(Check(what, tuple(one for one in problems if one)))


async def build(
    folder: Path, plans: Sequence[NodePlan], clock: Clock, exits: AsyncExitStack
) -> Network:
    """The nodes, whose certificates name a place where revocations are told, live until the stack ends."""
    publisher = Publisher(folder / "pki", clock, timedelta(minutes=30))
    runner, port = await serve(publisher, "127.0.0.1", 0)
    exits.push_async_callback(runner.cleanup)
    extra = plan.QUICK + CONFIGURATION.format(port=port)
    place = f"http://127.0.0.1:{port}"
    network = Network.build(folder, plans, now=clock(), extra=extra, publish=place)
    _cut_off(network)
    return network


def _cut_off(network: Network) -> None:
    """The province's node may call no authority: what it knows, its neighbour brought along (W12)."""
    config = network.nodes[OFFLINE].config
    text = config.read_text(encoding="utf-8")
    lines = ["hosts = []" if line.startswith("hosts = ") else line for line in text.splitlines()]
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")


class RevokeStory:
    """The steps on a running network; `play` goes through them."""

    def __init__(self, network: Network, exits: AsyncExitStack, clock: Clock, tell: Tell) -> None:
        self._network = network
        self._exits = exits
        self._clock = clock
        self._tell = tell
        self._outcome = Outcome()
        self._receiver = plan.RECEIVERS[1]
        self._written = timedelta()

    async def play(self) -> Outcome:
        sender, receiver = await self._desks()
        node = self._network.nodes[plan.SENDER.node]
        operator = await self._exits.enter_async_context(at_socket(node.control))
        letter, letter_id = await self._arrived(sender, receiver, operator)
        district = self._network.nodes[AT]
        await self._network.kill(district)
        self._tell(f"{AT}, the next node, killed with SIGKILL")
        queued = [
            (written, await sender.send(written.content))
            for written in (self._write(documents.letter), self._write(documents.report))
        ]
        await self._wait_queued(operator, [name for _, name in queued])
        revoked_at = await self._revoke()
        await self._held(operator, [name for _, name in queued])
        await self._refused(sender)
        await self._network.spawn(district)
        await self._network.ready(district)
        self._tell(f"{AT} started again")
        await self._nothing_leaves(operator, queued)
        await self._decide(operator, [name for _, name in queued])
        await self._still_verifies(operator, letter, letter_id, revoked_at)
        await self._nothing_arrived(receiver, letter)
        self._logs()
        return self._outcome

    async def _desks(self) -> tuple[Desk, Desk]:
        connector = aiohttp.TCPConnector(ssl=face_client_context(self._network.root))
        session = await self._exits.enter_async_context(
            aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=20))
        )

        def desk(office: plan.Office) -> Desk:
            node = self._network.nodes[office.node]
            secret = node.secret.encode()
            client = AxisClient(node.axis_url, node.systemid, secret, session, now=self._clock())
            return Desk(office, client, self._clock)

        return desk(plan.SENDER), desk(self._receiver)

    def _write(self, write: Callable[..., Written]) -> Written:
        """Each dated another minute: the same bytes again would be a repeat of the first."""
        self._written += timedelta(minutes=1)
        return write(plan.SENDER, [self._receiver], self._clock() - self._written)

    # ------------------------------------------------------------ before

    async def _arrived(
        self, sender: Desk, receiver: Desk, operator: NativeClient
    ) -> tuple[Written, str]:
        letter = self._write(documents.letter)
        name = await sender.send(letter.content)

        async def look() -> None:
            for arrived in await receiver.collect(MessageType.DOCUMENT):
                await receiver.acknowledge(arrived)
            delivery = (await operator.message(name))["deliveries"][0]
            events = {receipt["event"] for receipt in delivery["receipts"]}
            if Event.CONTENT_HANDOVER not in events:
                raise NotYetError(f"the letter is {delivery['state']}")

        await until("the letter handed over and receipted", look, self._network.check_alive)
        self._tell("a letter went from the commune to the province, sealed, receipted")
        await self._judged_offline(name)
        return letter, name

    async def _judged_offline(self, name: str) -> None:
        async with at_socket(self._network.nodes[OFFLINE].control) as province:
            known = (await province.why(name))["deliveries"][0]["revocation"]
        valid = known.startswith(RevocationState.VALID)
        self._outcome.check(
            "a node that may call no authority judges by what came along",
            "" if valid else f"{OFFLINE} says of the letter's certificate: {known}",
        )
        self._tell(f"{OFFLINE} may call no authority; it judged by what came along: {known}")

    async def _wait_queued(self, operator: NativeClient, names: list[str]) -> None:
        async def look() -> None:
            for name in names:
                delivery = (await operator.message(name))["deliveries"][0]
                if delivery["state"] != "queued" or not delivery["last_error"]:
                    raise NotYetError(f"{name} is {delivery['state']}")

        await until("two documents queued", look, self._network.check_alive)
        self._tell(f"two documents accepted and sealed at {plan.SENDER.node}; they wait for {AT}")

    async def _revoke(self) -> datetime:
        await asyncio.sleep(
            1.1
        )  # a CRL tells whole seconds: what was before must be so in those too
        authority = self._network.folder / "pki"
        certificate = authority / "agencies" / f"{plan.SENDER.agency.code}.pem"
        at = self._clock()
        await asyncio.to_thread(revoke, authority, certificate, reason=Why.KEY_COMPROMISE, now=at)
        self._tell(f"the certificate of {plan.SENDER.agency.name} revoked: its key is lost")
        return at

    # ------------------------------------------------------------ held

    async def _held(self, operator: NativeClient, names: list[str]) -> None:
        async def look() -> None:
            for name in names:
                delivery = (await operator.message(name))["deliveries"][0]
                if delivery["state"] != "held":
                    raise NotYetError(f"{name} is {delivery['state']}")

        await until("both held", look, self._network.check_alive)
        problems = []
        for name in names:
            told = await operator.why(name)
            said = told["deliveries"][0]["because"]
            self._outcome.why = list(said)
            if not any("revoked" in sentence for sentence in said):
                problems.append(f"relay why {name} says nothing of it: {said}")
            if not told["deliveries"][0]["revocation"].startswith(RevocationState.REVOKED):
                problems.append(f"relay why {name}: {told['deliveries'][0]['revocation']}")
        shape = await operator.shape()
        held = sum(row["counts"]["held"]["total"] for row in shape["rows"])
        if held != len(names):
            problems.append(f"the queue counts {held} held, not {len(names)}")
        self._outcome.check("what was queued is held, and the operator told why", *problems)
        self._tell("both are held; relay why and the queue's shape say so")

    async def _refused(self, sender: Desk) -> None:
        """Its next document would bear a seal that nobody takes: it is refused at once."""
        try:
            await sender.send(self._write(documents.letter).content)
        except AxisFailure as failure:
            problem = "" if "revoked" in str(failure) else f"for another reason: {failure}"
        else:
            problem = "it was accepted"
        self._outcome.check("the agency's next document is refused, with the reason", problem)
        self._tell("the agency's next document is refused at its node")

    async def _nothing_leaves(
        self, operator: NativeClient, queued: list[tuple[Written, str]]
    ) -> None:
        """The way is open again, and they stay: whole, and with nobody else."""
        problems = []
        await asyncio.sleep(1.5)  # several rounds of retry and refresh, as short as they are here
        async with at_socket(self._network.nodes[AT].control) as district:
            for written, name in queued:
                message = await operator.message(name)
                state = message["deliveries"][0]["state"]
                if state != "held":
                    problems.append(f"{written.name} is {state}")
                if message["digest"] != digest_of(written.content):
                    problems.append(f"{written.name} is not what was sent")
                if await district.knows(name):
                    problems.append(f"{written.name} reached {AT}")
        self._outcome.check("nothing leaves while it is held, and nothing is lost", *problems)

    # ------------------------------------------------------------ decided

    async def _decide(self, operator: NativeClient, names: list[str]) -> None:
        cancelled, released = names
        await operator.order("cancel", cancelled, "the agency seals it anew")
        await operator.order("release", released, "the next node may judge for itself")
        self._tell("the operator cancels one and releases the other")
        done = [await self._ended(operator, name) for name in names]
        wanted = [("cancelled", Reason.CANCELLED), ("refused", Reason.REVOKED_CERTIFICATE)]
        problems = [
            f"{name} is {state} ({reason})"
            for name, (state, reason), right in zip(names, done, wanted, strict=True)
            if (state, reason) != right
        ]
        problems += [await self._unreceipted(operator, name) for name in names]
        self._outcome.check("the operator decides, and signed receipts say how it ended", *problems)
        self._outcome.documents = [
            {"message_id": name, "state": state, "reason": reason}
            for name, (state, reason) in zip(names, done, strict=True)
        ]
        self._tell(f"cancelled: a signed receipt says so; released: {AT} refuses it, signed")

    async def _ended(self, operator: NativeClient, name: str) -> tuple[str, str]:
        async def look() -> tuple[str, str]:
            delivery = (await operator.message(name))["deliveries"][0]
            if delivery["state"] not in {"cancelled", "refused", "expired"}:
                raise NotYetError(f"{name} is {delivery['state']}")
            return delivery["state"], delivery["reason"]

        return await until("the decision carried out", look, self._network.check_alive)

    async def _unreceipted(self, operator: NativeClient, name: str) -> str:
        """The negative receipt must verify by itself."""
        trust = TrustStore([self._network.root.read_bytes()])
        listed = (await operator.message(name))["deliveries"][0]["receipts"]
        negative = [one for one in listed if Event(one["event"]).negative]
        if not negative:
            return f"{name} ended without a negative receipt"
        container = await operator.receipt(negative[0]["digest"])
        try:
            verify_receipt(read_receipts(container, 1 << 20)[0], trust, None)
        except RelayError as error:
            return f"{name}: {error}"
        return ""

    # ------------------------------------------------------------ what was before

    async def _still_verifies(
        self, operator: NativeClient, letter: Written, name: str, revoked_at: datetime
    ) -> None:
        """As of its time: by its receipts, and by the CRL that revokes its certificate now."""
        trust, problems = TrustStore([self._network.root.read_bytes()]), []
        delivery = (await operator.message(name))["deliveries"][0]
        received = None
        for listed in delivery["receipts"]:
            signed = read_receipts(await operator.receipt(listed["digest"]), 1 << 20)[0]
            try:
                receipt = verify_receipt(signed, trust, None)
            except RelayError as error:
                problems.append(f"{listed['event']}: {error}")
                continue
            if receipt.digest != digest_of(letter.content):
                problems.append(f"{listed['event']} is about other bytes")
            received = received or receipt.at
        seal = await operator.message_seal(name)
        problems += self._seal_problems(seal, letter, trust)
        statement = (self._network.folder / "pki" / "branches" / "tinh-h01" / "ca.crl").read_bytes()
        then = judge_seal(seal, [statement], trust, received or revoked_at)
        now = judge_seal(seal, [statement], trust, self._clock())
        if then is not RevocationState.VALID or now is not RevocationState.REVOKED:
            problems.append(f"as of its receipt {then}, as of now {now}")
        self._outcome.check("what was receipted before verifies as of its time", *problems)
        self._tell("the letter that was receipted before still verifies, as of its time")

    def _seal_problems(self, seal: bytes, letter: Written, trust: TrustStore) -> list[str]:
        try:
            proven = verify_seal(seal, Digest(digest_of(letter.content)), trust, None)
            require_sealed_by(proven, AgencyCode(plan.SENDER.agency.code), plan.SENDER.codes)
        except RelayError as error:
            return [str(error)]
        return []

    async def _nothing_arrived(self, receiver: Desk, letter: Written) -> None:
        others = [
            arrived.doc_id
            for arrived in receiver.fetched.values()
            if arrived.content != letter.content
        ]
        others += [one.doc_id for one in await receiver.collect(MessageType.DOCUMENT)]
        self._outcome.check(
            "nothing sealed with the revoked certificate arrived afterwards",
            *(f"{one} arrived" for one in others),
        )

    def _logs(self) -> None:
        problems = []
        for node in self._network.nodes.values():
            try:
                verify_whole_log(node.config)
            except RelayError as error:
                problems.append(f"{node.plan.name}: {error}")
        self._outcome.check("every node's audit log verifies", *problems)
