"""``@on_item``: which function gets which item, and what the worker is told to send."""

from __future__ import annotations

from typing import Any

import pytest

from engine.scripting.calls import HelperError
from engine.scripting.listeners import ItemListeners
from tests.support.scripthost import ITEM

HTTP: dict[str, Any] = {**ITEM, "response": {"status": 500}}
DNS: dict[str, Any] = {"protocol": {"name": "dns", "abbr": "DNS"}}


class Heard:
    """Listeners that write down what they were called with."""

    def __init__(self, *filters: str, hook: bool = False) -> None:
        self.listeners, self.calls = ItemListeners(), list[tuple[str, Any]]()
        for text in filters:
            self.listeners.on_item(filter=text)(lambda data, text=text: self.calls.append((text, data)))
        function = (lambda data: self.calls.append(("hook", data))) if hook else None
        self.call, self.filters = self.listeners.close(function)


def test_one_listener_is_called_as_it_is_with_what_its_filter_lets_through() -> None:
    heard = Heard("http")
    assert heard.filters == ["http"]
    assert heard.call is not None
    heard.call(DNS)
    assert heard.calls == [("http", DNS)], "the worker has filtered"


def test_several_listeners_get_their_own_items() -> None:
    heard = Heard("http", "dns", "response.status == 500")
    assert heard.filters == ["http", "dns", "response.status == 500"]
    assert heard.call is not None
    for item in (HTTP, DNS):
        heard.call(item)
    assert heard.calls == [("http", HTTP), ("response.status == 500", HTTP), ("dns", DNS)]


@pytest.mark.parametrize("heard", [Heard("http", hook=True), Heard("http", ""), Heard(" ")], ids=["hook", "", "space"])
def test_a_listener_to_everything_wants_everything(heard: Heard) -> None:
    assert heard.filters == []
    assert heard.call is not None
    heard.call(DNS)
    assert [data for _, data in heard.calls] == [DNS]


def test_the_hook_itself_can_be_filtered() -> None:
    listeners, calls = ItemListeners(), list[Any]()
    hook = listeners.on_item("http")(calls.append)
    assert listeners.close(hook) == (hook, ["http"])


def test_without_listeners_there_is_the_hook_or_nothing() -> None:
    assert ItemListeners().close(None) == (None, [])
    assert ItemListeners().close(print) == (print, [])


def test_the_decorator_works_without_a_filter() -> None:
    listeners, calls = ItemListeners(), list[Any]()
    listeners.on_item(calls.append)
    call, filters = listeners.close(None)
    assert (call, filters) == (calls.append, [])


def test_one_that_raises_does_not_keep_the_item_from_the_others() -> None:
    listeners, calls, complaints = ItemListeners(), list[Any](), list[BaseException]()
    listeners.complain = complaints.append

    def fail(text: str) -> Any:
        def function(data: Any) -> None:
            raise ValueError(text)

        return function

    for function in (fail("first"), calls.append, fail("second")):
        listeners.on_item("http")(function)
    call, _ = listeners.close(None)
    assert call is not None
    with pytest.raises(ValueError, match="second"):
        call(HTTP)
    assert calls == [HTTP]
    assert [str(error) for error in complaints] == ["first"]


WRONG = {
    "a filter that is none": (lambda listeners: listeners.on_item("http and")(print), "on_item: "),
    "a number": (lambda listeners: listeners.on_item(5), "expected the text of a filter, got int"),
    "no function": (lambda listeners: listeners.on_item("http")(5), "expected a function to call, got int"),
    "too long": (lambda listeners: listeners.on_item("http or " * 1500 + "http")(print), "at most 64 filters of 8192"),
    "too many": (lambda listeners: [listeners.on_item("http")(print) for _ in range(65)], "at most 64 filters of 8192"),
    "too late": (lambda listeners: (listeners.close(None), listeners.on_item(print)), "at the top level"),
}


@pytest.mark.parametrize(("wrong", "reason"), WRONG.values(), ids=WRONG)
def test_a_wrong_use_says_why(wrong: Any, reason: str) -> None:
    with pytest.raises(HelperError, match=reason):
        wrong(ItemListeners())
