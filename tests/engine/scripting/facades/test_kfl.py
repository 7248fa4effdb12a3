"""``kfl`` in a script: both languages, in the jail, with the operator's macros."""

from __future__ import annotations

import pytest

from engine.scripting.facades.kfl import Kfl, KflError
from tests.support.scripthost import ITEM, Zygote

EVERYTHING = [
    'request.path == r"a[b-c]+" or http',
    "response.content.text.json().a == 1 or http",
    "response.content.text.xml().a == 1 or http",
    'redact("request.headers.a") and limit(5) and !(record("x"))',
    '(timestamp > years(-1)) or now() > datetime("1/1/2020, 1:00:00 PM")',
    'request.path != "\\u00e9" or http',
    "true || status_code == 500",
    'path.matches("^(a|b)+$") || true',
    'timestamp(1) < now() && duration("1h") > duration("1s")',
    'map_get(request.headers, "a", "") == "" || true',
]


def test_nothing_that_a_filter_needs_is_missing_in_the_jail(zygote: Zygote) -> None:
    source = f"""
def onItemCaptured(data):
    for text in {EVERYTHING!r}:
        assert kfl.match(text, data), text
    for text in ("http and (", "http && (", 'src.name == r"("', "zzz"):
        assert not kfl.validate(text), text
    console.log("done")
"""
    host = zygote.spawn(source)
    host.ready()
    got = host.deliver(ITEM)
    assert (got, host.lines) == ((0, 1), ["log: done"])


def test_dialect_and_macros_are_the_operators() -> None:
    ours = Kfl("kfl", {"web": "http or http2"})
    item = {"protocol": {"abbr": "HTTP", "name": "http"}}
    assert ours.match("web", item) is True
    assert (ours.validate("http && dns"), Kfl().validate("http && dns"), Kfl().validate("web")) == (False, True, False)
    with pytest.raises(KflError, match=r"^kfl: unexpected '&' at line 1, column 6; write 'and'$"):
        ours.match("http && dns", item)
