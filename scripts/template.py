"""Template: copy it, keep what you need, drop it into the script folder. It is loaded, and replaced when it changes.

Hooks:   onItemCaptured, onShutdown
Helpers: console, env, jobs, kfl
Env:     RECORDING_KFL, the filter; every item where it is empty
Cron:    0 * * * * * (at the beginning of each minute, UTC)
"""

# The top level runs once, when the script is loaded. What it defines lives as long as the script does.
QUERY = env.RECORDING_KFL or ""
seen = 0
slowest = {}

if not kfl.validate(QUERY):
    # An exception here refuses the script, and its text is what the operator reads.
    raise ValueError(f"RECORDING_KFL is no filter: {QUERY!r}")


def onItemCaptured(data: Item) -> None:
    """Once per finished exchange. 200 ms of CPU, so: look, count, keep; leave the rest to a job."""
    global seen
    if not kfl.match(QUERY, data):
        return
    seen += 1
    # What an item does not have is None, so this works for every protocol.
    place = f"{data.protocol.name} {data.dst.name or data.dst.ip} {data.request.path if data.request else ''}"
    elapsed = data.elapsedTime or 0
    if elapsed > slowest.get(place, -1):
        slowest[place] = elapsed
    if len(slowest) > 1000:
        slowest.clear()


def report() -> None:
    """A job: runs between hooks, sees the same variables, and may take seconds."""
    console.log(f"{seen} items on {utils.nodeName()}")
    for place, elapsed in sorted(slowest.items(), key=lambda pair: pair[1], reverse=True)[:5]:
        console.log(f"  {elapsed:>6} ms  {place}")
    slowest.clear()


def onShutdown() -> None:
    """Once, before the end; helpers still work."""
    report()


jobs.schedule("report", "0 * * * * *", report)
