"""One small item of each protocol, for measuring a filter and for trying one out."""

from __future__ import annotations

from typing import Any

_STATUS = {"status": 500, "statusText": "Internal Server Error", "headers": {"Content-Type": "application/json"}}
_REQUEST = {
    "method": "GET",
    "url": "/api/cart?id=3",
    "path": "/api/cart",
    "httpVersion": "HTTP/1.1",
    "headers": {"Host": "front-end", "User-Agent": "kube-probe/1.27+"},
    "queryString": {"id": "3"},
}


def _item(name: str, abbr: str, version: str, layer4: str, request: Any, response: Any) -> dict[str, Any]:
    ports = ("40122", "53" if name == "dns" else "80")
    ends = [
        {"ip": f"10.0.38.{number}", "port": port, "name": owner, "namespace": "sock-shop"}
        for number, port, owner in zip((1, 2), ports, ("catalogue", "front-end"), strict=True)
    ]
    stream = f"000000000144{'' if layer4 == 'tcp' else '_' + layer4}.pcap"
    return {
        "id": f"10.0.41.65:30001/{stream}-0",
        "index": 0,
        "stream": stream,
        "worker": "10.0.41.65:30001",
        "node": {"ip": "10.0.41.65", "name": "node-1"},
        "protocol": {"name": name, "version": version, "abbr": abbr, "layer4": layer4, "ports": ["80", "8080"]},
        "tls": False,
        "src": ends[0],
        "dst": ends[1],
        "timestamp": 1703018670360,
        "startTime": "2023-12-19T20:44:30.360000000Z",
        "request": request,
        "response": response,
        "requestSize": 111,
        "responseSize": 164,
        "elapsedTime": 12,
        "passed": False,
        "failed": False,
        "error": None,
        "entryFile": f"{stream.replace('.', '_')}-0_entry.json",
        "record": "",
        "outgoing": False,
    }


SAMPLES: dict[str, dict[str, Any]] = {
    "http": _item("http", "HTTP", "1.1", "tcp", _REQUEST, _STATUS),
    "http2": _item("http", "HTTP/2", "2.0", "tcp", {**_REQUEST, "httpVersion": "HTTP/2.0"}, _STATUS),
    "grpc": _item("http", "gRPC", "2.0", "tcp", {**_REQUEST, "path": "/shop.Cart/Get"}, _STATUS),
    "gql": _item("http", "GQL", "1.1", "tcp", _REQUEST, _STATUS),
    "dns": _item(
        "dns",
        "DNS",
        "0",
        "udp",
        {"opCode": "Query", "questions": [{"name": "front-end.sock-shop", "type": "A", "class": "IN"}]},
        {"code": "No Error", "answers": [{"name": "front-end.sock-shop", "type": "A", "ip": "10.0.38.2"}]},
    ),
    "redis": _item(
        "redis", "REDIS", "3.x", "tcp", {"type": "Array", "command": "GET", "key": "cart"}, {"type": "Bulk String"}
    ),
    "kafka": _item(
        "kafka", "KAFKA", "12", "tcp", {"apiKey": 0, "apiKeyName": "Produce", "clientID": "shop"}, {"size": 40}
    ),
    "amqp": _item("amqp", "AMQP", "0-9-1", "tcp", {"method": "basic publish", "exchange": "orders"}, None),
    "tls": _item("tls", "TLS", "1.3", "tcp", {"serverName": "shop.example"}, {"version": "TLS 1.3"}),
    "half": {
        **_item("http", "HTTP", "1.1", "tcp", _REQUEST, None),
        "error": {"type": "timeout", "msg": "no response within 30 s"},
    },
}
