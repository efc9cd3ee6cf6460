"""Both sides of a carry file put together: what the native face asks of delivery.

Touches: nothing itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Protocol

from relay.delivery.arrivals import TransferDesk
from relay.delivery.carry.exporting import CarryExporter
from relay.delivery.carry.importing import CarryImporter
from relay.delivery.carry.ports import (
    CarriedStatements,
    CarryFile,
    CarryNotary,
    Imported,
    Receive,
    Room,
    Shelf,
)
from relay.delivery.carry.transfers import CarriedIn
from relay.delivery.carry.writing import CarryWriter
from relay.delivery.dispatch import Dispatcher
from relay.delivery.ports import Caller, PayloadStore
from relay.delivery.records import Notary
from relay.model import NodeId


class CourierNotary(Notary, CarryNotary, Protocol):
    """Both."""


@dataclass(frozen=True, slots=True)
class Courier:
    """carry.CarryDesk."""

    exporter: CarryExporter
    importer: CarryImporter
    writer: CarryWriter

    @classmethod
    def of(
        cls,
        dispatcher: Dispatcher,
        transfers: TransferDesk,
        notary: CourierNotary,
        shelf: Shelf,
        store: PayloadStore,
        receive: Receive,
        room: Room,
        statements: CarriedStatements | None = None,
    ) -> Courier:
        """From the parts that serve the wire, so that both ways have the same rules.

        Carried headers and receipts are days old: they tell nobody what time it is.
        """
        node, journal = dispatcher.node, dispatcher.journal
        clock = replace(dispatcher.clock, seen=lambda _: None)
        neighbours = frozenset(dispatcher.channels) - dispatcher.bridges
        writer = CarryWriter(node, journal, store, shelf, notary, clock, statements)
        exporter = CarryExporter(
            node, neighbours, journal, shelf, notary, writer, clock, dispatcher.exported
        )
        importer = CarryImporter(
            node=node,
            neighbours=neighbours,
            journal=journal,
            shelf=shelf,
            notary=notary,
            carry_notary=notary,
            returns=replace(dispatcher.returns, clock=clock),
            transfers=CarriedIn(replace(transfers, clock=clock), store, shelf, receive, room),
            exporter=exporter,
            writer=writer,
            clock=clock,
            receipts_wait=dispatcher.receipts_wait,
            statements=statements,
        )
        return cls(exporter, importer, writer)

    async def export(
        self, by: Caller, neighbour: NodeId, limit_bytes: int, why: str, *, statements: bool = True
    ) -> CarryFile:
        return await self.exporter.export(by, neighbour, limit_bytes, why, statements=statements)

    async def take(
        self, by: Caller, why: str, chunks: AsyncIterator[bytes], *, statements: bool = False
    ) -> tuple[Imported, CarryFile | None]:
        return await self.importer.take(by, why, chunks, statements=statements)

    def write(self, file: CarryFile) -> AsyncIterator[bytes]:
        return self.writer.write(file)
