"""Recording jobs over live traffic of several workers, made and stopped while they capture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.instance import Instance, Recording, remora
from tests.support.netspaces import INSIDE, NEEDED, netspaces

pytestmark = [pytest.mark.slow, *NEEDED]

REQUESTS = 40
REFUSED = "segments_dropped_total{reason=storage_full}"
SETS = ("capture.workers=2", "recordings=[{name: everything}]")


def test_two_workers_record_each_its_streams_and_every_job_its_own(tmp_path: Path) -> None:
    """Everything from the first packet on; a filter from the command on, and nothing after it was stopped."""
    with netspaces(1, tmp_path) as spaces:
        inside = (*INSIDE, spaces.server)
        instance = Instance(tmp_path, "--interface", "ve0", scripts={}, sets=SETS, wrapper=inside, grace="60s")
        try:
            instance.until(
                lambda status: status["phase"] == "running" and status["counters"].get("recordings_due") == 1
            )
            spaces.request(0, 0, REQUESTS)
            tell(instance, "create", "pages", "--kfl", "http and request.path == r'^/page'")
            instance.until(lambda status: status["counters"].get("recordings_due") == 2)
            spaces.request(0, REQUESTS, 2 * REQUESTS)
            instance.until(lambda status: status["counters"].get("recordings_matched_total", 0) >= REQUESTS * 3 // 4)
            tell(instance, "stop", "pages")
            instance.until(lambda status: status["counters"].get("recordings_due") == 1)
            spaces.request(0, 2 * REQUESTS, 3 * REQUESTS)
            (found,) = tell(instance, "list", "pages", "--json")
            assert json.loads(found)["state"] == "stopped"
            assert instance.stop() == 0, instance.output()
        finally:
            instance.close()
    local = tmp_path / "data/recordings"
    numbers = [int(item["request"]["url"].partition("?")[2]) for item in Recording(local, "pages").lines("items")]
    assert sorted(numbers) == [number for number in range(REQUESTS, 2 * REQUESTS) if number % 4]
    everything, pages = Recording(local, "everything"), Recording(local, "pages")
    assert len(everything.lines("streams")) >= 3 * REQUESTS
    assert len(set(everything.frames())) == len(everything.frames())
    assert set(pages.frames()) <= set(everything.frames())


def test_packets_that_found_no_room_are_told_in_the_manifest(tmp_path: Path) -> None:
    """Live traffic waits for no disk; whoever has the recording alone knows how much of it is missing, and when."""
    sets = ("recordings=[{name: everything}]", "tap.storageLimit=120KB", "tap.misc.pcapTTL=60s")
    with netspaces(1, tmp_path) as spaces:
        inside = (*INSIDE, spaces.server)
        instance = Instance(tmp_path, "--interface", "ve0", scripts={}, sets=sets, wrapper=inside, grace="60s")
        try:
            instance.until(lambda status: status["counters"].get("recordings_due") == 1)
            spaces.request(0, 0, 5 * REQUESTS)
            instance.until(lambda status: status["counters"].get(REFUSED, 0) > 0)
            refused = instance.status()["counters"][REFUSED]
            assert instance.stop() == 0, instance.output()
        finally:
            instance.close()
    manifests = Recording(tmp_path / "data/recordings", "everything").manifests
    gaps = [gap for manifest in manifests for gap in manifest["gaps"] if gap["reason"] == "packets_not_stored"]
    lost = sum(manifest["lost"].get("packets_not_stored", 0) for manifest in manifests)
    assert lost == sum(gap["packets"] for gap in gaps) >= refused
    assert all(manifests[0]["first_packet_ns"] <= gap["from_ns"] <= gap["to_ns"] for gap in gaps)


def tell(instance: Instance, *arguments: str) -> list[str]:
    done = remora("recordings", *arguments, "--data", str(instance.data))
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
