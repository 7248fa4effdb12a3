"""Which layers a mode wants, which it insists on, and what happens where one is not to be had."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import Any

import pytest

from engine.config import all_keys
from engine.jail import confine as confining
from engine.jail.confine import JailBroken, confine
from engine.jail.layers import LAYERS, MODES, Jail, Layer, insisted, wanted

JAIL = Jail(1 << 30, -1, os.getpid(), "standard")


def harmless(needed: Any, put_on: Callable[[Jail], None] = lambda _: None, name: str = "one") -> Layer:
    return dataclasses.replace(LAYERS[0], name=name, put_on=put_on, needed=needed)


def refuse(_: Jail) -> None:
    raise PermissionError(1, "not here")


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def use(*layers: Layer) -> None:
        monkeypatch.setattr(confining, "LAYERS", layers)
        monkeypatch.setattr(confining, "wanted", lambda _: [layer.name for layer in layers])

    return use


def test_the_filter_is_last_and_privileges_go_before_what_a_change_of_user_undoes() -> None:
    names = [layer.name for layer in LAYERS]
    assert names[-1] == "seccomp"
    assert names.index("net") < names.index("user") < names.index("capabilities") < names.index("parent_death")
    assert names.index("no_new_privs") < names.index("landlock")


def test_strict_insists_on_everything_and_off_on_what_costs_nothing() -> None:
    assert all(insisted("strict", layer) for layer in LAYERS)
    assert wanted("off") == [layer.name for layer in LAYERS if insisted("off", layer)]
    assert {"limits", "seccomp", "no_new_privs"} <= {layer.name for layer in LAYERS if insisted("standard", layer)}
    assert set(MODES) == {"standard", "strict", "off"}
    assert next(key.choices for _, _, key, _ in all_keys() if key.name == "scripting.sandbox") == MODES


@pytest.mark.parametrize(
    ("needed", "mode", "broken"),
    [
        ("always", "off", True),
        ("standard", "standard", True),
        ("strict", "standard", False),
        ("strict", "strict", True),
    ],
)
def test_what_is_insisted_on_and_missing_breaks_the_jail(
    only: Callable[..., None], needed: str, mode: str, broken: bool
) -> None:
    only(harmless(needed, refuse), harmless("always", name="two"))
    jail = dataclasses.replace(JAIL, mode=mode)
    if broken:
        with pytest.raises(JailBroken, match=r"the layer 'one' cannot be had here \(not here\); 'remora doctor'"):
            confine(jail)
    else:
        assert confine(jail) == confining.Confined(["descriptors", "two"], {"one": "not here"})


def test_namespaces_are_tried_again_in_one_of_the_user(
    only: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(confining, "leave_namespaces_as_user", asked.append)
    only(harmless("strict", refuse, "net"), harmless("strict", name="ipc"), harmless("standard", name="capabilities"))
    assert confine(JAIL) == confining.Confined(["descriptors", "ipc", "net", "capabilities"], {})
    assert asked == [["net"]]


def test_why_both_ways_to_a_namespace_failed_is_said(
    only: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confining, "leave_namespaces_as_user", refuse)
    only(harmless("strict", refuse, "net"), harmless("standard", name="capabilities"))
    assert confine(JAIL).missing == {"net": "not here; in a user namespace: not here"}
