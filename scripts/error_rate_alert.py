# Error rate alert: says when a service fails more often than it may, and when it has recovered
# Hooks:   onItemCaptured
# Helpers: console, env, jobs, on_item, state, utils, vendor
# Env:     ERROR_PERCENT   from which share of failures; default: 5
#          ERROR_MIN       requests a window needs before anything is said; default: 20
#          ERROR_WINDOW    length of the window in seconds; default: 60
#          ERROR_SLACK     URL of a Slack webhook; its host must be in scripting.egress
# Cron:    */10 * * * * *
#
# A failure is a status of 500 or more, or no answer. Which services are failing survives a restart, so that an alert
# is given once and its end is told, too.
from collections import defaultdict, deque

PERCENT = float(env.ERROR_PERCENT or 5)
LEAST = int(env.ERROR_MIN or 20)
WINDOW_MS = int(float(env.ERROR_WINDOW or 60) * 1000)
MAX_SERVICES = 1000

answers = defaultdict(deque)  # service -> (time of the request in ms, whether it failed), oldest first
now_ms = 0  # of the traffic, so that a replay behaves as live traffic did
failing = state.setdefault("failing", {})


@on_item(filter="http")
def count(data: Item) -> None:
    global now_ms
    now_ms = max(now_ms, data.timestamp)
    service = data.dst.name or f"{data.dst.ip}:{data.dst.port}"
    if service in answers or len(answers) < MAX_SERVICES:
        failed = data.response is None or data.response.status >= 500
        answers[service].append((data.timestamp, failed))


def judge() -> None:
    """Every ten seconds: forget what is too old, compare, and say what has changed."""
    for service, window in list(answers.items()):
        while window and window[0][0] < now_ms - WINDOW_MS:
            window.popleft()
        if not window:
            del answers[service]
        share = 100 * sum(failed for _, failed in window) / len(window) if window else 0.0
        if service not in failing and len(window) >= LEAST and share >= PERCENT:
            failing[service] = now_ms
            alert(f"{service}: {share:.1f} % of {len(window)} requests failed", "danger")
        elif service in failing and share < PERCENT:
            seconds = (now_ms - failing.pop(service)) // 1000
            alert(f"{service}: recovered after {seconds} s, {share:.1f} % of {len(window)} requests failed", "good")


def alert(text: str, colour: str) -> None:
    console.error(text)
    if env.ERROR_SLACK:
        vendor.slack(env.ERROR_SLACK, f"Remora on {utils.nodeName()}", text, colour)


jobs.schedule("judge", "*/10 * * * * *", judge)
