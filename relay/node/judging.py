"""What judges signatures made by others, joined: policies and anchors from the settings, one worker process.

Touches: the certificate files of the settings; the worker, once the first document waits.
Raises:  SettingsError for files that hold no certificates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from relay.delivery.judging import JudgingDesk, Policies, Policy, Treatment
from relay.errors import GoneError, JournalError
from relay.journal.judging import JudgingTable
from relay.journal.store import SqliteJournal
from relay.judgement import Flaw, Judgement, unjudged
from relay.lines import Line
from relay.model import AgencyCode, Payload
from relay.node.ground import Ground
from relay.routing.directory import Directory
from relay.settings.signatures import SignaturesSection
from relay.signing.others.limits import JudgingLimits
from relay.signing.others.process import JudgingProcess
from relay.signing.others.protocol import Heading, Terms
from relay.signing.revocation.checking import RevocationCheck
from relay.signing.trust import Anchors, Role, TrustStore
from relay.signing.trust.anchors import der_of

log = structlog.get_logger("relay.judging")
HELD_CRLS_BYTES = 24 << 20
"""The worker takes 64 MiB of terms, in which each byte is four thirds; the files come first."""
Crls = Callable[[], tuple[bytes, ...]]
_WORTH_A_LOOK = (b"ContentTransferEncoded", b"SignedInfo")
"""A document without attachments and without a Signature needs no worker: no element of theirs is named."""


@dataclass(frozen=True, slots=True)
class PayloadJudge:
    """delivery.judging.Judge."""

    journal: SqliteJournal
    process: JudgingProcess
    most_bytes: int

    async def judge(self, payload: Payload, known: datetime) -> Judgement:
        if payload.size_bytes > self.most_bytes:
            return unjudged(Flaw.TOO_LARGE, known)
        if payload.content is not None and not any(m in payload.content for m in _WORTH_A_LOOK):
            return Judgement(known, None, (), ())
        try:
            return await self.process.judge(lambda: self.journal.read(payload), Heading(known))
        except (GoneError, JournalError):
            return unjudged(Flaw.GONE, known)

    async def rest(self) -> None:
        await self.process.rest()


@dataclass(frozen=True, slots=True)
class Judging:
    desk: JudgingDesk
    process: JudgingProcess


@dataclass(slots=True)
class CurrentTerms:
    """By what is judged now: another value whenever the trust store's anchors are others."""

    trust: TrustStore
    section: SignaturesSection
    crls: Crls
    """Equal, and the same object, as long as nothing is known anew."""
    _from: tuple[Anchors, tuple[bytes, ...]] | None = None
    _terms: Terms | None = None

    def __call__(self) -> Terms:
        anchors, crls = self.trust.anchors, self.crls()
        before = self._from
        if (
            self._terms is None
            or before is None
            or before[0] is not anchors
            or before[1] is not crls
        ):
            self._from, self._terms = (anchors, crls), terms_of(anchors, self.section, crls)
        return self._terms


@dataclass(slots=True)
class CrlFiles:
    """Revocation lists from files, read again when one has changed; one that cannot be read is told, and
    those before it stay."""

    paths: tuple[Path, ...]
    _stamp: object = None
    _read: tuple[bytes, ...] = ()

    def __call__(self) -> tuple[bytes, ...]:
        try:
            stamp = [
                (one.st_mtime_ns, one.st_size, one.st_ino) for one in map(Path.stat, self.paths)
            ]
            if stamp != self._stamp:
                self._read = tuple(path.read_bytes() for path in self.paths)
                self._stamp = stamp
        except OSError as error:
            log.warning(Line.REVOCATION_LIST_UNREADABLE, error=error.strerror, file=error.filename)
        return self._read


@dataclass(slots=True)
class JoinedCrls:
    """Those of the files first; then, as far as there is room, those the node holds for itself."""

    files: Crls
    held: Crls
    most_bytes: int = HELD_CRLS_BYTES
    _from: tuple[tuple[bytes, ...], tuple[bytes, ...]] | None = None
    _joined: tuple[bytes, ...] = ()

    def __call__(self) -> tuple[bytes, ...]:
        """The same object as long as both give theirs."""
        files, held = self.files(), self.held()
        before = self._from
        if before is None or before[0] is not files or before[1] is not held:
            self._from, self._joined = (files, held), (*files, *self._room_for(held, {*files}))
        return self._joined

    def _room_for(self, held: tuple[bytes, ...], had: set[bytes]) -> Iterator[bytes]:
        left, out = self.most_bytes, 0
        for one in held:
            if one in had:
                continue
            if len(one) > left:
                out += 1
                continue
            left -= len(one)
            yield one
        if out:
            log.warning(Line.REVOCATION_LISTS_LEFT_OUT, count=out, limit_bytes=self.most_bytes)


def crls_of(section: SignaturesSection, check: RevocationCheck | None) -> Crls:
    """Of the files named; where revocation is checked, what the node fetched and proved counts as well."""
    files = CrlFiles(section.crls)
    return files if check is None else JoinedCrls(files, check.held.crls)


def make_judging(ground: Ground) -> Judging:
    settings = ground.settings
    section = settings.signatures
    terms = CurrentTerms(ground.notary.trust, section, crls_of(section, ground.notary.revocation))
    process = JudgingProcess(terms, settings.node.data_dir)
    desk = JudgingDesk(
        policies_of(section, ground.directory),
        JudgingTable(ground.journal, ground.node),
        PayloadJudge(ground.journal, process, section.envelope_bytes),
        ground.clock,
        section.wait,
    )
    return Judging(desk, process)


def terms_of(anchors: Anchors, section: SignaturesSection, crls: tuple[bytes, ...]) -> Terms:
    return Terms(
        anchors=tuple(map(der_of, anchors.of(Role.OFFICIAL))),
        stampers=tuple(map(der_of, anchors.of(Role.TIMESTAMP))),
        helpers=tuple(map(der_of, anchors.intermediates)),
        crls=crls,
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
