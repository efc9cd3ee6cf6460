"""A node: the parts of the relay put together, started, drained and stopped.

The only place that knows every room. Order of the start: keys and trust, the journal (recover
first), the dispatcher, then the listeners; of the stop: listeners and dispatcher together, within one
bounded wait for what is under way, the journal last.

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
import threading
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
import uvloop
from aiohttp import web

from relay import __version__, logs
from relay.audit.checkpoint import note_body, sign_note
from relay.audit.epochs import Epoch, log_name
from relay.delivery.acceptance import IntakeDesk
from relay.delivery.agreeing import Agreement
from relay.delivery.arrivals import TransferDesk
from relay.delivery.asking import Questions
from relay.delivery.channel import Channel
from relay.delivery.clock import Clock
from relay.delivery.control import ControlDesk
from relay.delivery.courier import Courier
from relay.delivery.dispatch import Dispatcher
from relay.delivery.expiry import ExpiryDesk
from relay.delivery.inbox import InboxDesk
from relay.delivery.logbook import Logbook
from relay.delivery.pressure import Pressure, PressureWatch, Shortage
from relay.delivery.queue import QueueDesk
from relay.delivery.quota import Quotas
from relay.delivery.readmitting import Readmitter
from relay.delivery.recovering import OLDEST, GuardedIntake, RecoveryDesk
from relay.delivery.refusals import RefusalDesk
from relay.delivery.refused import RefusedCallersDesk
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
from relay.journal.ahead import AheadFiles
from relay.journal.operating import OperatingTable
from relay.journal.recovering import RecoveryTable
from relay.journal.refusals import Refusals
from relay.journal.reminding import ReminderTable
from relay.journal.retention import RetentionPolicy
from relay.journal.shaping import ShapeTable
from relay.journal.shelf import Shelf
from relay.journal.space import Reserve, free_in
from relay.journal.store import SqliteJournal
from relay.journal.sweeping import Sweeper
from relay.journal.waiting import WaitingCounts
from relay.model import NodeId
from relay.offline import CONTROL_SOCKET, examine, speaker
from relay.routing.directory import Directory
from relay.routing.next_hop import Place
from relay.settings import Settings
from relay.signing.keys import LogSigner
from relay.signing.notary import NodeNotary
from relay.signing.tls import client_context, face_context, peer_node, server_context
from relay.transport.axis.face import Bounds
from relay.transport.axis.runner import AxisRunner
from relay.transport.axis.server import axis_app
from relay.transport.axis.systems import Freshness, FreshnessPolicy, System, Systems
from relay.transport.intake_stream import receive
from relay.transport.native.app import native_app
from relay.transport.native.runner import native_runner
from relay.transport.nodes.client import NodesClient
from relay.transport.nodes.door import telling
from relay.transport.nodes.recovering import RecoveryClient
from relay.transport.nodes.runner import nodes_runner
from relay.transport.nodes.server import NodeFace, nodes_app

log = structlog.get_logger("relay.node")
EXIT_FAULT = 70
"""sysexits EX_SOFTWARE: a background task failed, so that a supervisor starts the node again."""
EXIT_DISK = 74
"""sysexits EX_IOERR: the journal could not commit; start again to recover from it."""
CLOSING_SECONDS = 10.0
"""What closing may take after the drain: more means a disk that does not answer."""


class Node:
    """One running node."""

    def __init__(
        self, settings: Settings, clock: Clock | None = None, steady: SteadyTime | None = None
    ) -> None:
        self._settings = settings
        self._steady = steady or SteadyTime()
        self._clock = clock or Clock(wall=self._steady.now, seen=self._steady.seen)
        self._id = NodeId(settings.node.id)
        self._exits = AsyncExitStack()
        self._accepting = False
        self._stopping = False
        self._runners: list[web.AppRunner] = []
        self._pressure: Pressure
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
        self._stopping = True
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
        self._agreement.look()  # it can be reached by now: whoever is asked may send what waits for it
        log.info("node started", node=self._id, release=__version__, **_shown(self.addresses))

    async def _open_journal(self, log_signer: LogSigner) -> SqliteJournal:
        def sign_head(epoch: Epoch, size: int, root: bytes) -> bytes:
            name = log_name(self._id, epoch)
            body = note_body(name, size, root)
            return sign_note(body, name, log_signer.public_key, log_signer.sign)

        def grown(_: int) -> None:
            self._logbook.grown()

        journal = await SqliteJournal.open(
            self._settings.node.data_dir,
            self._id,
            sign_head,
            on_fatal=_die,
            on_commit=grown,
            room=lambda size_bytes: self._reserve.require(size_bytes),  # noqa: PLW0108  made next
        )
        self._pressure = self._make_pressure(journal)
        self._logbook = Logbook(journal)
        self._exits.push_async_callback(journal.close)
        self._exits.push_async_callback(self._note, "node-stopped")
        return journal

    def _make_pressure(self, journal: SqliteJournal) -> Pressure:
        limits, folder = self._settings.limits, self._settings.node.data_dir
        self._reserve = Reserve(
            limits.reserve_bytes, limits.reserve_inodes, lambda: free_in(folder)
        )
        journal.quotas = Quotas(
            limits.waiting_per_system,
            limits.waiting_per_neighbour,
            limits.waiting_bytes_per_system,
            limits.waiting_bytes_per_neighbour,
        )
        return Pressure(
            self._reserve, journal.quotas, limits.bodies_at_once, limits.bodies_at_once_each
        )

    async def _reserve_crossed(self, shortage: Shortage | None) -> None:
        if shortage is None:
            await self._note("reserve-regained")
        else:
            await self._note("reserve-reached", type=shortage.what, count=shortage.free)

    async def _note(self, event: str, **fields: str | int) -> None:
        await self._journal.note(event, self._clock.now(), fields)

    async def _jumped(self, seconds: int) -> None:
        await self._note("clock-jumped", seconds=seconds)
        self._agreement.look()

    async def _doubted(self, seconds: int) -> None:
        await self._note("clock-doubted", seconds=seconds)

    async def _serve(
        self, directory: Directory, keys: NodeKeys, journal: SqliteJournal, notary: NodeNotary
    ) -> None:
        settings, clock, delivery = self._settings, self._clock, self._settings.delivery
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
        limits = Limits(envelope_bytes=settings.limits.envelope_bytes)

        agreement = self._agree(neighbours, RecoveryClient(wire, journal, limits))
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
            delivery.clock_tolerance,
        )
        sealing = SealingDesk(self._id, journal, notary, clock, dispatcher.look)
        asking = (directory, journal, notary, wire, clock, dispatcher)
        expiry = ExpiryDesk(
            self._id,
            journal,
            notary,
            lambda: Questions(*asking),
            clock,
            dispatcher.receipts_wait,
            policy.grace,
            lambda: agreement.doubted,
        )
        self._run("clock", self._steady.watch(self._jumped))
        self._run("dispatcher", dispatcher.run())
        self._run("sealing", sealing.run())
        self._run("expiry", expiry.run())
        turned_away = self._turned_away = self._refused_callers(journal)
        watch = (self._pressure, WaitingCounts(journal.rows), self._reserve_crossed)
        self._run("pressure", PressureWatch(*watch).run())
        ahead = AheadFiles(
            settings.node.data_dir / "ahead",
            settings.limits.uploads_ahead_bytes,
            lambda: clock.now().timestamp(),
            room=self._reserve.require,
            fault=_die,
        )
        self._run("sweep", self._sweeper(journal, ahead, policy.grace).run())
        self._exits.push_async_callback(self._drain, dispatcher)

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
            memory=min(OLDEST, settings.retention.rows),
            heard=agreement.heard,
        )
        self._pressure.recovering = lambda: recovery.waits_for() or agreement.waits_for()
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
            self._pressure.recovering,
        )
        refusals = RefusalDesk(
            self._id,
            speaker(settings, directory),
            Refusals(journal),
            intake,
            journal,
            clock,
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
            lambda: agreement.doubted,
        )
        courier = Courier.of(
            dispatcher,
            transfers,
            notary,
            Shelf(journal, self._id),
            journal,
            lambda chunks, most: receive(chunks, journal, limits, limit_bytes=most, idle=None),
        )
        face = NodeFace(
            node=self._id,
            version=__version__,
            neighbours=neighbours,
            transfers=transfers,
            returns=returns,
            reminding=RemindingDesk(
                journal,
                ReminderTable(journal, self._id),
                clock,
                lambda neighbour: dispatcher.resume([neighbour], at_once=True),
            ),
            store=journal,
            ahead=ahead,
            limits=limits,
            contact=dispatcher.contact,
            mint=clock.mint,
            identify=peer_node,
            refusals=turned_away,
            pressure=self._pressure,
            may_have_had=recovery.may_have_had,
        )
        door = face.door()
        axis = axis_app(
            intake,
            inbox,
            OutboxDesk(journal),
            journal,
            _systems(settings, directory),
            limits,
            clock.now,
            directory.resolve,
            gate=self._pressure,
            bounds=Bounds(get_bytes=settings.limits.getedoc_bytes),
            refusals=turned_away,
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
                control=control,
                queue=queue,
                courier=courier,
                local_operator=local,
                gate=self._pressure,
                refusals=turned_away,
            )

        patience = delivery.drain.total_seconds() / 4  # see _leave_faces

        control = ControlDesk(
            place,
            directory,
            journal,
            OperatingTable(journal, self._id),
            notary,
            wire,
            clock,
            dispatcher,
            sealing.wake,
        )
        queue = QueueDesk(
            journal, ShapeTable(journal, self._id), dispatcher, clock, wire.certificate
        )
        await recovery.start()
        self._run("recovery", recovery.run())
        self._run("refusals", refusals.run())
        plain = settings.listen.plain_http
        tls = None if plain else face_context(*_pair(settings))
        await self._listen(
            "nodes",
            nodes_runner(nodes_app(face, door), door, turned_away, shutdown_timeout=patience),
            settings.listen.nodes,
            telling(self._server_tls(), lambda: turned_away.stranger("nodes", "tls")),
        )
        await self._listen(
            "native",
            native_runner(native(local=False), turned_away, shutdown_timeout=patience),
            settings.listen.native,
            tls,
        )
        await self._listen(
            "axis",
            AxisRunner(axis, turned_away, shutdown_timeout=patience),
            settings.listen.axis,
            tls,
        )
        await self._control(native_runner(native(local=True), shutdown_timeout=patience))

    def _agree(self, neighbours: frozenset[NodeId], questions: RecoveryClient) -> Agreement:
        tolerance = self._settings.delivery.clock_tolerance
        self._agreement = Agreement(
            neighbours, tolerance, self._clock, questions.time, self._doubted
        )
        self._run("agreement", self._agreement.run())
        return self._agreement

    def _refused_callers(self, journal: SqliteJournal) -> RefusedCallersDesk:
        desk = RefusedCallersDesk(journal, self._clock)
        self._exits.push_async_callback(desk.sum_up)
        self._run("refused-callers", desk.run())
        return desk

    def _sweeper(self, journal: SqliteJournal, ahead: AheadFiles, grace: timedelta) -> Sweeper:
        found = self._settings.retention
        policy = RetentionPolicy(
            found.payload_settled,
            found.payload_failed,
            found.payload_relayed,
            found.payload_fetched,
            found.rows,
        )
        return Sweeper(
            self._id,
            journal,
            ahead,
            policy,
            self._clock,
            orphans=found.orphans,
            uploads=found.uploads,
            every=found.every,
            grace=grace,
            reopened=found.reopened,
            doubted=lambda: self._agreement.doubted,
        )

    def _run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """A background task whose end is a fault of ours."""
        task = asyncio.create_task(work, name=name)

        def ended(done: asyncio.Task[None]) -> None:
            if not done.cancelled() and (error := done.exception()) is not None:
                log.critical("background task failed", task=name, exc_info=error)
                if not self.failed and not self._stopping:  # a second signal ends it at once
                    os.kill(os.getpid(), signal.SIGTERM)
                self.failed = True

        task.add_done_callback(ended)

        async def cancel() -> None:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task

        self._exits.push_async_callback(cancel)

    async def _drain(self, dispatcher: Dispatcher) -> None:
        """Nothing new from anywhere; then one bounded wait for all that is under way.

        Handlers that are cut off end only with what they had given to the journal.
        """
        self._pressure.stopping = True
        seconds = self._settings.delivery.drain.total_seconds()
        await asyncio.gather(dispatcher.drain(seconds), self._leave_faces(seconds / 2))
        await self._pressure.none_left()

    async def _leave_faces(self, seconds: float) -> None:
        """No connection is taken any more. Bodies that are coming have so long to come, for the library
        drops what arrives once it shuts down; then it has as long to end the handlers, in two steps."""
        for runner in self._runners:
            for site in list(runner.sites):
                await site.stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._pressure.none_left()
        await asyncio.gather(*(runner.cleanup() for runner in self._runners))

    def _ready(self) -> str | None:
        return self._pressure.reason if self._accepting else "the node is starting or stopping"

    async def _listen(
        self,
        name: str,
        runner: web.AppRunner,
        addresses: tuple[str, ...],
        tls: ssl.SSLContext | None,
    ) -> None:
        await runner.setup()
        self._runners.append(runner)
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
        self._runners.append(runner)
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


def _end_within(seconds: float) -> None:
    """Whatever hangs: what is durable is durable, and the next start recovers the rest."""

    def end() -> None:
        log.critical("stopping takes too long; ending without it", seconds=seconds)
        os._exit(EXIT_FAULT)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


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

    def tell(number: int) -> None:
        if told.is_set():
            log.warning("node ends at once", signal=signal.Signals(number).name)
            os._exit(128 + number)
        told.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, tell, number)
    await node.start()
    _settle_collector()
    await told.wait()
    log.info("node stopping", node=settings.node.id)
    _end_within(settings.delivery.drain.total_seconds() + CLOSING_SECONDS)
    await node.stop()
    log.info("node stopped", node=settings.node.id)
    return EXIT_FAULT if node.failed else 0


def serve(config: Path) -> int:
    """Run a node until it is told to stop; the exit code."""
    settings, remarks = examine(config)
    logs.configure(settings.log.format, settings.log.level)
    for remark in remarks:
        log.warning("configuration", remark=remark)
    return uvloop.run(_run_until_told(settings))
