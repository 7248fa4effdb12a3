"""Items and streams of a data folder, asked for afterwards."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine import kfl
from engine.config import Settings
from engine.errors import CaptureError
from engine.query import Query
from engine.segments.files import numbered
from engine.segments.member import Member
from engine.segments.reader import SegmentReader
from tests.support.packets import Packet, in_time_order, write_pcap
from tests.support.stored import store
from tests.support.traces import ON_REQUEST, TRACES
from tests.support.traces_http import answer, get, talk

S = 1_000_000_000


def items(source: str, last_s: float | None = None, text: str = "") -> list[dict[str, Any]]:
    warnings: list[str] = []
    query = Query([source], Settings(), warnings.append, last_s)
    found = [dict(item) for item in query.items(kfl.compile(text) if text else None)]
    assert not warnings
    return found


def later(packets: list[Packet], seconds: float) -> list[Packet]:
    return [packet._replace(timestamp_ns=packet.timestamp_ns + int(seconds * S)) for packet in packets]


def in_batches(packets: list[Packet], size: int) -> list[list[Packet]]:
    return [packets[at : at + size] for at in range(0, len(packets), size)]


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("trace", sorted(TRACES.keys() - ON_REQUEST.keys()))
def test_a_data_folder_gives_the_items_of_its_capture(trace: str, size: int, tmp_path: Path) -> None:
    packets = TRACES[trace]()
    store(tmp_path / "data", [in_batches(packets, size)])
    plain = items(str(write_pcap(tmp_path / "plain.pcap", packets)))
    assert items(f"data:{tmp_path / 'data'}") == plain != []


def test_streams_keep_the_numbers_that_show_knows(tmp_path: Path) -> None:
    first, second = TRACES["http_keep_alive"](), later(TRACES["dns_exchanges"](), 60)
    store(tmp_path, [[first], [second]])
    reader = SegmentReader(tmp_path)
    names = {item["stream"] for item in items(f"data:{tmp_path}")}
    assert names == {record.name for record in reader.streams()}
    assert len(names) == 2
    assert max(names) > "000000004096", "the second run took another block of numbers"
    rows = list(Query([f"data:{tmp_path}"], Settings(), pytest.fail).streams())
    assert {str(row["stream"]): row["packets"] for row in rows} == {
        record.name: reader.stored(record.stream).packets for record in reader.streams()
    }


def test_a_connection_that_a_crash_cut_in_two_stays_two_streams(tmp_path: Path) -> None:
    whole = talk()
    whole.client_says(get("/one")).server_says(answer("200 OK", b"1"))
    cut = len(whole.packets)
    whole.client_says(get("/two")).server_says(answer("200 OK", b"2")).finish()
    streams = store(tmp_path, [[whole.packets[:cut]], [whole.packets[cut:]]])
    found = [(item["stream"], item["index"], item["request"]["path"]) for item in items(f"data:{tmp_path}")]
    assert found == [(streams[0].name, 0, "/one"), (streams[1].name, 0, "/two")]
    assert streams[0].id != streams[1].id


def test_several_workers_are_read_by_time_each_by_its_own_clock(tmp_path: Path) -> None:
    slow, busy = talk(), talk()
    slow.client_says(get("/slow")).wait(S).server_says(answer("200 OK", b"1"))
    busy.wait(100 * S).client_says(get("/busy")).server_says(answer("200 OK", b"2")).finish()
    for index, conversation in enumerate((slow, busy)):
        store(tmp_path, [[conversation.packets[:4], conversation.packets[4:]]], member=Member(index, 2))
    found = items(f"data:{tmp_path}")
    assert [(item["request"]["path"], item["error"]) for item in found] == [("/slow", None), ("/busy", None)]
    assert [item["request"]["path"] for item in items(f"data:{tmp_path}", 20.0)] == ["/busy"]


def test_the_last_seconds_are_those_before_the_newest_packet(tmp_path: Path) -> None:
    old, new = TRACES["dns_exchanges"](), later(TRACES["http_keep_alive"](), 60)
    long = talk()
    for number in range(4):
        long.client_says(get(f"/{number}")).server_says(answer("200 OK", b"")).wait(20 * S)
    packets = in_time_order(old, new, long.packets)
    store(tmp_path, [in_batches(packets, 5)])
    everything, recent = items(f"data:{tmp_path}"), items(f"data:{tmp_path}", 30.0)
    since_ms = (packets[-1].timestamp_ns - 30 * S) // 1_000_000
    assert recent == [item for item in everything if item["timestamp"] >= since_ms]
    assert 0 < len(recent) < len(everything)
    assert items(f"data:{tmp_path}", 30.0, "dns") == []


def test_a_hole_where_a_segment_went_is_a_gap_and_told(tmp_path: Path) -> None:
    whole = talk()
    whole.client_says(get("/one")).server_says(answer("200 OK", b"x" * 4000))
    whole.client_says(get("/two")).server_says(answer("200 OK", b"y")).finish()
    store(tmp_path, [[whole.packets[:5], whole.packets[5:7], whole.packets[7:]]])
    warnings: list[str] = []
    query = Query([f"data:{tmp_path}"], Settings(), warnings.append)
    for ending in ("pcap", "idx", "streams"):
        numbered(tmp_path / "segments", 2, ending).unlink()
    found = [dict(item) for item in query.items(None)]
    assert warnings == ["1 segment expired before it was read; streams in it have gaps"]
    assert [item["request"]["path"] for item in found] == ["/one", "/two"]
    assert found[0]["error"] is not None
    assert found[1]["error"] is None


@pytest.mark.parametrize("sources", [["data:{}", "{}"], ["{}", "data:{}"]])
def test_a_data_folder_stands_alone(sources: list[str], tmp_path: Path) -> None:
    store(tmp_path, [])
    with pytest.raises(CaptureError, match="a data folder alone"):
        Query([source.format(tmp_path) for source in sources], Settings(), print)


def test_what_is_no_data_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="expected a data folder of Remora, got none"):
        Query([f"data:{tmp_path}"], Settings(), print)


FILTERS = ("http", "dns", "http or dns", "redis", "http && status_code >= 200", "!http", "udp or http")


@pytest.mark.parametrize("trace", sorted(TRACES.keys() - ON_REQUEST.keys()))
def test_a_filter_gives_what_it_matches_of_everything(trace: str, tmp_path: Path) -> None:
    capture = str(write_pcap(tmp_path / "plain.pcap", TRACES[trace]()))
    everything = items(capture)
    for text in FILTERS:
        assert items(capture, text=text) == list(filter(kfl.compile(text).matches, everything)), text


@pytest.mark.parametrize(
    ("text", "dissected"), [("http", {"http"}), ("dns", {"dns"}), ("redis", set()), ("tcp", {"http", "dns"})]
)
def test_streams_that_a_filter_cannot_match_are_not_dissected(text: str, dissected: set[str], tmp_path: Path) -> None:
    packets = in_time_order([*TRACES["http_keep_alive"](), *TRACES["dns_exchanges"]()])
    query = Query([str(write_pcap(tmp_path / "both.pcap", packets))], Settings(), pytest.fail)
    list(query.items(kfl.compile(text)))
    counted = dict(query.counters.snapshot())
    for name in ("http", "dns"):
        found = counted.get(f"dissect_streams_total{{protocol={name}}}", 0)
        unwanted = counted.get(f"dissect_streams_unwanted_total{{protocol={name}}}", 0)
        assert (found > 0, unwanted > 0) == (name in dissected, name not in dissected)


def test_a_query_without_a_filter_loads_neither_its_language_nor_what_few_captures_need() -> None:
    late = ["lark", "google", "cryptography", "graphql", "tarfile", "tempfile", "requests", "sqlite3"]
    program = (
        "import sys; from engine.cli.app import main; sys.argv = ['remora', 'query', sys.argv[1]]; "
        f"sys.stdout = open('/dev/null', 'w'); "
        "import atexit; atexit.register(lambda: sys.stderr.write(' '.join(n for n in "
        f"{late!r} if n in sys.modules))); main()"
    )
    trace = Path(__file__).parents[1] / "traces/dns_exchanges.pcap"
    found = subprocess.run([sys.executable, "-c", program, trace], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
