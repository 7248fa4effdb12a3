"""What the capture filters make of an address, and of two."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import ConfigError
from engine.kfl.patterns import compile_pattern
from engine.resolve.options import ResolveOptions, TargetOptions
from engine.resolve.resolver import Name
from engine.resolve.static import StaticNames
from engine.resolve.targets import EXCLUDED, OTHER, TARGET, UNKNOWN, Targets, check_targets, overruled

NAMES = StaticNames(
    {
        "10.0.0.1": Name("web.shop", "shop", pod="catalogue-868cc5ffd6-p9njn"),
        "10.0.0.2": Name("db.shop", "shop", pod="catalogue-db-669d5dbf48-8hnrl"),
        "10.0.0.3": Name("front.sock", "sock", pod="front-end-6db57bf84f-7kss9"),
        "10.0.0.4": Name("dns", "kube-system", pod="coredns-1"),
        "10.0.0.5": Name("front-office"),
        "10.0.0.5:5432": Name("postgres", "data"),
    }
)
STRANGER = "192.0.2.1"


def targets(**options: Any) -> Targets:
    chosen = TargetOptions(**options)
    return Targets(chosen, NAMES, compile_pattern(chosen.regex))


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        pytest.param({"regex": "(catalo*|front-end*)"}, {1, 2, 3}, id="Kubeshark's example"),
        pytest.param({"regex": "^front"}, {3, 5}, id="a name where there is no pod"),
        pytest.param({"regex": "shop"}, set(), id="the pod's name alone counts"),
        pytest.param({"namespaces": ["shop"]}, {1, 2}, id="one namespace"),
        pytest.param({"namespaces": ["shop", "sock"], "regex": "db|end"}, {2, 3}, id="both must be so"),
        pytest.param({"excluded_namespaces": ["shop", "sock"]}, {4, 5}, id="all but some"),
        pytest.param({"namespaces": ["shop"], "excluded_namespaces": ["shop"]}, set(), id="exclusion wins"),
    ],
)
def test_a_target_is_a_named_end_that_every_filter_accepts(options: dict[str, Any], chosen: set[int]) -> None:
    found = targets(**options)
    assert {number for number in range(1, 6) if found.end(f"10.0.0.{number}", 80, 0) == TARGET} == chosen
    assert found.end(STRANGER, 80, 0) == UNKNOWN


def test_a_port_may_have_a_name_of_its_own() -> None:
    found = targets(namespaces=["data"])
    assert (found.end("10.0.0.5", 5432, 0), found.end("10.0.0.5", 80, 0)) == (TARGET, OTHER)


@pytest.mark.parametrize(
    ("ends", "asked_for", "only_excluded"),
    [
        (TARGET | UNKNOWN, True, True),
        (TARGET | OTHER, True, True),
        (TARGET | EXCLUDED, True, True),
        (TARGET, True, True),
        (UNKNOWN, False, True),
        (OTHER | UNKNOWN, False, True),
        (EXCLUDED | UNKNOWN, False, False),
        (EXCLUDED, False, False),
    ],
)
def test_one_end_is_enough_and_strangers_pass_where_nobody_was_asked_for(
    ends: int, asked_for: bool, only_excluded: bool
) -> None:
    assert targets(namespaces=["shop"], excluded_namespaces=["sock"]).keeps(ends) is asked_for
    assert targets(excluded_namespaces=["sock"]).keeps(ends) is only_excluded


def test_filters_without_names_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"tap\.regex: expected names of addresses to go by, got 'none'; set resolve"):
        check_targets(TargetOptions(regex="web"), ResolveOptions())
    check_targets(TargetOptions(regex="web"), ResolveOptions(names="names.yaml"))
    check_targets(TargetOptions(), ResolveOptions())


def test_a_packet_filter_takes_their_place_on_interfaces() -> None:
    options = TargetOptions(regex="web", excluded_namespaces=["a"])
    assert overruled(options, ["iface:eth0"], "tcp") == ("tap.regex", "tap.excludedNamespaces")
    assert overruled(options, ["iface:eth0"], "") == overruled(options, ["a.pcap"], "tcp") == ()
