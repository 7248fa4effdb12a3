from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.backports import entry, read_sources

STANZA = """\
Types: deb
# a comment
URIs: http://mirror.test/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.test/debian-security
Suites: bookworm-security
Components: main
"""
WANTED = """\
Types: deb
URIs: http://mirror.test/debian
Suites: bookworm-backports
Components: main
"""
SIGNED = "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"

TABLE = {
    "deb822": ("a.sources", STANZA, WANTED + SIGNED),
    "one line": ("a.list", "deb http://mirror.test/debian bookworm main\n", WANTED),
    "one line with a key": (
        "a.list",
        "deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.test/debian bookworm main\n",  # noqa: E501
        WANTED + SIGNED,
    ),
    "a key in the entry": (
        "a.sources",
        f"{WANTED.replace('-backports', '')}Signed-By:\n -----BEGIN\n .\n -----END\n",
        f"{WANTED}Signed-By: \n -----BEGIN\n .\n -----END\n",
    ),
    "sources alone": ("a.list", "deb-src http://mirror.test/debian bookworm main\n", ""),
    "switched off": ("a.sources", f"Enabled: no\n{STANZA}", ""),
    "another file": ("a.list.disabled", "deb http://mirror.test/debian bookworm main\n", ""),
    "known already": ("a.sources", f"{STANZA}\n{WANTED}", ""),
    "another release": ("a.list", "deb http://mirror.test/debian sid main\n", ""),
}


@pytest.mark.parametrize(("name", "text", "wanted"), TABLE.values(), ids=TABLE)
def test_the_backports_suite_comes_from_the_mirror_of_the_release(
    tmp_path: Path, name: str, text: str, wanted: str
) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / name).write_text(text)
    assert entry(read_sources(tmp_path), "bookworm") == wanted


def test_the_old_file_counts_too(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("# first\ndeb http://mirror.test/debian bookworm main\n")
    assert entry(read_sources(tmp_path), "bookworm") == WANTED
