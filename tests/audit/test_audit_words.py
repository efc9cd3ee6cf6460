"""Words beside the leaves: salted digests in the log, the words and the salt apart from it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.audit.entries import AuditEvent, Entry, entry, parse
from relay.audit.verify import verify_words
from relay.audit.words import WORDS, WordsRow, digest_of, replaced
from relay.errors import AuditError
from relay.model import NodeId

AT = datetime(2026, 11, 23, 4, 53, tzinfo=UTC)
NODE = NodeId("tinh-h01")
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)


def held(by: str = "local:mẫu", **fields: object) -> Entry:
    return entry(AuditEvent.DELIVERY_HELD, AT, NODE, by=by, why="chờ bản thay thế", **fields)


def row(one: Entry, **changed: Any) -> WordsRow:
    words = {**json.loads(one.words or "{}"), **changed}
    return 7, one.leaf, one.salt, json.dumps(words)


def test_the_documented_vector_is_the_formula() -> None:
    """docs/audit-log.md gives it to whoever checks words with other software."""
    assert (
        digest_of("by", "local:mẫu", bytes(range(16)))
        == "f981afc1f5563eb2ab9f9270d6b5b7e20711e378f2c14a17d2566f1698da52c6"
    )


def test_who_and_why_stand_in_the_leaf_as_digests_and_beside_it_as_words() -> None:
    one = held()
    fields = parse(one.leaf)

    assert "mẫu" not in one.leaf.decode()
    assert "chờ" not in one.leaf.decode()
    assert fields["by"] == digest_of("by", "local:mẫu", one.salt)
    assert replaced(fields, json.loads(one.words))["why"] == "chờ bản thay thế"


def test_the_same_words_twice_are_unrelated_digests() -> None:
    """Neither of two entries, nor of two fields of one."""
    twice = [parse(held(by="x", holder="x").leaf) for _ in range(2)]

    assert len({one[name] for one in twice for name in ("by", "holder")}) == 4


def test_an_entry_without_words_has_no_salt_and_nothing_beside() -> None:
    """A machine's name is a code: it stays."""
    one = entry(AuditEvent.DELIVERY_FETCHED, AT, NODE, by="system:vxp.a", delivery="d")

    assert (one.salt, one.words) == (b"", "")
    assert parse(one.leaf)["by"] == "system:vxp.a"


def test_words_within_a_summary_are_taken_out_too() -> None:
    """Each at its own place."""
    rows = [{"reason": "x", "count": 1}, {"reason": "x", "count": 2, "by": "token:1:Nguyễn Mẫu"}]
    one = entry(AuditEvent.REFUSED_SUMMARY, AT, NODE, refusals=rows)

    assert "Mẫu" not in one.leaf.decode()
    assert json.loads(one.words) == {"refusals.1.by": "token:1:Nguyễn Mẫu"}
    assert replaced(parse(one.leaf), json.loads(one.words))["refusals"] == rows
    assert verify_words([row(one)]) == 1


@given(st.dictionaries(st.sampled_from(sorted(WORDS)), TEXTS, min_size=1), st.data())
def test_words_hold_and_any_change_of_one_is_named(words: dict[str, str], data: Any) -> None:
    """And fewer of them are no fault: they may have been removed."""
    one = entry(AuditEvent.TOKEN_ISSUED, AT, NODE, **words)
    beside = json.loads(one.words or "{}")
    if not beside:
        return
    assert verify_words([row(one)]) == 1

    place = data.draw(st.sampled_from(sorted(beside)))
    other = data.draw(TEXTS.filter(lambda text: text != beside[place]))
    with pytest.raises(
        AuditError, match=f"^entry 7: the words beside the leaf were edited: '{place}'"
    ):
        verify_words([row(one, **{place: other})])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ((7, None, bytes(16), "{}"), "an entry that does not exist"),
        ((7, held().leaf, bytes(15), '{"by":"x"}'), "salt"),
        ((7, held().leaf, "0123456789abcdef", '{"by":"x"}'), "salt"),
        ((7, held().leaf, bytes(16), '{"by":"local:mẫu"}'), "'by' is not its own"),
        ((7, held().leaf, bytes(16), "{}"), "no object"),
        ((7, held().leaf, bytes(16), "[" * 30_000), "no object"),
        ((7, held().leaf, bytes(16), b'{"by":"x"}'), "no object"),
        ((7, held().leaf, bytes(16), '{"by":1}'), "no text"),
        ((7, held().leaf, bytes(16), '{"by":"\\ud800"}'), "not UTF-8"),
        ((7, held().leaf, bytes(16), '{"holder":"x"}'), "a place it has not"),
        ((7, held().leaf, bytes(16), '{"refusals.0.by":"x"}'), "a place it has not"),
        ((7, held().leaf, bytes(16), '{"event":"x"}'), "no digest of any"),
        ((7, held(by="system:a").leaf, bytes(16), '{"by":"system:a"}'), "'by' is not its own"),
    ],
)
def test_an_edited_row_is_named(changed: WordsRow, said: str) -> None:
    """Whatever SQLite lets an editor write into it."""
    with pytest.raises(AuditError) as refused:
        verify_words([row(held()), changed])

    assert str(refused.value).startswith("entry 7: ")
    assert said in str(refused.value)


def test_a_leaf_of_an_older_release_has_no_words_beside() -> None:
    """Its own are in it; a row beside would only be another telling."""
    leaf = held().leaf.replace(b'"v":2', b'"v":1')

    assert parse(leaf)["v"] == 1
    with pytest.raises(AuditError, match="no digest of any"):
        verify_words([(3, leaf, bytes(16), '{"by":"x"}')])
