from __future__ import annotations

import pytest

from engine.recording.names import ENDINGS, batch_id, component, hour_of, object_name, sequence_of

RUN = "20261120T103000Z-a1b2c3d4"
OPENED_NS = 1_795_170_600_000_000_000  # 2026-11-20 10:30:00 UTC


def test_the_layout_is_the_documented_one() -> None:
    names = [object_name(kind, "gcs-recorder", "local", "n1", OPENED_NS, batch_id(RUN, 1)) for kind in ENDINGS]
    middle = f"cluster=local/dt=2026-11-20/hour=10/node=n1/{RUN}-00000001"
    assert names == [
        f"recording=gcs-recorder/pcap/{middle}.pcap.gz",
        f"recording=gcs-recorder/streams/{middle}.streams.jsonl.gz",
        f"recording=gcs-recorder/items/{middle}.items.jsonl.gz",
        f"recording=gcs-recorder/manifest/{middle}.manifest.json",
    ]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("my_recording_no_15", "my_recording_no_15"),
        ("http or dns", "http%20or%20dns"),
        ("a/b", "a%2Fb"),
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("", "%00"),
        ("ü", "%C3%BC"),
        ("line\n", "line%0A"),
    ],
)
def test_a_recording_name_becomes_one_part_of_a_path(text: str, part: str) -> None:
    assert component(text) == part


@pytest.mark.parametrize("letter", ["x", "ü", "/", "\ud800"], ids=ascii)
def test_long_names_are_cut_and_stay_different(letter: str) -> None:
    one, two = component(letter * 300 + "1"), component(letter * 300 + "2")
    assert one != two
    assert len(one) <= 200
    assert "%" not in one[-18:]


def test_the_sequence_of_a_batch_is_read_back_and_another_run_has_none() -> None:
    assert sequence_of(batch_id(RUN, 123_456_789), RUN) == 123_456_789
    assert sequence_of(batch_id("20261120T103000Z-ffffffff", 5), RUN) == 0
    assert sequence_of("put-0123456789abcdef", RUN) == 0


def test_an_hour_ends_at_its_last_nanosecond() -> None:
    end = (OPENED_NS // 3_600_000_000_000 + 1) * 3_600_000_000_000
    assert hour_of(OPENED_NS) == hour_of(end - 1) == hour_of(end) - 1
