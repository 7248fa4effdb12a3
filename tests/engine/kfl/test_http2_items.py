"""Filters over what HTTP/2, gRPC and GraphQL really gave."""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any

import pytest

from engine import kfl
from engine.kfl.filters import Dialect
from tests.support.traces import expected

TRACES = (
    "http2_interleaved",
    "http2_upgraded",
    "grpc_calls",
    "recorded_grpc_calls",
    "recorded_grpc_given_up",
    "recorded_graphql_http1",
    "recorded_graphql_http2",
)


@cache
def items() -> list[dict[str, Any]]:
    return list(itertools.chain.from_iterable(expected(name) for name in TRACES))


@pytest.mark.parametrize(
    ("dialect", "text", "found"),
    [
        ("kfl", "http2", 6),
        ("kfl", "grpc", 12),
        ("kfl", "gql", 8),
        ("kfl", "gqlv1", 6),
        ("kfl", "gqlv2", 2),
        ("kfl", "http", 2),
        ("kfl", 'grpc and response.headers["Grpc-Status"] == "5"', 2),
        ("kfl", 'request.headers[":authority"] == "shop.test"', 6),
        ("kfl", 'request.grpc.service == "shop.Cart" and request.grpc.messageCount > 2', 2),
        ("kfl", 'response.grpc.statusName == "DATA_LOSS"', 1),
        ("kfl", 'request.graphql[0].name == "One"', 2),
        ("kfl", "request.pushed", 1),
        ("kfl", 'grpc and error.msg.contains("CANCEL")', 2),
        ("kfl2", "grpc && grpc_status == 5", 2),
        ("kfl2", 'grpc_method == "Watch"', 2),
        ("kfl2", 'grpc_method != ""', 12),
        ("kfl2", "gql && !gqlv2", 6),
        ("kfl2", 'http && http_version.startsWith("HTTP/2")', 5),  # the upgraded request was HTTP/1.1
        ("kfl2", 'request.headers["grpc-encoding"] == "gzip"', 1),
    ],
)
def test_filters_find_what_was_said(dialect: Dialect, text: str, found: int) -> None:
    matches = kfl.compile(text, dialect).matches
    assert sum(map(matches, items())) == found
