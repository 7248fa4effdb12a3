"""Who asks and who answers in AMQP, as deepflow and packetbeat see it; tshark lists methods and pairs none."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from typing import Any

import pytest

from tests.fidelity.corpus import CORPUS, IS_SET, UNSET
from tests.fidelity.ours import items_of

pytestmark = pytest.mark.skipif(not IS_SET, reason=UNSET)


def expected(name: str) -> Any:
    return json.loads((CORPUS / "expected/amqp" / name).read_text())


@pytest.mark.parametrize("name", ["deepflow-amqp1.pcap", "deepflow-amqp2.pcap"])
def test_questions_answers_and_what_stands_alone_are_those_of_deepflow(name: str) -> None:
    theirs = Counter(
        (f"{one['class_id']} {re.sub('(?<!^)(?=[A-Z])', '-', one['method_id'])}".lower(), one["msg_type"])
        for one in expected(f"{name}.deepflow.json")["messages"]
        if "method_id" in one  # the others are frames of contents, and protocol headers
    )
    ours: Counter[tuple[str, str]] = Counter()
    for item in items_of(CORPUS / "amqp" / name):
        asked, answered = item["request"], item["response"]
        assert item["error"] is None
        if answered is None:
            ours[asked["method"], "Session"] += 1
        else:
            ours.update([(asked["method"], "Request"), (answered["method"], "Response")])
    assert ours == theirs


@pytest.mark.parametrize("name", ["packetbeat-amqp_channel_error.pcap", "packetbeat-amqp_publish.pcap"])
def test_what_packetbeat_asserts_is_in_an_item(name: str) -> None:
    (test,) = expected(f"{name}.packetbeat.json")["tests"]
    items = items_of(CORPUS / "amqp" / name)
    wanted = test["facts"]["item"].values()
    assert len(wanted) == test["facts"]["items"]
    for facts in wanted:
        (item,) = [each for each in items if each["request"]["method"] == facts["method"].replace(".", " ")]
        assert (item["error"] is None) is (facts["status"] == "OK")
        asked = item["request"]
        for key, value in facts.items():
            if key.startswith("amqp."):
                assert said(asked, key.removeprefix("amqp.")) == value, key
        if "request" in facts:
            assert base64.b64decode(asked["body"]).decode() == facts["request"]


def said(asked: dict[str, Any], key: str) -> Any:
    name = re.sub("-(.)", lambda match: match[1].upper(), key)
    return {**asked["properties"], **asked}.get(name) if "properties" in asked else asked.get(RENAMED.get(name, name))


RENAMED = {"exchangeType": "type"}
