"""What can be done with a node's configuration and data folder, whether the node runs or not.

Touches: the files that a configuration names; the data folder, reading, but for `restore`.
Raises:  SettingsError with every problem at once, AuditError, JournalError, InUseError.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from relay.audit.beside import Keys
from relay.audit.checkpoint import ORIGIN_PREFIX, parse_vkey
from relay.audit.cosignature import parse_cosigner
from relay.audit.epochs import epoch_of, log_name
from relay.audit.proof_file import FILE_LIMIT_BYTES, FIRST_LINE, read_proof
from relay.audit.verify import KeptHead, LogKey, Progress
from relay.delivery.clock import Clock
from relay.errors import AuditError, SettingsError, SignatureError
from relay.identity import (
    NodeKeys,
    binding_of,
    certificates_before,
    key_problems,
    load_keys,
    read_trust,
)
from relay.journal import backup
from relay.journal.backup import Copied
from relay.journal.fsck import Known, StoreState, fsck
from relay.journal.store import DATABASE
from relay.journal.verifying import LogReport, verify_folder
from relay.logs import unfit_outputs
from relay.model import AgencyCode, NodeId
from relay.routing.directory import Directory
from relay.settings.reading import SAMPLES, load, read, unfit_data_dir
from relay.settings.settings import Settings
from relay.settings.sound import Sound
from relay.signing.certificates import Purpose, read_chain
from relay.signing.keys import LogSigner, verify_log_signature
from relay.signing.log_key import key_of_log
from relay.signing.log_witnesses import Witness
from relay.signing.trust import TrustStore, certificates_of

CONTROL_SOCKET = "control.sock"
"""In the data folder, while the node runs."""


def check(config: Path) -> Settings:
    """The settings of a configuration that a node can start with. Raises SettingsError."""
    return examine(config)[0]


def examine(config: Path) -> tuple[Settings, tuple[str, ...]]:
    """The settings, with everything looked at that a start would look at, and what is hardly meant.

    Raises SettingsError with every problem at once.
    """
    reading = read(config)
    problems = list(reading.problems)
    if reading.sound.data_dir is not None:
        problems += unfit_data_dir(reading.sound.data_dir, CONTROL_SOCKET)
    kept = _keeps_a_directory(reading.sound.data_dir)
    found = key_problems(reading.sound, later=kept)
    problems += (one for one in found if one not in problems)
    if reading.settings is not None:
        problems += _unfit_speakers(reading.settings, reading.sound)
        problems += unfit_outputs(reading.settings)
    if problems or reading.settings is None:
        raise SettingsError(problems, SAMPLES if reading.problems else "")
    return reading.settings, (
        *reading.remarks,
        *_judging_remarks(reading.settings),
        *_doubtful_certificates(reading.settings),
    )


def _keeps_a_directory(data_dir: Path | None) -> bool:
    """Whether there may be a directory beyond the configuration's files, which say less then."""
    return data_dir is not None and (data_dir / DATABASE).is_file()


def _doubtful_certificates(settings: Settings) -> Iterator[str]:
    """Certificates of this node's own that neighbours with the same trust and directory would refuse; and,
    said once, that an issuer may certify anyone. A node that is to finish what it has may start with both."""
    directory = settings.make_directory()
    keys = load_keys(settings, directory, later=True)
    binding = binding_of(settings, directory)
    for name, _ in keys.unplaced:
        yield (
            f"{name}: by the configuration the certificate is of no agency served by {settings.node.id};"
            " the start refuses it unless the directory that the node keeps says otherwise"
        )
    now, anyone = Clock().now(), []
    for name, chain, purpose, code in _own_chains(settings, keys):
        try:
            path = keys.trust.path(read_chain(chain), now, purpose)
            if code is None:
                binding.require_node(path)
            else:
                binding.require_agency(path, code)
        except SignatureError as error:
            yield f"{name}: neighbours would refuse this certificate: {error.reason}: {error}"
        else:
            anyone += [] if path.branches else [name]
    if anyone:
        yield (
            f"trust: the issuer of {anyone[0]} names no branch: it may certify any node and agency"
            " (trust.issuers_without_branch)"
        )


def _own_chains(
    settings: Settings, keys: NodeKeys
) -> Iterator[tuple[str, Sequence[bytes], Purpose, AgencyCode | None]]:
    tls = settings.keys.tls.certificate
    yield "keys.tls", certificates_of(tls.read_bytes()), Purpose.TLS, None
    yield "keys.sign", keys.sign.chain, Purpose.SIGN, None
    yield "keys.log", keys.log.chain, Purpose.LOG, None
    if keys.gateway is not None:
        yield "keys.gateway", keys.gateway.chain, Purpose.GATEWAY, None
    for code, signer in keys.agencies.items():
        yield f"keys.agencies ({code})", signer.chain, Purpose.AGENCY, code


def verify_whole_log(
    config: Path,
    progress: Progress | None = None,
    checkpoints: Sequence[Path] = (),
    witnesses: Sequence[Witness] = (),
) -> LogReport:
    """Recompute the log of a node, running or stopped, against its signed heads, what is published of it and
    these files, in each of which somebody kept a checkpoint. Cosignatures are judged by the keys that the
    journal has proven, those of the configuration, and those of these witnesses."""
    settings = load(config)
    node, key = own_log_key(settings)
    kept = [KeptHead(_note_in(path), f"the checkpoint in {path.name}") for path in checkpoints]
    return verify_folder(
        settings.node.data_dir,
        node,
        key,
        verify_log_signature,
        named=_named_keys(settings, witnesses),
        kept=kept,
        progress=progress,
    )


def check_log_files(
    place: Path,
    vkeys: Sequence[str] = (),
    progress: Progress | None = None,
    witnesses: Sequence[Witness] = (),
) -> list[StoreState]:
    """The condition of every store of a log: in a folder, judged by the keys that are given (the log's
    present one first), or in the data folder of a stopped node's configuration."""
    if place.is_dir():
        return fsck(place, _known(vkeys, progress, _named_keys(None, witnesses)))
    settings = load(place)
    node, key = own_log_key(settings)
    before = [certificates_before(one, node) for one in settings.keys.log_certificates_before]
    known = Known(
        node,
        key,
        verify_log_signature,
        progress,
        _named_keys(settings, witnesses),
        certificates=(_log_signer(settings).chain, *before),
        ours=partial(_is_our_log, TrustStore(read_trust(settings.trust)), node),
    )
    return fsck(settings.node.data_dir, known)


def _is_our_log(trust: TrustStore, node: NodeId, certificates: Sequence[bytes]) -> bool:
    """Whether an authority that is trusted here certified it for this node's log, in its time."""
    try:
        chain = read_chain(certificates)
        certificate = chain.leaf.certificate
        at = min(
            max(Clock().now(), certificate.not_valid_before_utc), certificate.not_valid_after_utc
        )
        return trust.path(chain, at, Purpose.LOG).leaf.identity.node == node
    except SignatureError:
        return False


def _named_keys(settings: Settings | None, witnesses: Sequence[Witness]) -> Keys:
    """Of witnesses and logs that are no neighbours', as the configuration has them, and of those given."""
    given = tuple((one.name, one.public_key) for one in witnesses)
    if settings is None:
        return Keys(witnesses=given)
    section = settings.log
    configured = (parse_cosigner(one.vkey) for one in section.witnesses)
    logs = {
        one.origin or name: key for one in section.witnessed for name, key in [parse_vkey(one.vkey)]
    }
    return Keys(witnesses=(*configured, *given), logs=logs)


def _known(vkeys: Sequence[str], progress: Progress | None, named: Keys) -> Known:
    given = [_named_key(vkey) for vkey in vkeys]
    if not given:
        return Known(None, None, verify_log_signature, progress, named)
    if len({node for node, _ in given}) > 1:
        raise AuditError("the keys given are of logs of several nodes")
    (node, key), *others = given
    before = tuple(one for _, one in others)
    return Known(node, key, verify_log_signature, progress, named, before)


def _named_key(vkey: str) -> tuple[NodeId, LogKey]:
    """Of any epoch of a node's log."""
    name, public_key = parse_vkey(vkey)
    node = NodeId(name.removeprefix(ORIGIN_PREFIX).partition("/")[0])
    if name != log_name(node, epoch_of(name)):
        raise AuditError(f"{name[:100]} names no log of a node")
    return node, key_of_log(node, public_key)


def own_log_key(settings: Settings) -> tuple[NodeId, LogKey]:
    """Whose log it is, and the key that signs it."""
    node = NodeId(settings.node.id)
    return node, key_of_log(node, _log_signer(settings).public_key)


def _log_signer(settings: Settings) -> LogSigner:
    return LogSigner.load(settings.keys.log.certificate, settings.keys.log.key)


def _note_in(path: Path) -> bytes:
    """A checkpoint, by itself or below the proof in a proof file."""
    with path.open("rb") as file:
        content = file.read(FILE_LIMIT_BYTES + 1)
    return read_proof(content).note if content.startswith(FIRST_LINE) else content


def back_up(config: Path, target: Path, progress: Progress) -> Copied:
    """Copy the journal of a node, running or stopped; see journal.backup."""
    return backup.back_up(load(config).node.data_dir, target, Clock().now(), progress)


def restore(config: Path, source: Path, progress: Progress, *, incomplete: bool = False) -> Copied:
    """Bring a backup back into the node's data folder, which must hold no journal."""
    node = load(config).node
    return backup.restore(source, node.data_dir, NodeId(node.id), progress, incomplete=incomplete)


def speaker(settings: Settings, directory: Directory) -> AgencyCode | None:
    """The agency in whose name refusals are told. Raises SettingsError for one not served here."""
    code = settings.delivery.refusal_status_from
    if code is None:
        return None
    resolved = directory.resolve(code)
    if resolved not in directory.served_by(NodeId(settings.node.id)):
        raise SettingsError([f"delivery.refusal_status_from: {code} is not served by this node"])
    return resolved


def spoken_for(settings: Settings, directory: Directory) -> dict[AgencyCode, AgencyCode]:
    """The agencies whose status 01 the node makes, by every form of their codes. Raises SettingsError for
    those not served here."""
    served = directory.served_by(NodeId(settings.node.id))
    codes = {directory.resolve(code): code for code in settings.business.arrived_status_for}
    strange = [code for found, code in codes.items() if found not in served]
    if strange:
        raise SettingsError(
            [f"business.arrived_status_for: {code} is not served by this node" for code in strange]
        )
    return {AgencyCode(form): code for code in codes for form in directory.aliases(code)}


def _judging_remarks(settings: Settings) -> Iterator[str]:
    """No mistake: such a node works, and says of every signature that it cannot tell."""
    section = settings.signatures
    policies = {section.policy, *(rule.policy for rule in section.rules)}
    if policies == {"off"}:
        return
    if any(find_spec(name) is None for name in ("pyhanko", "signxml")):
        yield (
            "signatures: the extra `pades` is not installed, so every signature made by others is"
            " UNKNOWN (not-installed): pip install 'truc-relay[pades]'"
        )
    if "refuse" in policies and not section.crls and not settings.revocation.check:
        yield (
            "signatures: policy refuse without crls: what carries no revocation data of its own is UNKNOWN"
        )


def _unfit_speakers(settings: Settings, sound: Sound) -> list[str]:
    directory = sound.make_directory()
    if directory is None:
        return []
    problems: list[str] = []
    for asked in (speaker, spoken_for):
        try:
            asked(settings, directory)
        except SettingsError as error:
            problems += error.problems
    return problems
