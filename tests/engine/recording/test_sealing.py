from __future__ import annotations

import gzip
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from engine.counters import Counters
from engine.recording.batch_state import BatchState
from engine.recording.collector import Collector
from engine.recording.gzip_members import MEMBER_BYTES
from engine.recording.options import RecordingOptions
from engine.recording.profile import Facts, Profile
from engine.recording.sealing import Origin, build, due
from engine.shipping.checksum import Crc32c
from tests.support.audit import Recorded, audit
from tests.support.data_folder import NS, START_NS, DataFolder
from tests.support.packets import TcpConversation
from tests.support.pcapng import blocks_in
from tests.support.tls import tls_session

RUN = "20261120T103000Z-a1b2c3d4"
NOW_NS = 1_795_170_600 * NS  # 2026-11-20 10:30 UTC
ORIGIN = Origin("local", "n1")
FACTS = Facts("1.0")


@pytest.fixture
def data(tmp_path: Path) -> Iterator[DataFolder]:
    folder = DataFolder(tmp_path / "data", segment_bytes=4 << 20)
    yield folder
    folder.close()


def frozen(data: DataFolder, recording: str = "r", facts: Facts = FACTS) -> tuple[Path, BatchState]:
    """The open batch of everything that was captured."""
    for stream in data.packets | data.items:
        data.worker.keep(stream, recording, 0, 0)
    collector = Collector(data.root, RUN, RecordingOptions(), Counters())
    collector.collect(NOW_NS)
    collector.freeze([state.id for state in collector.batches.filled()], facts)
    (state,) = collector.batches.frozen()
    collector.close()
    return data.root / "outbox" / "open" / state.id, state


def sealed(data: DataFolder, target: Path, facts: Facts = FACTS) -> tuple[Recorded, dict[str, Path]]:
    opened, state = frozen(data, facts=facts)
    target.mkdir()
    files = build(opened, target, state, ORIGIN, Crc32c)
    (recorded,) = audit({file.name: (target / file.file).read_bytes() for file in files}).values()
    return recorded, {file.name.split("/")[1]: target / file.file for file in files}


def shop(data: DataFolder, conversations: int = 3, body_bytes: int = 3000) -> None:
    """Streams 1 to n, one HTTP exchange each, interleaved."""
    talks = []
    for number in range(1, conversations + 1):
        talk = TcpConversation(("10.0.0.1", 40_000 + number), ("10.0.0.2", 80), start_ns=START_NS + number)
        talk.handshake().client_says(b"GET /%d HTTP/1.1\r\nHost: shop\r\n\r\n" % number)
        talk.server_says(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % body_bytes + bytes(body_bytes)).finish()
        talks += [(number, packet.timestamp_ns, packet.frame) for packet in talk.packets]
    data.capture_frames(sorted(talks, key=lambda packet: packet[1]))


def test_sealing_a_batch_twice_gives_the_same_bytes(data: DataFolder, tmp_path: Path) -> None:
    shop(data)
    data.item(1, START_NS)
    opened, state = frozen(data)
    contents = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        files = build(opened, tmp_path / name, state, ORIGIN, Crc32c)
        contents.append([(file, (tmp_path / name / file.file).read_bytes()) for file in files])
    assert contents[0] == contents[1]
    assert [file.name.split("/")[1] for file, _ in contents[0]] == ["pcap", "streams", "items", "manifest"]


def test_a_row_counts_what_the_batch_holds_of_its_stream(data: DataFolder, tmp_path: Path) -> None:
    shop(data, conversations=1, body_bytes=3000)
    recorded, _ = sealed(data, tmp_path / "sealed")
    (row,) = recorded.rows
    packets = data.packets[1]
    said = (
        len(b"GET /1 HTTP/1.1\r\nHost: shop\r\n\r\n") + len(b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n") + 3000
    )
    assert (row["packets"], row["bytes"]) == (len(packets), sum(len(frame) for _, frame in packets))
    assert row["payload_bytes"] == said
    assert (row["start"], row["end"]) == (packets[0][0], packets[-1][0])


def test_rows_are_in_the_order_in_which_streams_began(data: DataFolder, tmp_path: Path) -> None:
    shop(data, conversations=30, body_bytes=10)
    recorded, _ = sealed(data, tmp_path / "sealed")
    assert [row["stream"] for row in recorded.rows] == [f"{stream:012d}.pcap" for stream in range(1, 31)]


def test_tshark_and_capinfos_read_the_pcap(data: DataFolder, tmp_path: Path) -> None:
    shop(data, conversations=40, body_bytes=20_000)
    recorded, files = sealed(data, tmp_path / "sealed")
    assert len(recorded.manifests[0]["files"]["pcap"]["members"]) > 2
    fields = ["-T", "fields", "-e", "http.request.uri", "-Y", "http.request"]
    uris = output("tshark", "-r", str(files["pcap"]), *fields).split()
    assert sorted(uris) == sorted(f"/{number}" for number in range(1, 41))
    about = output("capinfos", "-Mctoau", str(files["pcap"]))
    assert f"Number of packets:   {len(recorded.packets)}" in about
    assert "Strict time order:   True" in about


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


NAMES = {
    "0": {
        "10.0.0.1": {"FullAddress": "web.shop", "Namespace": "shop"},
        "10.0.0.2:80": {"FullAddress": "api.shop", "Namespace": "shop"},
        "10.9.9.9": {"FullAddress": "someone else", "Namespace": ""},
    }
}


def test_pcapng_has_the_names_of_addresses_and_says_which_stream_begins_where(data: DataFolder, tmp_path: Path) -> None:
    shop(data, conversations=3)
    facts = Facts("1.0", lambda _: Profile('http and dst.name == "ä"', "kfl", "pcapng"), lambda: NAMES)
    recorded, files = sealed(data, tmp_path / "sealed", facts)
    (manifest,) = recorded.manifests
    assert manifest["names"] == {"0": {"10.0.0.1": NAMES["0"]["10.0.0.1"], "10.0.0.2:80": NAMES["0"]["10.0.0.2:80"]}}
    assert (manifest["kfl"], manifest["dialect"]) == ('http and dst.name == "ä"', "kfl")
    fields = ["-T", "fields", "-e", "frame.comment", "-Y", "frame.comment"]
    comments = output("tshark", "-r", str(files["pcap"]), *fields).splitlines()
    ends = "10.0.0.1:40000 (web.shop) to 10.0.0.2:80 (api.shop)"
    assert comments == [f"{n:012d}.pcap, tcp {ends}" for n in (1, 2, 3)]
    hosts = output("tshark", "-r", str(files["pcap"]), "-q", "-z", "hosts")
    assert ("10.0.0.1\tweb.shop" in hosts, "10.0.0.2\tapi.shop" in hosts, "someone" in hosts) == (True, True, False)
    about = output("capinfos", str(files["pcap"]))
    assert "Capture application: Remora 1.0" in about
    assert 'kfl: http and dst.name == "ä"' in about
    uris = output("tshark", "-r", str(files["pcap"]), "-T", "fields", "-e", "http.request.uri", "-Y", "http.request")
    assert sorted(uris.split()) == ["/1", "/2", "/3"]


def test_a_pcapng_with_keys_shows_plaintext_and_has_the_keys_of_its_own_sessions_alone(
    data: DataFolder, tmp_path: Path
) -> None:
    asked: list[set[bytes]] = []
    sessions = [tls_session(tmp_path, f"/{number}") for number in range(3)]
    for number, session in enumerate(sessions[:2], 1):
        packets = session.conversation(("10.0.0.1", 40_000 + number), ("10.0.0.2", 443), START_NS + number).packets
        data.capture_frames([(number, packet.timestamp_ns, packet.frame) for packet in packets])

    def key_log(randoms: Iterable[bytes]) -> bytes:
        asked.append(set(randoms))
        wanted = {random.hex() for random in asked[-1]}
        lines = "".join(session.key_log for session in sessions).splitlines(keepends=True)
        return "".join(line for line in lines if line.split()[1] in wanted).encode()

    facts = Facts("1.0", lambda _: Profile(with_secrets=True), key_log=key_log)
    recorded, files = sealed(data, tmp_path / "sealed", facts)
    assert asked == [{session.client_random for session in sessions[:2]}]
    assert recorded.packets == data.wanted({1: 0, 2: 0})
    (keys,) = (body for kind, body in blocks_in(gzip.decompress(files["pcap"].read_bytes())) if kind == 10)
    held = {line.split()[1] for line in keys[8:].decode().splitlines() if line.strip("\0")}
    assert held == {session.client_random.hex() for session in sessions[:2]}
    shown = output("tshark", "-r", str(files["pcap"]), "-T", "fields", "-e", "http.request.uri", "-Y", "http.request")
    assert sorted(shown.split()) == ["/0", "/1"]


def test_without_the_wish_no_key_leaves(data: DataFolder, tmp_path: Path) -> None:
    def key_log(randoms: Iterable[bytes]) -> bytes:
        raise AssertionError("nobody may ask")

    shop(data)
    facts = Facts("1.0", lambda _: Profile(format="pcapng"), key_log=key_log)
    _, files = sealed(data, tmp_path / "sealed", facts)
    assert 10 not in {kind for kind, _ in blocks_in(gzip.decompress(files["pcap"].read_bytes()))}


def test_sealing_pcapng_twice_gives_the_same_bytes(data: DataFolder, tmp_path: Path) -> None:
    shop(data)
    facts = Facts("1.0", lambda _: Profile(format="pcapng"), lambda: NAMES)
    opened, state = frozen(data, facts=facts)
    contents = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        files = build(opened, tmp_path / name, state, ORIGIN, Crc32c)
        contents.append([(tmp_path / name / file.file).read_bytes() for file in files])
    assert contents[0] == contents[1]


def test_members_are_about_a_quarter_of_a_mebibyte_and_the_header_has_one_of_its_own(
    data: DataFolder, tmp_path: Path
) -> None:
    data.capture([(1, START_NS + n, 1000) for n in range(1000)])
    recorded, files = sealed(data, tmp_path / "sealed")
    members = recorded.manifests[0]["files"]["pcap"]["members"]
    sizes = [member["packets"] * 1016 for member in members]
    assert all(abs(size - MEMBER_BYTES) < 1100 for size in sizes[:-1])
    content = files["pcap"].read_bytes()
    assert len(gzip.decompress(content[: members[0]["offset"]])) == 24
    assert content[4:8] == bytes(4), "no time in the header"


def test_items_are_lines_of_json_and_one_that_is_damaged_is_counted(data: DataFolder, tmp_path: Path) -> None:
    data.capture([(1, START_NS, 60)])
    for n in range(3):
        data.item(1, START_NS + n, damaged=b"\xc1\xc1" if n == 1 else b"")
    recorded, _ = sealed(data, tmp_path / "sealed")
    assert [item["id"] for item in recorded.items] == ["000000000001.pcap-0", "000000000001.pcap-2"]
    assert recorded.items[0]["request"] == {"n": 0}
    assert recorded.manifests[0]["lost"] == {"ring_full": 0, "storage_full": 0, "items_damaged": 1}


def test_a_batch_of_items_alone_is_a_batch(data: DataFolder, tmp_path: Path) -> None:
    data.item(5, START_NS)
    recorded, files = sealed(data, tmp_path / "sealed")
    assert (recorded.packets, len(recorded.items)) == ([], 1)
    assert len(gzip.decompress(files["pcap"].read_bytes())) == 24


def test_the_manifest_says_what_it_is(data: DataFolder, tmp_path: Path) -> None:
    data.capture([(1, START_NS, 60)])
    recorded, _files = sealed(data, tmp_path / "sealed")
    (manifest,) = recorded.manifests
    assert list(manifest) == [
        "format", "batch", "recording", "kfl", "dialect", "cluster", "node", "versions", "opened_ns", "first_packet_ns",
        "last_packet_ns", "packets", "packet_bytes", "streams", "items", "protocols", "link_type", "link_types", "gaps",
        "lost", "names", "files",
    ]  # fmt: skip
    assert (manifest["format"], manifest["batch"], manifest["opened_ns"]) == (1, f"{RUN}-00000001", NOW_NS)
    assert manifest["versions"] == {"remora": "1.0"}
    assert list(manifest["files"]) == ["pcap", "streams", "items"]


HALF_PAST = NOW_NS
HOUR_NS = 3600 * NS
STATES = {
    "young": ({}, HALF_PAST + 59 * NS, ""),
    "old": ({}, HALF_PAST + 60 * NS, "age"),
    "the clock was set back": ({}, HALF_PAST - 600 * NS, ""),
    "the clock was set back an hour": ({}, HALF_PAST - HOUR_NS, "hour"),
    "large": ({"packet_bytes": 1000}, HALF_PAST, "size"),
    "packets and items together large": ({"packet_bytes": 600, "item_bytes": 400}, HALF_PAST, "size"),
    "not large": ({"packet_bytes": 600, "item_bytes": 399}, HALF_PAST, ""),
    "many packets": ({"packets": 50}, HALF_PAST, "count"),
    "not many packets": ({"packets": 49}, HALF_PAST, ""),
    "asked for": ({"asked": True}, HALF_PAST, "asked"),
    "last nanosecond of the hour": ({}, HALF_PAST + HOUR_NS // 2 - 1, "age"),
    "next hour": ({"asked": True, "packet_bytes": 5000}, HALF_PAST + HOUR_NS // 2, "hour"),
}


@pytest.mark.parametrize(("fields", "now_ns", "reason"), STATES.values(), ids=STATES.keys())
def test_a_batch_is_due(fields: dict[str, int], now_ns: int, reason: str) -> None:
    state = BatchState(f"{RUN}-00000001", "r", HALF_PAST, **fields)  # type: ignore[arg-type]
    assert due(state, RecordingOptions(batch_bytes=1000, batch_interval_s=60, batch_packets=50), now_ns) == reason
