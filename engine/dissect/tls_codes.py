"""Numbers of TLS and their names (IANA registries "TLS Parameters" and "TLS ExtensionType Values")."""

from __future__ import annotations

from functools import cache

GREASE = frozenset(0x0A0A + 0x1010 * number for number in range(16))
"""Values that clients send so that servers learn to pass over what they do not know (RFC 8701)."""
VERSIONS = {
    0x0002: "SSL 2.0",
    0x0300: "SSL 3.0",
    0x0301: "TLS 1.0",
    0x0302: "TLS 1.1",
    0x0303: "TLS 1.2",
    0x0304: "TLS 1.3",
}
_DRAFTS = 0x7F00

ALERTS = {
    0: "close_notify",
    1: "end_of_early_data",
    10: "unexpected_message",
    20: "bad_record_mac",
    21: "decryption_failed",
    22: "record_overflow",
    30: "decompression_failure",
    40: "handshake_failure",
    41: "no_certificate",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    60: "export_restriction",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    100: "no_renegotiation",
    109: "missing_extension",
    110: "unsupported_extension",
    111: "certificate_unobtainable",
    112: "unrecognized_name",
    113: "bad_certificate_status_response",
    114: "bad_certificate_hash_value",
    115: "unknown_psk_identity",
    116: "certificate_required",
    120: "no_application_protocol",
    121: "ech_required",
}
"""Descriptions of alerts (RFC 8446, 6; those of old versions as they were called then)."""

EXTENSIONS = {
    0: "server_name",
    1: "max_fragment_length",
    2: "client_certificate_url",
    3: "trusted_ca_keys",
    4: "truncated_hmac",
    5: "status_request",
    6: "user_mapping",
    7: "client_authz",
    8: "server_authz",
    9: "cert_type",
    10: "supported_groups",
    11: "ec_point_formats",
    12: "srp",
    13: "signature_algorithms",
    14: "use_srtp",
    15: "heartbeat",
    16: "application_layer_protocol_negotiation",
    17: "status_request_v2",
    18: "signed_certificate_timestamp",
    19: "client_certificate_type",
    20: "server_certificate_type",
    21: "padding",
    22: "encrypt_then_mac",
    23: "extended_master_secret",
    24: "token_binding",
    25: "cached_info",
    27: "compress_certificate",
    28: "record_size_limit",
    34: "delegated_credentials",
    35: "session_ticket",
    40: "key_share_draft",
    41: "pre_shared_key",
    42: "early_data",
    43: "supported_versions",
    44: "cookie",
    45: "psk_key_exchange_modes",
    46: "ticket_early_data_info",
    47: "certificate_authorities",
    48: "oid_filters",
    49: "post_handshake_auth",
    50: "signature_algorithms_cert",
    51: "key_share",
    52: "transparency_info",
    53: "connection_id_draft",
    54: "connection_id",
    55: "external_id_hash",
    56: "external_session_id",
    57: "quic_transport_parameters",
    58: "ticket_request",
    59: "dnssec_chain",
    13172: "next_protocol_negotiation",
    17513: "application_settings",
    30031: "channel_id_old",
    30032: "channel_id",
    65281: "renegotiation_info",
    65445: "quic_transport_parameters_draft",
    65486: "encrypted_server_name",
    65037: "encrypted_client_hello",
    17613: "application_settings_new",
}

GROUPS = {
    1: "sect163k1",
    2: "sect163r1",
    3: "sect163r2",
    4: "sect193r1",
    5: "sect193r2",
    6: "sect233k1",
    7: "sect233r1",
    8: "sect239k1",
    9: "sect283k1",
    10: "sect283r1",
    11: "sect409k1",
    12: "sect409r1",
    13: "sect571k1",
    14: "sect571r1",
    15: "secp160k1",
    16: "secp160r1",
    17: "secp160r2",
    18: "secp192k1",
    19: "secp192r1",
    20: "secp224k1",
    21: "secp224r1",
    22: "secp256k1",
    23: "secp256r1",
    24: "secp384r1",
    25: "secp521r1",
    26: "brainpoolP256r1",
    27: "brainpoolP384r1",
    28: "brainpoolP512r1",
    29: "x25519",
    30: "x448",
    41: "curveSM2",
    256: "ffdhe2048",
    257: "ffdhe3072",
    258: "ffdhe4096",
    259: "ffdhe6144",
    260: "ffdhe8192",
    65281: "arbitrary_explicit_prime_curves",
    65282: "arbitrary_explicit_char2_curves",
    31: "brainpoolP256r1tls13",
    32: "brainpoolP384r1tls13",
    33: "brainpoolP512r1tls13",
    512: "MLKEM512",
    513: "MLKEM768",
    514: "MLKEM1024",
    4587: "SecP256r1MLKEM768",
    4588: "X25519MLKEM768",
    4589: "SecP384r1MLKEM1024",
    25497: "X25519Kyber768Draft00",
}
"""Curves, finite fields and key encapsulation (supported_groups)."""

SIGNATURES = {
    0x0101: "rsa_md5", 0x0201: "rsa_pkcs1_sha1", 0x0202: "dsa_sha1", 0x0203: "ecdsa_sha1",
    0x0301: "rsa_sha224", 0x0302: "dsa_sha224", 0x0303: "ecdsa_sha224",
    0x0401: "rsa_pkcs1_sha256", 0x0402: "dsa_sha256", 0x0403: "ecdsa_secp256r1_sha256",
    0x0501: "rsa_pkcs1_sha384", 0x0502: "dsa_sha384", 0x0503: "ecdsa_secp384r1_sha384",
    0x0601: "rsa_pkcs1_sha512", 0x0602: "dsa_sha512", 0x0603: "ecdsa_secp521r1_sha512",
    0x0708: "sm2sig_sm3",
    0x0804: "rsa_pss_rsae_sha256", 0x0805: "rsa_pss_rsae_sha384", 0x0806: "rsa_pss_rsae_sha512",
    0x0807: "ed25519", 0x0808: "ed448",
    0x0809: "rsa_pss_pss_sha256", 0x080A: "rsa_pss_pss_sha384", 0x080B: "rsa_pss_pss_sha512",
    0x081A: "ecdsa_brainpoolP256r1tls13_sha256", 0x081B: "ecdsa_brainpoolP384r1tls13_sha384",
    0x081C: "ecdsa_brainpoolP512r1tls13_sha512",
    0x0904: "mldsa44", 0x0905: "mldsa65", 0x0906: "mldsa87",
}  # fmt: skip

_SUITES = """
NULL: 0000 NULL_NULL
RSA: 0001 NULL_MD5 0002 NULL_SHA 0004 RC4_128_MD5 0005 RC4_128_SHA 0007 IDEA_CBC_SHA 0009 DES_CBC_SHA 000a
  3DES_EDE_CBC_SHA 002f AES_128_CBC_SHA 0035 AES_256_CBC_SHA 003b NULL_SHA256 003c AES_128_CBC_SHA256 003d
  AES_256_CBC_SHA256 0041 CAMELLIA_128_CBC_SHA 0084 CAMELLIA_256_CBC_SHA 0096 SEED_CBC_SHA 009c AES_128_GCM_SHA256
  009d AES_256_GCM_SHA384 00ba CAMELLIA_128_CBC_SHA256 00c0 CAMELLIA_256_CBC_SHA256 c03c ARIA_128_CBC_SHA256 c03d
  ARIA_256_CBC_SHA384 c050 ARIA_128_GCM_SHA256 c051 ARIA_256_GCM_SHA384 c07a CAMELLIA_128_GCM_SHA256 c07b
  CAMELLIA_256_GCM_SHA384 c09c AES_128_CCM c09d AES_256_CCM c0a0 AES_128_CCM_8 c0a1 AES_256_CCM_8
RSA_EXPORT: 0003 RC4_40_MD5 0006 RC2_CBC_40_MD5 0008 DES40_CBC_SHA
DH_DSS_EXPORT: 000b DES40_CBC_SHA
DH_DSS: 000c DES_CBC_SHA 000d 3DES_EDE_CBC_SHA 0030 AES_128_CBC_SHA 0036 AES_256_CBC_SHA 003e AES_128_CBC_SHA256 0042
  CAMELLIA_128_CBC_SHA 0068 AES_256_CBC_SHA256 0085 CAMELLIA_256_CBC_SHA 0097 SEED_CBC_SHA 00a4 AES_128_GCM_SHA256
  00a5 AES_256_GCM_SHA384 00bb CAMELLIA_128_CBC_SHA256 00c1 CAMELLIA_256_CBC_SHA256 c03e ARIA_128_CBC_SHA256 c03f
  ARIA_256_CBC_SHA384 c058 ARIA_128_GCM_SHA256 c059 ARIA_256_GCM_SHA384 c082 CAMELLIA_128_GCM_SHA256 c083
  CAMELLIA_256_GCM_SHA384
DH_RSA_EXPORT: 000e DES40_CBC_SHA
DH_RSA: 000f DES_CBC_SHA 0010 3DES_EDE_CBC_SHA 0031 AES_128_CBC_SHA 0037 AES_256_CBC_SHA 003f AES_128_CBC_SHA256 0043
  CAMELLIA_128_CBC_SHA 0069 AES_256_CBC_SHA256 0086 CAMELLIA_256_CBC_SHA 0098 SEED_CBC_SHA 00a0 AES_128_GCM_SHA256
  00a1 AES_256_GCM_SHA384 00bc CAMELLIA_128_CBC_SHA256 00c2 CAMELLIA_256_CBC_SHA256 c040 ARIA_128_CBC_SHA256 c041
  ARIA_256_CBC_SHA384 c054 ARIA_128_GCM_SHA256 c055 ARIA_256_GCM_SHA384 c07e CAMELLIA_128_GCM_SHA256 c07f
  CAMELLIA_256_GCM_SHA384
DHE_DSS_EXPORT: 0011 DES40_CBC_SHA
DHE_DSS: 0012 DES_CBC_SHA 0013 3DES_EDE_CBC_SHA 0032 AES_128_CBC_SHA 0038 AES_256_CBC_SHA 0040 AES_128_CBC_SHA256 0044
  CAMELLIA_128_CBC_SHA 0066 RC4_128_SHA 006a AES_256_CBC_SHA256 0087 CAMELLIA_256_CBC_SHA 0099 SEED_CBC_SHA 00a2
  AES_128_GCM_SHA256 00a3 AES_256_GCM_SHA384 00bd CAMELLIA_128_CBC_SHA256 00c3 CAMELLIA_256_CBC_SHA256 c042
  ARIA_128_CBC_SHA256 c043 ARIA_256_CBC_SHA384 c056 ARIA_128_GCM_SHA256 c057 ARIA_256_GCM_SHA384 c080
  CAMELLIA_128_GCM_SHA256 c081 CAMELLIA_256_GCM_SHA384
DHE_RSA_EXPORT: 0014 DES40_CBC_SHA
DHE_RSA: 0015 DES_CBC_SHA 0016 3DES_EDE_CBC_SHA 0033 AES_128_CBC_SHA 0039 AES_256_CBC_SHA 0045 CAMELLIA_128_CBC_SHA
  0067 AES_128_CBC_SHA256 006b AES_256_CBC_SHA256 0088 CAMELLIA_256_CBC_SHA 009a SEED_CBC_SHA 009e AES_128_GCM_SHA256
  009f AES_256_GCM_SHA384 00be CAMELLIA_128_CBC_SHA256 00c4 CAMELLIA_256_CBC_SHA256 c044 ARIA_128_CBC_SHA256 c045
  ARIA_256_CBC_SHA384 c052 ARIA_128_GCM_SHA256 c053 ARIA_256_GCM_SHA384 c07c CAMELLIA_128_GCM_SHA256 c07d
  CAMELLIA_256_GCM_SHA384 c09e AES_128_CCM c09f AES_256_CCM c0a2 AES_128_CCM_8 c0a3 AES_256_CCM_8 cc15
  CHACHA20_POLY1305_SHA256 ccaa CHACHA20_POLY1305_SHA256
DH_anon_EXPORT: 0017 RC4_40_MD5 0019 DES40_CBC_SHA
DH_anon: 0018 RC4_128_MD5 001a DES_CBC_SHA 001b 3DES_EDE_CBC_SHA 0034 AES_128_CBC_SHA 003a AES_256_CBC_SHA 0046
  CAMELLIA_128_CBC_SHA 006c AES_128_CBC_SHA256 006d AES_256_CBC_SHA256 0089 CAMELLIA_256_CBC_SHA 009b SEED_CBC_SHA
  00a6 AES_128_GCM_SHA256 00a7 AES_256_GCM_SHA384 00bf CAMELLIA_128_CBC_SHA256 00c5 CAMELLIA_256_CBC_SHA256 c046
  ARIA_128_CBC_SHA256 c047 ARIA_256_CBC_SHA384 c05a ARIA_128_GCM_SHA256 c05b ARIA_256_GCM_SHA384 c084
  CAMELLIA_128_GCM_SHA256 c085 CAMELLIA_256_GCM_SHA384
KRB5: 001e DES_CBC_SHA 001f 3DES_EDE_CBC_SHA 0020 RC4_128_SHA 0021 IDEA_CBC_SHA 0022 DES_CBC_MD5 0023 3DES_EDE_CBC_MD5
  0024 RC4_128_MD5 0025 IDEA_CBC_MD5
KRB5_EXPORT: 0026 DES_CBC_40_SHA 0027 RC2_CBC_40_SHA 0028 RC4_40_SHA 0029 DES_CBC_40_MD5 002a RC2_CBC_40_MD5 002b
  RC4_40_MD5
PSK: 002c NULL_SHA 008a RC4_128_SHA 008b 3DES_EDE_CBC_SHA 008c AES_128_CBC_SHA 008d AES_256_CBC_SHA 00a8
  AES_128_GCM_SHA256 00a9 AES_256_GCM_SHA384 00ae AES_128_CBC_SHA256 00af AES_256_CBC_SHA384 00b0 NULL_SHA256 00b1
  NULL_SHA384 c064 ARIA_128_CBC_SHA256 c065 ARIA_256_CBC_SHA384 c06a ARIA_128_GCM_SHA256 c06b ARIA_256_GCM_SHA384 c08e
  CAMELLIA_128_GCM_SHA256 c08f CAMELLIA_256_GCM_SHA384 c094 CAMELLIA_128_CBC_SHA256 c095 CAMELLIA_256_CBC_SHA384 c0a4
  AES_128_CCM c0a5 AES_256_CCM c0a8 AES_128_CCM_8 c0a9 AES_256_CCM_8 ccab CHACHA20_POLY1305_SHA256
DHE_PSK: 002d NULL_SHA 008e RC4_128_SHA 008f 3DES_EDE_CBC_SHA 0090 AES_128_CBC_SHA 0091 AES_256_CBC_SHA 00aa
  AES_128_GCM_SHA256 00ab AES_256_GCM_SHA384 00b2 AES_128_CBC_SHA256 00b3 AES_256_CBC_SHA384 00b4 NULL_SHA256 00b5
  NULL_SHA384 c066 ARIA_128_CBC_SHA256 c067 ARIA_256_CBC_SHA384 c06c ARIA_128_GCM_SHA256 c06d ARIA_256_GCM_SHA384 c090
  CAMELLIA_128_GCM_SHA256 c091 CAMELLIA_256_GCM_SHA384 c096 CAMELLIA_128_CBC_SHA256 c097 CAMELLIA_256_CBC_SHA384 c0a6
  AES_128_CCM c0a7 AES_256_CCM ccad CHACHA20_POLY1305_SHA256
RSA_PSK: 002e NULL_SHA 0092 RC4_128_SHA 0093 3DES_EDE_CBC_SHA 0094 AES_128_CBC_SHA 0095 AES_256_CBC_SHA 00ac
  AES_128_GCM_SHA256 00ad AES_256_GCM_SHA384 00b6 AES_128_CBC_SHA256 00b7 AES_256_CBC_SHA384 00b8 NULL_SHA256 00b9
  NULL_SHA384 c068 ARIA_128_CBC_SHA256 c069 ARIA_256_CBC_SHA384 c06e ARIA_128_GCM_SHA256 c06f ARIA_256_GCM_SHA384 c092
  CAMELLIA_128_GCM_SHA256 c093 CAMELLIA_256_GCM_SHA384 c098 CAMELLIA_128_CBC_SHA256 c099 CAMELLIA_256_CBC_SHA384 ccae
  CHACHA20_POLY1305_SHA256
RSA_EXPORT1024: 0060 RC4_56_MD5 0061 RC2_CBC_56_MD5 0062 DES_CBC_SHA 0064 RC4_56_SHA
DHE_DSS_EXPORT1024: 0063 DES_CBC_SHA 0065 RC4_56_SHA
GOSTR341094: 0080 28147_CNT_IMIT 0082 NULL_GOSTR3411
GOSTR341001: 0081 28147_CNT_IMIT 0083 NULL_GOSTR3411
ECDH_ECDSA: c001 NULL_SHA c002 RC4_128_SHA c003 3DES_EDE_CBC_SHA c004 AES_128_CBC_SHA c005 AES_256_CBC_SHA c025
  AES_128_CBC_SHA256 c026 AES_256_CBC_SHA384 c02d AES_128_GCM_SHA256 c02e AES_256_GCM_SHA384 c04a ARIA_128_CBC_SHA256
  c04b ARIA_256_CBC_SHA384 c05e ARIA_128_GCM_SHA256 c05f ARIA_256_GCM_SHA384 c074 CAMELLIA_128_CBC_SHA256 c075
  CAMELLIA_256_CBC_SHA384 c088 CAMELLIA_128_GCM_SHA256 c089 CAMELLIA_256_GCM_SHA384
ECDHE_ECDSA: c006 NULL_SHA c007 RC4_128_SHA c008 3DES_EDE_CBC_SHA c009 AES_128_CBC_SHA c00a AES_256_CBC_SHA c023
  AES_128_CBC_SHA256 c024 AES_256_CBC_SHA384 c02b AES_128_GCM_SHA256 c02c AES_256_GCM_SHA384 c048 ARIA_128_CBC_SHA256
  c049 ARIA_256_CBC_SHA384 c05c ARIA_128_GCM_SHA256 c05d ARIA_256_GCM_SHA384 c072 CAMELLIA_128_CBC_SHA256 c073
  CAMELLIA_256_CBC_SHA384 c086 CAMELLIA_128_GCM_SHA256 c087 CAMELLIA_256_GCM_SHA384 c0ac AES_128_CCM c0ad AES_256_CCM
  c0ae AES_128_CCM_8 c0af AES_256_CCM_8 cc14 CHACHA20_POLY1305_SHA256 cca9 CHACHA20_POLY1305_SHA256
ECDH_RSA: c00b NULL_SHA c00c RC4_128_SHA c00d 3DES_EDE_CBC_SHA c00e AES_128_CBC_SHA c00f AES_256_CBC_SHA c029
  AES_128_CBC_SHA256 c02a AES_256_CBC_SHA384 c031 AES_128_GCM_SHA256 c032 AES_256_GCM_SHA384 c04e ARIA_128_CBC_SHA256
  c04f ARIA_256_CBC_SHA384 c062 ARIA_128_GCM_SHA256 c063 ARIA_256_GCM_SHA384 c078 CAMELLIA_128_CBC_SHA256 c079
  CAMELLIA_256_CBC_SHA384 c08c CAMELLIA_128_GCM_SHA256 c08d CAMELLIA_256_GCM_SHA384
ECDHE_RSA: c010 NULL_SHA c011 RC4_128_SHA c012 3DES_EDE_CBC_SHA c013 AES_128_CBC_SHA c014 AES_256_CBC_SHA c027
  AES_128_CBC_SHA256 c028 AES_256_CBC_SHA384 c02f AES_128_GCM_SHA256 c030 AES_256_GCM_SHA384 c04c ARIA_128_CBC_SHA256
  c04d ARIA_256_CBC_SHA384 c060 ARIA_128_GCM_SHA256 c061 ARIA_256_GCM_SHA384 c076 CAMELLIA_128_CBC_SHA256 c077
  CAMELLIA_256_CBC_SHA384 c08a CAMELLIA_128_GCM_SHA256 c08b CAMELLIA_256_GCM_SHA384 cc13 CHACHA20_POLY1305_SHA256 cca8
  CHACHA20_POLY1305_SHA256
ECDH_anon: c015 NULL_SHA c016 RC4_128_SHA c017 3DES_EDE_CBC_SHA c018 AES_128_CBC_SHA c019 AES_256_CBC_SHA
SRP_SHA: c01a 3DES_EDE_CBC_SHA c01d AES_128_CBC_SHA c020 AES_256_CBC_SHA
SRP_SHA_RSA: c01b 3DES_EDE_CBC_SHA c01e AES_128_CBC_SHA c021 AES_256_CBC_SHA
SRP_SHA_DSS: c01c 3DES_EDE_CBC_SHA c01f AES_128_CBC_SHA c022 AES_256_CBC_SHA
ECDHE_PSK: c033 RC4_128_SHA c034 3DES_EDE_CBC_SHA c035 AES_128_CBC_SHA c036 AES_256_CBC_SHA c037 AES_128_CBC_SHA256
  c038 AES_256_CBC_SHA384 c039 NULL_SHA c03a NULL_SHA256 c03b NULL_SHA384 c070 ARIA_128_CBC_SHA256 c071
  ARIA_256_CBC_SHA384 c09a CAMELLIA_128_CBC_SHA256 c09b CAMELLIA_256_CBC_SHA384 ccac CHACHA20_POLY1305_SHA256 d001
  AES_128_GCM_SHA256 d002 AES_256_GCM_SHA384 d003 AES_128_CCM_8_SHA256 d005 AES_128_CCM_SHA256
PSK_DHE: c0aa AES_128_CCM_8 c0ab AES_256_CCM_8
ECCPWD: c0b0 AES_128_GCM_SHA256 c0b1 AES_256_GCM_SHA384 c0b2 AES_128_CCM_SHA256 c0b3 AES_256_CCM_SHA384
ECJPAKE: c0ff AES_128_CCM_8
GOSTR341112_256: c100 KUZNYECHIK_CTR_OMAC c101 MAGMA_CTR_OMAC c102 28147_CNT_IMIT c103 KUZNYECHIK_MGM_L c104
  MAGMA_MGM_L c105 KUZNYECHIK_MGM_S c106 MAGMA_MGM_S
"""
"""Key exchange, then number and cipher of each suite; ``TLS_<key exchange>_WITH_<cipher>`` is its name."""
_OTHER_SUITES = {
    0x001C: "SSL_FORTEZZA_KEA_WITH_NULL_SHA",
    0x001D: "SSL_FORTEZZA_KEA_WITH_FORTEZZA_CBC_SHA",
    0x00C6: "TLS_SM4_GCM_SM3",
    0x00C7: "TLS_SM4_CCM_SM3",
    0x00FF: "TLS_EMPTY_RENEGOTIATION_INFO_SCSV",
    0x1301: "TLS_AES_128_GCM_SHA256",
    0x1302: "TLS_AES_256_GCM_SHA384",
    0x1303: "TLS_CHACHA20_POLY1305_SHA256",
    0x1304: "TLS_AES_128_CCM_SHA256",
    0x1305: "TLS_AES_128_CCM_8_SHA256",
    0x5600: "TLS_FALLBACK_SCSV",
    0xC0B4: "TLS_SHA256_SHA256",
    0xC0B5: "TLS_SHA384_SHA384",
}


@cache
def suites() -> dict[int, str]:
    """Number to name of every cipher suite that is registered; made at the first question."""
    found = dict(_OTHER_SUITES)
    exchange = ""
    words = iter(_SUITES.split())
    for word in words:
        if word.endswith(":"):
            exchange = word[:-1]
        else:
            found[int(word, 16)] = f"TLS_{exchange}_WITH_{next(words)}"
    return found


def suite_name(code: int) -> str:
    """Name of a cipher suite, ``GREASE``, or its number."""
    return "GREASE" if code in GREASE else suites().get(code) or f"0x{code:04X}"


def version_name(code: int) -> str:
    """``TLS 1.3``, ``TLS 1.3 draft 18``, ``GREASE``, or the number."""
    if code >> 8 == _DRAFTS >> 8:
        return f"TLS 1.3 draft {code & 0xFF}"
    return "GREASE" if code in GREASE else VERSIONS.get(code) or f"0x{code:04X}"


def name_of(names: dict[int, str], code: int) -> str:
    """Of an extension, a group, a signature: its name, ``GREASE``, or its number."""
    return "GREASE" if code in GREASE else names.get(code) or str(code)


def is_draft(version: int) -> bool:
    """Whether this is a draft of TLS 1.3."""
    return version >> 8 == _DRAFTS >> 8
