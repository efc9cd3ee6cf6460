"""Certificate requests (PKCS#10) answered by the development PKI: the profile that a request's names ask for.

Touches: nothing.
Trusts:  nothing; a request is anyone's. What is certified is one known profile, with the request's key.
Raises:  PkiError.
"""

from __future__ import annotations

from typing import NoReturn

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from relay.errors import SignatureError
from relay.signing import algorithms, pki_names
from relay.signing.certificates import Identity, Purpose, identity_named
from relay.signing.pki_profiles import Profile, PublicKey
from relay.signing.pki_words import PkiError, Trouble
from relay.signing.profiles import PREFIX

_ROLES = {
    Purpose.TLS: "Node tls",
    Purpose.SIGN: "Node sign",
    Purpose.LOG: "Node log",
    Purpose.GATEWAY: "Gateway",
    Purpose.AGENCY: "Agency",
}


def read_request(content: bytes) -> tuple[Profile, PublicKey]:
    """What is asked for, and the key that proved to be its asker's."""
    try:
        request = x509.load_pem_x509_csr(content)
        if not request.is_signature_valid:
            _refuse("the request is not signed by its own key")
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        if not uris or not all(uri.startswith(PREFIX) for uri in uris):
            _refuse(f"the request names no {PREFIX} identity, or others beside it")
        identity = identity_named(uris)
        return _profile(request, names, identity), _key(request.public_key(), identity)
    except x509.ExtensionNotFound:
        _refuse("the request names nobody in its subject alternative name")
    except SignatureError as error:
        _refuse(f"the request: {error}")
    except PkiError:
        raise
    except Exception as error:  # noqa: BLE001 - hostile DER; what its parser raises is not documented
        _refuse(f"the request cannot be read ({type(error).__name__})")


def _profile(
    request: x509.CertificateSigningRequest, names: x509.SubjectAlternativeName, identity: Identity
) -> Profile:
    role = _ROLES.get(identity.purpose)
    if role is None:
        _refuse(f"certificates for {identity.purpose.value} are not issued by request")
    common = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    shown = str(common[0].value) if common else (identity.node or min(identity.agencies))
    tls = identity.purpose is Purpose.TLS
    return Profile(
        role,
        pki_names.organisation(shown, "common name"),
        tuple(names.get_values_for_type(x509.UniformResourceIdentifier)),
        vouches=identity.purpose in {Purpose.SIGN, Purpose.GATEWAY, Purpose.AGENCY},
        tls=tls,
        dns=pki_names.hosts(names.get_values_for_type(x509.DNSName)) if tls else (),
        ips=pki_names.addresses([str(ip) for ip in names.get_values_for_type(x509.IPAddress)])
        if tls
        else (),
    )


def _key(key: object, identity: Identity) -> PublicKey:
    found = (
        algorithms.log_key(key)
        if identity.purpose is Purpose.LOG
        else algorithms.verifying_key(key)
    )
    if not isinstance(
        found, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
    ):
        _refuse("the request's key is of no kind that is used here")
    return found


def _refuse(problem: str) -> NoReturn:
    raise PkiError(Trouble.DATA, problem)
