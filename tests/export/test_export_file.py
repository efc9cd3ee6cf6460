"""An exported log is judged offline, and whatever is changed in it is refused by the step that must."""

from __future__ import annotations

import errno
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest

from relay.audit import aside
from relay.audit.checkpoint import head_of
from relay.audit.entries import AuditEvent
from relay.audit.epochs import first_index, named_head
from relay.audit.exported import ListedFile, write_files
from relay.errors import AuditError, JournalError, NotFoundError
from relay.model import digest_of
from relay.signing.bundle_shape import CoveredFile
from relay.signing.bundle_words import Outcome, Step
from relay.signing.bundles import sign_bundle
from relay.signing.export_steps import ExportJudge
from relay.wire import bundle
from relay.wire.archive import Archive
from tests.export.conftest import NODE, START, Authority, Exporter, MemoryLog

SIGNATURE = "META-INF/signatures001.xml"
LEAVES = "epochs/0000/leaves.jsonl"
Files = dict[str, bytes]


def _judged(file: BytesIO, authority: Authority) -> list[Step]:
    return list(ExportJudge(file, authority.trust).steps())


def _refusal(file: BytesIO, authority: Authority) -> Step:
    last = _judged(file, authority)[-1]
    assert last.outcome is Outcome.REFUSED, last
    return last


def _require_holds(steps: list[Step]) -> None:
    """Every step; of what nobody else vouches for, that nothing is known."""
    assert [one.what for one in steps if one.outcome is not Outcome.HOLDS] == [
        "witnesses",
        "revocation",
    ], steps[-1]
    assert {one.outcome for one in steps[-2:]} == {Outcome.UNKNOWN}


def _unpacked(file: BytesIO) -> Files:
    with zipfile.ZipFile(file) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def _packed(files: Files) -> BytesIO:
    archive = Archive()
    content = b"".join(archive.entry(name, content) for name, content in files.items())
    return BytesIO(content + archive.ending())


def _signed_anew(files: Files, authority: Authority, signer: str = NODE) -> BytesIO:
    """As the node itself would, were it to lie: manifests and signature fit what is there."""
    names = [one for one in files if one not in {SIGNATURE, "manifest.json", bundle.MANIFEST}]
    listed = [ListedFile(n, len(files[n]), digest_of(files[n])) for n in names]
    made = {n: files[n] for n in names} | {"manifest.json": write_files(listed)}
    made[bundle.MANIFEST] = bundle.write_manifest(list(made))
    covered = [CoveredFile(name, digest_of(content)) for name, content in made.items()]
    signature = sign_bundle(covered, authority.signer(signer), START + timedelta(days=1))
    return _packed(made | {SIGNATURE: bundle.wrapped(signature)})


def test_a_whole_log_of_two_epochs_holds_in_every_step(
    log: MemoryLog, export: Exporter, authority: Authority
) -> None:
    judge = ExportJudge(export(log), authority.trust)
    steps = list(judge.steps())

    _require_holds(steps)
    assert [index for index, _ in judge.leaves()] == list(log.entries)
    assert steps[-3].what == "kept-head"


def test_a_period_has_its_entries_and_one_more_at_either_side(
    log: MemoryLog, export: Exporter, authority: Authority
) -> None:
    since, until = START + timedelta(minutes=5), START + timedelta(minutes=12)
    judge = ExportJudge(export(log, since=since, until=until), authority.trust)

    _require_holds(list(judge.steps()))
    assert [index for index, _ in judge.leaves()] == list(range(4, 13))


def test_what_came_after_the_newest_head_in_a_file_is_not_said_to_be_complete(
    log: MemoryLog, export: Exporter, authority: Authority
) -> None:
    """A node may sign an old head into a file of today: it then shows nothing of the time since."""
    until = START + timedelta(days=1)
    period = next(s for s in _judged(export(log, until=until), authority) if s.what == "period")
    closed = export(log, until=START + timedelta(minutes=12))
    shown = next(s for s in _judged(closed, authority) if s.what == "period")

    assert until.isoformat() not in period.said
    assert "head of 10 entries, the last of 2026-11-23T04:29:00.000Z" in period.said
    assert shown.said.endswith("to 2026-11-23T04:12:00+00:00")


def test_a_period_over_two_epochs_follows_their_chain(
    log: MemoryLog, export: Exporter, authority: Authority
) -> None:
    since, until = START + timedelta(minutes=18), START + timedelta(minutes=22)
    judge = ExportJudge(export(log, since=since, until=until), authority.trust)

    _require_holds(list(judge.steps()))
    second = first_index(1)
    assert [i for i, _ in judge.leaves()] == [17, 18, 19, second, second + 1, second + 2]


@pytest.mark.parametrize(
    "lie", [{"previous_root": "00" * 32}, {"previous_size": 2}, {"previous_log": "another"}]
)
def test_an_epoch_that_names_another_head_than_the_one_before_is_refused(
    authority: Authority, export: Exporter, lie: dict[str, Any]
) -> None:
    log = MemoryLog(authority.log())
    for _ in range(3):
        log.add()
    named = named_head(head_of(log.notes[0])) | lie
    log.epoch = 1
    log.add(AuditEvent.EPOCH_STARTED, **named)

    refused = _refusal(export(log), authority)
    assert (refused.what, refused.said) == (
        "epochs",
        f"entry {first_index(1)}: epoch 1 does not begin with the head of the one before",
    )


def test_the_same_input_gives_the_same_bytes_but_for_the_signature(
    log: MemoryLog, export: Exporter
) -> None:
    one, other = _unpacked(export(log)), _unpacked(export(log))

    assert {n: c for n, c in one.items() if n != SIGNATURE} == {
        n: c for n, c in other.items() if n != SIGNATURE
    }


def test_words_are_in_it_only_where_they_were_asked_for_and_are_the_leaves_own(
    log: MemoryLog, export: Exporter, authority: Authority
) -> None:
    assert b"Nguy" not in export(log).getvalue()
    files = _unpacked(export(log, words=True))
    assert files["epochs/0000/words.jsonl"].count("Nguyễn Văn Mẫu".encode()) == 20
    _require_holds(_judged(_packed(files), authority))

    files["epochs/0000/words.jsonl"] = files["epochs/0000/words.jsonl"].replace(
        "Mẫu".encode(), "Mầu".encode(), 1
    )
    refused = _refusal(_signed_anew(files, authority), authority)
    assert (refused.what, refused.said.partition(":")[0]) == ("entries", "entry 0")


@pytest.mark.parametrize("memory", [1 << 20, 100])
def test_words_that_are_forgotten_while_they_are_exported_are_whole_in_it_or_gone(
    log: MemoryLog,
    export: Exporter,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    memory: int,
) -> None:
    """What was read of them is what is signed and written, be it long or short; the next export has none."""
    monkeypatch.setattr(aside, "MEMORY_BYTES", memory)

    def forget() -> None:
        log.entries |= {i: replace(one, salt=b"", words="") for i, one in log.entries.items()}

    log.add(AuditEvent.QUEUE_FLUSHED, neighbour="t", by="Nguyễn Văn Mẫu", why="thử")
    under_way = export(log, words=True, meanwhile=forget)
    files = _unpacked(under_way)
    assert [files[f"epochs/000{n}/words.jsonl"].count("Mẫu".encode()) for n in (0, 1)] == [20, 1]
    _require_holds(_judged(under_way, authority))

    after = export(log, words=True)
    assert b"Nguy" not in after.getvalue()
    _require_holds(_judged(after, authority))


def test_words_that_find_no_room_end_an_export_before_it_begins(
    log: MemoryLog, export: Exporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk of the temporary folder is full: no file is begun that could not be ended."""

    class Full(BytesIO):
        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(aside, "SpooledTemporaryFile", lambda _: Full())
    with pytest.raises(JournalError, match="the words find no room"):
        export(log, words=True)


def test_a_period_without_entries_is_not_found(log: MemoryLog, export: Exporter) -> None:
    with pytest.raises(NotFoundError):
        export(log, since=START + timedelta(days=300))


def test_a_log_that_does_not_fit_its_head_is_not_exported(log: MemoryLog, export: Exporter) -> None:
    log.entries[3], log.entries[4] = log.entries[4], log.entries[3]
    with pytest.raises(AuditError, match="do not give the root"):
        export(log)


# ------------------------------------------------------------ any member changed, signature kept

_MEMBERS = (
    "mimetype",
    "export.json",
    "epochs/0000/checkpoint",
    LEAVES,
    "epochs/0000/words.jsonl",
    "epochs/0000/heads/8.note",
    "epochs/0001/checkpoint",
    "epochs/0001/leaves.jsonl",
    "epochs/0001/words.jsonl",
    "manifest.json",
    bundle.MANIFEST,
)


def _flipped(content: bytes) -> bytes:
    return content[:-2] + bytes([content[-2] ^ 1]) + content[-1:] if content else b"x\n"


def _renamed(files: Files, name: str, new: str) -> Files:
    return {(new if one == name else one): content for one, content in files.items()}


def test_any_member_flipped_dropped_renamed_or_doubled_is_refused(
    log: MemoryLog, export: Exporter, authority: Authority
) -> None:
    whole = _unpacked(export(log, words=True))
    certificates = [name for name in whole if name.startswith("certificates/")]
    assert set(whole) == {*_MEMBERS, *certificates, SIGNATURE}
    for name in (*_MEMBERS, *certificates):
        without = {one: content for one, content in whole.items() if one != name}
        at_end = {**without, name: whole[name]}
        bad = (
            {**whole, name: _flipped(whole[name])},
            without,
            at_end,
            _renamed(whole, name, f"other-{name}"),
        )
        for files in bad:
            step = _refusal(_packed(files), authority)
            assert step.what in {"container", "contents", "manifest", "signature"}, (name, step)


def test_a_flipped_bit_of_the_signature_is_refused(
    log: MemoryLog, export: Exporter, authority: Authority
) -> None:
    whole = _unpacked(export(log))
    whole[SIGNATURE] = whole[SIGNATURE].replace(b"<ds:SignatureValue", b"<ds:signatureValue", 1)
    assert _refusal(_packed(whole), authority).what == "signature"


def test_a_file_more_is_refused(log: MemoryLog, export: Exporter, authority: Authority) -> None:
    whole = _unpacked(export(log))
    signature = whole.pop(SIGNATURE)
    more = _packed({**whole, "epochs/0002/leaves.jsonl": b"", SIGNATURE: signature})
    assert _refusal(more, authority).what == "manifest"


# ------------------------------------------------------------ a node that lies, and signs it


@dataclass(frozen=True)
class Lie:
    """What is changed before the node signs anew, and the step that must notice."""

    what: str
    change: Callable[[Files], Files]
    step: str
    said: str


def _leaves(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Files], Files]:
    def changed(files: Files) -> Files:
        lines = change(files[LEAVES].splitlines(keepends=True))
        return {**files, LEAVES: b"".join(lines)}

    return changed


def _about(change: Callable[[Any], None]) -> Callable[[Files], Files]:
    def changed(files: Files) -> Files:
        found = json.loads(files["export.json"])
        change(found)
        text = json.dumps(found, ensure_ascii=False, indent=1) + "\n"
        return {**files, "export.json": text.encode()}

    return changed


def _without(name: str) -> Callable[[Files], Files]:
    return lambda files: {one: content for one, content in files.items() if one != name}


def _other(name: str, instead: str) -> Callable[[Files], Files]:
    return lambda files: {**files, name: files[instead]}


LIES = (
    Lie("edited", _leaves(lambda x: [x[0].replace(b't0"', b't9"'), *x[1:]]), "entries", "root"),
    Lie("dropped", _leaves(lambda x: x[:3] + x[4:]), "entries", "entry"),
    Lie("dropped last", _leaves(lambda x: x[:-1]), "entries", "missing"),
    Lie("swapped", _leaves(lambda x: [x[1], x[0], *x[2:]]), "entries", "root"),
    Lie("doubled", _leaves(lambda x: [x[0], *x]), "entries", "more leaves"),
    Lie(
        "another node's entry",
        _leaves(lambda x: [*x[:5], x[5].replace(b"tinh-h01", b"tinh-h02"), *x[6:]]),
        "entries",
        "entry 5: the entry names node tinh-h02, the log is truc-relay.example/log/tinh-h01",
    ),
    Lie("no JSON", _leaves(lambda x: [*x[:5], b"{}\n", *x[6:]]), "entries", "entry 5"),
    Lie("other head", _other("epochs/0000/checkpoint", "epochs/0001/checkpoint"), "head", ""),
    Lie("older head", _other("epochs/0000/checkpoint", "epochs/0000/heads/8.note"), "head", "8"),
    Lie(
        "kept head of another size",
        lambda f: _renamed(f, "epochs/0000/heads/8.note", "epochs/0000/heads/9.note"),
        "kept-head",
        "root",
    ),
    Lie("no leaves", _without(LEAVES), "export", LEAVES),
    Lie("a word file", lambda f: {**f, "epochs/0000/words.jsonl": b""}, "export", "words"),
    Lie("another node", _about(lambda a: a.update(node="xa")), "export", "xa"),
    Lie("another range", _about(lambda a: a["epochs"][0].update(end=19)), "entries", ""),
    Lie("another log", _about(lambda a: a["epochs"][0].update(log="x")), "head", "no name"),
    Lie(
        "numbers beyond any log",
        _about(lambda a: a.update(epochs=[{**one, "end": 10**4300 - 1} for one in a["epochs"]])),
        "export",
        "not one of an exported log",
    ),
    Lie(
        "half a character",
        lambda f: {
            **f,
            "export.json": f["export.json"].replace(b'"log": "truc-', rb'"log": "\ud800', 1),
        },
        "export",
        "not one of an exported log",
    ),
    Lie(
        "an epoch again and again",
        _about(lambda a: a.update(epochs=[*a["epochs"][:1] * 900, *a["epochs"]])),
        "export",
        "follow one another",
    ),
    Lie("no format", _about(lambda a: a.update(format="x")), "export", "one form"),
    Lie(
        "a later beginning",
        _about(lambda a: a["epochs"].pop(0)),
        "export",
        "no file",
    ),
    Lie(
        "a certificate of the exporter for the log's",
        _about(lambda a: a.update(log_certificates=["0" * 64])),
        "log-key",
        "holds no",
    ),
)


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.what)
def test_a_lie_that_the_node_signs_is_refused_by_the_step_that_looks(
    lie: Lie, log: MemoryLog, export: Exporter, authority: Authority
) -> None:
    changed = lie.change(_unpacked(export(log)))

    refused = _refusal(_signed_anew(changed, authority), authority)
    assert refused.what == lie.step, refused
    assert lie.said in refused.said


def test_an_export_of_another_nodes_log_is_refused(
    log: MemoryLog, export: Exporter, authority: Authority
) -> None:
    assert _refusal(export(log, signer="xa"), authority).what == "export"


def test_a_period_whose_edge_was_cut_off_is_refused(
    log: MemoryLog, export: Exporter, authority: Authority
) -> None:
    """The range is proven, but the entry beside the period that shows it complete is not there."""
    since, until = START + timedelta(minutes=5), START + timedelta(minutes=12)
    files = _unpacked(export(log, since=since, until=until))
    earlier = json.loads(files["export.json"])
    earlier["since"] = (since - timedelta(minutes=3)).isoformat()[:-6] + ".000Z"
    later = {**json.loads(files["export.json"]), "until": "2026-11-23T04:30:00.000Z"}
    for changed in (earlier, later):
        text = json.dumps(changed, ensure_ascii=False, indent=1) + "\n"
        file = _signed_anew({**files, "export.json": text.encode()}, authority)
        assert _refusal(file, authority).what == "period"


def test_an_epoch_that_does_not_name_the_head_before_is_refused(
    authority: Authority, export: Exporter
) -> None:
    log = MemoryLog(authority.log())
    log.add()
    log.epoch = 1
    log.add(AuditEvent.NODE_STARTED)
    log.add()

    assert _refusal(export(log), authority).what == "epochs"
