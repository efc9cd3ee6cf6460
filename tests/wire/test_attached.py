"""Proofs on their way back have one form, and an answer each."""

from __future__ import annotations

import base64

import pytest

from relay.errors import WireError
from relay.wire.attached import (
    MOST_PROOFS,
    PROOF_BYTES,
    Answer,
    Answered,
    read_answers,
    read_proofs,
    write_answers,
    write_proofs,
)

GOOD = write_proofs([b"one", b"another"])
START = GOOD.index(b"<Proof>")


def test_what_was_written_is_read() -> None:
    assert read_proofs(GOOD) == (b"one", b"another")


@pytest.mark.parametrize(
    ("spoilt", "why"),
    [
        (b"", "the root is not Proofs"),
        (GOOD.replace(b"wire:1", b"wire:2"), "the root is not Proofs"),
        (GOOD + b"\n", "the root is not Proofs"),
        (GOOD.replace(b"<Proof>", b"<Proof >", 1), "no proof in canonical form at byte 38"),
        (GOOD.replace(b"</Proof><", b"</Proof>\n<"), "no proof in canonical form"),
        (GOOD.replace(b"b25l", b"b25l="), "not base64"),
        (GOOD.replace(b"b25l", b"b25"), "not base64"),
        (write_proofs([b"x"]).replace(b"eA==", b"eB=="), "not in canonical base64"),
        (GOOD[:START] + b"</Proofs>", "there is no proof"),
    ],
)
def test_any_other_form_is_refused(spoilt: bytes, why: str) -> None:
    with pytest.raises(WireError, match=why):
        read_proofs(spoilt)


def test_no_more_and_no_larger_proofs_are_read_than_a_request_holds() -> None:
    item = b"<Proof>%b</Proof>" % base64.b64encode(b"x")
    with pytest.raises(WireError, match="no proof in canonical form"):
        read_proofs(GOOD.replace(b"</Proofs>", item * (MOST_PROOFS - 1) + b"</Proofs>"))
    with pytest.raises(WireError, match=f"limit {PROOF_BYTES} bytes"):
        read_proofs(write_proofs([bytes(PROOF_BYTES + 1)]))
    with pytest.raises(WireError, match="limit 1 to"):
        write_proofs([])


def test_each_proof_has_its_answer() -> None:
    answers = (Answered(Answer.KEPT), Answered(Answer.REFUSED, "it is of another log"))
    assert read_answers(write_answers(answers), 2) == answers


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[" * 100_000,
        b"[]",
        b'{"proofs":[]}',
        b'{"proofs":[{"answer":"kept"},{"answer":"kept"}]}',
        b'{"proofs":["kept"]}',
        b'{"proofs":[{"answer":"lost"}]}',
        b'{"proofs":[{"answer":["kept"]}]}',
        b'{"proofs":[{"answer":"kept","why":1}]}',
    ],
)
def test_an_answer_that_is_none_to_what_was_sent_is_refused(answer: bytes) -> None:
    with pytest.raises(WireError):
        read_answers(answer, 1)


def test_a_neighbours_words_are_printable_and_short() -> None:
    told = b'{"proofs":[{"answer":"refused","why":"\\u001b[31m' + b"x" * 1000 + b'"}]}'
    (found,) = read_answers(told, 1)
    assert found.why.startswith(" [31mxx")
    assert len(found.why) == 300
