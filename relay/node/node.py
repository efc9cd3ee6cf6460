"""One node: its parts made, started, drained and stopped, in order.

The start: keys and trust, the journal (recover first), what carries, the desks, then the listeners. The
stop: listeners and dispatcher together, within one bounded wait for what is under way, the journal last.

Touches: everything, through the rooms.
Raises:  SettingsError, JournalError before anything is served.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace

import structlog
from aiohttp import web

from relay import __version__
from relay.delivery.agreeing import Agreement
from relay.delivery.clock import Clock
from relay.delivery.directory.desk import DirectoryDesk
from relay.delivery.dispatch import Dispatcher
from relay.delivery.operators.ageing import AgeWatch
from relay.delivery.operators.logbook import Logbook
from relay.delivery.operators.renewing import CertificateDesk
from relay.delivery.operators.trusting import TrustDesk
from relay.delivery.pressure.gate import Pressure, PressureWatch, Shortage
from relay.delivery.pressure.refused import RefusedCallersDesk
from relay.delivery.steady import SteadyTime
from relay.envelope.limits import Limits
from relay.errors import SignatureError
from relay.identity import NodeKeys, binding_of, load_keys, place_agencies
from relay.journal.ahead import AheadFiles
from relay.journal.attaching import AttachTable
from relay.journal.space import Reserve
from relay.journal.store import SqliteJournal
from relay.journal.waiting import WaitingCounts
from relay.journal.witnessing import WitnessTable
from relay.lines import Line
from relay.logs.entries import EntryPump
from relay.logs.outputs import Outputs
from relay.node.archive import make_archiving
from relay.node.attaching import make_attaching
from relay.node.background import Background
from relay.node.bridging import make_pollers
from relay.node.carrying import Carrying, deadlines, make_carrying, make_wire, retry_policy
from relay.node.certificates import CertificateFiles, Taken, make_files
from relay.node.desks import make_desks
from relay.node.directory import make_directory_desk
from relay.node.disk import make_ahead, make_pressure, make_reserve, make_sweeper, open_journal
from relay.node.faces import Faces
from relay.node.ground import Ground, place_of
from relay.node.listeners import Listeners, axis_tls, native_tls
from relay.node.proving import LogOfEvidence, make_proof_desk
from relay.node.publishing import LogPublisher, make_publisher
from relay.node.revocation import Keeping, make_check, make_keeping, meet_own
from relay.node.stamping import make_stamp_desk
from relay.node.systems import ServedSystems, serve_systems
from relay.node.trust import NodesTls, make_connections, make_nodes_tls, make_trust_desk
from relay.node.witnessing import make_witnessing
from relay.offline import CONTROL_SOCKET
from relay.routing.directory import Directory
from relay.settings.fingerprint import fingerprint
from relay.settings.settings import Settings
from relay.signing.evidence import sign_receipts
from relay.signing.gathering import Gathering
from relay.signing.hand import Hand
from relay.signing.keys import LogSigner
from relay.signing.notary import NodeNotary
from relay.transport.nodes.client import NodesClient
from relay.transport.nodes.connections import Connections
from relay.transport.nodes.recovering import RecoveryClient

log = structlog.get_logger("relay.node")


class Node:
    """One running node."""

    _journal: SqliteJournal
    _reserve: Reserve
    _pressure: Pressure
    _logbook: Logbook
    _publisher: LogPublisher
    _turned_away: RefusedCallersDesk
    _agreement: Agreement
    _connections: Connections
    _tls: NodesTls
    _trusting: TrustDesk
    _pairs: CertificateFiles
    _certificates: CertificateDesk[Taken]

    def __init__(
        self,
        settings: Settings,
        clock: Clock | None = None,
        steady: SteadyTime | None = None,
        *,
        outputs: Outputs | None = None,
    ) -> None:
        self._settings = settings
        self._steady = steady or SteadyTime()
        self._clock = clock or Clock(wall=self._steady.now, seen=self._steady.seen)
        self._exits = AsyncExitStack()
        self._background = Background(self._exits)
        self._listeners = Listeners()
        self._accepting = False
        self._outputs = outputs
        self._pumps: list[EntryPump] = []

    @property
    def failed(self) -> bool:
        """Whether a fault of ours ended it."""
        return self._background.failed

    @property
    def addresses(self) -> dict[str, list[tuple[str, int]]]:
        """Where each face really listens, once started."""
        return self._listeners.addresses

    async def start(self) -> None:
        """Everything up, listeners last. On an error what was started is stopped again."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Refuse new work, finish what is under way within the drain time, close the journal."""
        self._accepting = False
        self._background.stopping = True
        await self._exits.aclose()

    async def _start(self) -> None:
        directory = self._settings.make_directory()
        keys = self._load_keys(directory)
        await self._open_journal(keys.log)
        await self._journal.recover(self._clock.now())
        await self._note("node-started", release=__version__, config=fingerprint(self._settings))
        self._background.run("publishing", self._publisher.run())
        ground = self._ground(directory, keys)
        keeping = await self._check_revocation(ground, keys)
        directory_desk = make_directory_desk(ground, lambda: self._agreement.doubted)
        await directory_desk.keeper.start()
        await directory_desk.start()
        keys = self._place(ground, keys)
        await self._trust(ground)
        self._certify(ground, keys)
        if keeping is not None:
            self._background.run("revocation", keeping.keeper.run())
        carrying = self._carry(ground, directory_desk)
        ahead = self._watch_over_disk(ground, carrying)
        self._exits.push_async_callback(self._drain, carrying.dispatcher)
        await self._serve(ground, carrying, ahead, keys.log)
        self._accepting = True
        carrying.agreement.look()  # it can be reached by now: whoever is asked may send what waits for it
        shown = self._listeners.shown()
        log.info(Line.NODE_STARTED, release=__version__, **shown)

    def _load_keys(self, directory: Directory) -> NodeKeys:
        keys = load_keys(self._settings, directory, later=True)
        self._exits.callback(keys.close)
        if self._settings.keys.slow and keys.sign.hand is None:
            keys = replace(keys, sign=replace(keys.sign, hand=Hand("slow-key")))
        return keys

    def _place(self, ground: Ground, keys: NodeKeys) -> NodeKeys:
        """Keys of agencies that only the directory in force knows to be served here, or binds."""
        if not keys.unplaced:
            return keys
        placed = place_agencies(keys, ground.directory, ground.node)
        ground.notary.renew(placed.sign, placed.agencies, placed.gateway)
        check = ground.notary.revocation
        if check is not None:
            meet_own(placed, check, self._clock, self._settings.keys.tls.certificate)
        return placed

    async def _open_journal(self, signer: LogSigner) -> None:
        self._journal = journal = await open_journal(
            self._settings,
            signer,
            grown=self._grown,
            room=lambda size_bytes: self._reserve.require(size_bytes),  # noqa: PLW0108  made next
        )
        self._reserve = make_reserve(self._settings)
        self._pressure = make_pressure(self._settings.limits, self._reserve, journal)
        self._logbook = Logbook(journal)
        self._publisher = make_publisher(self._settings, signer, self._reserve.require)
        self._exits.push_async_callback(journal.close)
        self._tell_outputs(journal)
        self._exits.push_async_callback(self._publisher.last)
        self._exits.push_async_callback(self._note, "node-stopped")

    def _grown(self) -> None:
        """There are new entries: whoever follows the log is woken."""
        self._logbook.grown()
        self._publisher.grown()
        for pump in self._pumps:
            pump.grown()

    def _tell_outputs(self, journal: SqliteJournal) -> None:
        """Entries go to the outputs that want them until the journal is closed."""
        for output in () if self._outputs is None else self._outputs.all:
            if output.cursor is not None:
                pump = EntryPump(output, journal.entries, journal.log_size)
                self._pumps.append(pump)
                self._background.run(f"entries-{output.name}", pump.run())

    def _ground(self, directory: Directory, keys: NodeKeys) -> Ground:
        settings = self._settings
        place = place_of(settings, directory, self._clock)
        notary = self._notary = NodeNotary(
            place.node,
            keys.sign,
            keys.agencies,
            keys.trust,
            directory.aliases,
            seals_at_once=not settings.keys.slow,
            gateway=keys.gateway,
            binding=binding_of(settings, directory),
            revocation=make_check(settings, self._clock),
        )
        notary.gathering = self._gathering(notary)
        notary.shares = notary.gathering is not None
        keys.trust.check = notary.revocation
        return Ground(
            settings,
            directory,
            place,
            self._journal,
            notary,
            self._clock,
            retry_policy(settings.delivery),
            Limits(envelope_bytes=settings.limits.envelope_bytes),
            keys.box,
        )

    async def _check_revocation(self, ground: Ground, keys: NodeKeys) -> Keeping | None:
        """What was known before the stop is known before anything is judged. None: nothing is checked."""
        check = ground.notary.revocation
        if check is None:
            return None
        keeping = make_keeping(
            ground,
            check,
            lambda one: self._connections.revoked(one),  # noqa: PLW0108  made later
        )
        self._exits.push_async_callback(keeping.fetcher.close)
        await keeping.keeper.start()
        meet_own(keys, check, self._clock, self._settings.keys.tls.certificate)
        return keeping

    async def _trust(self, ground: Ground) -> None:
        self._connections = make_connections(ground)
        self._tls = make_nodes_tls(
            self._settings,
            ground.notary.trust,
            lambda: self._turned_away.stranger("nodes", "tls"),
        )
        self._trusting = make_trust_desk(ground, self._connections, self._tls)
        await self._trusting.start()
        self._background.run("trust", self._trusting.run())

    def _certify(self, ground: Ground, keys: NodeKeys) -> None:
        """The node's own certificates can be renewed, and it is said when they, or what they rest on, grow old."""
        check = ground.notary.revocation

        def met(keys: NodeKeys) -> None:
            if check is not None:
                meet_own(keys, check, self._clock, self._settings.keys.tls.certificate)

        self._pairs = make_files(ground, keys, self._tls, met)
        self._certificates = CertificateDesk(self._pairs, self._note)
        watch = AgeWatch(self._pairs.ageing, self._clock.now, self._note)
        self._background.run("certificates", watch.run())

    def _log_chain(self) -> Sequence[bytes]:
        """The certificates of the log's key that are in use: renewed ones without a start."""
        return self._pairs.keys.log.chain

    def _gathering(self, notary: NodeNotary) -> Gathering | None:
        if self._settings.keys.batches == "never":
            return None
        clock = self._clock
        return Gathering(
            lambda receipts: sign_receipts(receipts, notary.node, notary.signer, clock.now()),
            self._journal.before_next,
            notary.signer.hand,
        )

    def _carry(self, ground: Ground, directory: DirectoryDesk) -> Carrying:
        wire = make_wire(ground, self._connections, self._tls.client)
        self._exits.push_async_callback(wire.close)
        self._agreement = self._agree(ground, wire)
        carrying = make_carrying(ground, wire, self._agreement, directory)
        self._exits.push_async_callback(carrying.bridges.close)
        self._background.run("directory", directory.keeper.run())
        self._pressure.recovering = carrying.waits_for
        self._background.run("clock", self._steady.watch(self._jumped))
        self._background.run("dispatcher", carrying.dispatcher.run())
        self._background.run("sealing", carrying.sealing.run())
        self._background.run("expiry", carrying.expiry.run())
        return carrying

    def _agree(self, ground: Ground, wire: NodesClient) -> Agreement:
        agreement = Agreement(
            ground.neighbours,
            ground.settings.delivery.clock_tolerance,
            ground.clock,
            RecoveryClient(wire, ground.journal, ground.limits).time,
            self._doubted,
        )
        self._background.run("agreement", agreement.run())
        return agreement

    def _watch_over_disk(self, ground: Ground, carrying: Carrying) -> AheadFiles:
        self._turned_away = RefusedCallersDesk(self._journal, self._clock)
        self._exits.push_async_callback(self._turned_away.sum_up)
        self._background.run("refused-callers", self._turned_away.run())
        counts = WaitingCounts(self._journal.rows)
        watch = PressureWatch(self._pressure, counts, self._reserve_crossed)
        self._background.run("pressure", watch.run())
        ahead = make_ahead(self._settings, self._clock, self._reserve)
        grace = ground.policy.grace
        sweeper = make_sweeper(
            self._settings,
            self._journal,
            ahead,
            self._clock,
            grace,
            lambda: carrying.agreement.doubted,
        )
        self._background.run("sweep", sweeper.run())
        return ahead

    async def _serve(
        self, ground: Ground, carrying: Carrying, ahead: AheadFiles, signer: LogSigner
    ) -> None:
        proofs = make_proof_desk(self._settings, signer, self._log_chain)
        told = LogOfEvidence(
            proofs,
            WitnessTable(ground.journal, ground.node),
            AttachTable(ground.journal, ground.node),
        )
        desks = make_desks(ground, carrying, told, self._pressure)
        archiving = make_archiving(ground, desks.evidence, lambda: carrying.agreement.doubted)
        if self._settings.archive.enabled:
            self._background.run("archive", archiving.archiver.run())
        witnessing = make_witnessing(ground, carrying.wire, signer)
        self._exits.push_async_callback(witnessing.cosigners.close)
        attaching = make_attaching(ground, carrying.wire, proofs.prover, witnessing.desk)
        faces = Faces(
            ground,
            carrying,
            desks,
            self._pressure,
            self._turned_away,
            ahead,
            self._logbook,
            self._publisher,
            self._ready,
            serve_systems(ground, carrying.directory),
            self._connections,
            self._trusting,
            self._certificates,
            archiving,
            witnessing,
            self._log_chain,
            proofs,
            attaching,
        )
        nodes, native, axis, control = faces.nodes(), faces.native(), faces.axis(), faces.control()
        await faces.served.load(ground.clock.now())
        self._background.run("sites", faces.served.keep_sites())
        await carrying.recovery.start()
        self._background.run("recovery", carrying.recovery.run())
        if carrying.stapler is not None:
            self._background.run("statements", carrying.stapler.run())
        self._background.run("directories", carrying.passing.run())
        self._background.run("refusals", desks.refusals.run())
        self._background.run("answers", desks.answering.run())
        self._background.run("verdicts", desks.verdicts.run())
        self._background.run("obligations", desks.obligations.run())
        self._background.run("arrivals", desks.arrivals.run())
        self._exits.push_async_callback(desks.judging.process.close)
        self._background.run("judging", desks.judging.desk.run())
        if ground.settings.timestamps.authorities:
            self._background.run("stamping", make_stamp_desk(ground).run())
        for poller in make_pollers(
            ground,
            carrying.bridges,
            carrying.dispatcher,
            self._pressure,
            deadlines(self._settings),
            desks.verdicts.wake,
            desks.judging.desk,
        ):
            self._background.run(f"bridge-{poller.bridge}", poller.run())
        witnessing.cosigners.wake = self._publisher.grown
        self._publisher.witnesses = witnessing.cosigners
        if attaching is not None:
            self._publisher.published = attaching.courier.published
            self._background.run("proofs", attaching.courier.run())
            self._background.run("passages", attaching.watcher.run())
        self._publisher.grown()
        await self._listen(nodes, native, axis, faces.served)
        control_socket = self._settings.node.data_dir / CONTROL_SOCKET
        await self._listeners.control(control, control_socket)

    async def _listen(
        self,
        nodes: web.AppRunner,
        native: web.AppRunner,
        axis: web.AppRunner,
        served: ServedSystems,
    ) -> None:
        listen, listeners, tls = self._settings.listen, self._listeners, native_tls(self._settings)
        await listeners.listen("nodes", nodes, listen.nodes, self._tls.server)
        await listeners.listen("native", native, listen.native, tls)
        tls_of_axis = axis_tls(self._settings)
        self._pairs.faces += [one for one in (tls, tls_of_axis) if one is not None]
        served.show_certificates(tls_of_axis)
        await listeners.listen("axis", axis, listen.axis, tls_of_axis)

    async def _drain(self, dispatcher: Dispatcher) -> None:
        """Nothing new from anywhere; then one bounded wait for all that is under way.

        Handlers that are cut off end only with what they had given to the journal.
        """
        self._pressure.stopping = True
        seconds = self._settings.delivery.drain.total_seconds()
        none_left = self._pressure.none_left
        await asyncio.gather(
            dispatcher.drain(seconds), self._listeners.leave(seconds / 2, none_left)
        )
        await none_left()

    def _ready(self) -> str | None:
        if not self._accepting:
            return "the node is starting or stopping"
        return self._pressure.reason or self._notary.no_receipts()

    async def _reserve_crossed(self, shortage: Shortage | None) -> None:
        if shortage is None:
            await self._note("reserve-regained")
        else:
            await self._note("reserve-reached", type=shortage.what, count=shortage.free)

    async def _jumped(self, seconds: int) -> None:
        await self._note("clock-jumped", seconds=seconds)
        self._agreement.look()
        # By a clock that was wrong they may have had no path, and nobody asked for their statements.
        with suppress(OSError, SignatureError):  # a file that is being replaced: a reload meets it
            self._pairs.met(self._pairs.keys)

    async def _doubted(self, seconds: int) -> None:
        await self._note("clock-doubted", seconds=seconds)

    async def _note(self, event: str, **fields: str | int) -> None:
        await self._journal.note(event, self._clock.now(), fields)
