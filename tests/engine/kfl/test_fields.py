"""The schema of items has one source, ``engine.kfl.fields``; dissectors, items and the scripts' stub agree with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.items.item import _KEYS
from engine.kfl import fields
from engine.kfl.samples import SAMPLES
from hooks.items import _KNOWN

TRACES = sorted((Path(__file__).parents[2] / "traces").glob("*.items.json"))


def paths_of(item: dict[str, Any]) -> Iterator[str]:
    for key, value in item.items():
        yield key
        if key in ("request", "response", "src", "dst", "node", "protocol", "error") and isinstance(value, dict):
            yield from (f"{key}.{name}" for name in value)


def test_every_key_of_an_item_is_a_field() -> None:
    assert set(_KEYS) <= set(fields.KINDS)
    assert set(_KNOWN) <= set(fields.KINDS)


@pytest.mark.parametrize("trace", TRACES, ids=lambda path: path.name)
def test_what_dissectors_make_is_in_the_schema_of_their_protocol(trace: Path) -> None:
    for item in json.loads(trace.read_text()):
        for path in paths_of(item):
            assert path in fields.KINDS, path
            owners = fields.OWNERS[path]
            assert not owners or item["protocol"]["name"] in owners, (item["protocol"]["name"], path)


KINDS = {"text": str, "number": int | float, "flag": bool, "list": list, "object": dict, "record": dict}


@pytest.mark.parametrize("trace", TRACES, ids=lambda path: path.name)
def test_values_are_of_their_kind(trace: Path) -> None:
    for item in json.loads(trace.read_text()):
        for path in paths_of(item):
            first, _, second = path.partition(".")
            value = item[first][second] if second else item[first]
            assert value is None or isinstance(value, KINDS[fields.KINDS[path]]), (path, value)


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_are_items(name: str) -> None:
    assert set(_KEYS) == set(SAMPLES[name])
    assert set(paths_of(SAMPLES[name])) <= set(fields.KINDS)
