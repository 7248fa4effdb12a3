"""Template: copy it, keep what you need, drop it into the script folder.

Hooks:   onItemCaptured, onStreamClosed, onShutdown
Helpers: console, env, jobs, kfl, on_item, state, utils
Env:     RECORDING_KFL, the filter; every item where it is empty
Cron:    0 * * * * * (at the beginning of each minute, UTC)
"""

# The comment or docstring above is shown by `remora scripts list`: first the title, then what the script needs.
# A change of this file is loaded at once. Try it: remora scripts run template.py examples/gcs-recorder/captures

# The harmless part of some modules can be imported: collections, datetime, re, statistics, ipaddress …
from collections import defaultdict

# The top level runs once, when the script is loaded. What it defines lives as long as the script's process.
QUERY = env.RECORDING_KFL or ""
seen = 0
slowest = defaultdict(int)

# What `state` holds survives the process and Remora itself; the rest does not.
state.setdefault("runs", 0)
state["runs"] += 1

if not kfl.validate(QUERY):
    # An exception here refuses the script, and its text is what the operator reads.
    raise ValueError(f"RECORDING_KFL is no filter: {QUERY!r}")


# The engine filters, so that only what matches reaches this function; `def onItemCaptured(data):` gets every item.
@on_item(filter=QUERY)
def look(data: Item) -> None:
    """Once per finished exchange. 200 ms of CPU, so: look, count, keep; leave the rest to a job."""
    global seen
    seen += 1
    # What an item does not have is None, so this works for every protocol.
    place = f"{data.protocol.name} {data.dst.name or data.dst.ip} {data.request.path if data.request else ''}"
    slowest[place] = max(slowest[place], data.elapsedTime or 0)
    if len(slowest) > 1000:
        slowest.clear()


def onStreamClosed(stream: str) -> None:
    """Once per stream, after its last item. Until this returns its PCAP is there: file.copy(pcap.path(stream), …)."""


def report() -> None:
    """A job: runs between hooks, sees the same variables, and may take seconds."""
    console.log(f"{seen} items on {utils.nodeName()}, start number {state['runs']}")
    for place, elapsed in sorted(slowest.items(), key=lambda pair: pair[1], reverse=True)[:5]:
        console.log(f"  {elapsed:>6} ms  {place}")
    slowest.clear()


def onShutdown() -> None:
    """Once, before the end; helpers still work."""
    report()


jobs.schedule("report", "0 * * * * *", report)
