from __future__ import annotations

import re

import pluggy
import pytest

from hooks import specs


@pytest.mark.parametrize("name", specs.hook_names())
def test_every_hook_says_when_where_and_at_what_cost(name: str) -> None:
    document = specs.specifications()[name].__doc__ or ""
    parts = re.findall(r"^ *(When|Where|Budget): +\S", document, re.MULTILINE)
    assert parts == ["When", "Where", "Budget"]
    assert document.startswith("Called ")


@pytest.mark.parametrize("name", specs.hook_names())
def test_a_hook_that_nothing_fires_says_so(name: str) -> None:
    document = specs.specifications()[name].__doc__ or ""
    assert ("Nothing fires it yet" in document) == (name not in specs.FIRED)


def test_the_hooks_are_those_of_kubeshark_and_ours() -> None:
    kubeshark = "onPacketCaptured onItemCaptured onItemQueried onJobPassed onJobFailed onLogCall onHubAction onPodEvent"
    assert set(specs.hook_names()) == {*kubeshark.split(), "onStreamClosed", "onShutdown"}
    assert set(specs.hook_names()) >= specs.FIRED


def test_trusted_packages_can_register_the_same_hooks() -> None:
    manager = pluggy.PluginManager(specs.PROJECT)
    manager.add_hookspecs(specs)
    seen = []

    class Package:
        @specs.hookimpl
        def onItemCaptured(self, data: object) -> None:
            seen.append(data)

    manager.register(Package())
    manager.check_pending()
    manager.hook.onItemCaptured(data=1)
    assert seen == [1]


def test_parameters_are_told_in_order() -> None:
    assert specs.parameters_of("onJobFailed") == ("tag", "cron", "limit", "err")
    assert specs.parameters_of("onShutdown") == ()
