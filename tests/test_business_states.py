"""The machine of business statuses: a join, so that order and repetition of what came mean nothing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import lifecycle
from relay.envelope.statuses import STATUSES, may_follow
from relay.model import BusinessState, ObligationState

B = BusinessState
WORK = ("01", "02", "03", "04", "05", "06")


@st.composite
def legal_histories(draw: st.DrawFn) -> list[str]:
    """Statuses of the recipient as the table has them follow each other, 04 skipped or not."""
    history = ["01"]
    for _ in range(draw(st.integers(0, 6))):
        if not (following := sorted(STATUSES[history[-1]].following)):
            break
        history.append(draw(st.sampled_from(following)))
    return history


def _end(history: Sequence[str]) -> BusinessState:
    state = B.NONE
    for code in history:
        state = lifecycle.advance(state, code)
    return state


@given(legal_histories(), st.data())
def test_any_order_and_any_duplication_of_a_legal_history_ends_alike(
    history: list[str], data: st.DataObject
) -> None:
    """06 before 03, 05 again and again, 03 and 05 at once."""
    assert all(may_follow(*pair) for pair in pairwise(history))
    again = history + data.draw(st.lists(st.sampled_from(history), max_size=6))

    assert _end(data.draw(st.permutations(again))) is _end(history)


@pytest.mark.parametrize(
    ("history", "state"),
    [
        ("01", B.ARRIVED),
        ("01 02", B.REFUSED),
        ("03 05", B.IN_PROGRESS),
        ("05 03", B.IN_PROGRESS),
        ("01 03 05 05 06", B.COMPLETED),
        ("06 03", B.COMPLETED),
        ("02 03", B.ACCEPTED),
        ("03 02", B.ACCEPTED),
        ("01 13 15 16", B.ARRIVED),
        ("77 01", B.ARRIVED),
    ],
)
def test_the_newest_step_of_the_work_is_the_state(history: str, state: BusinessState) -> None:
    """13, 15, 16 and what the table does not have say nothing of the work."""
    assert _end(history.split()) is state


@given(st.integers(1, 6), st.booleans(), st.data())
def test_requests_and_answers_are_joined_by_their_numbers(
    asked: int, agreed: bool, data: st.DataObject
) -> None:
    """A legal history is 13 16 13 16 … 13, and then 15, 16 or nothing yet."""
    declined = data.draw(st.integers(asked - 1, asked - 1 if agreed else asked))

    found = lifecycle.answers(asked, declined, agreed=agreed)

    assert found[: asked - 1] == [ObligationState.DECLINED] * (asked - 1)
    last = ObligationState.AGREED if agreed else None
    assert found[-1] == (ObligationState.DECLINED if declined == asked else last)


def test_a_proof_that_the_recipient_never_had_it_beats_any_answer() -> None:
    """A system that never had the document may still decline or agree."""
    taken = ObligationState.TAKEN_BACK
    for answer in (None, ObligationState.AGREED, ObligationState.DECLINED):
        assert lifecycle.obliged(taken, answer) is taken


@given(st.lists(st.sampled_from(ObligationState)), st.data())
def test_proofs_of_a_take_back_end_alike_in_any_order(
    proofs: list[ObligationState], data: st.DataObject
) -> None:
    """They travel by ways of their own."""

    def end(order: Sequence[ObligationState]) -> ObligationState:
        state = ObligationState.REQUESTED
        for one in order:
            state = lifecycle.verdict(state, one)
        return state

    assert end(data.draw(st.permutations(proofs * 2))) is end(proofs)
