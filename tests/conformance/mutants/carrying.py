"""Faults in what is made of carry files, and in those that are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from relay.delivery.carry import reading, stating, writing
from relay.delivery.carry.importing import CarryImporter
from relay.delivery.carry.ports import CarryFile, Imported, StatementBox
from relay.delivery.carry.reading import CarryReader
from relay.delivery.carry.stating import Along
from relay.delivery.carry.tally import Tally
from relay.delivery.carry.transfers import CarriedIn
from relay.delivery.carry.writing import CarryWriter
from relay.delivery.revocation.by_hand import StatementsByHand
from relay.errors import DamagedError, PeerError, WireError
from relay.journal.shelf import Shelf
from relay.model import Digest, NodeId, Signed, digest_of
from relay.signing.notary import NodeNotary
from relay.wire import carry
from relay.wire.archive import HEAD_BYTES, Head
from relay.wire.carry import CarriedContainer, CarryId, Manifest, read_carry
from relay.wire.statements import Stapled, read_statements, write_statements
from tests.conformance.mutants import mutant, put_in


@mutant(
    "says that it took whatever it is handed",
    "W7.1/before",
    "W7.1/date",
    "W7.2/order",
    "W7.3/empty",
    "W7.3/form",
)
def takes_any_file() -> None:
    honest = CarryImporter.take

    async def take(
        self: CarryImporter, *arguments: Any, **named: Any
    ) -> tuple[Imported, CarryFile | None]:
        try:
            return await honest(self, *arguments, **named)
        except PeerError:
            nothing = Manifest(CarryId(""), NodeId(""), self.node, self.clock.now())
            return Tally(nothing, Digest("")).told(), None

    put_in(CarryImporter, "take", take)


@mutant(
    "does not say that a file is broken",
    "W7.1/behind",
    "W7.1/comment",
    "W7.1/cut",
    "W7.1/central",
)
def hides_what_broke() -> None:
    put_in(Tally, "breaks", lambda *_: None)


@mutant("believes whatever an entry's head says", "W7.1/flags", "W7.2/another-name")
def reads_any_head() -> None:
    def read_head(raw: bytes, _: str) -> Head:
        crc, size = raw[14:18], raw[18:22]
        assert len(raw) >= HEAD_BYTES
        return Head(int.from_bytes(size, "little"), int.from_bytes(crc, "little"))

    put_in(reading, "read_head", read_head)


@mutant("believes a file whatever its signature is", "W7.4/another-signer", "W7.4/valid-now")
def believes_any_file() -> None:
    def check_carry(_: NodeNotary, signed: Signed, *arguments: Any) -> Manifest:
        return read_carry(signed.document)

    put_in(NodeNotary, "check_carry", check_carry)


@mutant("takes files of anybody, for anybody", "W7.4/no-neighbour", "W7.4/for-another")
def takes_files_of_others() -> None:
    async def opened(self: CarryImporter, reader: CarryReader) -> Tally:
        document = await reader.small(carry.MANIFEST, carry.LIMIT_BYTES)
        signature = await reader.small(carry.SIGNATURE, carry.SIGNATURE_LIMIT_BYTES)
        signed = Signed(document, signature)
        return Tally(self.carry_notary.check_carry(signed, self.clock.now()), signed.digest)

    put_in(CarryImporter, "_open", opened)


@mutant(
    "has no answer to what came by hand",
    "W7.5/answered",
    "W7.5/refused",
    "W7.5/one-memory",
    "W7.7/again",
    "W7.7/taken",
)
def answers_nothing_by_hand() -> None:
    async def answer_file(*_: Any) -> None:
        return None

    put_in(CarryImporter, "_answer_file", answer_file)


@mutant("writes another header by hand than by wire", "W7.5/to-the-letter")
def writes_other_headers() -> None:
    honest = Shelf.frozen

    async def frozen(self: Shelf, *arguments: Any) -> tuple[Signed, bytes] | None:
        found = await honest(self, *arguments)
        if found is None:
            return None
        header, seal = found
        other = header.document.replace(b"<Priority>0<", b"<Priority>1<")
        return Signed(other, header.signature), seal

    put_in(Shelf, "frozen", frozen)


@mutant("leaves all behind a damaged entry", "W7.6/damaged")
def stops_at_damage() -> None:
    honest = CarriedIn._content

    async def content(self: CarriedIn, entry: Any, carried: Any, *rest: Any) -> Any:
        found = await honest(self, entry, carried, *rest)
        if found is None:
            raise WireError("an entry is damaged")
        return found

    put_in(CarriedIn, "_content", content)


@mutant("refuses what asks for no answer", "W7.8/nothing")
def refuses_what_asks_nothing() -> None:
    honest = CarryImporter._open

    async def opened(self: CarryImporter, reader: CarryReader) -> Tally:
        tally = await honest(self, reader)
        if not tally.manifest.payloads and not tally.manifest.receipts:
            raise DamagedError("there is nothing to answer")
        return tally

    put_in(CarryImporter, "_open", opened)


@mutant(
    "takes no statement from a carry file",
    "W7.9/counts",
    "W7.9/vouches",
    "W7.9/not-the-rest",
    "W7.9/signer",
)
def takes_no_carried_statement() -> None:
    async def take(*_: Any) -> int:
        return 0

    put_in(StatementsByHand, "take", take)


@mutant("stops where a container of statements is none", "W7.9/not-the-rest")
def stops_at_no_statements() -> None:
    async def contained(
        reader: CarryReader, name: str, container: CarriedContainer, *_: Any
    ) -> Sequence[Stapled]:
        return read_statements(await reader.small(name, container.size_bytes))

    put_in(stating, "contained", contained)


@mutant("believes a file's signer whatever came in the file", "W7.9/signer")
def judges_the_signer_before() -> None:
    honest = CarryImporter._proven
    seen: set[Digest] = set()

    async def proven(self: CarryImporter, signed: Signed, **how: bool) -> Manifest:
        if signed.digest in seen:
            return read_carry(signed.document)
        seen.add(signed.digest)
        return await honest(self, signed, **how)

    put_in(CarryImporter, "_proven", proven)


@mutant("puts statements into every answer", "W7.9/for-earlier-releases")
def always_answers_with_statements() -> None:
    content = write_statements([Stapled((b"a certificate",), b"a statement")])
    box = StatementBox(((Digest(""), ()),), digest_of(content), len(content))

    async def boxes(*_: Any) -> tuple[StatementBox, ...]:
        return (box,)

    async def content_of(*_: Any) -> bytes:
        return content

    put_in(CarryWriter, "along", lambda self, _: Along(self.statements))
    put_in(Along, "boxes", boxes)
    put_in(writing, "content_of", content_of)
