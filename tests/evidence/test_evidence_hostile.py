"""Evidence files that someone changed: each is refused by the step that looks, for a reason of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from relay.errors import SignatureError
from relay.model import Event, MessageId, SealKind, digest_of
from relay.signing.seal import make_seal, verify_seal
from relay.signing.stamped import NOTHING, Unsigned, parted, with_unsigned
from relay.wire import bundle

Change = Callable[[dict[str, bytes], Any], None]


def _changed_document(entries: dict[str, bytes], _: Any) -> None:
    entries["envelope.edxml"] = entries["envelope.edxml"].replace(b"101", b"102", 1)


def _without_receipt(entries: dict[str, bytes], _: Any) -> None:
    del entries["receipts/0003/receipt.xml"], entries["receipts/0003/signature.xml"]


def _with_a_file(entries: dict[str, bytes], _: Any) -> None:
    last = entries.pop(bundle.EXPORT)
    entries["extra.xml"] = b"<a></a>"
    entries[bundle.EXPORT] = last


def _of_another_seal(entries: dict[str, bytes], office: Any) -> None:
    other = type(office)(office.authority, content=office.content.replace(b"101", b"102"))
    entries[bundle.SEAL] = bundle.wrapped(other.sealed.signature)


def _of_another_message(entries: dict[str, bytes], office: Any) -> None:
    message = MessageId("019ab000-0000-7000-8000-000000000002")
    later = office.at + timedelta(hours=2)
    other = office.receipt_of("tinh", later, Event.CONTENT_HANDOVER, None, message_id=message)
    entries["receipts/0003/receipt.xml"] = other.document
    entries["receipts/0003/signature.xml"] = other.signature


def _about_another_document(entries: dict[str, bytes], office: Any) -> None:
    other = office.receipt_of("tinh", office.at, Event.CONTENT_HANDOVER, None, digest="0" * 64)
    entries["receipts/0002/receipt.xml"] = other.document
    entries["receipts/0002/signature.xml"] = other.signature


def _by_another_node(entries: dict[str, bytes], office: Any) -> None:
    """What the province said is signed by the commune's node."""
    from relay.signing.keys import Signer
    from relay.signing.xades import DocumentName, build

    signer: Signer = office.authority.signer("nodes/xa/sign")
    document = entries["receipts/0002/receipt.xml"]
    entries["receipts/0002/signature.xml"] = build(
        DocumentName.RECEIPT, digest_of(document), "node", signer, office.at
    )


def _swapped_signatures(entries: dict[str, bytes], _: Any) -> None:
    one, other = "receipts/0001/signature.xml", "receipts/0002/signature.xml"
    entries[one], entries[other] = entries[other], entries[one]


def _receipt_as_seal(entries: dict[str, bytes], _: Any) -> None:
    entries[bundle.SEAL] = bundle.wrapped(entries["receipts/0001/signature.xml"])


def _sealed_by_another_node(entries: dict[str, bytes], office: Any) -> None:
    """A node of the way vouches for what it never had handed in."""
    signer = office.authority.signer("nodes/tinh/sign")
    sealed = make_seal(digest_of(entries["envelope.edxml"]), SealKind.NODE, signer, office.at)
    entries[bundle.SEAL] = bundle.wrapped(sealed.signature)


def _bare_seal(entries: dict[str, bytes], office: Any) -> None:
    entries[bundle.SEAL] = office.sealed.signature


def _no_signature_of_receipt(entries: dict[str, bytes], _: Any) -> None:
    del entries["receipts/0002/signature.xml"]


def _certificate_under_another_name(entries: dict[str, bytes], _: Any) -> None:
    name = next(one for one in entries if one.startswith("certificates/"))
    entries[name] += b"\0"


def _strange_unsigned_properties(entries: dict[str, bytes], office: Any) -> None:
    stamped = with_unsigned(office.sealed.signature, Unsigned((b"token",)))
    changed = stamped.replace(b"<xades:SignatureTimeStamp>", b'<xades:SignatureTimeStamp Id="x">')
    entries[bundle.SEAL] = bundle.wrapped(changed)


def _nonsense_for_a_timestamp(entries: dict[str, bytes], office: Any) -> None:
    entries[bundle.SEAL] = bundle.wrapped(
        with_unsigned(office.sealed.signature, Unsigned((b"token",)))
    )


IN_TRANSIT: list[tuple[Change, list[tuple[str, str]]]] = [
    (_changed_document, [("export", "digest-mismatch")]),
    (_without_receipt, [("manifest", "bad-manifest")]),
    (_with_a_file, [("manifest", "bad-manifest")]),
    (_certificate_under_another_name, [("contents", "digest-mismatch")]),
]
"""By someone without a key of the tree."""

BY_THE_EXPORTER: list[tuple[Change, list[tuple[str, str]]]] = [
    (
        _changed_document,
        [("seal", "digest-mismatch"), *[("receipt", "other-message")] * 3],
    ),
    (_of_another_seal, [("seal", "digest-mismatch")]),
    (_of_another_message, [("receipt", "other-message"), ("list", "missing-file")]),
    (_about_another_document, [("receipt", "other-message"), ("list", "missing-file")]),
    (_by_another_node, [("receipt", "wrong-node")]),
    (_swapped_signatures, [("receipt", "digest-mismatch")] * 2),
    (_receipt_as_seal, [("seal", "wrong-document")]),
    (_sealed_by_another_node, [("message", "wrong-node")]),
    (_bare_seal, [("seal", "bad-seal")]),
    (_no_signature_of_receipt, [("manifest", "missing-file")]),
    (_strange_unsigned_properties, [("seal", "shape")]),
    (
        _nonsense_for_a_timestamp,
        [("seal", "bad-timestamp"), ("timestamp", "bad-timestamp")],
    ),
]
"""By a node of the tree that signs the file as its exporter, as far as it can."""


@pytest.mark.parametrize(
    ("change", "expected"), IN_TRANSIT, ids=lambda one: getattr(one, "__name__", "")
)
def test_changed_on_the_way(
    office: Any,
    judge: Callable[..., Any],
    taken_apart: Callable[..., Any],
    put_together: Callable[..., Any],
    change: Change,
    expected: list[tuple[str, str]],
) -> None:
    """The exporter's signature, or what stands before it, refuses; nothing is judged beyond."""
    entries = taken_apart(office.export())
    change(entries, office)

    assert judge(put_together(entries)).refused == expected


@pytest.mark.parametrize(
    ("change", "expected"), BY_THE_EXPORTER, ids=lambda one: getattr(one, "__name__", "")
)
def test_changed_by_a_hostile_exporter(
    office: Any,
    judge: Callable[..., Any],
    taken_apart: Callable[..., Any],
    exported_by_other: Callable[..., Any],
    change: Change,
    expected: list[tuple[str, str]],
) -> None:
    """It vouches for the collection alone: what others signed in it is judged by their signatures."""
    entries = taken_apart(office.export())
    change(entries, office)

    assert judge(exported_by_other(entries)).refused == expected


def test_files_that_a_manifest_names_still_need_the_signature(
    office: Any,
    judge: Callable[..., Any],
    taken_apart: Callable[..., Any],
    put_together: Callable[..., Any],
) -> None:
    """A file more is uncovered, a file less is missing, both with a manifest that fits."""
    more, less = (taken_apart(office.export()) for _ in range(2))
    _with_a_file(more, office)
    _without_receipt(less, office)
    for entries in (more, less):
        names = [name for name in entries if name not in (bundle.EXPORT, bundle.MANIFEST)]
        entries[bundle.MANIFEST] = bundle.write_manifest(names)

    assert judge(put_together(more)).refused == [("export", "uncovered")]
    assert judge(put_together(less)).refused == [("export", "missing-file")]


def test_the_container_itself(
    office: Any,
    judge: Callable[..., Any],
    taken_apart: Callable[..., Any],
    put_together: Callable[..., Any],
) -> None:
    """Another mimetype, another order, what must be there missing: refused at the first step."""
    entries = taken_apart(office.export())

    def refused(pairs: Any) -> list[tuple[str, str]]:
        return list(judge(put_together(pairs)).refused)

    bad = [("container", "bad-container")]
    assert refused({**entries, "mimetype": b"application/zip"}) == bad
    assert refused(list(entries.items())[1:]) == bad
    assert refused([*list(entries.items())[::-1]]) == bad
    for name in ("envelope.edxml", bundle.SEAL, bundle.MANIFEST):
        left = {one: content for one, content in entries.items() if one != name}
        assert refused(left) == [("container", "missing-file")]
    assert judge(b"no zip").refused == bad


def test_a_byte_lost_on_a_stick_is_damage(office: Any, judge: Callable[..., Any]) -> None:
    """Told apart from a file that somebody changed."""
    content = office.export().replace(b"V/v th", b"V/v tH", 1)

    assert judge(content).refused == [("contents", "damaged")]


def test_another_root_trusts_none_of_it(
    office: Any, judge: Callable[..., Any], tmp_path: Any
) -> None:
    """And the judging ends with the exporter, whom nobody knows."""
    from relay.signing import pki
    from relay.signing.pki_words import KeyType

    root = pki.init(tmp_path / "p", name="Khác", key=KeyType.P256, now=office.at, days=10)

    assert judge(office.export(), root.read_bytes()).refused == [("export", "untrusted")]


def _references(text: str) -> list[str]:
    """The Reference elements of the files."""
    import re

    return re.findall(r'<ds:Reference Id="file-.*?</ds:Reference>', text)


WRAPPED: list[tuple[str, Callable[[str], str], str]] = [
    ("a reference twice", lambda t: t.replace(_references(t)[1], _references(t)[1] * 2), "references"),
    ("one reference less", lambda t: t.replace(_references(t)[1], ""), "uncovered"),
    (
        "another order",
        lambda t: t.replace(_references(t)[1] + _references(t)[2], _references(t)[2] + _references(t)[1]),
        "shape",
    ),
    ("a comment", lambda t: t.replace("<ds:SignedInfo>", "<ds:SignedInfo><!---->"), "shape"),
    ("white space", lambda t: t.replace("<ds:SignedInfo>", "<ds:SignedInfo> "), "shape"),
    ("a second signature", lambda t: t + t, "references"),
    ("a transform", lambda t: t.replace('URI="envelope.edxml">', 'URI="envelope.edxml"><ds:Transforms></ds:Transforms>'), "shape"),
    ("SHA-1", lambda t: t.replace("xmlenc#sha256", "xmldsig#sha1", 1), "shape"),
    ("another role", lambda t: t.replace(">exporter<", ">node<"), "properties-mismatch"),
    ("an earlier time", lambda t: t.replace(">2026-11-23T", ">2026-11-22T"), "properties-mismatch"),
    ("another value", lambda t: t.replace("<ds:SignatureValue>", "<ds:SignatureValue>AAAA"), "bad-signature"),
    ("unsigned properties", lambda t: t.replace("</xades:SignedProperties>", "</xades:SignedProperties><xades:UnsignedProperties></xades:UnsignedProperties>"), "shape"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "reason"), [one[1:] for one in WRAPPED], ids=[name for name, _, _ in WRAPPED]
)
def test_the_second_shape_is_exact(
    office: Any,
    judge: Callable[..., Any],
    taken_apart: Callable[..., Any],
    put_together: Callable[..., Any],
    change: Callable[[str], str],
    reason: str,
) -> None:
    """There is one layout over exactly these files; anything else is refused and named."""
    entries = taken_apart(office.export())
    signature = bundle.unwrapped(entries[bundle.EXPORT], bundle.EXPORT).decode()
    changed = change(signature)
    assert changed != signature
    entries[bundle.EXPORT] = bundle.wrapped(changed.encode())

    assert judge(put_together(entries)).refused == [("export", reason)]


@pytest.mark.parametrize(
    ("filler", "reason"),
    [
        (b"<ds:Reference ", "uncovered"),
        (b'<ds:Reference URI="a"><ds:DigestValue>', "references"),
        (b"<", "uncovered"),
    ],
)
def test_references_without_end_are_refused_at_once(
    office: Any,
    judge: Callable[..., Any],
    taken_apart: Callable[..., Any],
    put_together: Callable[..., Any],
    filler: bytes,
    reason: str,
) -> None:
    """Naming the fault of a hostile signature costs no more than reading it."""
    entries = taken_apart(office.export())
    entries[bundle.EXPORT] = bundle.wrapped(filler * (60_000 // len(filler)))

    assert judge(put_together(entries)).refused == [("export", reason)]


def test_only_a_node_signs_as_exporter(office: Any) -> None:
    """Not an agency, whose key may live at a node."""
    from relay.signing.bundles import sign_bundle

    with pytest.raises(SignatureError, match="sign key"):
        sign_bundle([], office.authority.signer("agencies/H01.15.02"), office.at)


UNSIGNED = [
    NOTHING,
    Unsigned((b"one",)),
    Unsigned((b"one", b"two"), (b"certificate",)),
    Unsigned((b"one",), (), (b"crl",), (b"ocsp", b"another")),
    Unsigned((b"one",), (b"certificate",), (), (b"ocsp",)),
]


@pytest.mark.parametrize("unsigned", UNSIGNED)
def test_what_is_put_beside_a_seal_comes_out_again(office: Any, unsigned: Unsigned) -> None:
    """The seal is what is left when it is cut out, to the letter."""
    seal = office.sealed.signature

    assert parted(with_unsigned(seal, unsigned)) == (seal, unsigned)
    assert (with_unsigned(seal, unsigned) == seal) == (unsigned is NOTHING)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t + b" ",
        lambda t: t.replace(b"<xades:CRLValues>", b"<xades:CRLValues></xades:CRLValues><xades:CRLValues>"),
        lambda t: t.replace(b"</xades:UnsignedSignatureProperties>", b"<a></a></xades:UnsignedSignatureProperties>"),
        lambda t: t.replace(b"xml-exc-c14n#", b"xml-exc-c14n#WithComments"),
        lambda t: t.replace(b"b25l", b"b25"),
        lambda t: t.replace(b"<xades:UnsignedProperties>", b'<xades:UnsignedProperties Id="x">'),
    ],
    ids=["behind", "empty-list", "another-element", "c14n", "base64", "an-id"],
)  # fmt: skip
def test_unsigned_properties_have_one_layout(office: Any, change: Callable[[bytes], bytes]) -> None:
    """Whatever else stands there is refused, if not here then by the one shape of the seal."""
    content = with_unsigned(office.sealed.signature, UNSIGNED[3])
    changed = change(content)
    assert changed != content

    def verify() -> None:
        verify_seal(parted(changed)[0], digest_of(office.content), office.authority.trust, None)

    with pytest.raises(SignatureError):
        verify()
