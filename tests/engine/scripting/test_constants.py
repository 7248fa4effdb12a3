"""Filters and cron specs that a script writes down are checked before it runs."""

from __future__ import annotations

import pytest

from engine.errors import ScriptRejected
from engine.scripting.loading import check_script

WRONG = {
    "kfl.match('http and', 1)": "kfl.match: ",
    "kfl.match(query='http and', data=1)": "kfl.match: ",
    "def f():\n    kfl.match('http and', 1)": "kfl.match: ",
    "@on_item('status_cod == 5')\ndef f(d): pass": "on_item: unknown field 'status_cod'",
    "@on_item(filter='http and')\ndef f(d): pass": "on_item: ",
    "jobs.schedule('t', '* * * * *', print)": "cron '* * * * *': expected six fields",
    "jobs.schedule('t', cron='1 2 3 4 5 x', task=print)": "cron '1 2 3 4 5 x': expected",
    "jobs.schedule('t', '0 0 0 31 2 *', print)": "cron '0 0 0 31 2 *': expected",
}
FINE = [
    "kfl.match('http and response.status >= 500', 1)",
    "kfl.match(env.QUERY, 1)",
    "kfl.match(1, 2)",
    "kfl.validate('http and')",
    "jobs.schedule('t', '0 */5 * * * *', print)",
    "jobs.schedule('t', env.CRON or '* * * * * *', print)",
    "class K:\n    def match(self, q, d): return q\nkfl = K()\nkfl.match('http and', 1)",
    "def on_item(text): return print\n@on_item('http and')\ndef f(d): pass",
    "@on_item\ndef f(d): pass",
    "@on_item()\ndef f(d): pass",
    "match('http and')\ndef match(x): pass",
]


@pytest.mark.parametrize(("source", "reason"), WRONG.items())
def test_a_constant_that_means_nothing_refuses_the_script(source: str, reason: str) -> None:
    with pytest.raises(ScriptRejected) as rejected:
        check_script(source, "top.py")
    (said,) = rejected.value.reasons
    assert reason in said
    assert said.startswith("Line ")


@pytest.mark.parametrize("source", FINE)
def test_what_is_known_only_when_it_runs_is_left_to_then(source: str) -> None:
    assert check_script(source, "top.py").warnings == ()
