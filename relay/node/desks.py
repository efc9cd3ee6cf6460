"""What a node does for its callers and neighbours, joined: a desk for each concern.

Touches: nothing yet; node.py runs what has to run.
Raises:  SettingsError where the settings name nobody who can speak for the node.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from relay.delivery.acceptance import IntakeDesk
from relay.delivery.arrivals import TransferDesk
from relay.delivery.arrived import ArrivalDesk
from relay.delivery.bridges.answering import AnsweringDesk
from relay.delivery.carry.courier import Courier
from relay.delivery.evidence.exporting import EvidenceDesk
from relay.delivery.evidence.ports import EvidenceLog
from relay.delivery.inbox import InboxDesk
from relay.delivery.judging import JudgingDesk
from relay.delivery.obligations import ObligationDesk
from relay.delivery.operators.control import ControlDesk
from relay.delivery.operators.queue import QueueDesk
from relay.delivery.operators.tokens import TokenDesk
from relay.delivery.pressure.gate import Gate
from relay.delivery.pressure.quota import neighbour_party
from relay.delivery.pressure.repeats import RepeatDesk
from relay.delivery.reconciling.desk import ReconcilingDesk
from relay.delivery.reconciling.listing import ListingDesk
from relay.delivery.recovery.recovering import GuardedIntake
from relay.delivery.recovery.reminding import RemindingDesk
from relay.delivery.refusals import RefusalDesk
from relay.delivery.revocation.by_hand import StatementsByHand
from relay.delivery.saying import Speaker
from relay.delivery.statistics.desk import StatisticsDesk
from relay.delivery.tracking import TrackingDesk
from relay.delivery.verdicts import VerdictDesk
from relay.journal.bridging import AnswersDue
from relay.journal.business import Arrivals, ObligationTable, Verdicts
from relay.journal.operating import OperatingTable
from relay.journal.refusals import Refusals
from relay.journal.reminding import ReminderTable
from relay.journal.repeating import SubmissionTable
from relay.journal.shaping import ShapeTable
from relay.journal.shelf import Shelf
from relay.node.carrying import Carrying, deadlines
from relay.node.directory import codes_of
from relay.node.ground import Ground
from relay.node.judging import Judging, make_judging
from relay.node.reconciling import make_listing, make_reconciler
from relay.node.stamping import make_gather
from relay.node.statistics import make_statistics
from relay.offline import speaker, spoken_for
from relay.transport.intake_stream import receive


@dataclass(frozen=True, slots=True)
class Desks:
    intake: GuardedIntake
    refusals: RefusalDesk
    inbox: InboxDesk
    tokens: TokenDesk
    transfers: TransferDesk
    courier: Courier
    reminding: RemindingDesk
    control: ControlDesk
    queue: QueueDesk
    verdicts: VerdictDesk
    obligations: ObligationDesk
    arrivals: ArrivalDesk
    answering: AnsweringDesk
    judging: Judging
    evidence: EvidenceDesk
    reconciler: ReconcilingDesk
    listing: ListingDesk
    statistics: StatisticsDesk
    repeats: RepeatDesk


def make_desks(ground: Ground, carrying: Carrying, log: EvidenceLog, gate: Gate) -> Desks:
    node, journal, clock = ground.node, ground.journal, ground.clock
    verdicts = VerdictDesk(
        node, Verdicts(journal, node), ground.notary, clock, carrying.dispatcher.receipts_wait
    )
    judging = make_judging(ground)
    desk = _intake(ground, carrying, verdicts, judging.desk)
    intake = GuardedIntake(desk, carrying.waits_for)
    transfers = _transfers(ground, carrying, verdicts, judging.desk)
    speaks = Speaker(node, intake, journal, clock)
    return Desks(
        intake,
        RefusalDesk(speaker(ground.settings, ground.directory), Refusals(journal), speaks),
        InboxDesk(node, journal, ground.notary, clock, carrying.dispatcher.receipts_wait),
        TokenDesk(node, ground.directory, journal, clock, partial(codes_of, ground)),
        transfers,
        _courier(ground, carrying, transfers, gate),
        _reminding(ground, carrying),
        _control(ground, carrying),
        QueueDesk(
            journal,
            ShapeTable(journal, node),
            carrying.dispatcher,
            clock,
            carrying.wire.certificate,
            ground.notary.standing_of,
            ground.notary.trouble,
        ),
        verdicts,
        ObligationDesk(
            ObligationTable(journal, node),
            clock,
            ground.policy.grace,
            ground.directory.resolve,
            ground.known,
        ),
        ArrivalDesk(spoken_for(ground.settings, ground.directory), Arrivals(journal), speaks),
        AnsweringDesk(
            frozenset(one.id for one in ground.settings.bridges if one.answers_take_backs),
            AnswersDue(journal),
            speaks,
        ),
        judging,
        EvidenceDesk(
            node,
            journal,
            TrackingDesk(journal),
            journal,
            ground.notary,
            make_gather(ground),
            clock,
            log,
        ),
        make_reconciler(ground, carrying.wire),
        make_listing(ground),
        make_statistics(ground),
        RepeatDesk(desk, SubmissionTable(journal)),
    )


def _intake(
    ground: Ground, carrying: Carrying, verdicts: VerdictDesk, judging: JudgingDesk
) -> IntakeDesk:
    return IntakeDesk(
        ground.place,
        ground.directory,
        ground.journal,
        ground.notary,
        ground.policy,
        ground.clock,
        carrying.dispatcher.offer,
        carrying.sealing.wake,
        deadlines(ground.settings),
        verdicts.wake,
        judging,
    )


def _transfers(
    ground: Ground, carrying: Carrying, verdicts: VerdictDesk, judging: JudgingDesk
) -> TransferDesk:
    return TransferDesk(
        ground.place,
        ground.directory,
        ground.journal,
        ground.notary,
        ground.clock,
        ground.settings.delivery.clock_tolerance,
        ground.limits.envelope_bytes,
        carrying.dispatcher.offer,
        carrying.recovery.late,
        lambda: carrying.agreement.doubted,
        deadlines(ground.settings),
        verdicts.wake,
        judging,
    )


def _courier(ground: Ground, carrying: Carrying, transfers: TransferDesk, gate: Gate) -> Courier:
    journal, limits = ground.journal, ground.limits
    return Courier.of(
        carrying.dispatcher,
        transfers,
        ground.notary,
        Shelf(journal, ground.node),
        journal,
        lambda chunks, most: receive(chunks, journal, limits, limit_bytes=most, idle=None),
        lambda neighbour, size_bytes: gate.body(neighbour_party(neighbour), size_bytes),
        None if carrying.stapler is None else StatementsByHand(carrying.stapler),
    )


def _reminding(ground: Ground, carrying: Carrying) -> RemindingDesk:
    return RemindingDesk(
        ground.journal,
        ReminderTable(ground.journal, ground.node),
        ground.clock,
        lambda neighbour: carrying.dispatcher.resume([neighbour], at_once=True),
    )


def _control(ground: Ground, carrying: Carrying) -> ControlDesk:
    return ControlDesk(
        ground.place,
        ground.directory,
        ground.journal,
        OperatingTable(ground.journal, ground.node),
        ground.notary,
        carrying.ways,
        ground.clock,
        carrying.dispatcher,
        carrying.sealing.wake,
    )
