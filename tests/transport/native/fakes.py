"""A small honest inside, in memory: it keeps the promises of delivery.ports that faces rely on.

One node, which serves some agencies itself and knows a neighbour for others. Loaded by the
conftest of each folder that needs it.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.audit.checkpoint import note_body, origin_of, sign_note
from relay.audit.tree import Frontier, leaf_hash
from relay.delivery.operators.inspecting import Shape, Why
from relay.delivery.operators.orders import Action, Done
from relay.delivery.ports import (
    Accepted,
    Acknowledgement,
    Beside,
    Caller,
    DeliveryView,
    Fetched,
    InboxItem,
    InboxQuery,
    LogEntry,
    LogEntryWhole,
    LogPage,
    MessageView,
    ReceiptView,
    SentItem,
    SentQuery,
    StatementKind,
    Submission,
    TokenView,
)
from relay.delivery.ports import (
    Kept as KeptStatement,
)
from relay.delivery.recovery.ports import DONE, Progress, Recovery, Step
from relay.delivery.timeline.desk import TimelineDesk
from relay.delivery.timeline.ports import Records
from relay.delivery.wanted import Wanted
from relay.errors import (
    AccessError,
    ConflictError,
    NotFoundError,
    RouteError,
    TooLargeError,
)
from relay.model import (
    AgencyCode,
    DeliveryId,
    DeliveryState,
    Digest,
    Event,
    Evidence,
    MessageId,
    NodeId,
    Payload,
    Receipt,
    Seal,
    SealKind,
    Signed,
    digest_of,
    mint_uuid7,
)
from relay.wire.receipt import write_receipt

NODE = NodeId("tinh-h01")
INLINE_BYTES = 32 * 1024
START = datetime(2026, 11, 23, 4, 5, 6, 123000, tzinfo=UTC)


def unsigned(receipt: Receipt) -> Signed:
    return Signed(write_receipt(receipt), b"<Signature>none</Signature>")


class MemoryUpload:
    def __init__(self, store: MemoryStore, limit_bytes: int) -> None:
        self._store, self._limit = store, limit_bytes
        self._content = bytearray()

    def write(self, chunk: bytes) -> None:
        self._content += chunk
        if len(self._content) > self._limit:
            raise TooLargeError(f"{len(self._content)} bytes", limit=f"{self._limit} bytes")

    async def finish(self) -> Payload:
        return self._store.keep(bytes(self._content))

    def abort(self) -> None:
        self._content.clear()


class MemoryStore:
    """Small payloads in memory, larger ones in files, as the real store does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.failing: Exception | None = None
        self.cut_after: int | None = None
        self.released: list[Payload] = []

    async def release(self, payload: Payload) -> None:
        self.released.append(payload)

    def begin(self, limit_bytes: int) -> MemoryUpload:
        if self.failing is not None:
            raise self.failing
        return MemoryUpload(self, limit_bytes)

    def keep(self, content: bytes) -> Payload:
        digest = digest_of(content)
        if len(content) <= INLINE_BYTES:
            return Payload(digest, len(content), content, None)
        path = self._folder / digest
        path.write_bytes(content)
        return Payload(digest, len(content), None, path)

    async def read(self, payload: Payload, start_bytes: int = 0) -> AsyncIterator[bytes]:
        content = payload.content if payload.path is None else payload.path.read_bytes()
        assert content is not None
        for start in range(start_bytes, len(content), 1 << 16):
            if self.cut_after is not None and start >= self.cut_after:
                raise OSError("the disk is gone")
            yield content[start : start + (1 << 16)]

    def forget(self) -> None:
        shutil.rmtree(self._folder)


class MemoryRecovery:
    """Recovery of a node that was restored and waits for two neighbours."""

    def __init__(self) -> None:
        self.since: datetime | None = START
        self.errors = {NodeId("tw"): "cannot connect"}
        self.steps = {NodeId("tw"): Step.RECEIPTS, NodeId("xa"): Step.ANSWERED}
        self.skipped: dict[NodeId, tuple[Caller, str]] = {}

    async def standing(self) -> tuple[Recovery, dict[NodeId, str]]:
        rows = tuple(self._progress(name, step) for name, step in self.steps.items())
        ended = START if self.since is None else None
        return Recovery(self.since, ended, rows), self.errors

    def _progress(self, name: NodeId, step: Step) -> Progress:
        by, why = self.skipped.get(name, (None, None))
        done = START if step in DONE else None
        holder = None if by is None else by.holder
        return Progress(name, step, None, 3, 2, 1, 0, done, holder, why)

    async def skip(self, caller: Caller, neighbour: NodeId, why: str) -> None:
        if neighbour not in self.steps:
            raise NotFoundError(f"no neighbour {neighbour} is asked")
        if self.steps[neighbour] is Step.ANSWERED:
            raise ConflictError(f"{neighbour} has answered already")
        self.steps[neighbour] = Step.SKIPPED
        self.skipped[neighbour] = (caller, why)
        self.since = None


@dataclass
class Kept:
    view: MessageView
    sender: AgencyCode
    payload: Payload
    seal: Seal
    accepted: Accepted
    items: dict[AgencyCode, InboxItem] = field(default_factory=dict)


class World:
    """Intake, inbox and tracking over one dictionary of messages."""

    def __init__(
        self,
        folder: Path,
        sign: Callable[[Receipt], Signed] = unsigned,
        make_seal: Callable[[Digest], Seal] | None = None,
    ) -> None:
        self.store = MemoryStore(folder)
        self.log = MemoryLog()
        self.tokens = MemoryTokens()
        self.outbox = MemoryOutbox(self)
        self.recovery = MemoryRecovery()
        self.operations = MemoryOperations()
        self.served = {AgencyCode("000.00.15.H51"), AgencyCode("000.00.20.H13")}
        self.kept: dict[MessageId, Kept] = {}
        self.receipts: dict[Digest, Signed] = {}
        self.submissions: list[Submission] = []
        self.failing: BaseException | None = None
        self.not_ready: str | None = None
        self._sign = sign
        self._make_seal = make_seal or (
            lambda _: Seal(SealKind.NODE, b"<Signature>seal</Signature>")
        )
        self._by_key: dict[tuple[str, ...], MessageId] = {}
        self._by_idempotency: dict[tuple[str, str], tuple[str, ...]] = {}
        self._ticks = itertools.count()
        self._cursors = itertools.count(1)

    def clock(self) -> datetime:
        return START + timedelta(seconds=next(self._ticks))

    def ready(self) -> str | None:
        return self.not_ready

    # ------------------------------------------------------------ intake

    async def submit(self, submission: Submission) -> Accepted:
        if self.failing is not None:
            raise self.failing
        self.submissions.append(submission)
        envelope, caller = submission.envelope, submission.caller
        sender = AgencyCode(envelope.sender.organ_id)
        if sender not in caller.agencies:
            raise AccessError(f"{sender} is not an agency of {caller.holder}")
        recipients = submission.declared_to or tuple(to.organ_id for to in envelope.recipients)
        unknown = [code for code in recipients if code not in self.served]
        if unknown:
            raise RouteError(f"no route to {', '.join(unknown)}", unknown)
        key = (caller.holder, sender, *sorted(recipients), envelope.message_type, envelope.digest)
        self._check_idempotency(submission, key)
        if key in self._by_key:
            return replace(self.kept[self._by_key[key]].accepted, repeated=True)
        return await self._admit(submission, sender, [AgencyCode(code) for code in recipients], key)

    def _check_idempotency(self, submission: Submission, key: tuple[str, ...]) -> None:
        if submission.idempotency_key is not None:
            named = (submission.caller.holder, submission.idempotency_key)
            if self._by_idempotency.setdefault(named, key) != key:
                raise ConflictError("the idempotency key names another submission")

    async def _admit(
        self,
        submission: Submission,
        sender: AgencyCode,
        recipients: list[AgencyCode],
        key: tuple[str, ...],
    ) -> Accepted:
        envelope, now = submission.envelope, self.clock()
        message_id = MessageId(mint_uuid7(now, digest_of(repr(key).encode()).encode()[:10]))
        receipt = self._issue(
            message_id,
            envelope.digest,
            envelope.size_bytes,
            Event.SUBMISSION_ACCEPTANCE,
            recipients,
            now,
            None,
        )
        accepted = Accepted(message_id, now, receipt, repeated=False)
        seal = (
            Seal(SealKind.AGENCY_SUPPLIED, submission.seal)
            if submission.seal is not None
            else self._make_seal(envelope.digest)
        )
        view = MessageView(
            message_id=message_id,
            origin=NODE,
            message_type=envelope.message_type,
            sender=sender,
            subject=envelope.subject,
            notation=envelope.notation,
            document_id=envelope.document_id,
            priority=envelope.priority,
            digest=envelope.digest,
            size_bytes=envelope.size_bytes,
            accepted_at=now,
            expires_at=now + timedelta(days=7),
            seal_kind=seal.kind,
            linked_to=None,
            findings=envelope.findings,
            deliveries=(),
        )
        kept = Kept(view, sender, submission.payload, seal, accepted)
        self.kept[message_id] = kept
        self._by_key[key] = message_id
        await self.log.append("message-accepted", now, message=message_id)
        deliveries = [await self._consign(kept, code, receipt, now) for code in recipients]
        kept.view = replace(view, deliveries=tuple(deliveries))
        return accepted

    async def _consign(
        self, kept: Kept, code: AgencyCode, submitted: Digest, now: datetime
    ) -> DeliveryView:
        view = kept.view
        at = now + timedelta(seconds=1)
        consigned = self._issue(
            view.message_id,
            view.digest,
            view.size_bytes,
            Event.CONTENT_CONSIGNMENT,
            [code],
            at,
            submitted,
        )
        delivery_id = DeliveryId(mint_uuid7(at, hashlib.sha256(code.encode()).digest()[:10]))
        kept.items[code] = InboxItem(
            delivery_id=delivery_id,
            cursor=next(self._cursors),
            message_id=view.message_id,
            message_type=view.message_type,
            sender=view.sender,
            recipient=code,
            subject=view.subject,
            notation=view.notation,
            priority=view.priority,
            digest=view.digest,
            size_bytes=view.size_bytes,
            state=DeliveryState.AVAILABLE,
            acknowledgement=Acknowledgement.INITIAL,
            available_at=at,
            updated_at=at,
            seal_kind=kept.seal.kind,
        )
        await self.log.append("delivery-available", at, delivery=delivery_id)
        return DeliveryView(
            delivery_id=delivery_id,
            recipient=code,
            addressed_as=code,
            state=DeliveryState.AVAILABLE,
            next_hop=None,
            attempts=0,
            next_attempt_at=None,
            last_error="",
            reason=None,
            detail="",
            receipts=(
                self._shown(submitted, Event.SUBMISSION_ACCEPTANCE, code, now, None),
                self._shown(consigned, Event.CONTENT_CONSIGNMENT, code, at, submitted),
            ),
            statuses=(),
        )

    def _issue(
        self,
        message_id: MessageId,
        digest: Digest,
        size_bytes: int,
        event: Event,
        recipients: list[AgencyCode],
        at: datetime,
        previous: Digest | None,
    ) -> Digest:
        signed = self._sign(
            Receipt(
                issuer=NODE,
                origin=NODE,
                message_id=message_id,
                digest=digest,
                size_bytes=size_bytes,
                transfer_id=None,
                sent_by=None,
                at=at,
                evidence=tuple(Evidence(event, code, previous) for code in recipients),
            )
        )
        self.receipts[signed.digest] = signed
        return signed.digest

    def _shown(
        self, digest: Digest, event: Event, code: AgencyCode, at: datetime, previous: Digest | None
    ) -> ReceiptView:
        return ReceiptView(digest, event, NODE, code, at, previous, None, None, None, "")

    # ------------------------------------------------------------ inbox

    async def list(self, caller: Caller, query: InboxQuery) -> list[InboxItem]:
        found = [
            item
            for kept in self.kept.values()
            for code, item in kept.items.items()
            if code in caller.agencies
            and item.cursor > query.after
            and query.message_type in (None, item.message_type)
            and self._is_listed(item, query)
        ]
        return sorted(found, key=lambda item: item.cursor)[: query.limit]

    def _is_listed(self, item: InboxItem, query: InboxQuery) -> bool:
        if query.every_state:
            return True
        if query.acknowledgement is None:
            return item.acknowledgement is not Acknowledgement.DONE
        return item.acknowledgement is query.acknowledgement

    async def count(self, caller: Caller, message_type: object) -> int:
        return len(await self.list(caller, InboxQuery()))

    async def find(self, caller: Caller, delivery_id: DeliveryId) -> InboxItem:
        return self._delivery(caller, delivery_id)[1]

    async def fetch(self, caller: Caller, delivery_id: DeliveryId) -> Fetched:
        kept, item = self._delivery(caller, delivery_id)
        if item.state is DeliveryState.AVAILABLE:
            item = replace(item, state=DeliveryState.FETCHED)
            kept.items[AgencyCode(item.recipient)] = item
        return Fetched(item, kept.payload, kept.seal)

    async def acknowledge(
        self,
        caller: Caller,
        delivery_id: DeliveryId,
        acknowledgement: Acknowledgement,
        reason: str = "",
        why: str = "",
    ) -> InboxItem:
        kept, item = self._delivery(caller, delivery_id, anyones=caller.operator)
        if AgencyCode(item.recipient) not in caller.agencies and not (caller.local and why):
            raise AccessError("an acknowledgement is the recipient's")
        done = Acknowledgement.DONE in (acknowledgement, item.acknowledgement)
        if done and acknowledgement is Acknowledgement.FAIL:
            raise ConflictError(f"delivery {delivery_id} is already acknowledged done")
        acknowledgement = Acknowledgement.DONE if done else acknowledgement
        state = DeliveryState.HANDED_OVER if done else item.state
        item = replace(item, acknowledgement=acknowledgement, state=state)
        kept.items[AgencyCode(item.recipient)] = item
        return item

    def _delivery(
        self, caller: Caller, delivery_id: DeliveryId, *, anyones: bool = False
    ) -> tuple[Kept, InboxItem]:
        for kept in self.kept.values():
            for code, item in kept.items.items():
                if item.delivery_id == delivery_id and (anyones or code in caller.agencies):
                    return kept, item
        raise NotFoundError("no delivery has that id")

    # ------------------------------------------------------------ tracking

    async def records(self, view: MessageView) -> Records:
        """No entry of the log is this world's."""
        return Records()

    @property
    def timelines(self) -> TimelineDesk:
        return TimelineDesk(NODE, self, self, lambda _: "")

    async def message(self, caller: Caller, message_id: MessageId) -> MessageView:
        return self._seen(caller, message_id).view

    async def seal(self, caller: Caller, message_id: MessageId) -> Seal:
        return self._seen(caller, message_id).seal

    async def beside(self, caller: Caller, message_id: MessageId) -> Beside:
        self._seen(caller, message_id)
        at = datetime(2026, 11, 1, tzinfo=UTC)
        return Beside(
            (b"cert",), (KeptStatement(StatementKind.CRL, digest_of(b"crl"), b"crl", at, None),)
        )

    async def receipt(self, caller: Caller, digest: Digest) -> Signed:
        if digest not in self.receipts:
            raise NotFoundError("no receipt has that digest")
        return self.receipts[digest]

    def _seen(self, caller: Caller, message_id: MessageId) -> Kept:
        kept = self.kept.get(message_id)
        if kept is None or not (
            caller.operator or caller.auditor or caller.agencies & {kept.sender, *kept.items}
        ):
            raise NotFoundError("no message has that id")
        return kept


class MemoryOutbox:
    """The sender's side of a world; what `ended` names ended as that says."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.ended: dict[DeliveryId, SentItem] = {}

    async def list(self, caller: Caller, query: SentQuery) -> list[SentItem]:
        found = [
            self.ended.get(item.delivery_id, self._row(kept, item))
            for kept in reversed(self._world.kept.values())
            for item in kept.items.values()
            if (caller.operator or kept.sender in caller.agencies)
            and query.message_type in (None, item.message_type)
            and query.message_id in (None, item.message_id)
        ]
        return found[query.skip : query.skip + query.limit]

    @staticmethod
    def _row(kept: Kept, item: InboxItem) -> SentItem:
        return SentItem(
            message_id=item.message_id,
            delivery_id=item.delivery_id,
            message_type=item.message_type,
            sender=item.sender,
            recipient=item.recipient,
            subject=item.subject,
            notation=item.notation,
            accepted_at=kept.view.accepted_at,
            state=item.state,
            acknowledgement=item.acknowledgement,
            settled_at=item.available_at,
            reason=None,
            detail="",
            failed_at_node=None,
        )


class MemoryOperations:
    """delivery.operators.orders.Control and delivery.operators.inspecting.QueueReader where nothing ever waits."""

    async def act(self, caller: Caller, action: Action, name: str, why: str, **_: object) -> Done:
        raise NotFoundError(f"no delivery or message {name} is known here")

    async def act_on_neighbour(
        self, caller: Caller, action: Action, neighbour: NodeId | None, why: str
    ) -> Done:
        return Done(action)

    async def shape(self) -> Shape:
        return Shape(START, ())

    async def why(self, name: str) -> Why:
        raise NotFoundError(f"no delivery or message {name} is known here")


class MemoryLog:
    def __init__(self) -> None:
        self.leaves: list[bytes] = []
        self._key = Ed25519PrivateKey.generate()
        self._grown = asyncio.Condition()
        self.looked: list[int] = []
        """From where each page was asked for."""
        self.waiting = 0
        """Followers at the log's end."""

    async def append(self, event: str, at: datetime, **fields: str) -> None:
        document = {
            "v": 1,
            "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "event": event,
            **fields,
        }
        async with self._grown:
            self.leaves.append(json.dumps(document, sort_keys=True, separators=(",", ":")).encode())
            self._grown.notify_all()

    async def page(self, wanted: Wanted, after: int, limit: int) -> LogPage:
        self.looked.append(after)
        found: list[LogEntry] = []
        while after < len(self.leaves) and len(found) < limit:
            if wanted.takes(self.leaves[after]):
                found.append(LogEntry(after, self.leaves[after]))
            after += 1
        return LogPage(tuple(found), after, more=after < len(self.leaves))

    async def last(self, wanted: Wanted, limit: int) -> LogPage:
        page = await self.page(wanted, 0, len(self.leaves))
        return replace(page, entries=page.entries[-limit:] if limit else ())

    async def since(self, at: datetime, after: int) -> int:
        times = [datetime.fromisoformat(json.loads(leaf)["at"]) for leaf in self.leaves[after:]]
        return after + sum(time < at for time in times)

    async def whole(self, index: int) -> LogEntryWhole:
        if index >= len(self.leaves):
            raise NotFoundError(f"no entry of the log has the index {index}")
        around = [LogEntry(n, leaf) for n, leaf in enumerate(self.leaves)]
        before = around[index - 1] if index else None
        after = around[index + 1] if index + 1 < len(around) else None
        hashed = leaf_hash(self.leaves[index]).hex()
        return LogEntryWhole(around[index], hashed, origin_of(NODE), before, after)

    async def follow(self, wanted: Wanted, after: int, limit: int) -> AsyncIterator[LogPage]:
        while True:
            async with self._grown:
                while len(self.leaves) <= after:
                    self.waiting += 1
                    await self._grown.wait()
                    self.waiting -= 1
            page = await self.page(wanted, after, limit)
            yield page
            after = page.next

    async def head(self) -> bytes:
        tree = Frontier()
        for leaf in self.leaves:
            tree.append(leaf_hash(leaf))
        body = note_body(origin_of(NODE), tree.size, tree.root())
        public = self._key.public_key().public_bytes_raw()
        return sign_note(body, origin_of(NODE), public, self._key.sign)


class MemoryTokens:
    """Keeps the hash of a secret only."""

    def __init__(self) -> None:
        self._callers: dict[str, Caller] = {}
        self._views: dict[str, TokenView] = {}
        self._ids: dict[str, str] = {}
        self.authenticated = 0

    def known(self, secret: str, caller: Caller) -> str:
        self._callers[hashlib.sha256(secret.encode()).hexdigest()] = caller
        return secret

    async def issue(
        self, by: Caller, holder: str, scopes: tuple[str, ...]
    ) -> tuple[TokenView, str]:
        number = len(self._views) + 1
        view = TokenView(f"tk-{number}", holder, scopes, START, None)
        secret = f"relay_{number:04d}_{digest_of(holder.encode())[:16]}"
        self._views[view.token_id] = view
        self._ids[view.token_id] = hashlib.sha256(secret.encode()).hexdigest()
        agencies = frozenset(AgencyCode(s[7:]) for s in scopes if s.startswith("agency:"))
        self.known(secret, Caller(holder, agencies, "operator" in scopes, "auditor" in scopes))
        return view, secret

    async def list(self) -> list[TokenView]:
        return list(self._views.values())

    async def revoke(self, by: Caller, token_id: str) -> TokenView:
        if token_id not in self._views:
            raise NotFoundError("no token has that id")
        self._callers.pop(self._ids[token_id], None)
        self._views[token_id] = replace(self._views[token_id], revoked_at=START)
        return self._views[token_id]

    async def authenticate(self, secret: str) -> Caller:
        self.authenticated += 1
        caller = self._callers.get(hashlib.sha256(secret.encode()).hexdigest())
        if caller is None:
            raise AccessError("unknown token")
        return caller
