"""`relay send` and `relay seal`: hand an envelope in; make the agency's own seal over one.

Touches: the files named, the node.
Raises:  CommandError, OSError, and what the node answers.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, TypeAlias

import typer

from relay.cli.connect import Connection, reaching
from relay.cli.files import small_file
from relay.cli.outcome import CANNOT_CREATE, DATA, NO_PERMISSION, CommandError, remark
from relay.cli.show import Advance, chunks_of, printable, progress, show_json
from relay.errors import ConflictError, TransportError, UnansweredError

if TYPE_CHECKING:
    import aiohttp

    from relay.cli.client import NativeClient
    from relay.model import Envelope as EnvelopeFacts
    from relay.signing.keys import Signer

AHEAD_BYTES = 1 << 22
"""Larger ones are brought before they are handed in: eight minutes of 64 kbit/s."""
SETTLE_SECONDS = 1.0
"""For the node to see that the connection is gone."""
_CHUNK_BYTES = 1 << 18
_SEAL_BYTES = 1 << 18
_Answer: TypeAlias = tuple[dict[str, Any], Mapping[str, str]]

Envelope = Annotated[Path, typer.Argument(metavar="FILE", help="The edXML envelope.")]


@reaching
def send(
    node: Connection,
    file: Envelope,
    to: Annotated[
        list[str] | None,
        typer.Option(metavar="CODE", help="Recipient; else those in the document."),
    ] = None,
    seal: Annotated[Path | None, typer.Option(help="The agency's seal, from `relay seal`.")] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(metavar="KEY", help="Refuse other content under this key.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The node's whole answer.")] = False,
) -> None:
    """Hand in an envelope. Prints its message id once the node has it durably; safe to repeat."""
    if node.socket is not None and node.token is None:
        raise CommandError(
            "the control socket is the operator's, who sends for no agency",
            NO_PERMISSION,
            "give --url and a token of the agency: relay token issue --scope agency:CODE",
        )
    headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
    sending = _Sending(file, tuple(to or ()), None if seal is None else _read_seal(seal), headers)
    answer, said = asyncio.run(sending.by(node))
    if (kind := said.get("Relay-Seal-Kind")) is not None:
        stands = "its seal is being made" if kind == "not-yet" else f"sealed as {kind}"
        remark(f"the first message stands, {stands}: the seal given now is not kept")
    if as_json:
        show_json(answer)
        return
    repeated = "Relay-Repeated" in said
    remark("accepted before, the same answer again" if repeated else "accepted, durably")
    typer.echo(answer["message_id"])


@dataclass(frozen=True, slots=True)
class _Sending:
    """One hand-in: of a large envelope piece by piece, so that a cut link costs only what was under way."""

    file: Path
    to: tuple[str, ...]
    seal: bytes | None
    headers: Mapping[str, str]

    async def by(self, node: Connection) -> _Answer:
        from relay.cli.client import reach  # noqa: PLC0415

        size = self.file.stat().st_size
        digest = digest_of_file(self.file) if size > AHEAD_BYTES else None
        async with reach(node) as client:
            with progress(f"sending {self.file.name}") as advance, self.file.open("rb") as source:
                if digest is not None and await self._ahead(client, digest, source, size, advance):
                    more = {} if self.seal is None else {"Content-Type": "application/xml"}
                    return await client.submit(self.seal, self.to, {**self.headers, **more}, digest)
                return await self._whole(client, chunks_of(source, size, advance), size)

    async def _whole(self, client: NativeClient, body: AsyncIterator[bytes], size: int) -> _Answer:
        if self.seal is None:
            more = {"Content-Type": "application/xml", "Content-Length": str(size)}
            return await client.submit(body, self.to, {**self.headers, **more})
        with _parts(body, self.seal) as parts:
            return await client.submit(parts, self.to, self.headers)

    async def _ahead(
        self, client: NativeClient, digest: str, source: BinaryIO, size: int, advance: Advance
    ) -> bool:
        """All of it is there; False where the node takes no uploads. A cut is gone on from at once, as long
        as each attempt brought something over."""
        before = -1
        while (offset := await client.upload_offset(digest)) is not None and offset < size:
            if offset <= before:
                raise TransportError(
                    f"the upload broke off at {offset} of {size} bytes; the same command goes on there"
                )
            before = offset
            source.seek(offset)
            with suppress(UnansweredError, ConflictError):
                await client.extend(digest, chunks_of(source, size, advance), offset, size)
                continue
            remark(f"the link was cut; going on with {self.file.name}")
            await asyncio.sleep(SETTLE_SECONDS)
        return offset is not None


def _parts(body: AsyncIterator[bytes], seal: bytes) -> aiohttp.MultipartWriter:
    import aiohttp  # noqa: PLC0415

    parts = aiohttp.MultipartWriter("related")
    # The seal first: a node that is to refuse it need not take the document.
    for name, content in (("seal", seal), ("envelope", body)):
        part = parts.append(content, {"Content-Type": "application/xml"})
        part.set_content_disposition("form-data", name=name)
    return parts


def _read_seal(path: Path) -> bytes:
    return small_file(path, _SEAL_BYTES)


def seal(
    file: Envelope,
    cert: Annotated[Path, typer.Option(help="The agency's certificate, with its issuers (PEM).")],
    key: Annotated[Path, typer.Option(help="Its key (PEM).")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Default: FILE.seal.xml")
    ] = None,
    other_sender: Annotated[
        bool,
        typer.Option(
            "--other-sender",
            help="Seal even if the document is From a code not in the certificate.",
        ),
    ] = False,
) -> None:
    """Seal an envelope at the agency, so that the node need not hold the agency's key."""
    from relay.model import SealKind  # noqa: PLC0415
    from relay.signing.keys import Signer  # noqa: PLC0415
    from relay.signing.seal import make_seal  # noqa: PLC0415

    signer = Signer.load(cert, key)
    envelope = read_envelope(file)
    if not other_sender:
        _require_sender(envelope, signer)
    made = make_seal(envelope.digest, SealKind.AGENCY_SUPPLIED, signer, datetime.now(UTC))
    target = output or file.with_name(file.name + ".seal.xml")
    write_new(target, made.signature)
    typer.echo(target)


def read_envelope(file: Path) -> EnvelopeFacts:
    """What the file says of itself, with the digest of its bytes. Raises EnvelopeError."""
    from relay.envelope.reader import EnvelopeReader  # noqa: PLC0415

    reader = EnvelopeReader()
    for chunk in _shown(file):
        reader.feed(chunk)
    return reader.close()


def digest_of_file(file: Path) -> str:
    running = hashlib.sha256()
    for chunk in _shown(file):
        running.update(chunk)
    return running.hexdigest()


def _shown(file: Path) -> Iterator[bytes]:
    """The file in pieces, with a bar."""
    total, done = file.stat().st_size, 0
    with progress(f"reading {file.name}") as advance, file.open("rb") as source:
        while chunk := source.read(_CHUNK_BYTES):
            yield chunk
            done += len(chunk)
            advance(done, total)


def _require_sender(envelope: EnvelopeFacts, signer: Signer) -> None:
    """A seal over another's document would be refused wherever it is handed in."""
    from relay.envelope.codes import normalise  # noqa: PLC0415

    codes = signer.identity.agencies
    sender = envelope.sender.organ_id
    if not codes:
        raise CommandError("the certificate names no agency", DATA, "an agency's is needed")
    if normalise(sender) not in codes:
        named = ", ".join(sorted(codes))
        raise CommandError(
            f"the document is From {printable(sender)}, the certificate speaks for {named}",
            DATA,
            "where both are codes of one agency, and its node knows that: --other-sender",
        )


def write_new(path: Path, content: bytes) -> None:
    """Never over what is there: it may be evidence. Folders are made as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    refuse_existing(path)
    with path.open("xb") as target:
        target.write(content)


def refuse_existing(path: Path) -> None:
    if path.exists():
        raise CommandError(
            f"{path} exists and is not overwritten", CANNOT_CREATE, "name another file"
        )
