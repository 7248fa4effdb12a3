"""``utils``: where we are, and YAML."""

from __future__ import annotations

from typing import Any

from engine.scripting.calls import Calls
from engine.scripting.facades.facade import Facade, fill


class Utils(Facade):
    """The node's name is known here; YAML is the broker's work."""

    __slots__ = ("_calls", "_node")

    _calls: Calls
    _node: str

    def __init__(self, calls: Calls, node: str) -> None:
        fill(self, _calls=calls, _node=node)

    def nodeName(self) -> str:
        """The name of this machine."""
        return self._node

    def json2Yaml(self, text: str) -> Any:
        """The document that ``text`` says in JSON, as YAML."""
        return self._calls.call("utils.json2Yaml", text)
