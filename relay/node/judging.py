"""What judges signatures made by others, joined: policies and anchors from the settings, one worker process.

Touches: the certificate files of the settings; the worker, once the first document waits.
Raises:  SettingsError for files that hold no certificates.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from relay.delivery.judging import JudgingDesk, Policies, Policy, Treatment
from relay.errors import GoneError, JournalError
from relay.journal.judging import JudgingTable
from relay.journal.store import SqliteJournal
from relay.judgement import Flaw, Judgement, unjudged
from relay.model import AgencyCode, Payload
from relay.node.ground import Ground
from relay.routing.directory import Directory
from relay.settings.settings import Settings
from relay.settings.signatures import SignaturesSection
from relay.signing.others.limits import JudgingLimits
from relay.signing.others.process import JudgingProcess
from relay.signing.others.protocol import Heading, Terms
from relay.signing.trust import certificates_of


@dataclass(frozen=True, slots=True)
class PayloadJudge:
    """delivery.judging.Judge."""

    journal: SqliteJournal
    process: JudgingProcess

    async def judge(self, payload: Payload, known: datetime) -> Judgement:
        try:
            return await self.process.judge(lambda: self.journal.read(payload), Heading(known))
        except (GoneError, FileNotFoundError):
            return unjudged(Flaw.GONE, known)
        except JournalError:
            return unjudged(Flaw.CRASHED, known)


@dataclass(frozen=True, slots=True)
class Judging:
    desk: JudgingDesk
    process: JudgingProcess


def make_judging(ground: Ground) -> Judging:
    settings = ground.settings
    terms = terms_of(settings)
    process = JudgingProcess(lambda: terms, settings.node.data_dir)
    desk = JudgingDesk(
        policies_of(settings.signatures, ground.directory),
        JudgingTable(ground.journal, ground.node),
        PayloadJudge(ground.journal, process),
        ground.clock,
        settings.signatures.wait,
    )
    return Judging(desk, process)


def terms_of(settings: Settings) -> Terms:
    """The anchors of [signatures], or those of [trust] where it names none."""
    section, trust = settings.signatures, settings.trust
    return Terms(
        anchors=_certificates(section.roots or trust.roots),
        stampers=_certificates(section.timestamp_roots),
        helpers=_certificates((*section.intermediates, *trust.intermediates)),
        crls=tuple(path.read_bytes() for path in section.crls),
        limits=JudgingLimits(
            envelope_bytes=section.envelope_bytes,
            file_bytes=section.file_bytes,
            files=section.files,
            signatures=section.signatures,
            memory_bytes=section.memory_bytes,
            within=section.within,
        ),
    )


def policies_of(section: SignaturesSection, directory: Directory) -> Policies:
    senders: dict[AgencyCode, Policy] = {}
    recipients: dict[AgencyCode, Policy] = {}
    for rule in section.rules:
        policy = Policy(Treatment(rule.policy), rule.unknown == "refuse")
        if rule.sender is not None:
            senders[directory.resolve(rule.sender)] = policy
        if rule.recipient is not None:
            recipients[directory.resolve(rule.recipient)] = policy
    default = Policy(Treatment(section.policy), section.unknown == "refuse")
    return Policies(default, senders, recipients)


def _certificates(paths: Iterable[Path]) -> tuple[bytes, ...]:
    return tuple(der for path in paths for der in certificates_of(path.read_bytes()))
