"""Packets that the capture filters leave out, beside a slow account that asks for every packet."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Sequence

import pytest

from engine.counters import Drop
from engine.decode.targeting import Targeting
from engine.kfl.patterns import compile_pattern
from engine.resolve.options import TargetOptions
from engine.resolve.resolver import Name
from engine.resolve.static import StaticNames
from engine.resolve.targets import Targets
from tests.support.columns import Row, batch_of

SHOP = TargetOptions(namespaces=["shop"])


class Watched(StaticNames):
    """Names that count how often they were asked for."""

    asked = 0

    def name_of(self, ip: str, port: int, timestamp_ns: int) -> Name:
        self.asked += 1
        return super().name_of(ip, port, timestamp_ns)

    def change(self, names: dict[str, Name]) -> None:
        self._take(names)


def targets_of(options: TargetOptions, names: StaticNames) -> Targets:
    return Targets(options, names, compile_pattern(options.regex))


def marked(targeting: Targeting, rows: Sequence[Row]) -> list[int]:
    columns = batch_of(rows)[1]
    targeting.mark(columns)
    found: list[int] = columns.drop.tolist()
    return found


def slowly(targets: Targets, rows: Sequence[Row]) -> list[int]:
    def keeps(row: Row) -> bool:
        ends = [(row.source, row.source_port), (row.target, row.target_port)]
        found = [targets.end(str(ipaddress.ip_address(ip)), port, row.timestamp_ns) for ip, port in ends]
        return targets.keeps(found[0] | found[1])

    return [row.drop or (0 if keeps(row) else int(Drop.NOT_TARGETED)) for row in rows]


@pytest.mark.parametrize("seed", range(20))
def test_the_table_says_what_asking_for_every_packet_says(seed: int) -> None:
    dice = random.Random(seed)
    addresses = [f"10.0.{dice.randrange(2)}.{number}" for number in range(20)]
    addresses += [f"fd00::{number}:{number}" for number in range(20)]
    spaces = ["shop", "sock", "kube-system"]
    names = {address: Name(f"n{at}", dice.choice(spaces), pod=f"pod-{at}") for at, address in enumerate(addresses[::2])}
    if seed % 2:
        names |= {f"10.0.0.{number}:{dice.randrange(5)}": Name("p", dice.choice(spaces)) for number in range(5)}
    options = dice.choice(
        [SHOP, TargetOptions(excluded_namespaces=["sock"]), TargetOptions(regex="1", excluded_namespaces=["shop"])]
    )
    targets = targets_of(options, StaticNames(names))
    targeting = Targeting(targets, place_bits=dice.choice([1, 3, 16]))
    for _ in range(4):
        rows = [
            Row(
                source=dice.choice(addresses),
                target=dice.choice(addresses),
                source_port=dice.randrange(5),
                target_port=dice.randrange(5),
                drop=dice.choice([0, 0, 0, 3]),
            )
            for _ in range(100)
        ]
        assert marked(targeting, rows) == slowly(targets, rows)


def test_an_address_is_asked_for_once_whatever_its_ports() -> None:
    names = Watched({"10.0.0.1": Name("web", "shop")})
    targeting = Targeting(targets_of(SHOP, names))
    rows = [Row(source_port=40_000 + number) for number in range(50)]
    assert marked(targeting, rows) == marked(targeting, rows) == [0] * 50
    assert names.asked == 2
    assert marked(targeting, []) == []


def test_where_ports_have_names_each_is_asked_for() -> None:
    names = Watched({"10.0.0.2:80": Name("web", "shop")})
    targeting = Targeting(targets_of(SHOP, names))
    assert marked(targeting, [Row(), Row(target_port=81), Row()]) == [0, Drop.NOT_TARGETED, 0]
    assert names.asked == 3


def test_a_name_that_becomes_known_later_counts_from_then_on_and_one_that_went_no_more() -> None:
    names = Watched({})
    targeting = Targeting(targets_of(SHOP, names))
    assert marked(targeting, [Row()]) == [Drop.NOT_TARGETED]
    names.change({"10.0.0.2": Name("web", "shop")})
    assert marked(targeting, [Row()]) == [0]
    names.change({"10.0.0.2": Name("web", "sock")})
    assert marked(targeting, [Row()]) == [Drop.NOT_TARGETED]


def test_what_decode_dropped_keeps_its_reason() -> None:
    assert marked(Targeting(targets_of(SHOP, StaticNames({}))), [Row(drop=3)]) == [3]
