"""What a script sees besides Python. Editors that use Pyright read this file; nothing imports it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from time import struct_time
from typing import Any, NoReturn, TypeVar, overload

_Listener = TypeVar("_Listener", bound=Callable[[Any], Any])

# -- what hooks are called with ----------------------------------------------------------------------------------------

class Record(Mapping[str, Any]):
    """A read-only part of an item. A missing key is ``None`` as an attribute and ``KeyError`` as an item."""

    def __getattr__(self, name: str) -> Any: ...
    def __getitem__(self, key: str) -> Any: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    def as_dict(self) -> dict[str, Any]: ...

class Request(Record):
    """What was asked. Which keys there are depends on ``protocol.name``; the others are ``None``."""

    # http
    method: str
    """Also amqp."""
    url: str
    targetUri: str
    path: str
    """The target without its query."""
    pathSegments: list[str]
    httpVersion: str
    headers: Record
    """Names are found in any case."""
    cookies: Record
    queryString: Record
    headersSize: int
    bodySize: int
    postData: Record
    """mimeType, params, text."""
    trailers: Record
    """Fields behind the body, where there are any."""
    graphql: list[Record]
    """type, name, fields of each operation; of GraphQL."""
    grpc: Record
    """service, method, encoding, messageCount, messageBytes, compressedCount, messages (size, compressed, text …)."""
    pushed: bool
    """The server promised it, and nobody asked; of HTTP/2, where it is so."""
    # ws
    opcode: int
    type: str
    """Also redis."""
    sender: str
    fragments: int
    masked: bool
    compressed: bool
    size: int
    """Also kafka."""
    text: str
    encoding: str
    closeCode: int
    closeReason: str
    # dns
    opCode: str
    questions: list[Record]
    """name, type, class."""
    flags: list[str]
    """rd, cd …"""
    edns: Record
    """version, udpSize, dnssecOk, options (code, name, value)."""
    answers: list[Record]
    """As in a response; of requests that have any: known answers, updates. Likewise authorities and additionals."""
    authorities: list[Record]
    additionals: list[Record]
    # icmp
    ipVersion: int
    """4 or 6."""
    typeNumber: int
    code: str
    """``Port Unreachable`` …"""
    codeNumber: int
    identifier: int
    sequence: int
    payloadSize: int
    quoted: Record
    """Of an error: protocol, src, dst, length."""
    stream: str
    """Of an error: the stream that it is about, '' if not known."""
    mtu: int
    gateway: str
    pointer: int
    target: str
    linkAddress: str
    hopLimit: int
    lifetime: int
    prefixes: list[str]
    # redis
    command: str
    key: str
    value: str
    keyword: str
    args: list[str]
    # kafka
    apiKeyName: str
    apiKey: int
    apiVersion: int
    correlationID: int
    clientID: str | None
    payload: Record
    """What is asked, by the API's own names; ``comment`` where it is not taken apart, or not all of it."""
    captureTime: str
    # amqp
    channel: int
    exchange: str
    routingKey: str
    queue: str
    properties: Record
    """contentType, headers, deliveryMode, correlationId, messageId …, as far as they are there."""
    body: str
    """In base64; ``comment`` where it is not whole."""
    mandatory: bool
    consumerTag: str
    deliveryTag: int
    redelivered: bool
    multiple: bool
    requeue: bool
    noAck: bool
    passive: bool
    durable: bool
    exclusive: bool
    autoDelete: bool
    noWait: bool
    arguments: Record
    virtualHost: str
    replyCode: int
    replyText: str
    # tls
    serverName: str
    alpn: list[str]
    versions: list[str]
    cipherSuites: list[str]
    ja3: str
    random: str
    """Hexadecimal; also of the response. Key logs name sessions by the client's."""
    extensions: list[str]
    alert: str
    """``handshake_failure``, ``unknown_ca`` …; of a refused handshake it is in the response."""
    level: str

class Response(Record):
    """What was answered. Which keys there are depends on ``protocol.name``; the others are ``None``."""

    # http
    status: int
    statusText: str
    httpVersion: str
    headers: Record
    """Names are found in any case."""
    cookies: Record
    content: Record
    """size, mimeType, encoding, text."""
    trailers: Record
    redirectURL: str
    headersSize: int
    bodySize: int
    grpc: Record
    """status, statusName, message, encoding, messageCount, messageBytes, compressedCount, messages."""
    # dns
    code: str
    """``No Error``, ``Non-Existent Domain`` …"""
    questions: list[Record]
    """name, type, class; repeated in the answer, so known where the query was not seen."""
    answers: list[Record]
    """name, type, class, ttl, ip, cname …"""
    authorities: list[Record]
    additionals: list[Record]
    flags: list[str]
    """aa, tc, rd, ra, ad, cd."""
    truncated: bool
    edns: Record
    """version, udpSize, dnssecOk, options (code, name, value)."""
    # icmp
    typeNumber: int
    codeNumber: int
    identifier: int
    sequence: int
    payloadSize: int
    rttNs: int
    """Nanoseconds from the request to its reply."""
    # redis
    type: str
    key: str
    value: str
    keyword: str
    elements: list[Any]
    # kafka
    size: int
    correlationID: int
    payload: Record
    captureTime: str
    # amqp
    method: str
    """``queue declare-ok``, ``basic get-empty`` …; ``channel close`` where that was the answer."""
    channel: int
    queue: str
    messageCount: int
    consumerCount: int
    replyCode: int
    replyText: str
    exchange: str
    routingKey: str
    deliveryTag: int
    properties: Record
    body: str
    # tls
    version: str
    """``TLS 1.3`` …"""
    cipherSuite: str
    alpn: str
    resumed: bool
    helloRetryRequest: bool
    certificates: list[Record]
    """subject, issuer, serialNumber, notBefore, notAfter, subjectAltNames, publicKey …"""
    alert: str
    level: str

class Peer(Record):
    """One side of an exchange."""

    ip: str
    port: str
    name: str
    namespace: str

class Protocol(Record):
    """What the two sides speak."""

    name: str
    """http, dns, redis, kafka, amqp, ws, tls, icmp, tcp, udp, sctp."""
    version: str
    abbr: str
    """HTTP, HTTP/2, gRPC, GQL …"""
    longName: str
    macro: str
    layer4: str
    layer3: str
    ports: list[str]
    priority: int

class Node(Record):
    """Where an item was captured."""

    ip: str
    name: str

class Failure(Record):
    """Why a half of an exchange is missing."""

    type: str
    """dissection, connection, timeout, pair-not-found."""
    msg: str

class Item(Record):
    """One finished exchange."""

    id: str
    index: int
    """Place within its stream, from 0."""
    stream: str
    """Name of the stream's PCAP, such as ``000000000144.pcap``."""
    worker: str
    tls: bool
    timestamp: int
    """Milliseconds since the epoch, UTC."""
    startTime: str
    """The same in RFC 3339."""
    requestSize: int
    responseSize: int
    elapsedTime: int
    """Milliseconds from the first byte of the request to the last of the response."""
    passed: bool
    failed: bool
    entryFile: str
    record: str
    outgoing: bool
    request: Request
    """None if it was never seen."""
    response: Response
    """None if it was never seen."""
    src: Peer
    dst: Peer
    protocol: Protocol
    node: Node
    error: Failure | None
    data: Record
    """Of payload as it is (payload, encoding, size …) and of connections (state, clientPackets, l7 …); else None."""

class PacketInfo:
    """One captured packet."""

    timestamp_ns: int
    timestamp: int
    """Milliseconds since the epoch, UTC."""
    captureLength: int
    length: int
    truncated: bool
    fragmented: bool

# -- errors ------------------------------------------------------------------------------------------------------------

class HelperError(Exception):
    """A helper could not do what it was asked for; the text says why."""

class KflError(HelperError):
    """A filter that cannot be read; the text says where."""

# -- helpers -----------------------------------------------------------------------------------------------------------

class _Console:
    def log(self, *values: Any) -> None:
        """Write a line: the values, joined by one space."""
    def error(self, *values: Any) -> None:
        """Write a line that is marked as an error."""
    def clear(self) -> None:
        """Nothing; the console is a log."""
    def print(self, *values: Any, sep: str = " ", end: str = "") -> None:
        """What ``print`` does here."""

class _Env(Mapping[str, Any]):
    """A variable that is not set is ``None``. Secrets are handles that other helpers accept."""

    def __getattr__(self, name: str) -> Any: ...
    def __getitem__(self, key: str) -> Any: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...

class _File:
    """The script's work folder. Every path is relative to it."""

    def write(self, path: str, content: str) -> None:
        """Put text into a file, in place of what it held."""
    def append(self, path: str, content: str) -> None:
        """Add text to the end of a file."""
    def move(self, source: str, target: str) -> None:
        """Rename; into ``target`` where that is a folder."""
    def copy(self, source: str, target: str) -> None:
        """Copy a file, or the PCAP that ``pcap.path`` names as it is now. Durable when it returns."""
    def delete(self, path: str) -> None:
        """Delete a file, or a folder with all it holds."""
    def mkdir(self, path: str) -> None:
        """Make a folder and those above it."""
    def mkdirTemp(self, name: str = "", dir: str = "") -> str:
        """Make a folder with a new name; its path."""
    def temp(self, name: str = "", dir: str = "", extension: str = "txt") -> str:
        """Make an empty file with a new name; its path."""
    def tar(self, path: str) -> str:
        """Pack a folder into a ``.tar.gz``; its path."""

class _Scheduler:
    def isRunning(self) -> bool:
        """Whether jobs are started by the clock."""
    def start(self) -> None:
        """Start jobs by the clock again."""
    def stop(self) -> None:
        """Start no job by the clock until ``start``."""

class _Jobs:
    scheduler: _Scheduler
    def schedule(self, tag: str, cron: str, task: Callable[..., Any], limit: int = 0, *arguments: Any) -> None:
        """Run a function by the clock: second, minute, hour, day, month, weekday; UTC. ``limit`` 0 is without end."""
    def remove(self, tag: str) -> None:
        """Forget a job."""
    def removeAll(self) -> None:
        """Forget all jobs of this script."""
    def list(self) -> list[str]:
        """The tags of this script's jobs."""
    def run(self, tag: str) -> None:
        """Run a job once, soon."""
    def runAll(self) -> None:
        """Run every job once, soon."""

class _Json:
    JSONDecodeError: type[ValueError]
    def loads(self, text: str | bytes) -> Any:
        """The value that a JSON text says."""
    def dumps(
        self,
        value: Any,
        *,
        indent: int | str | None = None,
        sort_keys: bool = False,
        separators: tuple[str, str] | None = None,
        default: Callable[[Any], Any] | None = None,
        ensure_ascii: bool = False,
    ) -> str:
        """A value as JSON; items and records are objects."""

class _Kfl:
    def match(self, query: str, data: Any) -> bool:
        """Whether an item matches a filter."""
    def validate(self, query: str) -> bool:
        """Whether a text is a filter."""

class _Math:
    pi: float
    e: float
    tau: float
    inf: float
    nan: float
    def ceil(self, x: float, /) -> int: ...
    def floor(self, x: float, /) -> int: ...
    def trunc(self, x: float, /) -> int: ...
    def fabs(self, x: float, /) -> float: ...
    def fmod(self, x: float, y: float, /) -> float: ...
    def fsum(self, values: Sequence[float], /) -> float: ...
    def prod(self, values: Sequence[float], /, *, start: float = 1) -> float: ...
    def sqrt(self, x: float, /) -> float: ...
    def isqrt(self, n: int, /) -> int: ...
    def gcd(self, *integers: int) -> int: ...
    def lcm(self, *integers: int) -> int: ...
    def comb(self, n: int, k: int, /) -> int: ...
    def factorial(self, n: int, /) -> int: ...
    def pow(self, x: float, y: float, /) -> float: ...
    def exp(self, x: float, /) -> float: ...
    def log(self, x: float, base: float = ..., /) -> float: ...
    def log1p(self, x: float, /) -> float: ...
    def log2(self, x: float, /) -> float: ...
    def log10(self, x: float, /) -> float: ...
    def sin(self, x: float, /) -> float: ...
    def cos(self, x: float, /) -> float: ...
    def tan(self, x: float, /) -> float: ...
    def asin(self, x: float, /) -> float: ...
    def acos(self, x: float, /) -> float: ...
    def atan(self, x: float, /) -> float: ...
    def atan2(self, y: float, x: float, /) -> float: ...
    def degrees(self, x: float, /) -> float: ...
    def radians(self, x: float, /) -> float: ...
    def hypot(self, *coordinates: float) -> float: ...
    def dist(self, p: Sequence[float], q: Sequence[float], /) -> float: ...
    def copysign(self, x: float, y: float, /) -> float: ...
    def isnan(self, x: float, /) -> bool: ...
    def isinf(self, x: float, /) -> bool: ...
    def isfinite(self, x: float, /) -> bool: ...
    def isclose(self, a: float, b: float, *, rel_tol: float = 1e-09, abs_tol: float = 0.0) -> bool: ...

class _Pcap:
    def path(self, stream: str) -> str:
        """The path of a stream's PCAP, for ``file.copy`` and ``vendor.gcs.put``."""
    def record(self, stream: str, recording: str) -> None:
        """Keep a stream, from its first packet to its end, in a recording. Certain when it returns."""
    def seal(self, recording: str) -> None:
        """Close what a recording has collected and send it on its way."""
    def snapshot(self, selected: Sequence[str] = (), dir: str = "") -> str:
        """Merge PCAPs into one file, in time order; its name. None selected means all."""
    def nameResolutionHistory(self) -> dict[str, dict[str, Any]]:
        """Unix second -> address -> name."""

class _Recordings:
    def create(
        self,
        name: str,
        kfl: str = "",
        start: str = "",
        iterations: int = 1,
        duration: str | float = 0,
        expiration: str | float = 0,
        redact: Sequence[str] = (),
        packets: bool | None = None,
        fromStart: bool = False,
        format: str = "",
    ) -> None:
        """Record what a filter matches, by a schedule; nothing where this job is there already. Numbers are minutes."""
    def stop(self, name: str) -> None:
        """Keep no further streams in a job of this script."""
    def list(self) -> list[dict[str, str]]:
        """This script's jobs that are not over: ``name``, ``kfl``, ``state``, ``ends``, ``next``."""

class _Stats:
    """Numbers of this script, as of the items that it works on."""

    @property
    def dropped(self) -> int:
        """Items, packets and ends of streams that were thrown away because it was too slow, or gone."""
    @property
    def waiting(self) -> int:
        """What is behind the items that it works on."""
    @property
    def callsDelayed(self) -> int:
        """Helper calls that had to wait, because it makes more than ``scripting.calls`` a second."""

class _Test:
    """Verdicts for ``onItemQueried`` to return; an item itself is read-only."""

    def pass_(self, data: Item | Mapping[str, Any]) -> dict[str, Any]:
        """A copy of the item with ``passed`` true."""
    def fail(self, data: Item | Mapping[str, Any]) -> dict[str, Any]:
        """A copy of the item with ``failed`` true."""

class _Time:
    def time(self) -> float:
        """Seconds since the epoch."""
    def time_ns(self) -> int:
        """Nanoseconds since the epoch."""
    def monotonic(self) -> float:
        """Seconds since some moment, for differences."""
    def monotonic_ns(self) -> int: ...
    def perf_counter(self) -> float: ...
    def perf_counter_ns(self) -> int: ...
    def process_time(self) -> float:
        """Seconds of CPU that the script has used."""
    def sleep(self, seconds: float, /) -> None:
        """Wait; a hook may take 60 s in all."""
    def gmtime(self, seconds: float = ..., /) -> struct_time:
        """Year, month, day, hour, minute, second … in UTC."""
    def localtime(self, seconds: float = ..., /) -> struct_time:
        """The same; the time zone is UTC."""
    def strftime(self, format: str, time: struct_time = ..., /) -> str: ...
    def strptime(self, text: str, format: str = ..., /) -> struct_time: ...

class _Utils:
    def nodeName(self) -> str:
        """The name of this machine."""
    def json2Yaml(self, text: str) -> str:
        """A JSON text as YAML."""

class _Gcs:
    def put(self, bucket: str, path: str, key: Any = None) -> str:
        """Hand a file over for upload; the URL it will have. Certain when it returns, whatever the network does."""

    def clear(self, *ignored: Any) -> NoReturn:
        """Refused: Remora deletes nothing remotely. A lifecycle rule of the bucket does."""

class _Vendor:
    """Requests go to the hosts of ``scripting.egress`` alone; certain when the call returns, without an answer."""

    gcs: _Gcs
    def webhook(self, method: str, url: str, body: Any = "", headers: Mapping[str, str] | None = None) -> str:
        """Send a request; a body that is no text becomes JSON. Header values may hold secrets of ``env``. Its id."""
    def webhookForm(self, method: str, url: str, fields: Mapping[str, str | float | bool]) -> str:
        """Send a form. Its id."""
    def slack(self, url: str, pretext: str, text: str, color: str = "") -> str:
        """Send a message to a Slack webhook. Its id."""

class _Wrapper:
    def joinMaps(self, first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
        """A dict with the keys of both; those of the second count."""
    def buildHAR(self, items: Sequence[Item | Mapping[str, Any]]) -> str:
        """HTTP exchanges as the text of an HTTP Archive (1.2)."""
    def kflPcapS3(self, data: Item, options: Mapping[str, Any]) -> None:
        """Record the streams of items that match a filter of ``kflArr`` as ``kfl_0``, ``kfl_1`` …; sealed by
        ``maxMinutes`` and ``maxL4Streams``, told to ``slackWebhook``. Goes where ``recording.destination`` says."""

def setTimeout(function: Callable[..., Any], milliseconds: float = 0, *arguments: Any) -> int:
    """Run a function once, later, with the budget of a job; a number for ``clearTimeout``. Ends with the process."""

def clearTimeout(number: int | None = None) -> None:
    """Do not run it any more."""

@overload
def on_item(function: _Listener, /) -> _Listener:
    """Call this function once per item."""

@overload
def on_item(filter: str = "") -> Callable[[_Listener], _Listener]:
    """Call the decorated function once per item that matches a filter (KFL). The others never reach the script."""

state: dict[str, Any]
"""What it holds survives the script's process and Remora itself: None, bool, numbers, text, bytes, lists and dicts."""
console: _Console
env: _Env
file: _File
jobs: _Jobs
json: _Json
kfl: _Kfl
math: _Math
pcap: _Pcap
recordings: _Recordings
stats: _Stats
test: _Test
time: _Time
utils: _Utils
vendor: _Vendor
wrapper: _Wrapper
