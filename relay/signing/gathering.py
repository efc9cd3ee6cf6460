"""Receipts that wait for a signature at the same time get one together.

What is gathered is what has come by when a signature can be made: with a key in a file, when the
journal begins its next group of operations, before which nobody's receipt could become durable
anyway; with a slow key, when its hand is free again. So a receipt that comes alone never waits for
company, and how many share a signature follows from how slow the key and how high the load is.

Touches: the event loop, a hand. Trusts: its caller.
Raises:  what the signing raises, to each that waited; OverloadError where too many wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from relay.errors import OverloadError
from relay.model import Signed
from relay.signing.hand import Hand, Rank

MOST_AT_ONCE = 64
"""With a key in a file: as many operations as the journal commits together, some three milliseconds."""
MOST_IN_HAND = 1024
"""With a slow key: five hundred a second while two seconds pass."""

MOST_WAITING = 4096


@dataclass(slots=True)
class Gathering:
    """`sign` makes them one batch where they are several."""

    sign: Callable[[Sequence[bytes]], list[Signed]]
    when: Callable[[Callable[[], None]], None]
    """Calls once, soon: when the next signature may as well be made."""
    hand: Hand | None = None
    _waiting: list[tuple[bytes, asyncio.Future[Signed]]] = field(default_factory=list)
    _due: bool = False
    """Whether `when` was asked, or the hand is busy for us."""

    async def signed(self, receipt: bytes) -> Signed:
        """This receipt, by itself or as one of a batch."""
        if len(self._waiting) >= MOST_WAITING:
            raise OverloadError(f"{MOST_WAITING} receipts wait for a signature")
        future: asyncio.Future[Signed] = asyncio.get_running_loop().create_future()
        self._waiting.append((receipt, future))
        self._call()
        return await future

    def _call(self) -> None:
        if self._due or not self._waiting:
            return
        self._due = True
        if self.hand is None:
            self.when(self._sign_here)
        else:
            asyncio.get_running_loop().call_soon(self._sign_in_hand, self.hand)

    def _sign_here(self) -> None:
        """One group; what is left waits for the next moment, and nothing else for it."""
        self._due = False
        if group := self._next(MOST_AT_ONCE):
            try:
                signed = self.sign([receipt for receipt, _ in group])
            except Exception as error:  # noqa: BLE001  each that waits judges it
                _fail(group, error)
            else:
                _tell(group, signed)
        self._call()

    def _sign_in_hand(self, hand: Hand) -> None:
        group = self._next(MOST_IN_HAND)
        if not group:
            self._due = False
            return
        work = partial(self.sign, [receipt for receipt, _ in group])
        future = asyncio.wrap_future(hand.do(Rank.RECEIPT, work))
        future.add_done_callback(partial(self._signed_in_hand, group))

    def _signed_in_hand(
        self,
        group: Sequence[tuple[bytes, asyncio.Future[Signed]]],
        done: asyncio.Future[list[Signed]],
    ) -> None:
        self._due = False
        if done.cancelled():
            _fail(group, asyncio.CancelledError())
        elif (error := done.exception()) is not None:
            _fail(group, error)
        else:
            _tell(group, done.result())
        self._call()

    def _next(self, most: int) -> list[tuple[bytes, asyncio.Future[Signed]]]:
        """Who still waits, the first of them."""
        waiting = [one for one in self._waiting if not one[1].done()]
        self._waiting = waiting[most:]
        return waiting[:most]


def _tell(group: Sequence[tuple[bytes, asyncio.Future[Signed]]], signed: Sequence[Signed]) -> None:
    for (_, future), one in zip(group, signed, strict=True):
        if not future.done():
            future.set_result(one)


def _fail(group: Sequence[tuple[bytes, asyncio.Future[Signed]]], error: BaseException) -> None:
    for _, future in group:
        if not future.done():
            future.set_exception(error)
