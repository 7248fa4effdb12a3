"""What it costs to ship: ``python -m benchmarks.shipping``, to the tests' strict server in a process of its own.

Requests of a batch; 2,000 streams of 5 kB as objects of their own and as one batch, with 60 ms a request; 20 files of
10 MB by the bare client and by the shipper; and what sealing holds in memory. Ratios are of rounds that alternate.
"""

from __future__ import annotations

import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LATENCY_S = 0.06
"""Between a node and a bucket of its region: what the figures for one object per stream are known for."""
STREAMS, STREAM_BYTES, THREADS = 2_000, 5_000, 8
FILES, FILE_BYTES = 20, 10_000_000
ROUNDS = 3


def main() -> None:
    from benchmarks.sealing import STREAMS as SEALED
    from benchmarks.sealing import held_while_sealing

    with served(0.0) as server:
        requests_of_a_batch(server)
        files()
    with served(LATENCY_S):
        streams()
    for share in (4, 1):
        held = held_while_sealing(SEALED // share)
        print(f"sealing {SEALED // share} streams: {held / 1e6:.0f} MB more in memory than before")


def serve_forever(latency_s: float) -> None:
    """The server's process: prints its address and serves until its input ends."""
    from tests.support.fault_proxy import proxy
    from tests.support.gcs_server import serve

    with serve("forensics") as (address, store), proxy(address) as (front, faults):
        faults.latency_s = latency_s
        print(front if latency_s else address, flush=True)
        for _ in sys.stdin:
            posts = store.requests["POST"] + store.requests["PUT"]
            print(posts, sum(store.created.values()), flush=True)


class Server:
    """The other end of that."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        self.address = process.stdout.readline().strip()

    def counts(self) -> tuple[int, int]:
        """Requests that write, and objects, so far."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        posts, objects = self._process.stdout.readline().split()
        return int(posts), int(objects)


@contextmanager
def served(latency_s: float) -> Iterator[Server]:
    """A server in a process of its own; the storage client of this one goes there."""
    command = [sys.executable, "-m", "benchmarks.shipping", "--serve", str(latency_s)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        server = Server(process)
        os.environ["STORAGE_EMULATOR_HOST"] = server.address
        try:
            yield server
        finally:
            process.communicate()


class Outbox:
    """An outbox whose shipper is waited for."""

    def __init__(self) -> None:
        from engine.counters import Counters
        from engine.shipping.choose import Destinations
        from engine.shipping.shipper import Shipper
        from engine.shipping.web import Web

        self.root = Path(tempfile.mkdtemp())
        self._destinations = Destinations()
        self._shipper = Shipper(self.root, 4, self._destinations, Web([], {}), {}, Counters(), random.random, 1 << 30)

    def add(self, entry: str, contents: dict[str, bytes]) -> None:
        """One entry, as it is sealed."""
        from engine.shipping.outbox import Upload, UploadFile, publish
        from tests.support.audit import crc32c

        building = self.root / "tmp" / entry
        building.mkdir(parents=True)
        files = []
        for name, content in contents.items():
            (building / name).write_bytes(content)
            files.append(UploadFile(name, f"{entry}/{name}", len(content), crc32c(content)))
        publish(building, self.root, entry, Upload("gs://forensics", "", files))

    def ship(self) -> None:
        """Until nothing is left."""
        import select

        self._shipper.step(time.monotonic())
        while self._shipper.pending:
            select.select([self._shipper], [], [], 1.0)
            self._shipper.step(time.monotonic())

    def close(self) -> None:
        self._shipper.close()
        self._destinations.close()
        shutil.rmtree(self.root)


def requests_of_a_batch(server: Server) -> None:
    """However many streams are in it."""
    outbox = Outbox()
    before = server.counts()
    outbox.add("batch", {"pcap": bytes(4 << 20), "streams": bytes(50_000), "items": bytes(50_000), "manifest": b"{}"})
    outbox.ship()
    after = server.counts()
    outbox.close()
    print(f"a batch: {after[1] - before[1]} objects, {after[0] - before[0]} requests that write (class A)")


def streams() -> None:
    """An object per stream, by several threads of the bare client; the same bytes as one batch."""
    chance = random.Random(1)
    contents = [chance.randbytes(STREAM_BYTES) for _ in range(STREAMS)]
    bucket = bare_bucket()

    def put(number: int) -> None:
        bucket.blob(f"single/{number}.pcap").upload_from_string(contents[number], if_generation_match=0)

    def singly() -> None:
        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(put, range(STREAMS)))

    outbox = Outbox()
    whole = b"".join(contents)
    outbox.add("batch", {"pcap": whole, "streams": bytes(200_000), "items": bytes(400_000), "manifest": bytes(20_000)})
    single_s, batch_s = timed(singly), timed(outbox.ship)
    outbox.close()
    print(
        f"{STREAMS} streams of {STREAM_BYTES} B, {LATENCY_S * 1000:.0f} ms a request: an object each {single_s:.1f} s "
        f"({THREADS} threads), one batch {batch_s:.2f} s: {single_s / batch_s:.0f} times as fast"
    )


def files() -> None:
    """The same files by the bare client in as many threads, and by the shipper."""
    content = random.Random(2).randbytes(FILE_BYTES)
    ratios = []
    for round_number in range(ROUNDS):
        folder = Path(tempfile.mkdtemp())
        for number in range(FILES):
            (folder / str(number)).write_bytes(content)
        bucket = bare_bucket()

        def put(number: int, folder: Path = folder, bucket: Any = bucket, round_number: int = round_number) -> None:
            blob = bucket.blob(f"bare/{round_number}/{number}", chunk_size=4 << 20)
            blob.upload_from_filename(folder / str(number), if_generation_match=0)

        def bare(put: Callable[[int], None] = put) -> None:
            with ThreadPoolExecutor(4) as threads:
                list(threads.map(put, range(FILES)))

        outbox = Outbox()
        for number in range(FILES):
            outbox.add(f"r{round_number}-{number:02d}", {"pcap": content})
        ratios.append(timed(outbox.ship) / timed(bare))
        outbox.close()
        shutil.rmtree(folder)
    print(
        f"{FILES} files of {FILE_BYTES // 1_000_000} MB: the shipper takes {statistics.median(ratios):.2f} times as "
        f"long as the bare client (rounds: {', '.join(f'{ratio:.2f}' for ratio in ratios)})"
    )


def bare_bucket() -> Any:
    """By the client alone, with connections enough."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage
    from requests.adapters import HTTPAdapter

    import engine.shipping.gcs  # noqa: F401 - switches the client's telemetry off

    client = storage.Client(project="x", credentials=AnonymousCredentials())  # type: ignore[no-untyped-call] # of google
    client._http.mount("http://", HTTPAdapter(pool_maxsize=64))
    return client.bucket("forensics")


def timed(work: Callable[[], object]) -> float:
    """Wall seconds."""
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve_forever(float(sys.argv[2]))
    else:
        assert threading.active_count() == 1
        main()
