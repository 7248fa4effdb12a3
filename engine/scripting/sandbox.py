"""``scripting.sandbox``: whether this machine gives what the operator asked for."""

from __future__ import annotations

from difflib import get_close_matches

from engine.errors import ConfigError
from engine.jail import probe
from engine.jail.layers import MODES


def checked_mode(mode: str) -> str:
    """The mode itself.

    Raises:
        ConfigError: it is none.
    """
    if mode not in MODES:
        near = get_close_matches(mode, MODES, 1)
        raise ConfigError("scripting.sandbox", f"one of {', '.join(MODES)}", mode, _did_you_mean(near))
    return mode


def require(mode: str, user: int) -> None:
    """Before anything is started: ``strict`` asks the machine itself, the other modes cost nothing.

    Raises:
        ConfigError: no such mode, or a layer is not to be had.
    """
    if checked_mode(mode) == "strict":
        broken = probe.ask(mode, user).broken
        if broken:
            raise ConfigError("scripting.sandbox", "what this machine gives", mode, broken)


def _did_you_mean(near: list[str]) -> str:
    return f"did you mean {near[0]!r}?" if near else ""
