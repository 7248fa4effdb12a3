"""The variables of KFL2, one line each: its type, and how an item answers it.

Every accessor is total and returns a value of its type: what an item does not have is ``""``, 0, false, [] or {}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from engine.kfl.cel.types import BOOL, HEADERS, INT, MAP, STRING, STRINGS, TEXT_MAP, TIMESTAMP, Type
from engine.kfl.values import number
from engine.kfl.values import text as as_text

Read = Callable[[Any], Any]

NS_PER_MS = 1_000_000
_INT64 = 2**63
_KAFKA_NAMES = ("topic", "name", "topicId", "groupId", "key")


class Variable(NamedTuple):
    """One variable."""

    type: Type
    read: Read
    meaning: str
    protocols: frozenset[str] = frozenset()
    """Of a flag: the ``protocol.name`` of every item for which it is true; empty: of any."""


INLINE: dict[Read, tuple[str, tuple[Any, ...]]] = {}
"""Accessor -> the same as an expression, and the constants in it: a third of the cost of the call.

Raises ``AttributeError`` where a section is no mapping; then the whole filter is asked again with accessors.
"""
_SECOND = "(EMPTY if ({v} := item.get({0})) is None else {v}).get({1})"
_TEXT = "({v} if type({v} := " + _SECOND + ") is str else text_or_empty({v}))"
_INT = "({v} if type({v} := " + _SECOND + ") is int and -MAX_INT < {v} < MAX_INT else read_int({v}))"


def text_or_empty(value: Any) -> str:
    """A value that may be absent as a string."""
    return "" if value is None else value if type(value) is str else as_text(value)


def read_int(value: Any) -> int:
    """A value that may be absent, or text, as a whole number of 64 bits; what is none is 0."""
    if type(value) is not int:
        try:
            value = int(number(value))
        except (OverflowError, ValueError):
            return 0
    return value if -_INT64 < value < _INT64 else 0


# -- how an item is read -------------------------------------------------------------------------------------------


def at(*path: str) -> Read:
    """What is at ``path``; None if nothing is."""
    first, *rest = path

    def read(item: Any) -> Any:
        value = item.get(first)
        try:
            for name in rest:
                value = value.get(name)
        except AttributeError:
            return None
        return value

    return read


def text_at(*path: str) -> Read:
    """A string at ``path``."""
    if len(path) == 2:  # the usual case without a loop: 95 ns instead of 190
        first, second = path

        def read_two(item: Any) -> str:
            try:
                value = item.get(first).get(second)
            except AttributeError:
                return ""
            return value if type(value) is str else text_or_empty(value)

        INLINE[read_two] = (_TEXT, path)
        return read_two
    find = at(*path)
    return lambda item: text_or_empty(find(item))


def int_at(*path: str) -> Read:
    """A whole number at ``path``, also where an item has it as text."""
    find = at(*path)

    def read(item: Any) -> int:
        return read_int(find(item))

    if len(path) == 2:
        INLINE[read] = (_INT, path)
    return read


def scaled(read: Read, by: int) -> Read:
    """A whole number in another unit."""
    return lambda item: read_int(read(item) * by)


def map_at(*path: str) -> Read:
    """An object at ``path``."""
    find = at(*path)

    def read(item: Any) -> Any:
        value = find(item)
        return value if isinstance(value, Mapping) else {}

    return read


def texts_at(*path: str, key: str = "") -> Read:
    """The strings of an array at ``path``, or of the ``key`` of the objects in it."""
    find = at(*path)

    def read(item: Any) -> list[str]:
        values = find(item)
        if not isinstance(values, list | tuple):
            return []
        if key:
            values = [value.get(key) for value in values if isinstance(value, Mapping)]
        return [as_text(value) for value in values if value is not None and not isinstance(value, Mapping)]

    return read


def flag_at(*path: str) -> Read:
    """Whether ``true`` is at ``path``."""
    find = at(*path)
    return lambda item: find(item) is True


def named(name: str) -> Read:
    """Whether ``protocol.name`` is this."""
    return _is("name", name)


def _is(key: str, wanted: str) -> Read:
    find = at("protocol", key)

    def read(item: Any) -> bool:
        return bool(find(item) == wanted)

    INLINE[read] = (f"({_SECOND} == {{2}})", ("protocol", key, wanted))
    return read


def abbreviated(*abbrs: str) -> Read:
    """Whether ``protocol.abbr`` is one of ``abbrs``."""

    def read(item: Any) -> bool:
        try:
            return item.get("protocol").get("abbr") in abbrs
        except AttributeError:
            return False

    INLINE[read] = (f"({_SECOND} in {{2}})", ("protocol", "abbr", abbrs))
    return read


def over(layer4: str) -> Read:
    """Whether ``protocol.layer4`` is this."""
    return _is("layer4", layer4)


def only(name: str, read: Read, otherwise: Any) -> Read:
    """``read`` of items of one protocol, ``otherwise`` of all others."""
    find = at("protocol", "name")
    return lambda item: read(item) if find(item) == name else otherwise


def both(*reads: Read) -> Read:
    """The distinct strings that are not empty."""
    return lambda item: list(dict.fromkeys(filter(None, (read(item) for read in reads))))


def first(*reads: Read) -> Read:
    """The first that is not 0; 0 if all are."""
    return lambda item: next(filter(None, (read(item) for read in reads)), 0)


def total(*reads: Read) -> Read:
    """The sum."""
    return lambda item: min(sum(read(item) for read in reads), _INT64 - 1)


def _answers(item: Any) -> list[str]:
    """What the answers of DNS say: addresses and names."""
    records = at("response", "answers")(item)
    found = []
    for record in records if isinstance(records, list | tuple) else ():
        if isinstance(record, Mapping):
            values = (record.get(key) for key in ("ip", "cname", "ptr", "ns", "txts"))
            found += [value for value in values if isinstance(value, str) and value]
    return found


def _summary(item: Any, half: str) -> str:
    """What a Kafka message is about: the names in it, without repetition."""
    payload = map_at(half, "payload")(item)
    about: list[Any] = [payload]
    for name in ("topicData", "topics", "responses", "groups", "coordinators"):
        values = payload.get(name)
        about += values if isinstance(values, list | tuple) else ()
    found = [each.get(key) for each in about if isinstance(each, Mapping) for key in _KAFKA_NAMES]
    return ", ".join(dict.fromkeys(name for name in found if isinstance(name, str) and name))


def _amqp_summary(item: Any) -> str:
    found = map_at("request")(item) or map_at("response")(item)
    if found.get("exchange") is not None and found.get("routingKey") is not None:
        return f"{as_text(found['exchange'])}/{as_text(found['routingKey'])}"
    names = ("queue", "exchange", "destination", "virtualHost", "replyText", "consumerTag")
    return next((as_text(found[name]) for name in names if found.get(name)), "")


def _reply_code(item: Any) -> int:
    return int(int_at("request", "replyCode")(item) or int_at("response", "replyCode")(item))


def _header(section: str, name: str) -> Read:
    find = map_at(section, "headers")
    return lambda item: next(
        (as_text(value) for key, value in find(item).items() if isinstance(key, str) and key.lower() == name), ""
    )


def _chunk_type(item: Any) -> int:
    chunks = at("data", "chunks")(item)
    first_one = chunks[0] if isinstance(chunks, list | tuple) and chunks else None
    return read_int(first_one.get("type")) if isinstance(first_one, Mapping) else 0


def _grpc_status(item: Any) -> int:
    status = _header("response", "grpc-status")(item)
    return int(status) if status.isascii() and status.isdecimal() and len(status) < 10 else 0


def _has(section: str) -> Read:
    find = at(section)
    return lambda item: isinstance(find(item), Mapping)


def _tls(item: Any) -> bool:
    return item.get("tls") is True or at("protocol", "name")(item) == "tls"


def _sent_by(side: str) -> Read:
    """Whether this side sent the message of a WebSocket."""
    name, sender = at("protocol", "name"), at("request", "sender")
    return lambda item: bool(name(item) == "ws" and sender(item) == side)


def _if_sent_by(side: str, read: Read, otherwise: Any) -> Read:
    sent = _sent_by(side)
    return lambda item: read(item) if sent(item) else otherwise


def _tls_summary(item: Any) -> str:
    said = [text_at(*path)(item) for path in (("request", "serverName"), ("request", "alert"), ("response", "alert"))]
    return " ".join(filter(None, said))


def _tls_info(item: Any) -> str:
    return " ".join(filter(None, (text_at("response", "version")(item), text_at("response", "cipherSuite")(item))))


# -- the table -----------------------------------------------------------------------------------------------------


def _endpoint(end: str, who: str) -> dict[str, Variable]:
    return {
        f"{end}.ip": Variable(STRING, text_at(end, "ip"), f"address of the {who}"),
        f"{end}.port": Variable(INT, int_at(end, "port"), f"port of the {who}, a number"),
        f"{end}.name": Variable(STRING, text_at(end, "name"), f"resolved name of the {who}"),
        f"{end}.namespace": Variable(STRING, text_at(end, "namespace"), f"namespace of the {who}"),
        f"{end}.pod.name": Variable(STRING, text_at(end, "pod", "metadata", "name"), f"pod of the {who}"),
        f"{end}.pod.namespace": Variable(
            STRING, text_at(end, "pod", "metadata", "namespace"), f"namespace of the pod of the {who}"
        ),
        f"{end}.service.name": Variable(STRING, text_at(end, "service", "metadata", "name"), f"service of the {who}"),
        f"{end}.service.namespace": Variable(
            STRING, text_at(end, "service", "metadata", "namespace"), f"namespace of the service of the {who}"
        ),
    }


_COMMON = {
    "protocol": Variable(STRING, text_at("protocol", "name"), "http, dns, redis, ..."),
    "id": Variable(STRING, text_at("id"), "the item"),
    "index": Variable(INT, int_at("index"), "the item's place in its stream"),
    "stream": Variable(STRING, text_at("stream"), "the stream, such as 000000000144.pcap"),
    "worker": Variable(STRING, text_at("worker"), "address of the worker"),
    "timestamp": Variable(TIMESTAMP, scaled(int_at("timestamp"), NS_PER_MS), "when the request began"),
    "elapsed_time": Variable(INT, scaled(int_at("elapsedTime"), 1000), "microseconds from request to response"),
    "has_pcap": Variable(BOOL, lambda item: bool(text_at("stream")(item)), "whether there are packets of it"),
    "capture": Variable(MAP, map_at("capture"), "how it was captured"),
    "capture_source": Variable(STRING, text_at("captureSource"), "how it was captured"),
    "capture_backend": Variable(STRING, text_at("capture", "backend"), "what captured it"),
    "node": Variable(TEXT_MAP, map_at("node"), "ip and name of the node"),
    "node_name": Variable(STRING, text_at("node", "name"), "the node that saw it"),
    "node_ip": Variable(STRING, text_at("node", "ip"), "its address"),
    "namespaces": Variable(
        STRINGS, both(text_at("src", "namespace"), text_at("dst", "namespace")), "namespaces of both ends"
    ),
    "pods": Variable(
        STRINGS, both(text_at("src", "pod", "metadata", "name"), text_at("dst", "pod", "metadata", "name")), "both pods"
    ),
    "services": Variable(
        STRINGS,
        both(text_at("src", "service", "metadata", "name"), text_at("dst", "service", "metadata", "name")),
        "services of both ends",
    ),
}
_HTTP = {
    "method": (STRING, only("http", text_at("request", "method"), ""), "GET, POST, ..."),
    "url": (STRING, text_at("request", "url"), "the target as sent"),
    "path": (STRING, text_at("request", "path"), "the target without its query"),
    "status_code": (INT, int_at("response", "status"), "200, 404, ..."),
    "http_version": (STRING, text_at("request", "httpVersion"), "HTTP/1.1, ..."),
    "query_string": (MAP, map_at("request", "queryString"), "name to value or values"),
    "request.headers": (HEADERS, map_at("request", "headers"), "names in any case"),
    "request.cookies": (TEXT_MAP, map_at("request", "cookies"), "name to value"),
    "response.headers": (HEADERS, map_at("response", "headers"), "names in any case"),
    "response.cookies": (TEXT_MAP, map_at("response", "cookies"), "name to value"),
    "request_headers_size": (INT, int_at("request", "headersSize"), "bytes, -1 if not counted"),
    "request_body_size": (INT, int_at("request", "bodySize"), "bytes"),
    "response_headers_size": (INT, int_at("response", "headersSize"), "bytes, -1 if not counted"),
    "response_body_size": (INT, int_at("response", "bodySize"), "bytes"),
    "grpc_method": (
        STRING,
        lambda item: text_at("request", "path")(item).rpartition("/")[2] if abbreviated("gRPC")(item) else "",
        "the last part of the path of gRPC",
    ),
    "grpc_status": (INT, _grpc_status, "of gRPC, 0 is good"),
}
_DNS = {
    "dns_questions": (STRINGS, only("dns", texts_at("request", "questions", key="name"), []), "names asked for"),
    "dns_question_types": (STRINGS, only("dns", texts_at("request", "questions", key="type"), []), "A, AAAA, ..."),
    "dns_answers": (STRINGS, only("dns", _answers, []), "addresses and names answered"),
    "dns_request": (BOOL, only("dns", _has("request"), False), "whether the question was seen"),
    "dns_response": (BOOL, only("dns", _has("response"), False), "whether the answer was seen"),
    "dns_request_length": (INT, only("dns", int_at("requestSize"), 0), "bytes"),
    "dns_response_length": (INT, only("dns", int_at("responseSize"), 0), "bytes"),
    "dns_total_size": (INT, only("dns", total(int_at("requestSize"), int_at("responseSize")), 0), "bytes"),
}
_TLS = {
    "tls_request_size": (INT, only("tls", int_at("requestSize"), 0), "bytes"),
    "tls_response_size": (INT, only("tls", int_at("responseSize"), 0), "bytes"),
    "tls_total_size": (INT, only("tls", total(int_at("requestSize"), int_at("responseSize")), 0), "bytes"),
    "tlsx_sni": (STRING, text_at("request", "serverName"), "the server that was asked for"),
    "tlsx_cipher_suites": (STRINGS, texts_at("request", "cipherSuites"), "offered"),
    "tlsx_cipher_suite": (STRING, text_at("response", "cipherSuite"), "chosen"),
    "tlsx_alpn": (STRINGS, texts_at("request", "alpn"), "protocols offered inside"),
    "tlsx_version": (STRING, only("tls", text_at("response", "version"), ""), "chosen"),
    "tlsx_summary": (STRING, only("tls", _tls_summary, ""), "the server that was asked for, or the alert"),
    "tlsx_info": (STRING, only("tls", _tls_info, ""), "version and cipher suite"),
    "tls_summary": (STRING, only("tls", _tls_summary, ""), "as tlsx_summary"),
    "tls_info": (STRING, only("tls", _tls_info, ""), "as tlsx_info"),
}
_WS = {
    "ws_opcode": (INT, only("ws", int_at("request", "opcode"), 0), "1 text, 2 binary, 8 close, 9 ping, 10 pong"),
    "ws_request": (BOOL, _sent_by("client"), "whether the client sent the message"),
    "ws_response": (BOOL, _sent_by("server"), "whether the server sent the message"),
    "ws_request_payload_data": (STRING, _if_sent_by("client", text_at("request", "text"), ""), "what the client sent"),
    "ws_request_payload_length": (INT, _if_sent_by("client", int_at("request", "size"), 0), "bytes of it"),
    "ws_response_payload_length": (INT, _if_sent_by("server", int_at("request", "size"), 0), "what the server sent"),
}
_REDIS = {
    "redis_type": (STRING, only("redis", text_at("request", "type"), ""), "Array, Bulk String, ..."),
    "redis_command": (STRING, only("redis", text_at("request", "command"), ""), "in upper case"),
    "redis_key": (STRING, only("redis", text_at("request", "key"), ""), "the key"),
    "redis_request_size": (INT, only("redis", int_at("requestSize"), 0), "bytes"),
    "redis_response_size": (INT, only("redis", int_at("responseSize"), 0), "bytes"),
    "redis_total_size": (INT, only("redis", total(int_at("requestSize"), int_at("responseSize")), 0), "bytes"),
}
_KAFKA = {
    "kafka_api_key": (INT, only("kafka", int_at("request", "apiKey"), 0), "0 Produce, 1 Fetch, ..."),
    "kafka_api_key_name": (STRING, only("kafka", text_at("request", "apiKeyName"), ""), "Produce, Fetch, ..."),
    "kafka_client_id": (STRING, only("kafka", text_at("request", "clientID"), ""), "the client's name for itself"),
    "kafka_api_version": (INT, only("kafka", int_at("request", "apiVersion"), 0), "of the call"),
    "kafka_correlation_id": (INT, only("kafka", int_at("request", "correlationID"), 0), "what pairs it"),
    "kafka_size": (INT, only("kafka", int_at("request", "size"), 0), "bytes of the request"),
    "kafka_request_size": (INT, only("kafka", int_at("requestSize"), 0), "bytes on the wire"),
    "kafka_response_size": (INT, only("kafka", int_at("responseSize"), 0), "bytes on the wire"),
    "kafka_request_summary": (
        STRING,
        only("kafka", lambda item: _summary(item, "request"), ""),
        "topics, groups or keys of the request",
    ),
    "kafka_response_summary": (STRING, only("kafka", lambda item: _summary(item, "response"), ""), "of the response"),
}
_AMQP = {
    "amqp_method": (STRING, only("amqp", text_at("request", "method"), ""), "basic publish, ..."),
    "amqp_summary": (
        STRING,
        only("amqp", _amqp_summary, ""),
        "the exchange, key or queue it is about",
    ),
    "amqp_channel": (INT, only("amqp", int_at("request", "channel"), 0), "the channel"),
    "amqp_exchange": (STRING, only("amqp", text_at("request", "exchange"), ""), "the exchange"),
    "amqp_routing_key": (STRING, only("amqp", text_at("request", "routingKey"), ""), "the routing key"),
    "amqp_queue": (STRING, only("amqp", text_at("request", "queue"), ""), "the queue"),
    "amqp_reply_code": (INT, only("amqp", _reply_code, 0), "404, 406, ...: why it was closed, or came back"),
    "amqp_request_size": (INT, only("amqp", int_at("requestSize"), 0), "bytes on the wire"),
    "amqp_response_size": (INT, only("amqp", int_at("responseSize"), 0), "bytes on the wire"),
}
_ICMP = {
    "icmp_type": (
        INT,
        only("icmp", first(int_at("request", "typeNumber"), int_at("response", "typeNumber")), 0),
        "8, 3, ...",
    ),
    "icmp_version": (
        INT,
        only("icmp", first(int_at("request", "ipVersion"), int_at("response", "ipVersion")), 0),
        "4 or 6",
    ),
    "icmp_length": (INT, only("icmp", first(int_at("requestSize"), int_at("responseSize")), 0), "bytes of the message"),
}
_RAW = {
    "tcp_payload": (STRING, lambda item: _payload(item, "tcp"), "payload of a raw stream"),
    "tcp_error_type": (STRING, lambda item: _error(item, "type"), "why a half is missing"),
    "tcp_error_message": (STRING, lambda item: _error(item, "msg"), "the same in words"),
    "udp_payload": (STRING, lambda item: _payload(item, "udp"), "payload of a raw datagram"),
    "udp_length": (INT, only("udp", int_at("data", "size"), 0), "bytes of a raw datagram"),
    "sctp_length": (INT, only("sctp", int_at("data", "size"), 0), "bytes of a raw packet"),
    "sctp_chunk_type": (INT, only("sctp", _chunk_type, 0), "of the first chunk: 0 DATA, 1 INIT, ..."),
}
_CONN = {
    "conn_state": (STRING, text_at("data", "state"), "open, in_progress, closed"),
    "conn_local_pkts": (INT, int_at("data", "clientPackets"), "packets of the client"),
    "conn_local_bytes": (INT, int_at("data", "clientBytes"), "bytes of its frames"),
    "conn_remote_pkts": (INT, int_at("data", "serverPackets"), "packets of the server"),
    "conn_remote_bytes": (INT, int_at("data", "serverBytes"), "bytes of its frames"),
    "conn_l7_detected": (STRINGS, texts_at("data", "l7"), "HTTP, DNS, ..."),
}
_ROWS: dict[str, tuple[Type, Read, str]] = {
    **_HTTP, **_DNS, **_TLS, **_WS, **_REDIS, **_KAFKA, **_AMQP, **_ICMP, **_RAW, **_CONN,
}  # fmt: skip


def _payload(item: Any, layer4: str) -> str:
    return str(text_at("data", "payload")(item)) if over(layer4)(item) else ""


def _error(item: Any, key: str) -> str:
    return str(text_at("error", key)(item)) if over("tcp")(item) else ""


_FLAGS = {
    "http": Variable(BOOL, abbreviated("HTTP", "HTTP/2"), "HTTP/1.x or HTTP/2", frozenset({"http"})),
    "grpc": Variable(BOOL, abbreviated("gRPC"), "gRPC", frozenset({"http"})),
    "gql": Variable(BOOL, abbreviated("GQL"), "GraphQL", frozenset({"http"})),
    "gqlv1": Variable(
        BOOL,
        lambda item: abbreviated("GQL")(item) and at("protocol", "version")(item) != "2.0",
        "GraphQL over HTTP/1.x",
        frozenset({"http"}),
    ),
    "gqlv2": Variable(
        BOOL,
        lambda item: abbreviated("GQL")(item) and at("protocol", "version")(item) == "2.0",
        "GraphQL over HTTP/2",
        frozenset({"http"}),
    ),
    "tls": Variable(BOOL, _tls, "encrypted on the wire, or a TLS handshake"),
    "tcp": Variable(BOOL, over("tcp"), "over TCP"),
    "udp": Variable(BOOL, over("udp"), "over UDP"),
    "sctp": Variable(BOOL, over("sctp"), "over SCTP"),
    "conn": Variable(BOOL, abbreviated("TCP-CONN", "UDP-CONN"), "a connection", frozenset({"tcp", "udp"})),
    "tcp_conn": Variable(BOOL, abbreviated("TCP-CONN"), "a connection of TCP", frozenset({"tcp"})),
    "udp_conn": Variable(BOOL, abbreviated("UDP-CONN"), "a connection of UDP", frozenset({"udp"})),
    **{
        name: Variable(BOOL, named(name), name, frozenset({name}))
        for name in (
            "dns", "icmp", "redis", "kafka", "amqp", "ldap", "ws", "radius", "diameter", "mongodb", "mysql",
            "postgresql",
        )
    },
}  # fmt: skip

VARIABLES: dict[str, Variable] = {
    **_FLAGS,
    **_COMMON,
    **_endpoint("src", "client"),
    **_endpoint("dst", "server"),
    **{name: Variable(*row) for name, row in _ROWS.items()},
}

_ELSEWHERE = """
    src.dns dst.dns node_id conn_id flow_id capture_source_code dns_resolutions
    local_labels local_annotations local_node_name local_process_name local_resolution_status
    remote_labels remote_annotations remote_node_name remote_process_name remote_resolution_status
    tcp_method udp_checksum sctp_checksum
    ldap_type ldap_summary radius_code radius_code_name
    radius_request_authenticator diameter_method diameter_summary
    mongodb_command mongodb_database mongodb_collection mongodb_opcode mongodb_success mongodb_error_code
    mongodb_error_message mongodb_error_code_name
    mysql_command mysql_query mysql_database mysql_statement_id mysql_success mysql_error_code mysql_error_message
    postgresql_command postgresql_query postgresql_database postgresql_user postgresql_success
    postgresql_error_code postgresql_error_message
    conn_group_id
    flow_state flow_local_pkts flow_local_bytes flow_local_pps flow_local_bps flow_remote_pkts flow_remote_bytes
    flow_remote_pps flow_remote_bps flow_l7_detected flow_group_id
    flow tcp_flow udp_flow
"""
ELSEWHERE = frozenset(_ELSEWHERE.split())
"""What Kubeshark has and no item here can answer."""
