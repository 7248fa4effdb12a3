from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from engine.recording import pass_log
from engine.recording.batch_state import BatchState, Cursors, Kept, Pass
from engine.recording.ledger import Ledger
from engine.recording.pass_log import PassLog
from tests.support.disk import file_size_limit

RUN = "20261120T103000Z-a1b2c3d4"


def some_pass(number: int) -> Pass:
    batch = BatchState(f"{RUN}-{number:08d}", "r", number, packets=number)
    return Pass(Cursors({"broker.log": number}), {number: Kept({"r": 0}, b"x" * 80)}, batches={batch.id: batch})


def written(path: Path, count: int) -> list[int]:
    log, ends = PassLog(path), [0]
    for number in range(count):
        log.append(some_pass(number))
        ends.append(path.stat().st_size)
    log.close()
    return ends


def read(path: Path) -> list[Pass]:
    log = PassLog(path)
    log.close()
    return log.take()


@pytest.mark.parametrize("seed", range(30))
def test_a_log_cut_anywhere_is_its_whole_passes_and_goes_on(tmp_path: Path, seed: int) -> None:
    chance, path = random.Random(seed), tmp_path / "passes.log"
    ends = written(path, 5)
    cut = chance.randrange(ends[-1] + 1)
    os.truncate(path, cut)
    whole = [some_pass(number) for number in range(5) if ends[number + 1] <= cut]
    assert read(path) == whole
    log = PassLog(path)
    log.append(some_pass(99))
    log.close()
    assert read(path) == [*whole, some_pass(99)]


@pytest.mark.parametrize("seed", range(30))
def test_a_pass_that_was_damaged_never_was_nor_what_followed(tmp_path: Path, seed: int) -> None:
    chance, path = random.Random(seed), tmp_path / "passes.log"
    ends = written(path, 5)
    content = bytearray(path.read_bytes())
    at = chance.randrange(len(content))
    content[at] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    assert read(path) == [some_pass(number) for number in range(5) if ends[number + 1] <= at]


def test_a_full_disk_leaves_the_log_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "passes.log"
    log = PassLog(path)
    log.append(some_pass(1))
    with file_size_limit(path.stat().st_size + 20), pytest.raises(OSError, match="too large"):
        log.append(some_pass(2))
    log.append(some_pass(3))
    log.close()
    assert read(path) == [some_pass(1), some_pass(3)]


@pytest.mark.parametrize("seed", range(10))
def test_a_ledger_is_read_as_it_was_however_often_its_log_was_written_anew(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pass_log, "COMPACT_BYTES", random.Random(seed).choice([200, 2000, 1 << 20]))
    chance, path = random.Random(seed), tmp_path / "passes.log"
    ledger = Ledger(path, RUN)
    for number in range(60):
        stream = chance.randrange(20)
        ledger.stream(stream).recordings[chance.choice("ab")] = number
        ledger.cursors.segments[str(chance.randrange(5))] = number
        if chance.random() < 0.3:
            ledger.batch(ledger.open_batch("r", number).id).packets = number
        if ledger.batches and chance.random() < 0.3:
            ledger.remove_batch(chance.choice(list(ledger.batches)))
        if chance.random() < 0.2:
            ledger.forget([chance.choice(list(ledger.kept))])
        if chance.random() < 0.2:
            ledger.refuse("r")
        ledger.commit()
        if chance.random() < 0.1:
            again = Ledger(path, RUN)
            assert (again.kept, again.batches, again.cursors, again.refused) == (
                ledger.kept, ledger.batches, ledger.cursors, ledger.refused,
            )  # fmt: skip
            assert again.open_batch("r", 0).id == ledger.open_batch("r", 0).id
            ledger.close()
            ledger = Ledger(path, RUN)
            again.close()
    ledger.close()
    assert path.stat().st_size < 20_000 or pass_log.COMPACT_BYTES > 2000


def test_another_run_counts_its_batches_from_one(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "passes.log", RUN)
    ledger.batch(ledger.open_batch("r", 0).id)
    ledger.commit()
    ledger.close()
    other = Ledger(tmp_path / "passes.log", "20261121T000000Z-ffffffff")
    assert other.open_batch("r", 0).id == "20261121T000000Z-ffffffff-00000001"
    assert list(other.batches) == [f"{RUN}-00000001", "20261121T000000Z-ffffffff-00000001"]
    other.close()
