# DNS failures: names that do not resolve, who asks for them, and which are new
# Hooks:   onItemCaptured, onShutdown
# Helpers: console, env, jobs, on_item, state
# Env:     DNS_LINES  how many names at most; default: 20
# Cron:    0 * * * * *
#
# A failure is any answer but "No Error", or none. Names that failed before are remembered over restarts, so that a
# name that fails for the first time is marked as new.
from collections import Counter

LINES = int(env.DNS_LINES or 20)
MAX_NAMES = 2000  # of one minute
MAX_KNOWN = 500  # over all time; the state holds 56 KiB

failures = Counter()  # (name, why) -> how often
clients: dict[tuple, set] = {}
known = state.setdefault("known", [])


@on_item(filter="dns")
def look(data: Item) -> None:
    why = data.response.code if data.response else "no answer"
    if why == "No Error":
        return
    asked = (data.request or data.response).questions or []
    for question in asked:
        failure = (question.name, why)
        if failure in failures or len(failures) < MAX_NAMES:
            failures[failure] += 1
            clients.setdefault(failure, set()).add(data.src.name or data.src.ip)


def report() -> None:
    for (name, why), count in failures.most_common(LINES):
        who = sorted(clients[name, why])
        more = f" and {len(who) - 3} more" if len(who) > 3 else ""
        mark = "" if name in known else " (new)"
        console.log(f"{name}: {why}, {count} x, asked by {', '.join(who[:3])}{more}{mark}")
    if len(failures) > LINES:
        console.log(f"and {len(failures) - LINES} names more")
    for name in dict.fromkeys(name for name, _ in failures):
        if name not in known and len(name) <= 100:
            known.append(name)
    del known[:-MAX_KNOWN]
    failures.clear()
    clients.clear()


def onShutdown() -> None:
    report()


jobs.schedule("report", "0 * * * * *", report)
