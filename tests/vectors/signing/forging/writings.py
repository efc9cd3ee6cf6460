"""Signatures written otherwise: encodings, document types, several of them, other times.

Touches: nothing. Trusts: nothing. Raises: nothing.
"""

from __future__ import annotations

from tests.vectors.signing.forging.shapes import GOOD, OBJECT, again, as_it_is, plain
from tests.vectors.signing.forging.vector import Vector, Vectors

# One line a vector, as a table is read.
# fmt: off


def writings() -> Vectors:
    yield from _encodings()
    yield from _document_types()
    yield from _many()
    yield from _times()


def _encodings() -> Vectors:
    yield as_it_is("malformed", "truncated", "cut off before its end", GOOD[:-5].encode())
    yield as_it_is("malformed", "empty", "no bytes at all", b"")
    yield as_it_is("malformed", "utf16", "UTF-16 with its mark", GOOD.encode("utf-16"))
    yield as_it_is("malformed", "utf16-big-endian", "UTF-16 without a mark", GOOD.encode("utf-16-be"))
    yield as_it_is("malformed", "byte-order-mark", "UTF-8 with a mark", GOOD.encode("utf-8-sig"))
    yield as_it_is("malformed", "nul", "a zero byte behind the root", GOOD.encode() + b"\0")
    declared = f'<?xml version="1.0" encoding="UTF-7"?>{GOOD}'
    yield as_it_is("shape", "utf7", "declared and written as UTF-7", declared.encode("utf-7"))
    form_feed = b'<?xml version="1.0"?>\x0c' + GOOD.encode()
    yield as_it_is("malformed", "form-feed", "a form feed, which is no XML, behind the declaration", form_feed)
    yield as_it_is("malformed", "two-roots", "the same signature twice in one file", 2 * GOOD.encode())
    yield as_it_is("malformed", "text-behind", "text behind the root", GOOD.encode() + b"x")
    large = GOOD.replace("<ds:SignatureValue>", "<ds:SignatureValue>" + " " * (64 << 10))
    yield as_it_is("too-large", "white-space", "white space up to the limit and beyond", large.encode())
    deep = "<a>" * 5000 + "</a>" * 5000
    yield as_it_is("shape", "nested-deep", "five thousand elements in each other", deep.encode())
    wide = GOOD.replace(' Id="signature"', "".join(f' a{n}=""' for n in range(2000)), 1)
    yield as_it_is("shape", "many-attributes", "two thousand attributes on the root", wide.encode())
    spaces = GOOD.replace(' Id="signature"', "".join(f' xmlns:a{n}="urn:a"' for n in range(2000)), 1)
    yield as_it_is("shape", "many-namespaces", "two thousand namespaces on the root", spaces.encode())


def _document_types() -> Vectors:
    entity = f'<!DOCTYPE s [<!ENTITY e "x">]>{GOOD}'
    yield as_it_is("doctype", "entity", "an entity is declared", entity.encode())
    declared = f'<?xml version="1.0"?><!DOCTYPE s>{GOOD}'
    yield as_it_is("doctype", "declared", "an empty document type", declared.encode())
    default = "<!DOCTYPE ds:Signature [<!ATTLIST ds:X509Data Id CDATA 'signed-properties'>]>"
    yield as_it_is("doctype", "default-attribute", "an Id by default, from the document type", (default + GOOD).encode())
    named = "<!DOCTYPE ds:Signature [<!ATTLIST xades:SignedProperties Name ID #IMPLIED>]>"
    yield as_it_is("doctype", "id-by-declaration", "another attribute is declared to be the Id", (named + GOOD).encode())
    outside = '<!DOCTYPE s SYSTEM "http://127.0.0.1:9/evil.dtd">'
    yield as_it_is("doctype", "external", "a document type to be fetched", (outside + GOOD).encode())
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 9))
    bomb = f'<!DOCTYPE s [<!ENTITY l0 "ha">{laughs}]>' + GOOD.replace(">node<", ">&l8;<")
    yield as_it_is("doctype", "billion-laughs", "entities of entities", bomb.encode())


def _many() -> Vectors:
    yield as_it_is("many-signatures", "wrapped", "inside a root of its own", f"<Envelope>{GOOD}</Envelope>".encode())
    yield as_it_is("many-signatures", "two", "two under one root", f"<s>{GOOD}{GOOD}</s>".encode())
    yield plain(
        "many-signatures",
        "nested",
        "another inside an Object",
        ("</ds:Object>", f"</ds:Object><ds:Object>{GOOD}</ds:Object>"),
    )
    yield again(
        "duplicate-id",
        "second-properties",
        "the signed properties twice",
        ("</ds:Object>", f"</ds:Object>{OBJECT}"),
    )
    yield again(
        "duplicate-id",
        "other-case",
        "ID beside Id, with the same value",
        ("<ds:KeyInfo>", '<ds:KeyInfo ID="signed-properties">'),
    )
    yield again(
        "duplicate-id",
        "lower-case",
        "id beside Id, with the same value",
        ("<ds:KeyInfo>", '<ds:KeyInfo id="signature">'),
    )
    yield again(
        "duplicate-id",
        "xml-id",
        "xml:id beside Id, with the same value",
        ("<ds:KeyInfo>", '<ds:KeyInfo xml:id="signed-properties">'),
    )


def _times() -> Vectors:
    time = "2026-11-23T04:05:06Z"

    def at(fault: str, case: str, what: str, text: str) -> Vector:
        return again(fault, case, what, (time, text))

    yield at("shape", "local-time", "SigningTime in another zone", "2026-11-23T11:05:06+07:00")
    yield at("shape", "fractions", "SigningTime with fractions", "2026-11-23T04:05:06.5Z")
    yield at("shape", "no-zone", "SigningTime without a zone", "2026-11-23T04:05:06")
    yield at("shape", "other-digits", "SigningTime with a year of five digits", "12026-11-23T04:05:06Z")
    yield at("bad-time", "no-such-day", "the thirtieth of February", "2026-02-30T04:05:06Z")
    yield at("bad-time", "year-zero", "the year 0", "0000-11-23T04:05:06Z")
    yield at("shape", "hour-24", "the hour 24, which some take for the next day", "2026-11-23T24:00:00Z")
    yield at("bad-time", "leap-second", "a leap second", "2026-11-23T04:05:60Z")
    yield at("not-yet-valid-certificate", "before-the-certificate", "SigningTime before the certificate was", "2006-11-23T04:05:06Z")
    yield at("expired-certificate", "after-the-certificate", "SigningTime after the certificate ended", "2046-11-23T04:05:06Z")
    yield plain("properties-mismatch", "time", "another SigningTime than was signed", (time, "2026-11-23T04:05:07Z"))
    yield plain("properties-mismatch", "role", "another role than was signed", (">node<", ">agency<"))
