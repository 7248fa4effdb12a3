"""``utils``: where we are, and YAML. Made here and not by the broker: it is slow, and costs the script's own budget."""

from __future__ import annotations

import msgspec
import yaml

from engine.scripting.calls import HelperError
from engine.scripting.facades.facade import Facade, fill


class Utils(Facade):
    """Facts and conversions."""

    __slots__ = ("_node",)

    _node: str

    def __init__(self, node: str) -> None:
        fill(self, _node=node)

    def nodeName(self) -> str:
        """The name of this machine."""
        return self._node

    def json2Yaml(self, text: str) -> str:
        """The document that ``text`` says in JSON, as YAML, keys in their order.

        Raises:
            HelperError: it is no JSON.
        """
        if type(text) is not str:
            raise HelperError(f"utils.json2Yaml: expected text, got {type(text).__name__}")
        try:
            return str(yaml.safe_dump(msgspec.json.decode(text), sort_keys=False, allow_unicode=True))
        except (msgspec.DecodeError, UnicodeEncodeError) as error:
            raise HelperError(f"utils.json2Yaml: expected JSON: {str(error)[:200]}") from None
        except RecursionError:
            raise HelperError("utils.json2Yaml: expected JSON that is not nested this deep") from None
