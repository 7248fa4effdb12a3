"""KFL, the filter language: ``compile(text).matches(item)``. The language itself is described in ``docs/kfl.md``."""

from __future__ import annotations

from engine.errors import KflError
from engine.kfl.filters import Filter, compile

__all__ = ["Filter", "KflError", "compile"]
