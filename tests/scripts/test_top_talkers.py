from __future__ import annotations

from tests.support.scripthost import Zygote
from tests.support.scripts import dns, http, lines_of_job, start


def test_pairs_are_ranked_by_bytes_and_counted_anew(zygote: Zygote) -> None:
    host = start(zygote, "top_talkers", TOP_TALKERS="2")
    small = {**dns("a.test", "No Error"), "requestSize": 30, "responseSize": 70}
    host.deliver(http(), small, http(requestSize=1), {**small, "requestSize": 1, "responseSize": 1, "src": {"ip": "1"}})
    assert lines_of_job(host, "report") == [
        "log: top talkers on node-1, 2003 bytes in all:",
        "log:           1901 bytes        2 x http   client -> server",
        "log:            100 bytes        1 x dns    10.0.0.1 -> 10.0.0.53",
    ]
    assert lines_of_job(host, "report") == []


def test_many_pairs_are_put_together(zygote: Zygote) -> None:
    host = start(zygote, "top_talkers", TOP_TALKERS="1")
    items = [http(src={"ip": str(number), "port": "1"}, requestSize=number) for number in range(5200)]
    for first in range(0, 5200, 200):
        assert host.deliver(*items[first : first + 200]) == (0, 0)
    total, largest = lines_of_job(host, "report")
    assert total.endswith(f" {sum(item['requestSize'] + 900 for item in items)} bytes in all:")
    assert largest.endswith(" x        others"), largest
