from __future__ import annotations

import msgspec

from tests.support.scripthost import Zygote
from tests.support.scripts import dns, lines_of_job, start


def test_names_that_fail_are_told_with_who_asks(zygote: Zygote) -> None:
    host = start(zygote, "dns_failures")
    asked = [dns("no.test", "Non-Existent Domain", f"10.0.0.{number}") for number in range(5)]
    host.deliver(dns("yes.test", "No Error"), *asked, dns("lost.test", None))
    assert host.filters == ["dns"]
    assert lines_of_job(host, "report") == [
        "log: no.test: Non-Existent Domain, 5 x, asked by 10.0.0.0, 10.0.0.1, 10.0.0.2 and 2 more (new)",
        "log: lost.test: no answer, 1 x, asked by 10.0.0.1 (new)",
    ]
    host.deliver(dns("no.test", "Non-Existent Domain"))
    assert lines_of_job(host, "report") == ["log: no.test: Non-Existent Domain, 1 x, asked by 10.0.0.1"]


def test_what_failed_before_a_restart_is_not_new(zygote: Zygote) -> None:
    host = start(zygote, "dns_failures", msgspec.msgpack.encode({"known": ["old.test"]}), DNS_LINES="1")
    host.deliver(dns("old.test", "Server Failure"), dns("old.test", "Server Failure"), dns("b.test", "Refused"))
    assert lines_of_job(host, "report") == [
        "log: old.test: Server Failure, 2 x, asked by 10.0.0.1",
        "log: and 1 names more",
    ]
