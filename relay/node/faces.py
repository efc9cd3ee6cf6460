"""The node's faces over its desks: to neighbours, to document-management systems, to everyone by REST.

Touches: nothing yet; listeners.py opens their sockets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from relay import __version__
from relay.audit.cosignature import cosigner_name
from relay.delivery.directory.desk import DirectoryDoor
from relay.delivery.operators.forgetting import ForgettingDesk
from relay.delivery.operators.logbook import Logbook
from relay.delivery.operators.proving import Proofs
from relay.delivery.operators.renewing import CertificateDoor
from relay.delivery.operators.trusting import TrustDesk
from relay.delivery.pressure.gate import Pressure
from relay.delivery.pressure.refused import RefusedCallersDesk
from relay.delivery.timeline.desk import TimelineDesk
from relay.delivery.tracking import OutboxDesk, TrackingDesk
from relay.journal.ahead import AheadFiles
from relay.journal.timeline import TimelineTable
from relay.journal.wording import WordsTable
from relay.model import NodeId
from relay.node.archive import Archiving
from relay.node.attaching import Attaching
from relay.node.carrying import Carrying
from relay.node.desks import Desks
from relay.node.directory import make_directory_ear
from relay.node.ground import Ground
from relay.node.log_export import LogExportDesk
from relay.node.publishing import LogPublisher
from relay.node.revocation import make_beside
from relay.node.stamping import make_stamp_table
from relay.node.systems import ServedSystems
from relay.node.witnessing import Witnessing
from relay.signing.verifier import signer_named
from relay.transport.axis.face import Bounds
from relay.transport.axis.runner import AxisRunner
from relay.transport.axis.server import axis_app
from relay.transport.native.app import native_app
from relay.transport.native.runner import native_runner
from relay.transport.nodes.connections import Connections
from relay.transport.nodes.runner import nodes_runner
from relay.transport.nodes.server import NodeFace, nodes_app


@dataclass(frozen=True, slots=True)
class Faces:
    """Each call makes a face anew, to be served once."""

    ground: Ground
    carrying: Carrying
    desks: Desks
    pressure: Pressure
    turned_away: RefusedCallersDesk
    ahead: AheadFiles
    logbook: Logbook
    published: LogPublisher
    ready: Callable[[], str | None]
    """Why the node takes nothing, or None."""
    served: ServedSystems
    connections: Connections
    trust: TrustDesk
    certificates: CertificateDoor
    archiving: Archiving
    witnessing: Witnessing
    log_certificates: Callable[[], Sequence[bytes]]
    prover: Proofs
    attaching: Attaching | None

    def nodes(self) -> web.AppRunner:
        ground, dispatcher = self.ground, self.carrying.dispatcher

        def contact(neighbour: NodeId) -> None:
            dispatcher.contact(neighbour)
            self.witnessing.cosigners.met(cosigner_name(neighbour))
            if self.attaching is not None:
                self.attaching.courier.met(neighbour)

        face = NodeFace(
            node=ground.node,
            version=__version__,
            neighbours=ground.neighbours,
            transfers=self.desks.transfers,
            returns=self.carrying.returns,
            reminding=self.desks.reminding,
            store=ground.journal,
            ahead=self.ahead,
            limits=ground.limits,
            contact=contact,
            connections=self.connections,
            refusals=self.turned_away,
            pressure=self.pressure,
            may_have_had=self.carrying.recovery.may_have_had,
            directory=make_directory_ear(self.ground, self.carrying.directory),
            stapler=self.carrying.stapler,
            published=self.published,
            witness=self.witnessing.desk,
            attached=None if self.attaching is None else self.attaching.keeper,
            listing=self.desks.listing,
            log_certificates=self.log_certificates,
            batched_transfers=ground.settings.delivery.batched_transfers,
        )
        door = face.door()
        app = nodes_app(face, door)
        return nodes_runner(app, door, self.turned_away, shutdown_timeout=self._patience)

    def axis(self) -> web.AppRunner:
        ground, settings = self.ground, self.ground.settings
        app = axis_app(
            self.desks.intake,
            self.desks.inbox,
            OutboxDesk(ground.journal),
            ground.journal,
            self.served.systems,
            ground.limits,
            ground.clock.now,
            ground.directory.resolve,
            gate=self.pressure,
            bounds=Bounds(get_bytes=settings.limits.getedoc_bytes),
            refusals=self.turned_away,
            binding=self.served.binding,
            rest_prefix=settings.listen.rest_prefix,
            directory=self.carrying.directory,
            repeats=self.desks.repeats,
        )
        return AxisRunner(app, self.turned_away, shutdown_timeout=self._patience)

    def native(self) -> web.AppRunner:
        app = self._native(local=False)
        return native_runner(app, self.turned_away, shutdown_timeout=self._patience)

    def control(self) -> web.AppRunner:
        """The native face to whoever may open the data folder."""
        app = self._native(local=True)
        return native_runner(app, shutdown_timeout=self._patience)

    def _native(self, *, local: bool) -> web.Application:
        journal, desks = self.ground.journal, self.desks
        tracking = TrackingDesk(journal, make_beside(self.ground).beside)
        return native_app(
            desks.intake,
            desks.inbox,
            tracking,
            self.logbook,
            desks.tokens,
            journal,
            self.ground.limits,
            self.ground.clock.now,
            self.ready,
            outbox=OutboxDesk(journal),
            recovery=self.carrying.recovery,
            control=desks.control,
            queue=desks.queue,
            courier=desks.courier,
            systems=self.served.desk,
            obliged=desks.obligations,
            bundles=self.archiving.evidence,
            archive=self.archiving.desk,
            statistics=desks.statistics,
            stamps=make_stamp_table(self.ground),
            log_exports=self._log_exports(),
            local_operator=local,
            ahead=self.ahead,
            gate=self.pressure,
            refusals=self.turned_away,
            directory=DirectoryDoor(self.carrying.directory, self.ground.place),
            trust=self.trust,
            words=ForgettingDesk(WordsTable(journal, self.ground.node), self.ground.clock.now),
            certificates_door=self.certificates,
            timelines=TimelineDesk(
                self.ground.node, tracking, TimelineTable(journal), signer_named
            ),
            followers=self.ground.settings.log.followers,
            prover=self.prover,
            published=self.published,
            public_log=self.ground.settings.log.public,
            witnesses=self.witnessing.overview,
            reconciler=desks.reconciler,
            repeats=desks.repeats,
        )

    def _log_exports(self) -> LogExportDesk:
        ground, settings = self.ground, self.ground.settings
        certificate = settings.keys.log.certificate
        folder = settings.node.data_dir
        believed = self.published.believed
        return LogExportDesk(
            folder, ground.journal, ground.notary, certificate, believed, ground.clock
        )

    @property
    def _patience(self) -> float:
        """Seconds; see Listeners.leave."""
        return self.ground.settings.delivery.drain.total_seconds() / 4
