"""A document whose bytes this node's disk has lost: it alone waits, and nobody else is blamed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from relay.delivery.ports import Accepted, Caller, Submission
from relay.envelope.reader import read
from relay.errors import UnansweredError
from relay.journal.payloads import INLINE_BYTES
from relay.model import AgencyCode, NodeId, Priority, TransferHeader

UP = NodeId("tinh")


async def _submit(world: Any) -> tuple[Accepted, Path]:
    """A document that stands in a file, and that file."""
    document = world.document(("H01",), Priority.NORMAL, "H01.15")
    content = document + b"<!--" + b"." * INLINE_BYTES + b"-->"
    upload = world.journal.begin(1 << 20)
    upload.write(content)
    payload = await upload.finish()
    caller = Caller("system:test", frozenset({AgencyCode("H01.15")}))
    accepted = await world.intake.submit(
        Submission(caller, read(content), payload, "H01.15", ("H01",))
    )
    return accepted, payload.path


async def test_a_payload_that_is_gone_is_held_against_no_neighbour(world: Any) -> None:
    """Everything else goes on at full speed; it is not in doubt, says why, and goes once it is back."""
    lost, file = await _submit(world)
    content = file.read_bytes()
    file.unlink()
    async with world.run():
        others = [await world.submit("H01") for _ in range(10)]
        for other in others:
            await world.reach(other.message_id, "relayed")

        async def told() -> bool:
            ((error,),) = await world.journal.rows(
                "SELECT last_error FROM transfers WHERE open = 1 AND attempts > 2"
            ) or (("",),)
            return "the disk of this node has lost the document" in (error or "")

        await world.until(told)
        assert await world.states(lost.message_id) == {"queued"}
        assert lost.message_id not in {h.message_id for h in world.wire.carried}
        assert world.dispatcher.channels[UP].failures == 0

        file.write_bytes(content)
        await world.reach(lost.message_id, "relayed")


async def test_damage_is_found_before_a_document_goes_again(world: Any) -> None:
    """The first attempt looks at the size alone; after a failure every byte is compared."""
    damaged, file = await _submit(world)
    content = file.read_bytes()
    file.write_bytes(content[:-4] + b"    ")
    world.wire.failing = lambda *_: UnansweredError("it is not what its name says")
    async with world.run():
        await world.until(lambda: world.wire.carried)
        await world.reach(damaged.message_id, "in-doubt")
        before = len(world.wire.carried)
        await world.until(lambda: len(world.wire.asked) > 2)
        assert len(world.wire.carried) == before
        world.wire.failing = lambda *_: None
        file.write_bytes(content)
        await world.reach(damaged.message_id, "relayed")


async def test_what_the_neighbour_took_before_the_loss_is_answered_all_the_same(
    world: Any,
) -> None:
    """The answer was lost, then the file: it is asked for, and nothing has to be sent."""
    accepted, file = await _submit(world)

    def took(neighbour: NodeId, header: TransferHeader) -> Exception:
        world.wire.answer(neighbour, header)
        file.unlink()
        return UnansweredError("cut")

    world.wire.failing = took
    async with world.run():
        await world.reach(accepted.message_id, "relayed")
    assert len(world.wire.carried) == 1
