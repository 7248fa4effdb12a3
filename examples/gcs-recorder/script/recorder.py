# Traffic recorder: keeps every stream that RECORDING_KFL matches, and ships it.
# Hooks: onItemCaptured.  Helpers: on_item, kfl, pcap, jobs, console, env.
# Env:   RECORDING_KFL   what to keep; unset or empty: nothing
#        RECORDING_CRON  when to ship (six fields, UTC); default: every five minutes
# Where it goes is configuration: GCS_BUCKET (with GCS_SA_KEY_JSON or application default credentials), else a local
# folder. A batch is also sealed by size, at the UTC hour and at shutdown: nothing that was kept waits for this script.

RECORDING = "gcs-recorder"
pattern = env.RECORDING_KFL or ""
active = pattern != "" and kfl.validate(pattern)

if pattern and not active:
    console.error("RECORDING_KFL is not a valid filter, nothing will be recorded:", pattern)
elif not active:
    console.log("RECORDING_KFL is not set, nothing will be recorded")


def record(data):
    pcap.record(data.stream, RECORDING)


def ship():
    pcap.seal(RECORDING)


if active:
    on_item(pattern)(record)  # the engine filters: only what matches comes here
    jobs.schedule("ship", env.RECORDING_CRON or "0 */5 * * * *", ship)
    console.log("recording what matches:", pattern)
