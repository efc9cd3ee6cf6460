"""However many packages are open at a remote, its word on each of them is heard."""

from __future__ import annotations

from typing import Any

import pytest

from relay.delivery.bridges import following

G22, H01 = "000.00.00.G22", "000.00.00.H01"


@pytest.mark.parametrize("pages", [1, 5], ids=["in several looks", "in one look"])
@pytest.mark.parametrize("singly", [0, 8], ids=["by the whole list", "one by one"])
async def test_what_is_behind_a_page_is_followed_too(
    crossing: Any, monkeypatch: pytest.MonkeyPatch, pages: int, singly: int
) -> None:
    """The newest stay open; what the remote says of the oldest, and of each between, is heard all the same."""
    monkeypatch.setattr(following, "A_PAGE", 2)
    monkeypatch.setattr(following, "PAGES_A_LOOK", pages)
    monkeypatch.setattr(following, "ASKED_SINGLY", singly)
    await crossing.start()
    sent = []
    for _ in range(5):
        sent.append(await crossing.dms.send(crossing.document(), sender=H01))
        await crossing.until_state(sent[-1], "relayed")

    crossing.remote.taken[0].words[G22] = ("done", "done")
    await crossing.until_state(sent[0], "handed-over")
    crossing.remote.taken[2].words[G22] = ("done", "done")
    await crossing.until_state(sent[2], "handed-over")


async def test_pages_of_one_look_share_the_list(
    crossing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The remote is asked for it once, however many pages are compared with it."""
    monkeypatch.setattr(following, "A_PAGE", 1)
    monkeypatch.setattr(following, "ASKED_SINGLY", 0)
    await crossing.start()
    for _ in range(4):
        message_id = await crossing.dms.send(crossing.document(), sender=H01)
        await crossing.until_state(message_id, "relayed")
    looks, honest = [], following.Follower.look

    async def look(self: following.Follower) -> int:
        before = crossing.asked("getSentEdocList")
        heard = await honest(self)
        looks.append(crossing.asked("getSentEdocList") - before)
        return heard

    monkeypatch.setattr(following.Follower, "look", look)

    async def looked() -> None:
        assert len(looks) >= 3

    await crossing.until(looked)
    assert set(looks) == {1}
