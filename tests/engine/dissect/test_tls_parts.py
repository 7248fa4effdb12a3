"""The parts of TLS that have a meaning of their own: names, hellos, certificates, keys, recognition."""

from __future__ import annotations

import ipaddress
import random
import shutil
import ssl
import subprocess
import sys
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from engine.dissect.table import Verdict
from engine.dissect.tls_certificates import certificates, described
from engine.dissect.tls_codes import suite_name, suites, version_name
from engine.dissect.tls_hello import client_hello, ja3_of, server_hello, server_name
from engine.dissect.tls_keys import expand_label, suite_of
from engine.dissect.tls_records import detect
from tests.support.tls_peers import certificate

NO, SHORT, PLAUSIBLE, SURE = Verdict.NO, Verdict.SHORT, Verdict.PLAUSIBLE, Verdict.SURE


def test_suites_are_called_as_openssl_calls_them() -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl")
    command = [openssl, "ciphers", "-stdname", "-V", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.splitlines()
    theirs = {int(line.split()[0].replace(",0x", ""), 16): line.split()[2] for line in lines}
    assert len(theirs) > 100
    assert {code: suites().get(code) for code in theirs} == theirs


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (0x1301, "TLS_AES_128_GCM_SHA256"),
        (0x0A0A, "GREASE"),
        (0x00FF, "TLS_EMPTY_RENEGOTIATION_INFO_SCSV"),
        (0xBEEF, "0xBEEF"),
    ],
)
def test_a_suite_has_a_name_or_its_number(code: int, name: str) -> None:
    assert suite_name(code) == name


def test_versions_have_names() -> None:
    codes = (0x0300, 0x0304, 0x7F12, 0xDADA, 0x0305)
    assert [version_name(code) for code in codes] == ["SSL 3.0", "TLS 1.3", "TLS 1.3 draft 18", "GREASE", "0x0305"]


@pytest.mark.parametrize(
    ("code", "version", "algorithm", "key", "tag", "digest"),
    [
        (0x1301, 0x0304, "AESGCM", 16, 16, "sha256"),
        (0x1302, 0x0304, "AESGCM", 32, 16, "sha384"),
        (0x1303, 0x0304, "ChaCha20Poly1305", 32, 16, "sha256"),
        (0x1305, 0x0304, "AESCCM", 16, 8, "sha256"),
        (0xC02F, 0x0303, "AESGCM", 16, 16, "sha256"),
        (0x009D, 0x0303, "AESGCM", 32, 16, "sha384"),
        (0xC0AE, 0x0303, "AESCCM", 16, 8, "sha256"),
    ],
)
def test_suites_that_are_decrypted(code: int, version: int, algorithm: str, key: int, tag: int, digest: str) -> None:
    suite = suite_of(code, version)
    assert suite is not None
    assert (suite.algorithm, suite.key_bytes, suite.tag_bytes, suite.digest) == (algorithm, key, tag, digest)


@pytest.mark.parametrize(
    ("code", "version"),
    [(0x002F, 0x0303), (0xC014, 0x0303), (0x1301, 0x0303), (0xC02F, 0x0304), (0xCC13, 0x0303), (0, 0)],
)
def test_suites_that_are_not(code: int, version: int) -> None:
    assert suite_of(code, version) is None


@pytest.mark.parametrize("digest", ["sha256", "sha384"])
def test_keys_are_derived_as_hkdf_does(digest: str) -> None:
    algorithm: Any = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384()}[digest]
    secret = random.Random(1).randbytes(48)
    for label, length in (("key", 16), ("iv", 12), ("traffic upd", 48), ("long", 200)):
        name = b"tls13 " + label.encode()
        info = length.to_bytes(2, "big") + bytes([len(name)]) + name + b"\0"
        assert expand_label(secret, label, length, digest) == HKDFExpand(algorithm, length, info).derive(secret)


# -- hellos ------------------------------------------------------------------------------------------------------------


def hello_of(extensions: bytes, suites: bytes = b"\x13\x01\x0a\x0a\x13\x02") -> bytes:
    head = b"\3\3" + bytes(32) + b"\0" + len(suites).to_bytes(2, "big") + suites + b"\1\0"
    return head + len(extensions).to_bytes(2, "big") + extensions


def extension(code: int, content: bytes) -> bytes:
    return code.to_bytes(2, "big") + len(content).to_bytes(2, "big") + content


def test_ja3_leaves_grease_out() -> None:
    groups = extension(10, b"\0\6\x1a\x1a\0\x1d\0\x17")
    hello = client_hello(hello_of(extension(0x2A2A, b"") + groups + extension(11, b"\1\0") + extension(23, b"")))
    assert ja3_of(hello) == "771,4865-4866,10-11-23,29-23,0"


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"\0\x0c\0\0\x09shop.test", "shop.test"),
        (b"\0\x10\1\0\1x\0\0\x09shop.test", "shop.test"),
        (b"\0\x0c\0\0\xffshop.test", ""),
        (b"\0\5\0\0\2\xff\xfe", "\\xff\\xfe"),
        (b"", ""),
    ],
)
def test_the_server_name_is_the_first_host(content: bytes, name: str) -> None:
    assert server_name(client_hello(hello_of(extension(0, content)))) == name


def test_a_hello_without_extensions_is_whole() -> None:
    assert client_hello(b"\3\0" + bytes(32) + b"\0\0\2\0\x2f\1\0").fault == ""
    assert server_hello(b"\3\1" + bytes(32) + b"\0\0\x2f\0").suites == [0x2F]


def test_a_cut_hello_has_what_came_before_the_cut() -> None:
    body = hello_of(extension(0, b"\0\x0c\0\0\x09shop.test") + extension(23, b""))
    for size in range(len(body)):
        hello = client_hello(body[:size])
        assert hello.fault or not hello.extensions
    assert server_name(client_hello(body[:-2])) == ""
    assert client_hello(body[:60]).suites == [0x1301, 0x0A0A, 0x1302]


@pytest.mark.parametrize("seed", range(200))
def test_random_bytes_are_survived(seed: int) -> None:
    chance = random.Random(seed)
    body = bytearray(hello_of(extension(0, b"\0\x0c\0\0\x09shop.test") + extension(16, b"\0\3\2h2")))
    for _ in range(chance.randrange(1, 8)):
        body[chance.randrange(len(body))] = chance.randrange(256)
    for parse in (client_hello, server_hello):
        hello = parse(bytes(body))
        assert isinstance(server_name(hello) + ja3_of(hello), str)


# -- certificates ------------------------------------------------------------------------------------------------------


def der() -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate().decode()[certificate().decode().index("-----BEGIN CERT") :])


def test_a_certificate_is_described() -> None:
    section = described(der())
    assert section["subject"] == "C=IS,CN=shop.test"
    assert section["signatureAlgorithm"] == "ecdsa-with-SHA256"
    assert section["sha256"] == x509.load_der_x509_certificate(der()).fingerprint(hashes.SHA256()).hex()
    assert section["size"] == len(der())


@pytest.mark.parametrize("seed", range(400))
def test_damaged_certificates_are_survived(seed: int) -> None:
    chance, data = random.Random(seed), bytearray(der())
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(len(data))
        if chance.random() < 0.7:
            data[at] = chance.randrange(256)
        elif len(data) > 20:
            del data[at : at + chance.randrange(1, 9)]
    section = described(bytes(data))
    assert set(section) == set(described(der()))
    assert all(isinstance(value, str | int | list) for value in section.values())


def test_lists_of_certificates_are_of_two_forms() -> None:
    one = b"\0\0\3abc"
    assert certificates(b"\0\0\6" + one, of_1_3=False) == ([b"abc"], "")
    assert certificates(b"\0\0\0\x08" + one + b"\0\0", of_1_3=True) == ([b"abc"], "")
    found, fault = certificates(b"\0\0\x0c" + one + b"\0\0\xffabc", of_1_3=False)
    assert (found, fault) == ([b"abc"], "certificates: cut at byte 6")


def test_keys_of_other_kinds_have_a_name() -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    name = x509.Name([])
    moment = x509.load_der_x509_certificate(der()).not_valid_before_utc
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, moment, moment)
    section = described(builder.sign(key, hashes.SHA384()).public_bytes(serialization.Encoding.DER))
    assert (section["publicKey"], section["subject"], section["subjectAltNames"]) == ("EC secp384r1", "", [])


KINDS: dict[str, Any] = {
    "Ed25519": (ed25519.Ed25519PrivateKey.generate, None),
    "Ed448": (ed448.Ed448PrivateKey.generate, None),
    "RSA 2048": (lambda: rsa.generate_private_key(65537, 2048), hashes.SHA256()),
    "EC secp521r1": (lambda: ec.generate_private_key(ec.SECP521R1()), hashes.SHA512()),
    "DSA 2048": (lambda: dsa.generate_private_key(2048), hashes.SHA256()),
}
LATE = """
import sys
from engine.dissect import tls_certificates, tls_keys
tls_certificates.prepare()
before = set(sys.modules)
described = tls_certificates.described(bytes.fromhex(sys.stdin.read()))
for code, version in ((0x1301, 0x304), (0x1303, 0x304), (0x1304, 0x304), (0xC02F, 0x303)):
    suite = tls_keys.suite_of(code, version)
    tls_keys.aead(suite, bytes(suite.key_bytes))
assert tls_keys.Key13(tls_keys.suite_of(0x1301, 0x304), bytes(32)).open(bytes(5), bytes(32), 0) is None
print(described["publicKey"], described["fault"], *sorted(set(sys.modules) - before))
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_imported_late(kind: str) -> None:
    """A worker may not read files any more when the first certificate comes."""
    make, digest = KINDS[kind]
    key, name = make(), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a")])
    address, number = ipaddress.ip_address("10.0.0.1"), x509.ObjectIdentifier("1.2.3")
    names = [
        x509.DNSName("a"), x509.IPAddress(address), x509.UniformResourceIdentifier("http://a"), x509.RFC822Name("a@b"),
        x509.DirectoryName(name), x509.OtherName(number, b"\x04\x01a"), x509.RegisteredID(number),
    ]  # fmt: skip
    moment = x509.load_der_x509_certificate(der()).not_valid_before_utc
    builder = x509.CertificateBuilder(name, name, key.public_key(), 5, moment, moment)
    made = builder.add_extension(x509.SubjectAlternativeName(names), critical=False).sign(key, digest)
    data = made.public_bytes(serialization.Encoding.DER)
    assert described(data)["subjectAltNames"] == ["a", "10.0.0.1", "http://a", "a@b", "CN=a", "040161", "1.2.3"]
    found = subprocess.run([sys.executable, "-c", LATE], input=data.hex(), capture_output=True, text=True, check=True)
    assert found.stdout.strip() == kind


# -- recognition -------------------------------------------------------------------------------------------------------

HELLO = b"\x16\3\1\0\xa5\1\0\0\xa1\3\3"
DATA = b"\x17\3\3\0\x1a" + bytes(26)


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (HELLO, SURE),
        (HELLO[:10], SHORT),
        (HELLO[:5], SHORT),
        (b"\x16", SHORT),
        (b"\x16\3\3\0\x57\2\0\0\x53\3\3", SURE),
        (b"\x16\3\3\0\x57\2\0\0\x53\x7f\x12", SURE),
        (b"\x16\3\1\0\xa5\1\0\0\xa1\4\3", NO),
        (b"\x16\4\1", NO),
        (b"\x16\3\1\xff\xff\1", NO),
        (b"\x16\3\1\0\0\1", NO),
        (DATA, SURE),
        (DATA + DATA[:1], SURE),
        (DATA + b"GET", NO),
        (DATA[:-1], PLAUSIBLE),
        (b"\x14\3\3\0\1\1" + DATA, SURE),
        (b"\x14\3\3\0\2\1\1", NO),
        (b"\x15\3\3\0\2\2\x28", SURE),
        (b"\x15\3\3\0\3\2\x28\0", NO),
        (b"GET / HTTP/1.1\r\n\r\n", NO),
        (b"*1\r\n$4\r\nPING\r\n", NO),
        (b"\x80\x2c\1\3\1\0\3\0\0\0\x10", NO),
        (b"\x80\x1c\1\3\1\0\3\0\0\0\x10", SURE),
        (b"\x80\x1c\1\0\2\0\3\0\0\0\x10", SURE),
        (b"\x80\x1c\1\3", SHORT),
        (b"\x80\x1c\2", NO),
        (b"\xff\xff\xff\xff\xff\xff", NO),
    ],
)
def test_recognition(data: bytes, verdict: Verdict) -> None:
    assert detect(data) is verdict
