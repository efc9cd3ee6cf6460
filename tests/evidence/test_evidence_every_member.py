"""Every member of an evidence file, changed in every way: refused by the step that owns it.

By somebody on the way, who has no key of the tree, and by the exporter itself, who signs what it made of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from relay.delivery.evidence.ports import Gathered
from relay.signing.stamped import stamped_bytes
from relay.wire import bundle
from tests.evidence.conftest import Entries, Judged, entries_of, packed
from tests.evidence.test_evidence_around import Told

Change = Callable[[Entries, Entries, str], None]
Judge = Callable[[bytes], Judged]


@pytest.fixture(scope="module")
def whole(authority: Any) -> Told:
    """With a timestamp, revocation data, proofs, a status and a summary."""
    return _made(Told(authority))


def _made(told: Told) -> Told:
    stamp = told.authority.stamp(stamped_bytes(told.sealed.signature))
    told.beside = Gathered((stamp,), (), (told.authority.crl("branches/mau/ca"),))
    return told


@pytest.fixture(scope="module")
def entries(whole: Told) -> Entries:
    return entries_of(whole.export())


@pytest.fixture(scope="module")
def others(authority: Any) -> Entries:
    """Of another document by the same agency over the same nodes."""
    content = Told(authority).content.replace(b"101", b"102")
    other = Told(authority, content=content, about="H01.15.02,2026/11/23,102/UBND-VP")
    return entries_of(_made(other).export())


def test_nothing_is_refused_of_either(entries: Entries, others: Entries, judge: Judge) -> None:
    """Or what follows would prove nothing."""
    assert judge(packed(entries)).refused == []
    assert judge(packed(others)).refused == []
    kinds = {name.partition("/")[0] for name in entries}
    assert kinds == {
        *("mimetype", "envelope.edxml", "receipts", "certificates", "revocation"),
        *("about", "proofs", "statuses", "META-INF"),
    }


# ---------------------------------------------------------------- bytes, on the way


def test_any_byte_of_the_container(whole: Told, judge: Judge) -> None:
    """Of each member the first, the last and some between, of its head and of the directory behind: one
    step refuses, and no later one is reached."""
    content = whole.export()
    places = {place for name, start, size in _placed(content) for place in _some(start, size)}
    head_of = content.index(b"PK\x01\x02")
    places |= {*range(head_of, len(content), 97), *range(30)}
    for place in sorted(places):
        spoilt = bytearray(content)
        spoilt[place] ^= 1 << place % 8
        (refused,) = judge(bytes(spoilt)).refused
        assert refused[0] in {"container", "contents", "export"}, place


def _placed(content: bytes) -> Iterator[tuple[str, int, int]]:
    for name, member in entries_of(content).items():
        yield name, content.index(member, content.index(name.encode())), len(member)


def _some(start: int, size: int) -> set[int]:
    """Also two bytes of the head before it."""
    return {start, start + size - 1, start + size // 2, start + size // 3, start - 1, start - 20}


# ---------------------------------------------------------------- structure, on the way


def _flip(entries: Entries, _: Entries, name: str) -> None:
    content = bytearray(entries[name])
    content[len(content) // 2] ^= 1
    entries[name] = bytes(content)


def _drop(entries: Entries, _: Entries, name: str) -> None:
    del entries[name]


def _rename(entries: Entries, _: Entries, name: str) -> None:
    _put(entries, {(f"x{one}" if one == name else one): of for one, of in entries.items()})


def _swap(entries: Entries, others: Entries, name: str) -> None:
    """With what stands in its place in the other file."""
    entries[name] = others[_like(others, name)]


def _like(others: Entries, name: str) -> str:
    if name in others:
        return name
    folder, _, last = name.rpartition("/")
    return next(o for o in others if o.startswith(f"{folder}/") and o.endswith(last[-4:]))


def _add(entries: Entries, others: Entries, name: str) -> None:
    """The other file's, beside its own, under a name of the same folder."""
    folder, slash, last = name.rpartition("/")
    more = {f"{folder}{slash}z{last}": others[_like(others, name)]}
    export = {bundle.EXPORT: entries.pop(bundle.EXPORT)}
    _put(entries, {**entries, **more, **export})


def _put(entries: Entries, changed: Entries) -> None:
    entries.clear()
    entries.update(changed)


WAYS: dict[str, Change] = {
    "flipped": _flip,
    "dropped": _drop,
    "renamed": _rename,
    "swapped": _swap,
    "added": _add,
}


def _changed(entries: Entries, others: Entries, name: str, change: Change) -> Entries | None:
    found = dict(entries)
    change(found, others, name)
    return None if list(found.items()) == list(entries.items()) else found


@pytest.mark.parametrize("way", WAYS)
def test_whoever_has_no_key_changes_nothing(
    entries: Entries, others: Entries, judge: Judge, way: str
) -> None:
    """Every member in turn: one of the steps that look at the file as a whole refuses, and it ends there."""
    for name in entries:
        spoilt = _changed(entries, others, name, WAYS[way])
        if spoilt is None:  # both files have the same: a certificate, say
            assert way == "swapped", name
            continue
        found = judge(packed(spoilt))
        (refused,) = found.refused
        assert refused[0] in {"container", "contents", "manifest", "export"}, (name, refused)
        assert found.steps[-1].what == refused[0]


# ---------------------------------------------------------------- structure, by the exporter

OWNERS = {
    "envelope.edxml": {"seal", "container"},
    "receipts": {"receipt", "manifest", "list"},
    "certificates": {"contents", "list"},
    "revocation": {"contents"},
    bundle.LIST: {"list", "proof", "status"},
    bundle.SUMMARY: {"summary"},
    "proofs": {"proof", "list"},
    "statuses": {"status", "list"},
    bundle.SEAL: {"seal", "container"},
}
"""Which steps may refuse a member that is not what it should be. What the exporter signs anew, with the
manifest, it cannot have wrong."""
MAY_BE_MISSED = {"certificates", "revocation", bundle.SUMMARY}
"""What signatures bring along themselves, and what a file may lack: nothing is claimed without it."""


def _owner(name: str) -> set[str]:
    return OWNERS.get(name) or OWNERS[name.partition("/")[0]]


@pytest.mark.parametrize("way", ["flipped", "dropped", "renamed", "swapped"])
def test_the_exporter_itself_is_refused_by_the_step_that_owns_the_member(
    whole: Told, entries: Entries, others: Entries, judge: Judge, way: str
) -> None:
    """It signs the file anew as best it can: what others signed in it, and what it listed, is still judged."""
    signed_anew = {bundle.MIMETYPE, bundle.MANIFEST, bundle.EXPORT}
    for name in [one for one in entries if one not in signed_anew]:
        spoilt = _changed(entries, others, name, WAYS[way])
        if spoilt is None:  # a certificate that both files have
            assert name.startswith(("certificates/", "revocation/")), name
            continue
        refused = judge(whole.signed_by_tinh(spoilt)).refused
        if way in ("dropped", "renamed") and _kind(name) in MAY_BE_MISSED and not refused:
            continue
        assert refused, (way, name)
        assert refused[0][0] in _owner(name), (way, name, refused)


def _kind(name: str) -> str:
    return name if name in MAY_BE_MISSED else name.partition("/")[0]


def test_a_members_own_neighbour_is_not_taken_for_it(
    whole: Told, entries: Entries, judge: Judge
) -> None:
    """Two of one kind exchanged within the file: each pair of receipts, signatures and proofs."""
    pairs = [
        (bundle.receipt_names(1)[0], bundle.receipt_names(2)[0], "receipt"),
        (bundle.receipt_names(2)[1], bundle.receipt_names(3)[1], "receipt"),
        (bundle.proof_name(1), bundle.proof_name(3), "proof"),
    ]
    for one, other, step in pairs:
        spoilt = dict(entries)
        spoilt[one], spoilt[other] = entries[other], entries[one]
        refused = judge(whole.signed_by_tinh(spoilt)).refused
        assert [what for what, _ in refused][:2] == [step] * 2
        assert {what for what, _ in refused} <= {
            step,
            "proof",
        }  # which hold the receipts themselves


def test_all_of_one_file_under_the_signature_of_another(
    entries: Entries, others: Entries, judge: Judge
) -> None:
    """Both signatures are genuine, and neither is of this."""
    spoilt = {**others, bundle.EXPORT: entries[bundle.EXPORT]}

    assert judge(packed(spoilt)).refused[0][0] == "export"
