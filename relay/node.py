"""A node: the parts of the relay put together, started, drained and stopped.

The only place that knows every room. Order of the start: keys and trust, the journal (recover
first), the dispatcher, then the listeners; of the stop: the listeners, a bounded wait for what is
under way, the journal last.

Touches: everything, through the rooms.
Raises:  SettingsError, JournalError before anything is served.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import ssl
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import structlog
import uvloop
from aiohttp import web

from relay import __version__, logs
from relay.audit.checkpoint import note_body, origin_of, sign_note
from relay.audit.epochs import log_name, verify_epochs
from relay.audit.verify import LogKey, LogVerdict, Progress
from relay.delivery.acceptance import IntakeDesk
from relay.delivery.arrivals import TransferDesk
from relay.delivery.asking import AskingDesk
from relay.delivery.channel import Channel
from relay.delivery.clock import Clock
from relay.delivery.dispatch import Dispatcher
from relay.delivery.expiry import ExpiryDesk
from relay.delivery.inbox import InboxDesk
from relay.delivery.logbook import Logbook
from relay.delivery.readmitting import Readmitter
from relay.delivery.recovering import GuardedIntake, RecoveryDesk
from relay.delivery.reminding import RemindingDesk
from relay.delivery.retry import RetryPolicy
from relay.delivery.returns import ReturnDesk
from relay.delivery.sealing import SealingDesk
from relay.delivery.steady import SteadyTime
from relay.delivery.tokens import TokenDesk
from relay.delivery.tracking import OutboxDesk, TrackingDesk
from relay.envelope.limits import Limits
from relay.errors import SettingsError
from relay.identity import NodeKeys, load_keys
from relay.journal import backup
from relay.journal.ahead import AheadFiles
from relay.journal.backup import Backup
from relay.journal.inspect import stored_log
from relay.journal.recovering import RecoveryTable
from relay.journal.reminding import ReminderTable
from relay.journal.store import SqliteJournal
from relay.model import NodeId
from relay.routing.directory import Directory
from relay.routing.next_hop import Place
from relay.settings import SAMPLES, Settings, load, read, unfit_data_dir
from relay.signing.keys import LogSigner, verify_log_signature
from relay.signing.notary import NodeNotary
from relay.signing.tls import client_context, face_context, peer_node, server_context
from relay.transport.axis.runner import AxisRunner
from relay.transport.axis.server import axis_app
from relay.transport.axis.systems import Freshness, FreshnessPolicy, System, Systems
from relay.transport.native.app import native_app
from relay.transport.native.runner import native_runner
from relay.transport.nodes.client import NodesClient
from relay.transport.nodes.recovering import RecoveryClient
from relay.transport.nodes.server import NodeFace, nodes_app

log = structlog.get_logger("relay.node")
CONTROL_SOCKET = "control.sock"
EXIT_FAULT = 70
"""sysexits EX_SOFTWARE: a background task failed, so that a supervisor starts the node again."""
EXIT_DISK = 74
"""sysexits EX_IOERR: the journal could not commit; start again to recover from it."""


class Node:
    """One running node."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._steady = SteadyTime()
        self._clock = clock or Clock(wall=self._steady.now, seen=self._steady.seen)
        self._id = NodeId(settings.node.id)
        self._exits = AsyncExitStack()
        self._accepting = False
        self._recovering: Callable[[], str | None] = lambda: None
        self.failed = False
        """Whether a fault of ours ended it."""
        self.addresses: dict[str, list[tuple[str, int]]] = {}
        """Where each face really listens, once started."""

    async def start(self) -> None:
        """Everything up, listeners last. On an error what was started is stopped again."""
        try:
            await self._start()
        except BaseException:
            await self._exits.aclose()
            raise

    async def stop(self) -> None:
        """Refuse new work, finish what is under way within the drain time, close the journal."""
        self._accepting = False
        await self._exits.aclose()

    async def _start(self) -> None:
        settings = self._settings
        directory = settings.make_directory()
        keys = load_keys(settings, directory)
        journal = await self._open_journal(keys.log)
        self._journal = journal
        await journal.recover(self._clock.now())
        await self._note("node-started", release=__version__)
        notary = NodeNotary(
            self._id,
            keys.sign,
            keys.agencies,
            keys.trust,
            directory.aliases,
            seals_at_once=not settings.keys.slow,
        )
        await self._serve(directory, keys, journal, notary)
        self._accepting = True
        log.info("node started", node=self._id, release=__version__, **_shown(self.addresses))

    async def _open_journal(self, log_signer: LogSigner) -> SqliteJournal:
        def sign_head(epoch: int, size: int, root: bytes) -> bytes:
            name = log_name(self._id, epoch)
            body = note_body(name, size, root)
            return sign_note(body, name, log_signer.public_key, log_signer.sign)

        def grown(_: int) -> None:
            self._logbook.grown()

        journal = await SqliteJournal.open(
            self._settings.node.data_dir, self._id, sign_head, on_fatal=_die, on_commit=grown
        )
        self._logbook = Logbook(journal)
        self._exits.push_async_callback(journal.close)
        self._exits.push_async_callback(self._note, "node-stopped")
        return journal

    async def _note(self, event: str, **fields: str | int) -> None:
        await self._journal.note(event, self._clock.now(), fields)

    async def _jumped(self, seconds: int) -> None:
        await self._note("clock-jumped", seconds=seconds)

    async def _serve(
        self, directory: Directory, keys: NodeKeys, journal: SqliteJournal, notary: NodeNotary
    ) -> None:
        settings, clock = self._settings, self._clock
        delivery = settings.delivery
        neighbours = frozenset(NodeId(n.id) for n in settings.neighbours)
        place = Place(
            self._id,
            settings.uplink,
            neighbours,
            unknown_to_uplink=settings.directory.unknown_codes == "uplink",
        )
        wire = NodesClient(
            {NodeId(n.id): n.url for n in settings.neighbours},
            self._client_tls(),
            journal,
            peer_node,
            delivery.transfers_at_once,
            delivery.answer_within,
            clock.seen,
        )
        self._exits.push_async_callback(wire.close)
        policy = RetryPolicy(
            delivery.retry_first,
            delivery.retry_cap,
            delivery.expiry_normal,
            delivery.expiry_urgent,
            delivery.expiry_express,
        )
        returns = ReturnDesk(
            self._id,
            directory,
            journal,
            notary,
            wire,
            clock,
            lambda to: dispatcher.receipts_wait(to),  # noqa: PLW0108  made next
        )

        def met(neighbour: NodeId) -> None:
            expiry.met(neighbour)
            recovery.met(neighbour)

        dispatcher = Dispatcher(
            self._id,
            journal,
            notary,
            wire,
            returns,
            policy,
            clock,
            random.SystemRandom().random,
            {n: Channel(n, delivery.transfers_at_once) for n in neighbours},
            met,
        )
        sealing = SealingDesk(self._id, journal, notary, clock, dispatcher.look)
        asking = AskingDesk(directory, journal, notary, wire, clock, dispatcher.receipts_wait)
        expiry = ExpiryDesk(
            self._id, journal, notary, asking, clock, dispatcher.receipts_wait, policy.grace
        )
        self._run("clock", self._steady.watch(self._jumped))
        self._run("dispatcher", dispatcher.run())
        self._exits.push_async_callback(dispatcher.drain, delivery.drain.total_seconds())
        self._run("sealing", sealing.run())
        self._run("expiry", expiry.run())

        limits = Limits(envelope_bytes=settings.limits.envelope_bytes)
        recovery = RecoveryDesk(
            self._id,
            neighbours,
            RecoveryTable(journal, self._id),
            RecoveryClient(wire, journal, limits),
            notary,
            journal,
            Readmitter(place, directory, journal, notary, clock),
            policy,
            delivery.clock_tolerance,
            clock,
            random.SystemRandom().random,
            dispatcher.look,
            dispatcher.receipts_wait,
        )
        self._recovering = recovery.waits_for
        intake = GuardedIntake(
            IntakeDesk(
                place,
                directory,
                journal,
                notary,
                policy,
                clock,
                dispatcher.offer,
                sealing.wake,
            ),
            recovery.waits_for,
        )
        inbox = InboxDesk(self._id, journal, notary, clock, dispatcher.receipts_wait)
        tokens = TokenDesk(self._id, directory, journal, clock)
        transfers = TransferDesk(
            place,
            directory,
            journal,
            notary,
            clock,
            delivery.clock_tolerance,
            limits.envelope_bytes,
            dispatcher.offer,
            recovery.late,
        )
        face = NodeFace(
            node=self._id,
            version=__version__,
            neighbours=neighbours,
            transfers=transfers,
            returns=returns,
            reminding=RemindingDesk(
                journal, ReminderTable(journal, self._id), clock, dispatcher.repeat
            ),
            store=journal,
            ahead=AheadFiles(settings.node.data_dir / "ahead", settings.limits.uploads_ahead_bytes),
            limits=limits,
            contact=dispatcher.contact,
            mint=clock.mint,
            identify=peer_node,
            refused=lambda neighbour, reason: self._note(
                "peer-refused", neighbour=neighbour, reason=reason
            ),
        )
        axis = axis_app(
            intake,
            inbox,
            OutboxDesk(journal),
            journal,
            _systems(settings, directory),
            limits,
            clock.now,
            directory.resolve,
        )

        def native(*, local: bool) -> web.Application:
            return native_app(
                intake,
                inbox,
                TrackingDesk(journal),
                self._logbook,
                tokens,
                journal,
                limits,
                clock.now,
                self._ready,
                outbox=OutboxDesk(journal),
                recovery=recovery,
                local_operator=local,
            )

        await recovery.start()
        self._run("recovery", recovery.run())
        plain = settings.listen.plain_http
        tls = None if plain else face_context(*_pair(settings))
        await self._listen(
            "nodes",
            web.AppRunner(nodes_app(face), access_log=None, max_field_size=16384),
            settings.listen.nodes,
            self._server_tls(),
        )
        await self._listen(
            "native", native_runner(native(local=False)), settings.listen.native, tls
        )
        await self._listen("axis", AxisRunner(axis), settings.listen.axis, tls)
        await self._control(native_runner(native(local=True)))

    def _run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """A background task whose end is a fault of ours."""
        task = asyncio.create_task(work, name=name)

        def ended(done: asyncio.Task[None]) -> None:
            if not done.cancelled() and (error := done.exception()) is not None:
                log.critical("background task failed", task=name, exc_info=error)
                self.failed = True
                os.kill(os.getpid(), signal.SIGTERM)

        task.add_done_callback(ended)

        async def cancel() -> None:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task

        self._exits.push_async_callback(cancel)

    def _ready(self) -> str | None:
        return self._recovering() if self._accepting else "the node is starting or stopping"

    async def _listen(
        self,
        name: str,
        runner: web.AppRunner,
        addresses: tuple[str, ...],
        tls: ssl.SSLContext | None,
    ) -> None:
        await runner.setup()
        self._exits.push_async_callback(runner.cleanup)
        for text in addresses:
            host, _, port = text.rpartition(":")
            site = web.TCPSite(runner, host.strip("[]"), int(port), ssl_context=tls)
            try:
                await site.start()
            except OSError as error:
                raise SettingsError([f"listen.{name}: {text}: {error.strerror}"]) from error
        self.addresses[name] = [tuple(address[:2]) for address in runner.addresses]

    async def _control(self, runner: web.AppRunner) -> None:
        """The unix socket on which whoever may open the data folder is an operator."""
        path = self._settings.node.data_dir / CONTROL_SOCKET
        path.unlink(missing_ok=True)
        await runner.setup()
        self._exits.push_async_callback(runner.cleanup)
        before = os.umask(0o177)
        try:
            await web.UnixSite(runner, path).start()
        finally:
            os.umask(before)

    def _server_tls(self) -> ssl.SSLContext:
        return self._all_roots(server_context(*_pair(self._settings), self._roots[0]))

    def _client_tls(self) -> ssl.SSLContext:
        context = client_context(*_pair(self._settings), self._roots[0], check_hostname=False)
        return self._all_roots(context)

    def _all_roots(self, context: ssl.SSLContext) -> ssl.SSLContext:
        for path in self._roots[1:]:
            context.load_verify_locations(cafile=path)
        return context

    @property
    def _roots(self) -> tuple[Path, ...]:
        return self._settings.trust.roots


def _pair(settings: Settings) -> tuple[Path, Path]:
    return settings.keys.tls.certificate, settings.keys.tls.key


def _shown(addresses: dict[str, list[tuple[str, int]]]) -> dict[str, str]:
    return {
        name: " ".join(f"[{h}]:{p}" if ":" in h else f"{h}:{p}" for h, p in found)
        for name, found in addresses.items()
    }


def _systems(settings: Settings, directory: Directory) -> Systems:
    return Systems(
        System(
            systemid=one.systemid,
            secrets=(one.secret_bytes(),),
            agencies=directory.forms_of(one.agencies),
            freshness=Freshness(FreshnessPolicy(one.freshness), one.freshness_window),
        )
        for one in settings.systems
    )


def _die(error: BaseException) -> None:
    """A failed commit cannot be tried again: whoever waits got no answer, the journal recovers."""
    log.critical("the journal cannot write; exiting to recover from it", error=str(error))
    os._exit(EXIT_DISK)


def _settle_collector() -> None:
    """What was made at the start stays: the collector need not walk it again and again, nor look after
    every few hundred objects, when a document makes that many that all end with it. Measured: a
    twentieth of the processor time of a hop."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


async def _run_until_told(settings: Settings) -> int:
    node = Node(settings)
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    await node.start()
    _settle_collector()
    await told.wait()
    log.info("node stopping", node=settings.node.id)
    await node.stop()
    log.info("node stopped", node=settings.node.id)
    return EXIT_FAULT if node.failed else 0


def serve(config: Path) -> int:
    """Run a node until it is told to stop; the exit code."""
    settings = load(config)
    logs.configure(settings.log.format, settings.log.level)
    return uvloop.run(_run_until_told(settings))


def check(config: Path) -> Settings:
    """The settings, with everything looked at that a start would look at. Raises SettingsError."""
    settings, contradictions = read(config)
    problems = [*contradictions, *unfit_data_dir(settings.node.data_dir, CONTROL_SOCKET)]
    try:
        load_keys(settings, settings.make_directory())
    except SettingsError as error:
        problems += (one for one in error.problems if one not in problems)
    if problems:
        raise SettingsError(problems, SAMPLES if contradictions else "")
    return settings


def verify_own_log(config: Path, progress: Progress | None = None) -> list[LogVerdict]:
    """Recompute the log of a node, running or stopped, against its signed heads: a verdict for each
    epoch, the present one last."""
    settings = load(config)
    key = LogSigner.load(settings.keys.log.certificate, settings.keys.log.key)
    node = NodeId(settings.node.id)
    log_key = LogKey(
        origin_of(node),
        key.public_key,
        lambda signature, body: verify_log_signature(key.public_key, signature, body),
    )
    with stored_log(settings.node.data_dir) as stored:
        return verify_epochs(node, stored.epochs, log_key, progress)


def back_up(config: Path, target: Path, progress: Progress) -> Backup:
    """Copy the journal of a node, running or stopped; see journal.backup."""
    return backup.back_up(load(config).node.data_dir, target, Clock().now(), progress)


def restore(config: Path, source: Path, progress: Progress) -> Backup:
    """Bring a backup back into the node's data folder, which must hold no journal."""
    settings = load(config)
    return backup.restore(source, settings.node.data_dir, NodeId(settings.node.id), progress)
