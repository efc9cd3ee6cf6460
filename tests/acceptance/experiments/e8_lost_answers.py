"""E8: answers that are lost or late, while the delivery expires, or an operator wants it elsewhere.

Documents go from the ministry's node over a link of its own to a commune's, which another way leads to
as well, over the province's. On that link is a proxy, which loses large requests, or the answers to them,
or all. So a delivery is in doubt at the ministry, and it is known here whether the commune has it:

    late answers   the commune has it; the answer is lost, a question is answered. Cancelled, redirected,
                   requeued: each asks, is told, and changes nothing.
    no answers     the commune has it, and cannot be asked. To cancel or redirect it is refused; given up all
                   the same, or expired, it is outcome-unknown. When they meet again the receipt supersedes
                   that.
    no requests    the commune does not have it and says so: cancelled, expired, or sent again, by the
                   other way or the same.
    late request   the commune does not have it and says so, so it goes by the other way; then the first
                   request arrives, which the line had held back. It is recognised.
    asked again    the commune does not have it, and cannot be asked until it is too late: outcome-unknown.
                   When they meet it is asked, and if it was silent once more, at a later meeting: a receipt
                   says for certain that it was cancelled, or expired.
    deaths         the commune's node dies with it, or just before it has it, and stays away until it expired;
                   what is sent meanwhile expires, and is certain.

Touches: a city of its own.
"""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.experiments.city import (
    CENTRAL,
    OTHER_COMMUNE,
    PROVINCE,
    City,
    founded,
    link,
    rewire,
)
from tests.acceptance.experiments.desks import operator_desk
from tests.acceptance.experiments.doubt import AWAY, HERE, Doubt, Ended
from tests.acceptance.experiments.judging import judge
from tests.acceptance.experiments.proxy import Loss, Proxy
from tests.acceptance.experiments.tally import Tally
from tests.acceptance.experiments.traffic import at_work

TITLE = "E8 lost answers"
EXPIRY_SECONDS = 6
EXTRA = f"expiry_normal = {EXPIRY_SECONDS}\nanswer_within = 1\n"
DETOUR = "tinh"
DEATHS = {"take_in:committed": Ended.HANDED_OVER, "take_in:uncommitted": Ended.EXPIRED}
REPEATS = 2


async def run(folder: Path, quick: bool) -> Tally:
    async with Proxy(0).running() as there, Proxy(0).running() as back:

        def prepare(city: City) -> None:
            for one, other, line in ((HERE, AWAY, there), (AWAY, HERE, back)):
                link(city, one, other)
                line.target = city.node(other).nodes_port
                rewire(city, one, other, line.port)

        async with (
            founded(
                folder, (CENTRAL, PROVINCE, OTHER_COMMUNE), extra=EXTRA, prepare=prepare
            ) as city,
            at_work(city, seed=8) as traffic,
            operator_desk(city.node(HERE)) as operator,
        ):
            doubt = Doubt(city, traffic, there, back, operator)
            await _late_answers(doubt)
            await _no_answers(doubt)
            await _no_requests(doubt, expiry=not quick)
            await _late_request(doubt)
            await _asked_again(doubt, silent_once_more=not quick)
            for point, ended in DEATHS.items() if not quick else ():
                for _ in range(REPEATS):
                    await _death(doubt, point, ended)
            tally = await judge(traffic)
    tally.problems += doubt.problems
    tally.notes.append(doubt.told())
    return tally


async def _late_answers(doubt: Doubt) -> None:
    async with doubt.trouble(Loss.ANSWER):
        cancelled, redirected, requeued = [await doubt.send() for _ in range(3)]
        await doubt.both_have(cancelled, redirected, requeued)
        await doubt.order("cancel", cancelled, settled=1)
        await doubt.order("redirect", redirected, settled=1, to=DETOUR)
        await doubt.order("requeue", requeued, settled=1)
    await doubt.end(Ended.HANDED_OVER, cancelled, redirected, requeued)


async def _no_answers(doubt: Doubt) -> None:
    async with doubt.trouble(Loss.ANSWER):
        cancelled, redirected, given_up = [await doubt.send() for _ in range(3)]
        await doubt.both_have(cancelled, redirected, given_up)
        expiring = await doubt.send(expiring=True)
        await doubt.both_have(expiring)
        doubt.there.close()
        await doubt.order("cancel", cancelled, refused="may have it")
        await doubt.order("redirect", redirected, refused="may have it", to=DETOUR)
        await doubt.order("cancel", given_up, acted=1, unanswered=True)
        await doubt.end(Ended.UNKNOWN, given_up, expiring)
        await doubt.in_doubt(cancelled, redirected)
    await doubt.meet(Ended.HANDED_OVER, cancelled, redirected, given_up, expiring)


async def _no_requests(doubt: Doubt, *, expiry: bool) -> None:
    async with doubt.trouble(Loss.REQUEST):
        expiring = [await doubt.send(expiring=True)] if expiry else []
        cancelled, redirected, requeued = [await doubt.send() for _ in range(3)]
        await doubt.in_doubt(cancelled, redirected, requeued, *expiring)
        await doubt.order("cancel", cancelled, acted=1)
        await doubt.order("redirect", redirected, acted=1, to=DETOUR)
        doubt.traffic.ledger.detours[redirected] = (HERE, DETOUR, AWAY)
        await doubt.order("requeue", requeued, acted=1)
        await doubt.end(Ended.CANCELLED, cancelled)
        await doubt.end(Ended.EXPIRED, *expiring)
    await doubt.end(Ended.HANDED_OVER, redirected, requeued)


async def _late_request(doubt: Doubt) -> None:
    async with doubt.trouble(Loss.HELD):
        redirected = await doubt.send()
        await doubt.in_doubt(redirected)
        await doubt.order("redirect", redirected, acted=1, to=DETOUR)
        doubt.traffic.ledger.detours[redirected] = (HERE, DETOUR, AWAY)
        await doubt.end(Ended.HANDED_OVER, redirected)
        if not await doubt.there.let_go():
            doubt.problems.append("no request was held")


async def _asked_again(doubt: Doubt, *, silent_once_more: bool) -> None:
    async with doubt.trouble(Loss.REQUEST):
        expiring, given_up = await doubt.send(expiring=True), await doubt.send()
        await doubt.in_doubt(given_up, expiring)
        doubt.there.close()
        await doubt.order("cancel", given_up, acted=1, unanswered=True)
        await doubt.end(Ended.UNKNOWN, given_up, expiring)
        if silent_once_more:
            doubt.back.lose(None)
            await doubt.contact()
            await doubt.asked_in_vain()
    await doubt.meet(Ended.CANCELLED, given_up)
    await doubt.meet(Ended.EXPIRED, expiring)


async def _death(doubt: Doubt, point: str, ended: Ended) -> None:
    """It dies at the point, and is back when what it may have has expired as outcome-unknown."""
    city = doubt.city
    city.down.add(AWAY)
    city.arm(AWAY, point)
    may_have = await doubt.send(expiring=True)
    await doubt.in_doubt(may_have)
    never_sent = await doubt.send(expiring=True)
    await doubt.end(Ended.UNKNOWN, may_have)
    await doubt.end(Ended.EXPIRED, never_sent)
    await city.up(AWAY)
    await doubt.meet(ended, may_have)
