"""Filters on items of golden traces: which of them match."""

from __future__ import annotations

from typing import Literal

import pytest

from engine import kfl
from tests.support.traces import expected


def matching(trace: str, text: str, dialect: Literal["kfl", "kfl2"]) -> list[int]:
    predicate = kfl.compile(text, dialect)
    return [item["index"] for item in expected(trace) if predicate.matches(item)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ws", [1, 2, 3, 4, 5, 6, 7]),
        ("ws_request", [2, 4, 6]),
        ("ws_response", [1, 3, 5, 7]),
        ("ws_opcode == 8", [6, 7]),
        ("ws_request_payload_data == 'two fragments'", [4]),
        ("ws_request_payload_length > 12", [4]),
        ("ws_response_payload_length == 200", [5]),
        ("ws_request_payload_data == '' && ws", [1, 3, 5, 7]),
        ("http", [0]),
    ],
)
def test_variables_of_websocket(text: str, found: list[int]) -> None:
    assert matching("websocket_chat", text, "kfl2") == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ws and request.closeCode == 1001", [6, 7]),
        ('request.sender == "server" and request.type == "text"', [1]),
        ('request.text.contains("frag")', [4]),
        ("request.masked == true and request.fragments > 1", [4]),
    ],
)
def test_fields_of_websocket(text: str, found: list[int]) -> None:
    assert matching("websocket_chat", text, "kfl") == found


@pytest.mark.parametrize(
    ("text", "dialect", "found"),
    [
        ("redis", "kfl", [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ('request.command == "GET"', "kfl", [1, 8]),
        ('request.key == "fish" and response.keyword == "QUEUED"', "kfl", [4]),
        ('response.type == "Array"', "kfl", [2, 5, 6]),
        ("response.elements[2] == 7", "kfl", [2]),
        ('request.args[2] == "EX"', "kfl", [0]),
        ("redis_command == 'SET'", "kfl2", [0, 7]),
        ("redis_key == 'raw' && redis_type == 'Array'", "kfl2", [7, 8]),
        ("redis_response_size == 50", "kfl2", [5]),
    ],
)
def test_fields_and_variables_of_redis(text: str, dialect: Literal["kfl", "kfl2"], found: list[int]) -> None:
    assert matching("redis_pipeline", text, dialect) == found
