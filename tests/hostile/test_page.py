"""``docs/security.md`` counts what the suite has."""

from __future__ import annotations

from tests.hostile import page


def test_the_tables_of_language_and_messages_are_those_of_the_suite() -> None:
    assert page.written("language") == page.language_table(), "run: make hostile"
    assert page.written("messages") == page.message_table(), "run: make hostile"
