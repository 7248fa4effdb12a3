"""`scripting.sandbox` before anything is started."""

from __future__ import annotations

import os

import pytest

from engine.errors import ConfigError
from engine.scripting.sandbox import checked_mode, require


@pytest.mark.parametrize("mode", ["standard", "strict", "off"])
def test_the_modes_are_known(mode: str) -> None:
    assert checked_mode(mode) == mode


def test_another_mode_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match="one of standard, strict, off, got 'strickt'; did you mean 'strict'"):
        require("strickt", -1)


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="for others there is nobody to become")
def test_strict_is_an_error_where_a_layer_is_missing() -> None:
    with pytest.raises(
        ConfigError, match="expected what this machine gives, got 'strict'; the layer 'user' cannot be had"
    ):
        require("strict", -1)
