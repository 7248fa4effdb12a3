"""Filters are also compiled where nothing can be opened any more: what they need is imported with ``engine.kfl``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from engine import kfl
known, opened = set(sys.modules), []
sys.addaudithook(lambda event, given: opened.append(given) if event in ("open", "import", "os.listdir") else None)
texts = [
    'http and response.status == 500 or src.name == r"a+b"',
    'http && status_code == 500 && path.matches("a+b")',
    'response.text.json().a == 1 or response.text.xml().a == 1 or true',
    'redact("data.json().b") and limit(3) and timestamp > datetime("10/19/2021, 6:29:02 PM")',
    'timestamp > timestamp("2026-01-01T00:00:00Z") && now() > timestamp(5)',
    "http and", "http &&", "src.nam == 1", 'src.name == r"("',
]
for text in texts:
    try:
        one = kfl.compile(text)
    except kfl.KflError as error:
        str(error)
    else:
        one.apply({"response": {"text": "<a>e</a>"}, "data": "eyJiIjoxfQ==", "timestamp": 2**41})
        assert one.diagnostics is not None
print(sorted(set(sys.modules) - known), opened)
"""


@pytest.mark.slow
def test_nothing_is_imported_or_opened_after_the_language_was() -> None:
    root = Path(__file__).parents[3]
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, cwd=root, check=False)
    assert (result.stdout, result.stderr) == ("[] []\n", "")
