"""``@on_item(filter="…")``: functions that listen to some items only. The worker filters, so the rest never arrives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine import kfl
from engine.frames.host import MAX_FILTERS, MAX_FILTERS_CHARACTERS
from engine.scripting.calls import HelperError

Function = Callable[[Any], Any]


class ItemListeners:
    """What a script has declared while its top level ran; closed after that."""

    def __init__(self, compile: Callable[[str], kfl.Filter] = kfl.compile) -> None:
        """``compile``: reads the filters."""
        self._compile = compile
        self._filtered: list[tuple[kfl.Filter, Function]] = []
        self._closed = False
        self.complain: Callable[[BaseException], None] = lambda _: None
        """Told of an exception when a later listener of the same item raised one, too."""

    def on_item(self, filter: Any = "", function: Function | None = None) -> Any:
        """``@on_item("http")``, ``@on_item(filter="http")``, ``@on_item``.

        Raises:
            HelperError: the filter is none, or this is not the top level.
        """
        if callable(filter):
            return self._add("", filter)
        if type(filter) is not str:
            raise HelperError(f"on_item: expected the text of a filter, got {type(filter).__name__}")
        text = filter  # its name belongs to the script's face
        return (lambda function: self._add(text, function)) if function is None else self._add(text, function)

    def _add(self, text: str, function: Function) -> Function:
        if self._closed:
            raise HelperError("on_item: expected at the top level of the script, before its first hook is called")
        if not callable(function):
            raise HelperError(f"on_item: expected a function to call, got {type(function).__name__}")
        try:
            self._filtered.append((self._compile(text), function))
        except kfl.KflError as error:
            raise HelperError(f"on_item: {in_one_line(error)}") from None
        size = sum(len(filter.text) for filter, _ in self._filtered)
        if len(self._filtered) > MAX_FILTERS or size > MAX_FILTERS_CHARACTERS:
            raise HelperError(
                f"on_item: expected at most {MAX_FILTERS} filters of {MAX_FILTERS_CHARACTERS} characters in all"
            )
        return function

    def close(self, hook: Function | None) -> tuple[Function | None, list[str]]:
        """``(what to call with an item, filters)``, once the top level has run; ``hook`` is ``onItemCaptured``.

        An item arrives where one of the filters matches; no filters mean that each arrives. What listens alone is
        called as it is, since all that arrives is for it.
        """
        self._closed = True
        if not self._filtered:
            return hook, []
        if hook is not None and all(function is not hook for _, function in self._filtered):
            self._filtered.append((self._compile(""), hook))
        texts = list(dict.fromkeys(filter.text for filter, _ in self._filtered))
        if any(not text.strip() for text in texts):
            texts = []
        return self._filtered[0][1] if len(self._filtered) == 1 else self._call_each, texts

    def _call_each(self, data: Any) -> None:
        failed: Exception | None = None
        for filter, function in self._filtered:
            if filter.matches(data):
                try:
                    function(data)
                except Exception as error:
                    if failed is not None:
                        self.complain(failed)
                    failed = error
        if failed is not None:
            raise failed


def in_one_line(error: kfl.KflError) -> str:
    """What is wrong with a filter, without the caret."""
    where = f"line {error.line}, column {error.column}"
    return f"{error.reason} at {where}" + (f"; {error.hint}" if error.hint else "")
