from __future__ import annotations

from tests.support.scripthost import Zygote
from tests.support.scripts import http, lines_of_job, start


def request(path: str, elapsed_ms: int) -> dict[str, object]:
    return http(elapsed_ms=elapsed_ms, request={"method": "GET", "path": path})


def test_routes_above_the_limit_are_told_slowest_first(zygote: Zygote) -> None:
    host = start(zygote, "slow_endpoints", SLOW_MS="100")
    host.deliver(*[request(f"/orders/{number}", 200) for number in range(20)])
    host.deliver(*[request("/users/8b6f2c4e-1111-2222-3333-444455556666/cart", 900) for _ in range(3)])
    host.deliver(*[request("/fast", 5) for _ in range(50)], http(None, elapsed_ms=9000))
    assert lines_of_job(host, "report") == [
        "log: p95 900 ms, half 900 ms, slowest 900 ms, 3 x GET server/users/{id}/cart",
        "log: p95 200 ms, half 200 ms, slowest 200 ms, 20 x GET server/orders/{id}",
    ]
    assert lines_of_job(host, "report") == []


def test_one_outlier_among_many_is_no_slow_route(zygote: Zygote) -> None:
    host = start(zygote, "slow_endpoints")
    for _ in range(5):
        assert host.deliver(*[request("/a", 10) for _ in range(200)]) == (0, 200)
    host.deliver(request("/a", 60_000))
    assert lines_of_job(host, "report") == []


def test_more_routes_than_lines_are_counted(zygote: Zygote) -> None:
    host = start(zygote, "slow_endpoints", SLOW_LINES="1")
    host.deliver(request("/a", 900), request("/b", 800), request("/c", 700))
    lines = lines_of_job(host, "report")
    assert (len(lines), lines[1]) == (2, "log: and 2 routes more above 500 ms")
