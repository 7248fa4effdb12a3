from __future__ import annotations

import msgspec

from tests.support.scripthost import Zygote
from tests.support.scripts import http, lines_of_job, start


def test_an_alert_is_given_once_and_its_end_is_told(zygote: Zygote) -> None:
    host = start(zygote, "error_rate_alert", ERROR_MIN="10", ERROR_SLACK="https://hooks.slack.com/x")
    host.deliver(*[http(200, at_ms=number) for number in range(9)], http(500, at_ms=9))
    assert lines_of_job(host, "judge") == ["error: server: 10.0 % of 10 requests failed"]
    assert lines_of_job(host, "judge") == []
    host.deliver(*[http(200, at_ms=100_000 + number) for number in range(10)])
    assert lines_of_job(host, "judge") == ["error: server: recovered after 100 s, 0.0 % of 10 requests failed"]
    sent = [call[1:] for call in host.asked if call[0] == "vendor.slack"]
    assert [(text, colour) for _, _, text, colour in sent] == [
        ("server: 10.0 % of 10 requests failed", "danger"),
        ("server: recovered after 100 s, 0.0 % of 10 requests failed", "good"),
    ]


def test_few_requests_and_few_failures_say_nothing(zygote: Zygote) -> None:
    host = start(zygote, "error_rate_alert")
    host.deliver(*[http(500) for _ in range(19)])
    assert lines_of_job(host, "judge") == []
    host.deliver(*[http(404) for _ in range(400)][:200])
    assert "8.7 %" in lines_of_job(host, "judge")[0]


def test_no_answer_is_a_failure(zygote: Zygote) -> None:
    host = start(zygote, "error_rate_alert", ERROR_MIN="1")
    host.deliver(http(None))
    assert lines_of_job(host, "judge") == ["error: server: 100.0 % of 1 requests failed"]


def test_what_was_failing_before_a_restart_is_not_told_again_but_its_end_is(zygote: Zygote) -> None:
    state = msgspec.msgpack.encode({"failing": {"server": 0}})
    host = start(zygote, "error_rate_alert", state, ERROR_MIN="1")
    host.deliver(http(500, at_ms=5000))
    assert lines_of_job(host, "judge") == []
    host.deliver(*[http(200, at_ms=6000) for _ in range(200)])
    assert lines_of_job(host, "judge")[0].startswith("error: server: recovered after 6 s")
