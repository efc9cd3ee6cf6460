"""Name constraints (RFC 5280 §4.2.1.10): which names the certificates below an issuer may bear.

Touches: nothing.
Trusts:  nothing; issuer and certificate may be anyone's.
Raises:  SignatureError (name-constraint, bad-certificate).

Directory names, DNS names, addresses, mail addresses and URIs; a constraint on any other form of name
is not understood, so its issuer issues nothing here. A URI that has no host breaks every constraint on
URIs, as the RFC says: that is why branches are named otherwise (docs/adr/0019).
"""

from __future__ import annotations

import ipaddress
import unicodedata
from collections.abc import Iterator
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID

from relay.errors import SignatureError
from relay.signing.faults import Fault

_UNDERSTOOD = (
    x509.DirectoryName,
    x509.DNSName,
    x509.IPAddress,
    x509.RFC822Name,
    x509.UniformResourceIdentifier,
)
NAME_LIMIT = 256
SUBTREE_LIMIT = 256
"""Of one certificate, of one issuer: what they cost together is their product."""


def check_forms(issuer: x509.Certificate) -> None:
    """Raise where an issuer limits names of a form that is not understood here."""
    found = _constraints(issuer)
    if found is None:
        return
    trees = [*(found.permitted_subtrees or ()), *(found.excluded_subtrees or ())]
    if len(trees) > SUBTREE_LIMIT:
        raise _bad(f"{len(trees)} name constraints, limit {SUBTREE_LIMIT}")
    for tree in trees:
        if not isinstance(tree, _UNDERSTOOD):
            raise _bad(f"name constraints on {type(tree).__name__} are not understood")


def check_names(issuer: x509.Certificate, certificate: x509.Certificate) -> None:
    """Raise where a certificate somewhere below this issuer bears a name that it may not."""
    found = _constraints(issuer)
    if found is None:
        return
    names = list(_names(certificate))
    if len(names) > NAME_LIMIT:
        raise _bad(
            f"{len(names)} names in a certificate below name constraints, limit {NAME_LIMIT}"
        )
    for name in names:
        excluded = [one for one in found.excluded_subtrees or () if isinstance(one, type(name))]
        permitted = [one for one in found.permitted_subtrees or () if isinstance(one, type(name))]
        if any(_within(name, tree, loosely=True) for tree in excluded):
            raise _breach(name, "excludes")
        if permitted and not any(_within(name, tree, loosely=False) for tree in permitted):
            raise _breach(name, "does not permit")


def _constraints(issuer: x509.Certificate) -> x509.NameConstraints | None:
    try:
        return issuer.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return None


def _names(certificate: x509.Certificate) -> Iterator[x509.GeneralName]:
    """All that the constraints are about; a mail address in the subject too (RFC 5280 §4.2.1.10)."""
    if certificate.subject.rdns:
        yield x509.DirectoryName(certificate.subject)
    for mail in certificate.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS):
        yield _mail(str(mail.value))
    try:
        yield from certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return


def _mail(text: str) -> x509.GeneralName:
    try:
        return x509.RFC822Name(text)
    except ValueError:
        raise _bad("a mail address in the subject cannot be read") from None


def _within(name: x509.GeneralName, tree: x509.GeneralName, *, loosely: bool) -> bool:
    """Whether a name lies in a subtree; `loosely`: might lie in it, or cannot be told."""
    match name, tree:
        case x509.DirectoryName(), x509.DirectoryName():
            return _under(name.value, tree.value)
        case x509.DNSName(), x509.DNSName():
            return _host_under(name.value, tree.value, loosely=loosely)
        case x509.IPAddress(), x509.IPAddress():
            return _address_in(name.value, tree.value)
        case x509.RFC822Name(), x509.RFC822Name():
            return _mail_under(name.value, tree.value)
        case x509.UniformResourceIdentifier(), x509.UniformResourceIdentifier():
            host = _host_of(name.value)
            return loosely if host is None else _exactly_under(host, tree.value)
    return loosely


def _under(name: x509.Name, tree: x509.Name) -> bool:
    """The subtree's name is where this one begins."""
    head = name.rdns[: len(tree.rdns)]
    return [_compared(rdn) for rdn in head] == [_compared(rdn) for rdn in tree.rdns]


def _compared(rdn: x509.RelativeDistinguishedName) -> frozenset[tuple[str, object]]:
    """Without regard to case and to the amount of white space (RFC 5280 §7.1)."""
    return frozenset((one.oid.dotted_string, _folded(one.value)) for one in rdn)


def _folded(value: str | bytes) -> str | bytes:
    if isinstance(value, bytes):
        return value
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())


def _host_under(host: str, tree: str, *, loosely: bool) -> bool:
    """The tree's own name and every name below it; of one that begins with a dot only those below."""
    host, tree = host.lower().rstrip("."), tree.lower().rstrip(".")
    if not tree:
        return True
    if host.startswith("*."):
        parent = host[2:]
        below = f".{parent}".endswith("." + tree.lstrip("."))
        # Some name that the wildcard stands for may lie in the tree although not all do.
        return below or (loosely and f".{tree.lstrip('.')}".endswith("." + parent))
    if tree.startswith("."):
        return host.endswith(tree)
    return host == tree or host.endswith("." + tree)


def _exactly_under(host: str, tree: str) -> bool:
    """URIs and mail: a tree with a dot before it is what lies below, any other is that host alone."""
    host, tree = host.lower(), tree.lower()
    return host.endswith(tree) if tree.startswith(".") else host == tree


def _mail_under(mail: str, tree: str) -> bool:
    local, _, host = mail.rpartition("@")
    if "@" in tree:
        wanted, _, at = tree.rpartition("@")
        return local == wanted and host.lower() == at.lower()
    return _exactly_under(host, tree)


def _host_of(uri: str) -> str | None:
    """The host of a URI where it is a name; None where there is none, or an address."""
    try:
        host = urlsplit(uri).hostname
    except ValueError:
        return None
    if not host or "." not in host or not uri.isascii():
        return None
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host.rstrip(".")
    return None


def _address_in(address: object, tree: object) -> bool:
    if not isinstance(tree, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return False
    if isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address):
        return address in tree
    return False


def _bad(message: str) -> SignatureError:
    return SignatureError(Fault.BAD_CERTIFICATE, message)


def _breach(name: x509.GeneralName, how: str) -> SignatureError:
    return SignatureError(
        Fault.NAME_CONSTRAINT, f"an issuer's name constraint {how} a {type(name).__name__} below it"
    )
