"""The ``utils`` helper."""

from __future__ import annotations

import msgspec
import yaml

from engine.helpers.calls import CallRefused, helper


class Utils:
    """Facts and conversions."""

    def __init__(self, node: str) -> None:
        self._node = node

    @helper("utils.nodeName")
    def node_name(self) -> str:
        """The node that this runs on."""
        return self._node

    @helper("utils.json2Yaml", slow=True)
    def json_to_yaml(self, text: str) -> str:
        """The same value as YAML, keys in their order."""
        try:
            value = msgspec.json.decode(text)
            return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True))
        except msgspec.DecodeError as error:
            raise CallRefused("utils.json2Yaml", f"expected JSON: {str(error)[:200]}") from None
        except RecursionError:
            raise CallRefused("utils.json2Yaml", "expected JSON that is not nested this deep") from None
