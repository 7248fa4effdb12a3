from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from engine.segments.records import (
    END,
    EXTENT,
    ITEM,
    STREAM_RECORD,
    StreamRecord,
    link_type_of,
    pcap_header,
    read_records,
    unpack_stream_records,
)
from tests.support.segments import records_of

RECORD = StreamRecord(144, -5, 11, 2310, 1570, bytes(range(16)), bytes(range(16, 32)), 51234, 80, 6, END, 2)


@pytest.mark.parametrize(("dtype", "size"), [(EXTENT, 32), (STREAM_RECORD, 80), (ITEM, 40)])
def test_records_have_the_size_of_the_page(dtype: np.dtype[np.void], size: int) -> None:
    assert dtype.itemsize == size


def test_a_stream_record_lies_as_drawn() -> None:
    data = records_of([RECORD]).tobytes()
    assert struct.unpack_from("<QqQQQ", data) == RECORD[:5]
    assert data[40:56] == RECORD.client_ip
    assert data[56:72] == RECORD.server_ip
    assert struct.unpack_from("<HHBBBB", data, 72) == (51234, 80, 6, END, 2, 0)


def test_a_stream_record_is_read_back_by_struct_and_by_numpy() -> None:
    data = records_of([RECORD]).tobytes()
    assert unpack_stream_records(data) == [RECORD]
    row = np.frombuffer(data, STREAM_RECORD)[0]
    assert (int(row["stream"]), int(row["client_port"]), row["server_ip"].tobytes()) == (144, 51234, RECORD.server_ip)


@pytest.mark.parametrize("torn", range(0, 80, 13))
def test_an_incomplete_last_record_is_ignored(tmp_path: Path, torn: int) -> None:
    path = tmp_path / "1.streams"
    path.write_bytes(records_of([RECORD]).tobytes() * 3 + bytes(torn))
    assert len(read_records(path, STREAM_RECORD)) == 3
    assert len(read_records(path, STREAM_RECORD, 80)) == 2
    assert len(read_records(path, STREAM_RECORD, 80, 100)) == 1
    assert len(read_records(path, STREAM_RECORD, 800)) == 0


def test_the_header_says_the_link_type() -> None:
    assert link_type_of(pcap_header(101)) == 101
    assert link_type_of(pcap_header(101)[:23]) is None
    assert link_type_of(bytes(24)) is None
