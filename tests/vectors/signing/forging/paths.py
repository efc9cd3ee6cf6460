"""Signatures whose path to a root is at fault; the leaf itself keeps its profile.

Touches: nothing. Trusts: nothing. Raises: nothing.
"""

from __future__ import annotations

import ipaddress
from datetime import timedelta

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.vectors.signing.forging.certified import URIS, by
from tests.vectors.signing.forging.keys import AT, certificate, derived, key_usage, signer
from tests.vectors.signing.forging.originals import (
    AGENCY,
    H01,
    ISSUING,
    NODE_DER,
    NODE_SIGN,
    signed,
)
from tests.vectors.signing.forging.vector import Vector, Vectors

# One line a vector, as a table is read.
# fmt: off


def paths() -> Vectors:
    yield from _broken()
    yield from _long()
    yield from _issuers()
    yield from _issuer_times()
    yield from _claims()
    yield from _generations()
    yield from _constrained()
    yield from _roles_and_branches()


def _path(fault: str, case: str, what: str, issuer: str, *above: bytes) -> Vector:
    """A seal by a good leaf under this issuer, handed in with these certificates."""
    der = certificate(case, issuer, URIS)
    return Vector(fault, case, "seal", what, signed("seal", signer(der, *above, key=derived(case))))


def _broken() -> Vectors:
    yield _path("untrusted", "no-issuer", "the issuer is not handed in", "Issuing")
    yield _path("untrusted", "another-issuer", "another issuer is handed in", "Nobody", ISSUING)
    false = certificate("only-the-name", "Issuing", URIS, issuer_key=derived("mallory"))
    yield Vector("untrusted", "only-the-name", "seal", "the issuer's name and another's signature", by(false, derived("only-the-name")))
    other_root = certificate("Other", "Other", ca=True)
    yield _path("untrusted", "other-root", "another root, handed in with it", "Other", other_root)
    false_root = certificate("Root", "Root", key=derived("mallory"), issuer_key=derived("mallory"), ca=True)
    under = certificate("false-root", "Root", URIS, issuer_key=derived("mallory"))
    yield Vector("untrusted", "false-root", "seal", "a root of the right name and another key", by(under, derived("false-root"), false_root))
    alone = certificate("alone", "alone", URIS)
    yield Vector("self-signed", "alone", "seal", "its own issuer", signed("seal", signer(alone, key=derived("alone"))))
    yield Vector("self-signed", "with-issuer", "seal", "its own issuer, a good issuer beside it", by(alone, derived("alone"), ISSUING))
    cross = certificate("Middle", "Far", ca=True, pathlen=0)
    yield _path("untrusted", "broken", "the certificate between issuer and root is missing", "Middle", cross)


def _long() -> Vectors:
    deeper = certificate("Deeper", "Issuing", ca=True)
    yield _path("path-too-long", "no-room-below", "an issuer below one that allows none", "Deeper", deeper, ISSUING)
    first = certificate("First", "Root", ca=True)
    second = certificate("Second", "First", ca=True)
    third = certificate("Third", "Second", ca=True)
    yield _path("path-too-long", "four-issuers", "three issuers below the root", "Third", third, second, first)
    a, b = certificate("Loop A", "Loop B", ca=True), certificate("Loop B", "Loop A", ca=True)
    yield _path("untrusted", "looped", "two issuers that certify each other", "Loop A", a, b)
    own = certificate("Loop C", "Loop C", ca=True, serial=7)
    again = certificate("Loop C", "Loop C", ca=True, serial=8)
    yield _path("untrusted", "looped-self", "an issuer that certifies itself, twice", "Loop C", own, again, own)
    back = certificate("Root", "Loop A", ca=True)
    yield _path("untrusted", "looped-through-the-root", "a loop in which the root's name stands", "Loop A", a, b, back)


def _issuers() -> Vectors:
    below = certificate("below", "tinh-h01", URIS)
    yield Vector("untrusted", "issued-by-a-leaf", "seal", "issued by an end entity", by(below, derived("below"), NODE_DER, ISSUING))

    def issuer(case: str, what: str, **options: object) -> Vector:
        der = certificate(f"Issuer {case}", "Root", **options)  # type: ignore[arg-type]
        return _path("untrusted", case, what, f"Issuer {case}", der)

    yield issuer("issuer-no-authority", "an issuer that is no authority", usage=key_usage(issuing=True))
    yield issuer("issuer-no-cert-sign", "an issuer whose key may not sign certificates", ca=True, usage=key_usage(signing=True))
    yield issuer("issuer-usage-not-critical", "an issuer's usage that may be passed over", ca=True, usage_critical=False)
    yield issuer("issuer-basic-not-critical", "basic constraints that may be passed over", ca=True, basic_critical=False)
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
    der = certificate("Issuer odd", "Root", ca=True, extra=unknown)
    yield _path("bad-certificate", "issuer-unknown-critical", "an issuer with a critical extension nobody knows", "Issuer odd", der)


def _issuer_times() -> Vectors:
    late = certificate("Late", "Root", ca=True, pathlen=0, days=(-20, -10))
    yield _path("expired-certificate", "issuer-ended", "the issuer's certificate ended before", "Late", late)
    early = certificate("Early", "Root", ca=True, pathlen=0, days=(10, 20))
    yield _path("not-yet-valid-certificate", "issuer-begins", "the issuer's certificate begins later", "Early", early)


def _claims() -> Vectors:
    """Signed with a certificate that is not valid yet, at a time that is still to come."""
    later = AT + timedelta(days=400)
    der = certificate("later", "Issuing", URIS, days=(365, 3650))
    for kind, entry in (("seal", "carried"), ("transfer", "transfer")):
        signature = signed(kind, signer(der, ISSUING, key=derived("later")), at=later)
        what = "SigningTime in the future, when the certificate will be valid"
        yield Vector("not-yet-valid-certificate", "claimed-later", entry, what, signature, holds_as=("pinned", "seal") if kind == "seal" else ())
    for kind, entry, holds_as in (("receipt", "believed", ("answer", "receipt", "returned")), ("directory", "heard", ("directory",))):
        signature = in_branch(kind, "tinh-h01", later=timedelta(days=400))
        yield Vector("not-yet-valid-certificate", "claimed-later", entry, what, signature, holds_as=holds_as)


# ---------------------------------------------------------------- generations, constraints, roles, branches

OLD = certificate("Generations", "Root", ca=True, pathlen=0, key=derived("first generation"), by_key=True, serial=1)
NEW = certificate("Generations", "Root", ca=True, pathlen=0, key=derived("second generation"), by_key=True, serial=2)
AGENCIES_ROOT = certificate("Agencies' root", "Agencies' root", ca=True, pathlen=1)
AGENCIES = certificate("Agencies", "Agencies' root", ca=True, pathlen=0)


def of_generation(which: str, *issuers: bytes) -> bytes:
    """A seal under the first or second generation of the same name, with these issuers' certificates."""
    der = certificate(f"under {which}", "Generations", URIS, issuer_key=derived(f"{which} generation"), by_key=True)
    return by(der, derived(f"under {which}"), *issuers)


def _generations() -> Vectors:
    def generation(case: str, what: str, signature: bytes) -> Vector:
        return Vector("untrusted", case, "seal", what, signature, control="second-generation.seal")

    yield generation("only-the-old-issuer", "the issuer's certificate of another generation", of_generation("second", OLD))
    yield generation("only-the-new-issuer", "the same the other way round", of_generation("first", NEW))
    unknown = certificate("Generations", "Root", ca=True, pathlen=0, key=derived("third generation"), issuer_key=derived("mallory"), by_key=True)
    yield generation("false-generation", "a generation that the root never certified", of_generation("third", OLD, NEW, unknown))


def _constrained() -> Vectors:
    def limited(case: str, what: str, permitted: list[x509.GeneralName] | None, excluded: list[x509.GeneralName] | None = None, names: list[x509.GeneralName] | None = None) -> Vector:
        issuer = f"Limited {case}"
        der = certificate(issuer, "Root", ca=True, pathlen=0, extra=x509.NameConstraints(permitted, excluded))
        leaf = certificate(case, issuer, URIS, names=names or ())
        return Vector("name-constraint", case, "seal", what, by(leaf, derived(case), der), control="permitted.seal")

    other = x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "other")]))
    own = x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Excluded  OWN")]))
    yield limited("directory-name", "the issuer may certify another name only", [other])
    yield limited("excluded own", "the very name is excluded, in other letters and spaces", None, [own])
    yield limited("uri-permitted", "URIs of one host are permitted, and the identity has none", [x509.UniformResourceIdentifier("example.vn")])
    yield limited("uri-excluded", "URIs of one host are excluded, and of the identity none can tell", None, [x509.UniformResourceIdentifier(".example.vn")])
    yield limited("dns", "a host outside the permitted", [x509.DNSName("mau.example.vn")], names=[x509.DNSName("khac.example.vn")])
    yield limited("dns-suffix", "a host that only ends alike", [x509.DNSName("mau.vn")], names=[x509.DNSName("khongmau.vn")])
    yield limited("dns-wildcard", "a wildcard over an excluded host", None, [x509.DNSName("mat.mau.vn")], [x509.DNSName("*.mau.vn")])
    yield limited("mail", "mail of another host", [x509.RFC822Name("mau.vn")], names=[x509.RFC822Name("a@khac.vn")])
    yield limited("address", "an address outside the permitted", [x509.IPAddress(ipaddress.ip_network("192.0.2.0/24"))], names=[x509.IPAddress(ipaddress.ip_address("198.51.100.1"))])
    many = [x509.DNSName(f"a{n}.vn") for n in range(300)]
    trees = certificate("Limited trees", "Root", ca=True, pathlen=0, extra=x509.NameConstraints(None, many))
    yield _path("untrusted", "many-constraints", "three hundred constraints", "Limited trees", trees)
    one = certificate("Limited one", "Root", ca=True, pathlen=0, extra=x509.NameConstraints(None, many[:1]))
    named = certificate("many-names", "Limited one", URIS, names=[x509.DNSName(f"b{n}.vn") for n in range(300)])
    yield Vector("bad-certificate", "many-names", "seal", "three hundred names below a constraint", by(named, derived("many-names"), one), control="permitted.seal")
    form = certificate("Limited form", "Root", ca=True, pathlen=0, extra=x509.NameConstraints([x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))], None))
    yield _path("untrusted", "constraint-not-understood", "constraints on names of a form that is not kept here", "Limited form", form)


def permitted() -> bytes:
    """A seal whose names are all within its issuer's constraints."""
    limits = x509.NameConstraints([x509.DNSName("mau.vn")], [x509.DNSName("mat.mau.vn")])
    der = certificate("Limited", "Root", ca=True, pathlen=0, extra=limits)
    leaf = certificate("permitted", "Limited", URIS, names=[x509.DNSName("tinh.mau.vn")])
    return by(leaf, derived("permitted"), der)


def permitted_name() -> bytes:
    """A seal whose subject is within its issuer's constraints."""
    own = x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "permitted name")]))
    der = certificate("Limited name", "Root", ca=True, pathlen=0, extra=x509.NameConstraints([own], None))
    return by(certificate("permitted name", "Limited name", URIS), derived("permitted name"), der)


def by_pinned_agency() -> bytes:
    """An agency's seal under the root that is pinned for agencies."""
    der = certificate("pinned", "Agencies", H01)
    return signed("seal", signer(der, AGENCIES, key=derived("pinned")), role="agency")


def in_branch(kind: str, top: str, *, later: timedelta = timedelta()) -> bytes:
    """Of tinh-h01, by an issuer that certifies for the branch of that node; `later` by a certificate that is not
    valid before then."""
    der = certificate(f"For {top}", "Root", [f"urn:truc-relay:branch:{top}"], ca=True, pathlen=0)
    leaf = certificate(f"branch {top}", f"For {top}", URIS)
    if later:
        leaf = certificate(f"branch {top}", f"For {top}", URIS, days=(later.days, 3650))
    return signed(kind, signer(leaf, der, key=derived(f"branch {top}")), at=AT + later)


def _roles_and_branches() -> Vectors:
    def pinned(case: str, what: str, signature: bytes, *holds_as: str) -> Vector:
        return Vector("untrusted", case, "pinned", what, signature, control="agency.pinned", holds_as=holds_as)

    yield pinned("agency-under-nodes", "an agency under the root for nodes, where agencies have their own", signed("seal", AGENCY, role="agency"), "carried", "seal")
    node = certificate("node-under-agencies", "Agencies", URIS)
    yield pinned("node-under-agencies", "a node under the root for agencies", signed("seal", signer(node, AGENCIES, key=derived("node-under-agencies"))))
    tls = certificate("For TLS", "Root", ca=True, pathlen=0, uses=[ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    yield _path("wrong-purpose", "issuer-for-tls", "an issuer that certifies for TLS only", "For TLS", tls)
    what = "an issuer of another branch certified the node"
    yield Vector("wrong-branch", "other-branch", "believed", what, in_branch("receipt", "xa"), control="node.believed", holds_as=("answer", "receipt", "returned"))
    what = "an issuer that names no branch, where the settings want one"
    yield Vector("wrong-branch", "no-branch", "believed", what, signed("receipt"), control="node.believed", holds_as=("answer", "receipt", "returned"))
    mixed = certificate("For mixed", "Root", ["urn:truc-relay:branch:tw", NODE_SIGN], ca=True, pathlen=0)
    yield _path("untrusted", "issuer-names-a-node", "an issuer that names a node beside its branch", "For mixed", mixed)
