"""Certificates of a server as an item shows them (RFC 5280), read by the package cryptography.

Its import takes 90 ms, so it waits for the first certificate, or for ``prepare`` in a process that may not read files
later. What it does not like in one field costs that field alone.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from engine.dissect.tls_hello import Cut, vector

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

MAX_CERTIFICATES = 16
"""Of one chain that are taken apart."""
MAX_NAMES = 256
"""Alternative names of one certificate that are shown."""


def prepare() -> None:
    """Import now what is needed later."""
    import cryptography.hazmat.primitives.ciphers.aead
    import cryptography.x509  # noqa: F401 - for its effect


def certificates(body: bytes, *, of_1_3: bool) -> tuple[list[bytes], str]:
    """``(each certificate in DER, what is wrong)`` of a Certificate message.

    ::

        1.2 | list <u24> of: certificate <u24> |
        1.3 | context <u8> | list <u24> of: certificate <u24> | extensions <u16> |
    """
    found: list[bytes] = []
    try:
        pos = vector(body, 0, 1)[1] if of_1_3 else 0
        block, _ = vector(body, pos, 3)
        pos = 0
        while pos < len(block) and len(found) < MAX_CERTIFICATES:
            certificate, pos = vector(block, pos, 3)
            found.append(certificate)
            pos = vector(block, pos, 2)[1] if of_1_3 else pos
    except Cut as cut:
        return found, f"certificates: {cut}"
    return found, ""


def described(der: bytes) -> dict[str, Any]:
    """One certificate; what cannot be read is empty, and ``fault`` says so. Total."""
    section = _described(der)
    return {**section, "subjectAltNames": list(section["subjectAltNames"])}


@lru_cache(maxsize=256)
def _described(der: bytes) -> dict[str, Any]:
    """Servers send the same chain again and again: 0.2 ms a certificate otherwise."""
    section: dict[str, Any] = {
        "subject": "",
        "issuer": "",
        "serialNumber": "",
        "notBefore": "",
        "notAfter": "",
        "subjectAltNames": [],
        "publicKey": "",
        "signatureAlgorithm": "",
        "sha256": hashlib.sha256(der).hexdigest(),
        "size": len(der),
        "fault": "",
    }
    certificate = _read(_load, der)
    if certificate is None:
        section["fault"] = "no certificate that can be read"
        return section
    for key, read in _FIELDS.items():
        value = _read(read, certificate)
        if value is None:
            section["fault"] = f"{section['fault']}, {key}" if section["fault"] else f"cannot be read: {key}"
        else:
            section[key] = value
    return section


def _read(read: Callable[[Any], Any], of: Any) -> Any:
    """``read(of)``, or None where the bytes do not allow it."""
    from cryptography import x509  # here and not above: see the module
    from cryptography.exceptions import UnsupportedAlgorithm

    expected = (
        ValueError,
        TypeError,
        OverflowError,
        UnsupportedAlgorithm,
        x509.InvalidVersion,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what certificates should not have: a captured one may
            return read(of)
    except expected:
        return None


def _load(der: bytes) -> Certificate:
    from cryptography import x509

    return x509.load_der_x509_certificate(der)


def _octets(number: int) -> str:
    """As other tools write it: whole bytes."""
    digits = f"{abs(number):x}"
    return "-" * (number < 0) + digits.zfill(len(digits) + len(digits) % 2)


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _alternative_names(certificate: Certificate) -> list[str]:
    from cryptography import x509

    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return [_name(name) for name in list(extension.value)[:MAX_NAMES]]


def _name(name: Any) -> str:
    value = name.value
    if isinstance(value, bytes):  # of a kind that only its owner knows
        return value.hex()
    if hasattr(value, "rfc4514_string"):
        return str(value.rfc4514_string())
    return str(getattr(value, "dotted_string", value))


def _public_key(certificate: Certificate) -> str:
    key: Any = certificate.public_key()
    kind = type(key).__name__.removesuffix("PublicKey").lstrip("_").removeprefix("EllipticCurve") or "EC"
    curve = getattr(key, "curve", None)
    return f"{kind} {curve.name}" if curve is not None else f"{kind} {getattr(key, 'key_size', '')}".rstrip()


def _signature(certificate: Certificate) -> str:
    oid = certificate.signature_algorithm_oid
    name: str = oid._name
    return oid.dotted_string if name == "Unknown OID" else name


_FIELDS: dict[str, Callable[[Certificate], Any]] = {
    "subject": lambda certificate: certificate.subject.rfc4514_string(),
    "issuer": lambda certificate: certificate.issuer.rfc4514_string(),
    "serialNumber": lambda certificate: _octets(certificate.serial_number),
    "notBefore": lambda certificate: _time(certificate.not_valid_before_utc),
    "notAfter": lambda certificate: _time(certificate.not_valid_after_utc),
    "subjectAltNames": _alternative_names,
    "publicKey": _public_key,
    "signatureAlgorithm": _signature,
}
