"""Regular expressions: the one place that knows whose they are.

They are RE2's (google-re2 has wheels for every Python that Remora runs on), as Kubeshark's are: linear in the text,
so that no filter and no packet can make a match run away. A pattern that is plain text but for ``^``, ``$`` and
``.*`` at its ends, as most are, needs no engine at all: 45 ns instead of 500.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import re2

Search = Callable[[str], bool]
"""Whether the pattern is found in a text."""

_PLAIN = re.compile(r"(\^)?((?:[^\\.^$*+?()\[\]{}|]|\\[^\w\s])*)(\$)?")
_UNESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ADVICE = (
    (re.compile(r"\(\?[=!]"), "RE2 looks neither ahead nor behind; say it with 'and' and another comparison"),
    (re.compile(r"\(\?<[=!]"), "RE2 looks neither ahead nor behind; say it with 'and' and another comparison"),
    (re.compile(r"\\[1-9]|\(\?P=|\\k<"), "RE2 has no references to earlier groups"),
    (re.compile(r"[*+?}]\+|\(\?>"), "RE2 never gives back what it matched; leave the + out"),
    (re.compile(r"\{\d{4,}|\{\d*,\d{4,}"), "RE2 repeats at most 1000 times"),
    (re.compile(r"^[*+?]|\([*+?]|\|[*+?]"), "a repetition needs something before it; write \\* for a star"),
)


class PatternError(ValueError):
    """Not a regular expression; its text says why, ``hint`` what to do."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.hint = hint


def compile_pattern(text: str) -> Search:
    """A function that says whether ``text`` is found anywhere in a string; total.

    Raises:
        PatternError: ``text`` is not a regular expression of RE2.
    """
    return _plain_search(text) or re2_search(text)


def re2_search(text: str) -> Search:
    """The same, always by RE2.

    Raises:
        PatternError: ``text`` is not a regular expression of RE2.
    """
    options = re2.Options()
    options.log_errors, options.never_capture = False, True
    try:
        matches = re2._re2.RE2(text.encode(), options)
    except UnicodeEncodeError:
        raise PatternError("it holds half of a character (a lone surrogate)") from None
    if not matches.ok():
        raise PatternError(matches.error().decode(errors="replace"), _advice(text))
    match, anywhere = matches.Match, re2._re2.RE2.Anchor.UNANCHORED

    def search(subject: str) -> bool:
        data = subject.encode("utf-8", "replace")
        return bool(
            match(anywhere, data, 0, len(data))[0] != (-1, -1)
        )  # the wrapper's own search takes five times as long

    return search


def _advice(text: str) -> str:
    return next((hint for pattern, hint in _ADVICE if pattern.search(text)), "patterns are those of RE2")


def _plain_search(text: str) -> Search | None:
    """Without an engine, where ``text`` means nothing but itself."""
    if text.startswith(".*"):
        text = text[2:]
    if text.endswith(".*") and not text.endswith("\\.*"):
        text = text[:-2]
    found = _PLAIN.fullmatch(text)
    if found is None or not text.isprintable():
        return None
    part = _UNESCAPE.sub(r"\1", found[2])
    if found[1] and found[3]:
        return lambda subject: subject == part
    if found[1]:
        return lambda subject: subject.startswith(part)
    if found[3]:
        return lambda subject: subject.endswith(part)
    return lambda subject: part in subject
