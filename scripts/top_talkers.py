# Top talkers: who exchanged most bytes with whom in the last minute
# Hooks:   onItemCaptured, onShutdown
# Helpers: console, env, jobs, utils
# Env:     TOP_TALKERS  how many lines; default: 10
# Cron:    0 * * * * *
#
# Bytes are those of dissected messages, both directions. Memory is bounded: where there are too many pairs the small
# ones are put together as "others", so large numbers are exact or a little too small.
from collections import Counter

LINES = int(env.TOP_TALKERS or 10)
MAX_PAIRS = 5000
OTHERS = ("others", "", "")

bytes_of = Counter()
messages_of = Counter()


def onItemCaptured(data: Item) -> None:
    pair = (data.src.name or data.src.ip, data.dst.name or data.dst.ip, data.protocol.name)
    bytes_of[pair] += data.requestSize + data.responseSize
    messages_of[pair] += 1
    if len(bytes_of) > MAX_PAIRS:
        shrink()


def shrink() -> None:
    """Keep the larger half."""
    large = {pair for pair, _ in bytes_of.most_common(MAX_PAIRS // 2)} | {OTHERS}
    for pair in [pair for pair in bytes_of if pair not in large]:
        bytes_of[OTHERS] += bytes_of.pop(pair)
        messages_of[OTHERS] += messages_of.pop(pair)


def report() -> None:
    if not bytes_of:
        return
    console.log(f"top talkers on {utils.nodeName()}, {sum(bytes_of.values())} bytes in all:")
    for pair, size in bytes_of.most_common(LINES):
        client, server, protocol = pair
        way = f"{client} -> {server}" if server else client
        console.log(f"  {size:>12} bytes {messages_of[pair]:>8} x {protocol:<6} {way}")
    bytes_of.clear()
    messages_of.clear()


def onShutdown() -> None:
    report()


jobs.schedule("report", "0 * * * * *", report)
