"""The sections of a node's configuration, each judged by itself.

Touches: looks whether the files that a section names exist; reads a system's secret file.
Raises:  nothing by itself; pydantic gathers what is wrong, see reading.py.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import date, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from relay.envelope.codes import normalise
from relay.errors import EnvelopeError
from relay.model import AgencyCode, Tier
from relay.settings.wording import DIGEST_TEXT, NODE_NAME, REST_PREFIX, SYSTEMID, URL

SECRET_FILE_LIMIT_BYTES = 4096
SAMPLE_SECRET = b"replace-me"
"""Whoever has read the samples knows it."""
_NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?", re.ASCII)
BASE: ContextVar[Path] = ContextVar("base", default=Path())
"""The folder of the file being read: settings sources hand no context to validators."""


def _existing(path: Path) -> Path:
    """A file that must be there, found beside the configuration."""
    found = _located(path)
    if not found.is_file():
        raise ValueError(f"no file {found}")
    return found


def _located(path: Path) -> Path:
    try:
        found = BASE.get() / path.expanduser()
    except RuntimeError:
        raise ValueError(f"no home folder for {path.parts[0]}") from None
    if "\0" in str(found):
        raise ValueError("a path holds no NUL")
    return found


def _address(text: str) -> str:
    """ "127.0.0.1:8443" or "[::1]:8443"."""
    host, _, port = text.rpartition(":")
    try:
        ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        raise ValueError(f"{text[:60]!r} is not an IP address and port") from None
    if not (port.isascii() and port.isdigit()):
        raise ValueError(f"{text[:60]!r} is not an IP address and port")
    if len(port) > 5 or int(port) > 65535:
        raise ValueError(f"port {port[:20]}, limit 65535")
    return text


def _network(text: str) -> str:
    """ "10.1.0.0/16", "10.1.2.3" or an IPv6 network."""
    try:
        return str(ip_network(text))
    except ValueError:
        raise ValueError(
            f'{text[:60]!r} is not an address or network (CIDR) such as "10.1.0.0/16"'
        ) from None


def _code(text: str) -> AgencyCode:
    try:
        return normalise(text)
    except EnvelopeError as error:
        raise ValueError(f"{text[:60]!r}: {error}") from None


def _positive(span: timedelta) -> timedelta:
    if span <= timedelta():
        raise ValueError("must be longer than nothing")
    return span


def _number(value: object) -> object:
    """The environment has texts only: "6" there is the 6 of a file."""
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value


NodeName = Annotated[str, Field(pattern=NODE_NAME)]
File = Annotated[Path, AfterValidator(_existing)]
Place = Annotated[Path, AfterValidator(_located)]
Address = Annotated[str, AfterValidator(_address)]
Network = Annotated[str, AfterValidator(_network)]
Code = Annotated[str, AfterValidator(_code)]
Span = Annotated[timedelta, BeforeValidator(_number), AfterValidator(_positive)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NodeSection(Section):
    id: NodeName
    data_dir: Place


class ListenSection(Section):
    """Addresses of the three listeners; `nodes` and `native` and `axis` may be several each."""

    axis: tuple[Address, ...] = ()
    native: tuple[Address, ...] = ()
    nodes: tuple[Address, ...] = ()
    native_clients: tuple[File, ...] = ()
    """Roots: whoever comes to `native` must show a certificate that one of them vouches for."""
    plain_http: bool = False
    """Serve `axis` and `native` without TLS; only loopback addresses may."""
    plain_http_beyond_loopback: bool = False
    """They may all the same, where something else encrypts the way: a tunnel, a proxy beside the node."""
    rest_prefix: Annotated[str, Field(pattern=REST_PREFIX)] = "/lgsp"
    """Where the REST variant begins on `axis`: /lgsp/v1/sendEdoc."""

    @model_validator(mode="after")
    def _plain_only_at_home(self) -> ListenSection:
        if self.plain_http and not self.plain_http_beyond_loopback:
            for text in (*self.axis, *self.native):
                host = text.rpartition(":")[0].strip("[]")
                if not ip_address(host).is_loopback:
                    raise ValueError(f"plain_http is for loopback addresses only, not {text}")
        return self


class KeyPair(Section):
    certificate: File
    key: File


class TokenSection(Section):
    """A key on a PKCS#11 token."""

    module: File
    """The vendor's shared library."""
    label: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    serial: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    key: Annotated[str, Field(min_length=1, max_length=256)]
    """The label of the private key on it."""
    pin_file: File | None = None
    pin_env: Annotated[str, Field(pattern="^[A-Za-z_][A-Za-z0-9_]{0,127}$")] | None = None
    """The name of an environment variable, never the PIN itself."""

    @model_validator(mode="after")
    def _one_of_each(self) -> TokenSection:
        if (self.label is None) == (self.serial is None):
            raise ValueError("give either label or serial")
        if (self.pin_file is None) == (self.pin_env is None):
            raise ValueError("give either pin_file or pin_env")
        return self


class SigningKey(Section):
    """A key that signs documents: in a PEM file, in a PKCS#12 file with its certificate, or on a token."""

    certificate: File | None = None
    key: File | None = None
    token: TokenSection | None = None
    pkcs12: File | None = None
    password_file: File | None = None
    password_env: Annotated[str, Field(pattern="^[A-Za-z_][A-Za-z0-9_]{0,127}$")] | None = None
    """The name of an environment variable, never the password itself."""

    @model_validator(mode="after")
    def _one_place(self) -> SigningKey:
        if [self.key, self.token, self.pkcs12].count(None) != 2:
            raise ValueError("give one of key, token and pkcs12")
        if (self.certificate is None) != (self.pkcs12 is not None):
            raise ValueError("certificate stands beside key or token, and in a pkcs12 file itself")
        if self.password_file is not None and self.password_env is not None:
            raise ValueError("give either password_file or password_env")
        if self.token is not None and (self.password_file or self.password_env):
            raise ValueError("a token has a PIN: pin_file or pin_env in its own table")
        return self


class KeysSection(Section):
    tls: KeyPair
    sign: SigningKey
    log: KeyPair
    agencies: tuple[SigningKey, ...] = ()
    log_before: tuple[File, ...] = ()
    """Key files of the log before this one: what they sealed is sealed anew at the start."""
    log_certificates_before: tuple[File, ...] = ()
    """Certificates of the log before this one, where the journal does not keep them yet."""
    gateway: SigningKey | None = None
    """Seals what enters over a bridge; needed where there is one."""
    slow: bool = False
    """The signing key is slow (a token): accept first, seal afterwards."""
    batches: Literal["auto", "never"] = "auto"
    """Whether receipts that wait at the same time share a signature where whoever gets them takes that."""


class TrustSection(Section):
    """Files of CA certificates. A role without a list of its own has the roots."""

    roots: tuple[File, ...] = Field(min_length=1)
    intermediates: tuple[File, ...] = ()
    agency: tuple[File, ...] = ()
    gateway: tuple[File, ...] = ()
    node: tuple[File, ...] = ()
    timestamp: tuple[File, ...] = ()
    official: tuple[File, ...] = ()
    look_every: Span = timedelta(seconds=10)
    """How often the files are looked at, and open connections judged again."""
    issuers_without_branch: Literal["accept", "refuse"] = "accept"
    """Whether a CA that names no branch may certify any node and agency."""

    def files(self) -> tuple[Path, ...]:
        lists = (self.agency, self.gateway, self.node, self.timestamp, self.official)
        return (*self.roots, *self.intermediates, *(one for each in lists for one in each))


class NeighbourSection(Section):
    id: NodeName
    url: Annotated[str, Field(pattern=URL)]
    relation: Literal["uplink", "downlink", "peer"]


class NodeRow(Section):
    id: NodeName
    tier: Tier
    parent: NodeName | None = None


class AgencyRow(Section):
    code: Code
    name: str
    tier: Tier
    node: NodeName
    old_code: Code | None = None
    parent: Code | None = None
    mail: str = Field(default="", max_length=200)
    centre: str = Field(default="", max_length=64)
    valid_from: date | None = None
    valid_to: date | None = None
    successors: tuple[Code, ...] = Field(default=(), max_length=64)
    deleted: bool = False
    certificates: tuple[Annotated[str, Field(pattern=DIGEST_TEXT)], ...] = Field(
        default=(), max_length=16
    )
    """Certificates (SHA-256) that may seal for it although they do not name it."""


class DirectoryFile(Section):
    nodes: tuple[NodeRow, ...] = ()
    agencies: tuple[AgencyRow, ...] = ()


class DirectorySection(DirectoryFile):
    files: tuple[File, ...] = ()
    unknown_codes: Literal["refuse", "uplink"] = "refuse"
    closed_codes: Literal["refuse", "forward"] = "refuse"
    """What becomes of a document for a code that is closed (or not open yet): refused with the successor
    named, or forwarded to it where there is exactly one."""
    registrations: Literal["hold", "accept"] = "hold"
    """Whether what a system registers waits for an operator's yes."""
    valid_for: Span = timedelta(days=30)
    """How long neighbours may take what this node says of its branch for news; renewed at half of it."""
    grace: Span = timedelta(days=7)
    """How long past that time a neighbour's word is still taken in."""


class SystemSection(Section):
    """A document-management system on the axis face."""

    systemid: Annotated[str, Field(min_length=1, max_length=64, pattern=SYSTEMID)]
    secret: str | None = Field(default=None, min_length=1, repr=False)
    secret_file: File | None = None
    agencies: tuple[Code, ...] = Field(min_length=1)
    freshness: Literal["off", "warn", "enforce"] = "warn"
    freshness_window: Span = timedelta(days=1)
    addresses: tuple[Network, ...] = ()
    """Where it may call from; none: from anywhere."""
    certificates: tuple[File, ...] = ()
    """Client certificates it must connect with; none: it needs none."""
    rest: bool = False
    """The REST variant is switched on for it."""

    @model_validator(mode="after")
    def _one_secret(self) -> SystemSection:
        if (self.secret is None) == (self.secret_file is None):
            raise ValueError("give either secret or secret_file")
        secret = self.secret_bytes()
        if not secret:
            raise ValueError("the secret is empty")
        if secret == SAMPLE_SECRET:
            raise ValueError("the secret is still the sample's, which everybody knows")
        return self

    def secret_bytes(self) -> bytes:
        """Without white space around it, which editors leave in files."""
        if self.secret_file is None:
            return (self.secret or "").encode()
        return secret_in(self.secret_file)


def secret_in(path: Path) -> bytes:
    """The secret of a secret_file, which only its owner may read."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(SECRET_FILE_LIMIT_BYTES + 1)
    except OSError as error:
        raise ValueError(f"secret_file {path}: {error.strerror}") from None
    if mode & 0o077:
        raise ValueError(f"secret_file {path} has mode {mode:04o}, limit 0600 (owner only)")
    if len(content) > SECRET_FILE_LIMIT_BYTES:
        raise ValueError(f"secret_file is over {SECRET_FILE_LIMIT_BYTES} bytes")
    return content.strip()


class LimitsSection(Section):
    envelope_bytes: int = Field(default=1 << 30, ge=1024)
    uploads_ahead_bytes: int = Field(default=4 << 30, ge=1 << 20)
    """What one neighbour may have uploaded ahead of its transfers, or one caller of what it hands in."""
    reserve_bytes: int = Field(default=512 << 20, ge=0)
    """Free on the disk of data_dir; under it only what was accepted before is finished."""
    reserve_inodes: int = Field(default=1024, ge=0)
    bodies_at_once: int = Field(default=640, ge=1)
    """Documents, transfers and uploads being received at the same time."""
    bodies_at_once_each: int = Field(default=320, ge=1)
    """Of them, those of one system, token or neighbour."""
    waiting_per_system: int = Field(default=1_000_000, ge=1)
    """Deliveries waiting here that one system or token handed in."""
    waiting_per_neighbour: int = Field(default=1_000_000, ge=1)
    waiting_bytes_per_system: int = Field(default=20 << 30, ge=1)
    waiting_bytes_per_neighbour: int = Field(default=20 << 30, ge=1)
    getedoc_bytes: int = Field(default=64 << 20, ge=1024)
    """What getEdoc gives as base64 in JSON; for anything larger the axis face names downloadEdoc."""


class DeliverySection(Section):
    transfers_at_once: int = Field(default=256, ge=1, le=1024)
    retry_first: Span = timedelta(seconds=1)
    retry_cap: Span = timedelta(minutes=5)
    expiry_normal: Span = timedelta(days=14)
    expiry_urgent: Span = timedelta(days=7)
    expiry_express: Span = timedelta(days=2)
    answer_within: Span = timedelta(minutes=2)
    clock_tolerance: Span = timedelta(minutes=5)
    drain: Span = timedelta(seconds=20)
    batched_receipts: bool = True
    """False demands of neighbours that each receipt for this node is signed by itself."""
    batched_transfers: bool = True
    """False demands of neighbours that each transfer's header is signed by itself."""
    refusal_status_from: Code | None = None
    """An agency served here, in whose name senders are told of a refusal by a status 02."""

    @model_validator(mode="after")
    def _first_within_cap(self) -> DeliverySection:
        if self.retry_first > self.retry_cap:
            raise ValueError(f"retry_first {self.retry_first} is over retry_cap {self.retry_cap}")
        return self


class BusinessSection(Section):
    """How long recipients have for their answer (15 or 16), and whom the node speaks for."""

    take_back_within: Span = timedelta(days=3)
    revoke_within: Span = timedelta(days=3)
    update_within: Span = timedelta(days=7)
    replace_within: Span = timedelta(days=7)
    arrived_status_for: tuple[Code, ...] = ()
    """Agencies served here whose systems send no statuses: the node makes their 01, marked as its own."""


class RetentionSection(Section):
    """How long what is kept, by the state of a delivery and the time since its last change. Receipts and
    log entries stay for ever. None: as long as the delivery is in that state."""

    payload_settled: Span = timedelta(days=90)
    payload_failed: Span = timedelta(days=30)
    payload_relayed: Span | None = None
    payload_fetched: Span | None = None
    rows: Span = timedelta(days=730)
    uploads: Span = timedelta(days=1)
    orphans: Span = timedelta(days=1)
    reopened: Span = timedelta(days=14)
    every: Span = timedelta(hours=1)

    def problems(self, delivery: DeliverySection) -> Iterator[str]:
        """The memory of duplicates must outlive whatever may still be repeated, and every payload (W22.8)."""
        expiry = max(delivery.expiry_normal, delivery.expiry_urgent, delivery.expiry_express)
        repeated = expiry + delivery.clock_tolerance + delivery.retry_cap
        if self.rows <= repeated:
            yield (
                f"retention.rows: {self.rows} is not longer than {repeated}, the longest expiry with "
                "clock_tolerance and retry_cap: a repeat would be taken for a new document"
            )
            return
        for name in ("settled", "failed", "relayed", "fetched"):
            span = getattr(self, f"payload_{name}")
            if span is not None and span > self.rows:
                yield f"retention.payload_{name}: {span} is over retention.rows {self.rows}"


class ArchiveSection(Section):
    """Where messages go before [retention] lets their bytes leave; without it those are deleted."""

    enabled: bool = False
    folder: Place | None = None
    """None: `archive` in the data folder."""
    file_bytes: Annotated[int, Field(ge=1 << 20, le=32 << 30)] = 256 << 20
    messages: Annotated[int, Field(ge=1, le=5_000)] = 1_000
    every: Span = timedelta(days=1)


class LogSection(Section):
    format: Literal["console", "json"] = "console"
    level: Literal["debug", "info", "warning", "error"] = "info"
    followers: int = Field(default=64, ge=1, le=1024)
    """Who may wait for new entries of the audit log at the same time, by stream or long poll."""
    publish_every: Span = timedelta(seconds=5)
    """How long the audit log may grow before its tiles and checkpoint are published."""
    public: bool = False
    """Whether /log/ is open without a token."""
    witnesses_answer_within: Span = timedelta(seconds=5)
    """How long a checkpoint waits for cosignatures."""
    attach_proofs: bool = True
    """Whether receipts that travel back are followed by proofs that they stand in the log."""
    attach_uncosigned_after: Span = timedelta(minutes=10)
    """After which a receipt whose head nobody cosigned has a proof that says so."""
    attach_for: Span = timedelta(days=30)
    """How long a proof waits for a neighbour."""
    attach_waiting: int = Field(default=100_000, ge=1_000, le=10_000_000)
    """Proofs that wait for one neighbour."""
    passages_after: Span = timedelta(minutes=1)
    """How long a document waits here before its origin is told why."""
