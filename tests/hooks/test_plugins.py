from __future__ import annotations

import pluggy
import pytest

from hooks import plugins


def test_the_specification_is_known_to_pluggy() -> None:
    manager = pluggy.PluginManager(plugins.PROJECT)
    manager.add_hookspecs(plugins)
    assert manager.hook.remora_dissectors.spec is not None


def test_an_implementation_with_arguments_is_refused() -> None:
    class Wrong:
        @plugins.hookimpl
        def remora_dissectors(self, options: object) -> list[object]:
            return []

    manager = pluggy.PluginManager(plugins.PROJECT)
    manager.add_hookspecs(plugins)
    with pytest.raises(pluggy.PluginValidationError, match="options"):
        manager.register(Wrong())


def test_the_specification_says_when_where_and_at_what_cost() -> None:
    text = plugins.remora_dissectors.__doc__ or ""
    assert all(word in text for word in ("When:", "Where:", "Budget:"))
