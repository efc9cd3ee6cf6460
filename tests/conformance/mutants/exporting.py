"""Faults of who judges exported logs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, BinaryIO

from relay.audit import diary, exported
from relay.audit.checkpoint import Checkpoint, head_of
from relay.audit.epochs import first_index
from relay.audit.exported import About, read_about
from relay.audit.log_keys import EpochKey, EpochKeys
from relay.audit.ranges import RangeCheck
from relay.conformance.office import ORIGIN
from relay.errors import AuditError, SignatureError
from relay.signing import export_steps
from relay.signing.bundles import ProvenBundle, verify_bundle
from relay.signing.certificates import Purpose, read_chain
from relay.signing.export_leaves import parsed_leaf
from relay.signing.export_steps import ExportJudge
from relay.signing.log_key import key_of_log, raw_log_key
from relay.wire.packed import PackedFile
from tests.conformance.mutants import mutant, put_in
from tests.conformance.mutants.containing import as_anybody_reads, mended


@mutant("reads an exported log as anybody reads a ZIP", "W17.1/compressed", "W17.1/behind")
def reads_any_export() -> None:
    honest = ExportJudge.__init__
    entries: list[PackedFile] = []

    def begin(self: ExportJudge, file: BinaryIO, *rest: Any, **how: Any) -> None:
        file.seek(0)
        whole, entries[:] = mended(as_anybody_reads(file.read()))
        honest(self, whole, *rest, **how)

    put_in(ExportJudge, "__init__", begin)
    put_in(export_steps, "read_packed", lambda *_: tuple(entries))


@mutant("takes whatever lies in an exported log", "W17.1/another-file")
def takes_whatever_lies_there() -> None:
    put_in(ExportJudge, "_require_files", lambda *_: None)


@mutant(
    "reads what describes an exported log in any form", "W17.2/white-space", "W17.2/another-format"
)
def reads_any_description() -> None:
    def read(content: bytes) -> About:
        found = json.loads(content) | {"format": exported.FORMAT}
        return read_about(json.dumps(found, ensure_ascii=False, indent=1).encode() + b"\n")

    put_in(export_steps, "read_about", read)


@mutant("takes an exported log from whoever signed it", "W17.9/another-signer")
def takes_exports_of_others() -> None:
    def verify(*arguments: Any) -> ProvenBundle:
        return replace(verify_bundle(*arguments), node=ORIGIN)

    put_in(export_steps, "verify_bundle", verify)


@mutant("compares no manifest of an exported log", "W17.9/not-listed", "W17.9/another-size")
def compares_no_manifest() -> None:
    put_in(ExportJudge, "_manifest", lambda _: "a manifest")


@mutant("takes what of an exported log nobody signed", "W17.9/not-signed")
def takes_what_is_not_signed() -> None:
    def verify(signature: bytes, files: Any, trust: Any) -> ProvenBundle:
        for left_out in range(-1, len(files)):
            some = [one for place, one in enumerate(files) if place != left_out]
            try:
                return verify_bundle(signature, some, trust)
            except SignatureError as error:
                last = error
        raise last

    put_in(export_steps, "verify_bundle", verify)


@mutant("believes the head of an exported log", "W17.3/another-key")
def believes_exported_heads() -> None:
    put_in(export_steps, "verify_note", lambda note, *_: head_of(note))


@mutant("takes any certificate for the log's", "W17.3/another-node", "W17.3/purpose")
def takes_any_log_certificate() -> None:
    def log_key(self: ExportJudge) -> str:
        names = [f"certificates/{one}.cer" for one in self._about.log_chain]
        chain = read_chain([self._small(name, 1 << 16) for name in names])
        leaf, at = chain.leaf, self._signed.signed_at
        self._path = self._trust.path(chain, at, leaf.identity.purpose)
        signs_logs = leaf.identity.purpose is Purpose.LOG
        if not signs_logs:  # its key is of another kind
            put_in(export_steps, "verify_note", lambda note, *_: head_of(note))
        key = key_of_log(self._about.node, raw_log_key(leaf) if signs_logs else bytes(32))
        self._keys = EpochKeys(key, self._openings(), ([one] for one in self._carried()))
        return "a certificate"

    put_in(ExportJudge, "_log_key", log_key)


@mutant(
    "does not follow the keys of a log",
    "W17.3/previous-missing",
    "W17.3/previous-another",
)
def follows_no_keys() -> None:
    honest = ExportJudge._verified

    def verified(self: ExportJudge, note: bytes, part: Any) -> Checkpoint:
        try:
            return honest(self, note, part)
        except AuditError:
            if part is self._about.parts[-1]:
                raise
            return head_of(note)

    put_in(ExportJudge, "_verified", verified)


@mutant("takes no log of two keys", "W17.3/previous")
def takes_no_second_key() -> None:
    honest = EpochKeys.of

    def of(self: EpochKeys, epoch: int) -> EpochKey:
        found = honest(self, epoch)
        if found.chain:
            raise AuditError("a log has one key")
        return found

    put_in(EpochKeys, "of", of)


@mutant(
    "leads no range to its head",
    "W17.4/another-leaf",
    "W17.4/one-less",
    "W17.4/left",
    "W17.4/right",
)
def leads_nowhere() -> None:
    put_in(RangeCheck, "close", lambda *_: None)


@mutant("takes whole logs alone", "W17.4/taken")
def takes_whole_logs() -> None:
    honest = RangeCheck.__init__

    def begin(self: RangeCheck, proof: Any) -> None:
        if (proof.first, proof.end) != (0, proof.size):
            raise AuditError("some of it is missing")
        honest(self, proof)

    put_in(RangeCheck, "__init__", begin)


@mutant(
    "looks at no beginning of a later epoch",
    "W17.5/not-whole",
    "W17.5/not-from-zero",
    "W17.5/another-head",
)
def looks_at_no_beginning() -> None:
    put_in(ExportJudge, "_epochs", lambda _: "some epochs")


@mutant("does not count epochs", "W17.5/number")
def counts_no_exported_epochs() -> None:
    put_in(exported, "pairwise", lambda _: ())


@mutant("takes one epoch alone", "W17.5/taken")
def takes_one_epoch() -> None:
    def refuse(self: ExportJudge) -> str:
        if len(self._about.parts) > 1:
            raise AuditError("several epochs")
        return "one epoch"

    put_in(ExportJudge, "_epochs", refuse)


@mutant("looks at no edges of a period", "W17.6/begins-late", "W17.6/ends-early")
def looks_at_no_edges() -> None:
    put_in(ExportJudge, "_period", lambda _: "a period")


@mutant("believes the words beside a leaf", "W17.8/another-text", "W17.8/another-entry")
def believes_words() -> None:
    put_in(export_steps, "_check_words", lambda *_: None)


@mutant("takes no words beside a leaf", "W17.8/taken")
def takes_no_words() -> None:
    def refuse(*_: Any) -> None:
        raise AuditError("no words are taken")

    put_in(export_steps, "_check_words", refuse)


@mutant("takes words that were removed for missing ones", "W17.8/removed")
def misses_words() -> None:
    honest = parsed_leaf

    def parsed(index: int, leaf: bytes) -> dict[str, Any]:
        fields = honest(index, leaf)
        if "why" in fields and first_index(0) + 8 == index and not _WITH_WORDS:
            raise AuditError("its words are missing", index)
        return fields

    words = ExportJudge._words

    def there(self: ExportJudge, part: Any) -> Any:
        found = list(words(self, part))
        _WITH_WORDS[:] = found
        return iter(found)

    put_in(export_steps, "parsed_leaf", parsed)
    put_in(ExportJudge, "_words", there)


_WITH_WORDS: list[Any] = []


@mutant("takes entries of other nodes for the log's", "W17.11/another-node")
def takes_entries_of_others() -> None:
    put_in(diary, "require_own", lambda *_: None)


@mutant("counts no certificates of an exported log", "W17.11/too-many")
def counts_no_certificates() -> None:
    put_in(export_steps, "CERTIFICATES_LIMIT", 1 << 30)
