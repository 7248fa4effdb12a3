"""What a script says about itself."""

from __future__ import annotations

import pytest

from engine.scripting.header import MAX_TITLE_CHARACTERS, Header, read_header

SHEBANG = "\ufeff#!/usr/bin/python\n# -*- coding: utf-8 -*-\n\n#  Top talkers\n"
DOCSTRING = '"""Top talkers: bytes.\n\nEnv:  A, B\nNothing more.\n"""\n'
METADATA = """# Recorder
# Hooks: onItemCaptured.  Helpers: kfl, pcap.
# Env:   A  what
#        B  when
# Words after it.
#        C
"""
HEADERS = {
    "nothing": ("x = 1\n", Header()),
    "empty": ("", Header()),
    "title": ("# Top talkers.\n", Header("Top talkers")),
    "shebang, coding and space": (SHEBANG, Header("Top talkers")),
    "docstring": (DOCSTRING, Header("Top talkers: bytes", {"Env": "A, B"})),
    "comment before a docstring": ("# One\n'''Two'''\n", Header("One")),
    "no Python": ("# One\nx = = 1\n", Header("One")),
    "no Python, no comment": ("x = = 1\n", Header()),
    "metadata": (
        METADATA,
        Header("Recorder", {"Hooks": "onItemCaptured", "Helpers": "kfl, pcap", "Env": "A  what\nB  when"}),
    ),
    "metadata without a title": ("# Cron: 0 * * * * *\n", Header("", {"Cron": "0 * * * * *"})),
    "any case": ("# T\n# cron: 1\n", Header("T", {"Cron": "1"})),
    "a comment further down": ("x = 1\n# Not a title\n", Header()),
}


@pytest.mark.parametrize(("text", "header"), HEADERS.values(), ids=HEADERS)
def test_the_first_comment_is_the_header(text: str, header: Header) -> None:
    assert read_header(text) == header


def test_a_long_header_is_cut() -> None:
    header = read_header("# " + "x" * 500 + "\n# Env: " + "y" * 5000)
    assert len(header.title) == MAX_TITLE_CHARACTERS
    assert len(header.about["Env"]) == 1000
