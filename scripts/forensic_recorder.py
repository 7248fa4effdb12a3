# Forensic recorder: keeps whole streams of what matches a filter, and a line of evidence for each
# Hooks:   onItemCaptured, onStreamClosed, onShutdown
# Helpers: console, env, file, jobs, json, kfl, on_item, pcap, state
# Env:     RECORDING_KFL   what to keep; unset or empty: nothing
#          RECORDING_NAME  name of the recording; default: forensics
#          RECORDING_CRON  when to seal and ship what was kept; default: every five minutes
# Cron:    RECORDING_CRON, or 0 */5 * * * *
#
# A stream is kept from its first packet to its end, what came before the match included. The work folder gets
# evidence.jsonl: one line per kept stream, written when it has ended. Where the recording goes is configuration.

PATTERN = env.RECORDING_KFL or ""
RECORDING = env.RECORDING_NAME or "forensics"
MAX_OPEN = 10_000

if not kfl.validate(PATTERN):
    raise ValueError(f"RECORDING_KFL is no filter: {PATTERN!r}")

kept: dict[str, dict] = {}  # streams that are still open -> what will be written about them
state.setdefault("streams", 0)


def keep(data: Item) -> None:
    """Once per matching item; a stream that is kept already only counts it."""
    evidence = kept.get(data.stream)
    if evidence is None:
        pcap.record(data.stream, RECORDING)
        state["streams"] += 1
        evidence = kept[data.stream] = {
            "stream": data.stream,
            "recording": RECORDING,
            "pattern": PATTERN,
            "client": f"{data.src.ip}:{data.src.port}",
            "server": f"{data.dst.ip}:{data.dst.port}",
            "name": data.dst.name or "",
            "first": data.startTime,
            "items": 0,
        }
        if len(kept) > MAX_OPEN:
            write(next(iter(kept)))
    evidence["items"] += 1
    evidence["last"] = data.startTime


def write(stream: str) -> None:
    file.append("evidence.jsonl", json.dumps(kept.pop(stream)) + "\n")


def onStreamClosed(stream: str) -> None:
    if stream in kept:
        write(stream)


def ship() -> None:
    pcap.seal(RECORDING)


def onShutdown() -> None:
    for stream in list(kept):
        write(stream)
    console.log(f"{state['streams']} streams kept in {RECORDING!r} so far")


if PATTERN:
    on_item(PATTERN)(keep)  # the engine filters: what does not match costs this script nothing
    jobs.schedule("ship", env.RECORDING_CRON or "0 */5 * * * *", ship)
    console.log(f"keeping what matches: {PATTERN}")
else:
    console.log("RECORDING_KFL is not set, nothing is kept")
