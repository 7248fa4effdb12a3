# Slow endpoints: the routes whose 95th percentile is above a limit, minute by minute
# Hooks:   onItemCaptured, onShutdown
# Helpers: console, env, jobs, on_item
# Env:     SLOW_MS     from which 95th percentile a route is reported; default: 500
#          SLOW_LINES  how many routes at most; default: 20
# Cron:    0 * * * * *
#
# Numbers, UUIDs and other ids in a path are put together: /orders/4711 and /orders/4712 are one route, /orders/{id}.
import re
from random import randrange
from statistics import median, quantiles

LIMIT_MS = float(env.SLOW_MS or 500)
LINES = int(env.SLOW_LINES or 20)
SAMPLES = 500  # of each route: a fair choice of all of its requests
MAX_ROUTES = 2000
ID = re.compile(r"(?<=/)(\d+|[0-9a-fA-F]{8,}(-[0-9a-fA-F]{4,})*)(?=/|$)")


class Route:
    def __init__(self) -> None:
        self.seen = 0
        self.slowest = 0
        self.samples = []

    def add(self, elapsed_ms: int) -> None:
        """Reservoir sampling: each request has the same chance to be among the samples."""
        self.seen += 1
        self.slowest = max(self.slowest, elapsed_ms)
        if len(self.samples) < SAMPLES:
            self.samples.append(elapsed_ms)
        elif (place := randrange(self.seen)) < SAMPLES:
            self.samples[place] = elapsed_ms

    def p95(self) -> float:
        return quantiles(self.samples, n=20)[-1] if len(self.samples) > 1 else self.samples[0]


routes: dict[str, Route] = {}


@on_item(filter="http")
def measure(data: Item) -> None:
    if data.request is None or data.response is None:
        return
    name = f"{data.request.method} {data.dst.name or data.dst.ip}{ID.sub('{id}', data.request.path)}"
    route = routes.get(name)
    if route is None:
        if len(routes) >= MAX_ROUTES:
            return
        route = routes[name] = Route()
    route.add(data.elapsedTime)


def report() -> None:
    slow = [(route.p95(), name, route) for name, route in routes.items()]
    slow = sorted((row for row in slow if row[0] >= LIMIT_MS), key=lambda row: row[0], reverse=True)
    for p95, name, route in slow[:LINES]:
        half = median(route.samples)
        console.log(f"p95 {p95:.0f} ms, half {half:.0f} ms, slowest {route.slowest} ms, {route.seen} x {name}")
    if len(slow) > LINES:
        console.log(f"and {len(slow) - LINES} routes more above {LIMIT_MS:g} ms")
    routes.clear()


def onShutdown() -> None:
    report()


jobs.schedule("report", "0 * * * * *", report)
