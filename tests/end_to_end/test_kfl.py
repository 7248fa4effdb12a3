"""`remora kfl …` and filters of `remora query`, from the outside."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.instance import SHOP, clean, command

pytestmark = pytest.mark.slow


def remora(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), input=given, capture_output=True, text=True, env=clean(), check=False)


def rows(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def test_check_says_what_may_not_be_meant_so() -> None:
    result = remora("kfl", "check", 'http and response.status == r"4.*"')
    assert result.stdout.startswith("valid KFL; can match http\n\nnote: patterns are found anywhere")
    assert 'write r"^4"' in result.stdout


def test_check_knows_dialects_and_macros_of_the_configuration(tmp_path: Path) -> None:
    config = tmp_path / "remora.yaml"
    config.write_text("kfl: {dialect: kfl}\ntap: {customMacros: {web: http or http2}}\n")
    assert remora("kfl", "check", "web", "--config", str(config)).stdout == "valid KFL; can match http\n"
    assert remora("kfl", "check", "http && dns", "--config", str(config)).returncode == 1
    assert "valid KFL2" in remora("kfl", "check", "http && !dns", "--dialect", "kfl2", "--config", str(config)).stdout
    assert remora("kfl", "check", "mine", "--set", "tap.customMacros.mine=dns").stdout == "valid KFL; can match dns\n"
    refused = remora("kfl", "check", "http", "--set", "kfl.dialect=cel")
    assert (refused.returncode, "expected one of kfl, kfl2, auto" in refused.stderr) == (2, True)


def test_match_gives_what_query_gives() -> None:
    everything = remora("query", str(SHOP)).stdout
    for text in ("http and response.status >= 400", "dns", "http && status_code < 400", "redis or udp", "!http"):
        wanted = remora("query", str(SHOP), "--kfl", text).stdout
        assert remora("kfl", "match", "--kfl", text, given=everything).stdout == wanted, text


def test_limit_and_redact_are_obeyed() -> None:
    text = 'http and redact("src.ip", "request.headers.host") and limit(3)'
    found = rows(remora("query", str(SHOP), "--kfl", text).stdout)
    assert [item["src"]["ip"] for item in found] == ["[REDACTED]"] * 3
    assert rows(remora("kfl", "match", "--kfl", text, given=remora("query", str(SHOP)).stdout).stdout) == found


def test_now_is_the_time_of_the_capture() -> None:
    assert rows(remora("query", str(SHOP), "--kfl", "timestamp > days(-1) and timestamp <= now()").stdout)
    assert remora("query", str(SHOP), "--kfl", "timestamp > now()").stdout == ""


@pytest.mark.parametrize("line", ["[1]", "{", "nonsense", '"text"'])
def test_a_line_that_is_no_item_is_named(line: str) -> None:
    result = remora("kfl", "match", "--kfl", "http", given=f'{{"a": 1}}\n{line}\n')
    assert result.returncode == 2
    assert f"standard input, line 2: expected an item, one JSON object, got {line!r}" in result.stderr


def test_explain_and_bench_answer() -> None:
    assert remora("kfl", "explain", "http or dns").stdout.splitlines()[1] == "  any of these:"
    assert "ns  http     matches\n" in remora("kfl", "bench", "http").stdout


def test_translate_answers_or_points_at_what_has_no_counterpart() -> None:
    assert remora("kfl", "translate", "dns or response.status >= 500").stdout == "dns || status_code >= 500\n"
    refused = remora("kfl", "translate", 'dns and redact("src.name")')
    assert (refused.returncode, refused.stderr.splitlines()[2].index("^")) == (1, 10)
