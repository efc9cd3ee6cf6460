"""Tokens: only for agencies served here, and revoked at once, whoever is asking meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from relay.delivery.clock import Clock
from relay.delivery.operators.tokens import TokenDesk
from relay.delivery.ports import Caller, TokenView
from relay.errors import AccessError, UnfitError
from relay.model import AgencyCode, NodeId, Tier
from relay.routing.directory import Agency, Directory, NodeEntry

HERE, THERE = NodeId("here"), NodeId("there")
OPERATOR = Caller("local:root", frozenset(), operator=True)
DIRECTORY = Directory(
    [NodeEntry(HERE, Tier.PROVINCE), NodeEntry(THERE, Tier.PROVINCE)],
    [
        Agency(AgencyCode("H01"), "Tỉnh Mẫu", Tier.PROVINCE, HERE, AgencyCode("000.00.00.H01")),
        Agency(AgencyCode("H02"), "Tỉnh Khác", Tier.PROVINCE, THERE),
    ],
)


class Shelf:
    """Keeps tokens as the journal does; `slow` holds an answer back until it is set."""

    def __init__(self) -> None:
        self.views: dict[str, TokenView] = {}
        self.slow: asyncio.Event | None = None

    async def store_token(self, by: Caller, view: TokenView, secret_hash: str) -> None:
        self.views[secret_hash] = view

    async def token(self, secret_hash: str) -> TokenView | None:
        view = self.views.get(secret_hash)
        if self.slow is not None:
            await self.slow.wait()
        return view

    async def revoke_token(self, by: Caller, token_id: str, at: Any) -> TokenView:
        for key, view in self.views.items():
            if view.token_id == token_id:
                self.views[key] = TokenView(
                    view.token_id, view.holder, view.scopes, view.created_at, at
                )
                return self.views[key]
        raise AssertionError(token_id)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def desk(shelf: Shelf) -> TokenDesk:
    return TokenDesk(HERE, DIRECTORY, shelf, Clock())  # type: ignore[arg-type]


async def test_a_token_speaks_for_its_agency_in_both_forms_of_the_code(desk: TokenDesk) -> None:
    """Documents and other nodes name the agency by either."""
    _, secret = await desk.issue(OPERATOR, "vanthu", ("agency:000.00.00.H01",))

    caller = await desk.authenticate(secret)

    assert caller.agencies == {"H01", "000.00.00.H01"}
    assert not caller.operator


@pytest.mark.parametrize("scope", ["agency:H02", "agency:H99", "agency:", "root", "agency"])
async def test_a_scope_that_can_do_nothing_here_is_refused(desk: TokenDesk, scope: str) -> None:
    """An agency of another node, an unknown one, a word that is no scope; whoever asks for it."""
    with pytest.raises(UnfitError):
        await desk.issue(OPERATOR, "vanthu", (scope,))


async def test_a_revoked_token_is_unknown_at_once(desk: TokenDesk) -> None:
    """Although it was used, and so remembered, before."""
    view, secret = await desk.issue(OPERATOR, "vanthu", ("auditor",))
    await desk.authenticate(secret)
    await desk.revoke(OPERATOR, view.token_id)

    with pytest.raises(AccessError):
        await desk.authenticate(secret)


async def test_a_token_revoked_while_it_is_looked_up_is_not_remembered(
    desk: TokenDesk, shelf: Shelf
) -> None:
    """The answer read before the revocation may serve that one request, never the next."""
    view, secret = await desk.issue(OPERATOR, "vanthu", ("auditor",))
    shelf.slow = asyncio.Event()
    looking = asyncio.create_task(desk.authenticate(secret))
    await asyncio.sleep(0)
    await desk.revoke(OPERATOR, view.token_id)
    shelf.slow.set()
    await looking

    with pytest.raises(AccessError):
        await desk.authenticate(secret)
