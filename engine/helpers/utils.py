"""The ``utils`` helper."""

from __future__ import annotations

from engine.helpers.calls import helper


class Utils:
    """Facts."""

    def __init__(self, node: str) -> None:
        self._node = node

    @helper("utils.nodeName")
    def node_name(self) -> str:
        """The node that this runs on."""
        return self._node
