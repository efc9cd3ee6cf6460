"""Name what is wrong with a signature that is not of the one shape. It decides nothing.

Touches: nothing.
Trusts:  nothing; the signature has been refused already, only the word for it is chosen here.
Raises:  nothing; it returns the SignatureError to raise.
"""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from relay.errors import SignatureError
from relay.signing.algorithms import ECDSA_SHA256, EXCLUSIVE_C14N, RSA_SHA256, SHA256_DIGEST
from relay.signing.faults import Fault

_DS = "{http://www.w3.org/2000/09/xmldsig#}"
_ALLOWED = {
    f"{_DS}CanonicalizationMethod": {EXCLUSIVE_C14N},
    f"{_DS}SignatureMethod": {RSA_SHA256, ECDSA_SHA256},
    f"{_DS}DigestMethod": {SHA256_DIGEST},
}


def diagnose(root: etree._Element) -> SignatureError:
    """The first fault that applies, from the suspicious to the merely different."""
    fault, message = next(_faults(root))
    return SignatureError(fault, message)


def _faults(root: etree._Element) -> Iterator[tuple[Fault, str]]:
    elements = list(root.iter("*"))
    if root.tag != f"{_DS}Signature" or sum(e.tag == f"{_DS}Signature" for e in elements) != 1:
        yield Fault.MANY_SIGNATURES, "there must be one Signature, and it must be the root"
    ids = [value for e in elements for name, value in e.attrib.items() if _is_id(name)]
    if len(set(ids)) != len(ids):
        yield Fault.DUPLICATE_ID, "two elements have the same Id"
    for element in elements:
        allowed = _ALLOWED.get(str(element.tag))
        if allowed is not None and element.get("Algorithm") not in allowed:
            name = etree.QName(element).localname
            yield Fault.ALGORITHM, f"{name} is not of the allow-list"
    references = [e for e in elements if e.tag == f"{_DS}Reference"]
    if len(references) != 2:
        yield Fault.REFERENCES, f"{len(references)} references, there must be 2"
    transforms = [[t.get("Algorithm") for t in r.iter(f"{_DS}Transform")] for r in references]
    if transforms != [[], [EXCLUSIVE_C14N]]:
        yield Fault.TRANSFORMS, "only the signed properties are transformed, by exclusive c14n"
    yield Fault.SHAPE, "the signature is not of the one accepted shape"


def _is_id(name: str | bytes) -> bool:
    return str(name).rpartition("}")[2].lower() == "id"
