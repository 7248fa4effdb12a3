"""The stub that editors read knows everything that the scripts use, and nothing else: held by mypy."""

from __future__ import annotations

from pathlib import Path

import pytest
from mypy import api

from tests.support.scripts import FOLDER, SCRIPTS

pytestmark = pytest.mark.slow

NAMES = (
    "console env file jobs json kfl math pcap state stats test time utils vendor wrapper"
    " on_item setTimeout clearTimeout Item HelperError"
)
ITEMS = "Sequence[Item | Mapping[str, Any]]"
FACTS = """
@on_item(filter="http")
def look(data: Item) -> None:
    reveal_type(data.response.status)
    reveal_type(data.request.headers)
    reveal_type(pcap.path(data.stream))
    reveal_type(state)
    console.logg(data.stream)
    jobs.schedule("tag", 5, look)
    reveal_type(test.pass_(data))
    reveal_type(setTimeout(look, 5, data))
    stats.dropped = 5
    wrapper.buildHAR(data)
"""


def test_a_checker_finds_every_name_of_the_scripts_in_the_stub(tmp_path: Path) -> None:
    (tmp_path / "remora_script.pyi").write_text((FOLDER / "__builtins__.pyi").read_text())
    head = f"from remora_script import {', '.join(NAMES.split())}\n"
    paths = []
    for script in SCRIPTS:
        paths.append(tmp_path / f"checked_{script.stem}.py")
        paths[-1].write_text(head + script.read_text())
    (tmp_path / "facts.py").write_text(head + FACTS)
    options = ["--no-incremental", "--check-untyped-defs", "--disable-error-code=var-annotated", "--config-file="]
    output, _, _ = api.run([*options, *map(str, paths), str(tmp_path / "facts.py")])
    said = [line.rsplit("/", 1)[-1] for line in output.splitlines() if ": error:" in line or ": note:" in line]
    assert [line.split(": ", 1)[1].split("  [")[0] for line in said] == [
        'note: Revealed type is "int"',
        'note: Revealed type is "remora_script.Record"',
        'note: Revealed type is "str"',
        'note: Revealed type is "dict[str, Any]"',
        'error: "_Console" has no attribute "logg"; maybe "log"?',
        'error: Argument 2 to "schedule" of "_Jobs" has incompatible type "int"; expected "str"',
        'note: Revealed type is "dict[str, Any]"',
        'note: Revealed type is "int"',
        'error: Property "dropped" defined in "_Stats" is read-only',
        f'error: Argument 1 to "buildHAR" of "_Wrapper" has incompatible type "Item"; expected "{ITEMS}"',
    ], output
