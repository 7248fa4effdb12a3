"""Real captures with independent ground truth: what we say is what others say, or it is explained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fidelity.compare import compare, explained
from tests.fidelity.corpus import CORPUS, IS_SET, UNSET, captures
from tests.fidelity.ours import items_of, reassembled
from tests.fidelity.report import MOST_THAT_DIFFER, PAGE, difference_of, page, result
from tests.fidelity.second_view import load

needs_corpus = pytest.mark.skipif(not IS_SET, reason=UNSET)


@needs_corpus
@pytest.mark.parametrize("capture", captures())
def test_what_we_say_of_a_capture_is_what_others_say_or_explained(capture: str) -> None:
    known = {difference_of(row) for row in explained() if row["capture"] == capture}
    assert set(compare(capture).differences) == known


@needs_corpus
@pytest.mark.parametrize("capture", captures())
def test_every_capture_gives_items_or_a_reason(capture: str) -> None:
    for item in items_of(CORPUS / capture):
        json.dumps(item)
        assert item["request"] is not None or item["response"] is not None
        assert item["error"] is None or item["error"]["type"] in (
            "dissection",
            "connection",
            "timeout",
            "pair-not-found",
        )


@needs_corpus
def test_few_captures_differ_and_the_page_tells_of_all() -> None:
    found = result()
    assert found.share <= MOST_THAT_DIFFER
    assert PAGE.read_text(encoding="utf-8") == page(found), "make fidelity writes it anew"


@needs_corpus
def test_the_second_view_is_of_the_captures_that_are_there() -> None:
    assert sorted(load()) == captures()


@needs_corpus
def test_reassembled_bytes_are_those_of_another_library() -> None:
    capture = "tcp/pcpp-one_http_stream_fin.pcap"
    known = CORPUS / "expected" / f"{capture}.one_http_stream_fin_output.txt"
    assert reassembled(CORPUS / capture) == known.read_bytes()


def test_every_explanation_is_whole_and_on_the_page() -> None:
    text = Path(PAGE).read_text(encoding="utf-8")
    for row in explained():
        assert row["frame"] > 0
        assert row["ours"] != row["theirs"]
        assert len(row["reason"]) > 20
        assert row["witness"] in text
        assert row["reason"] in text
