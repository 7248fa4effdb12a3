"""What the author of a script is told before it runs."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from engine.errors import ScriptRejected
from engine.scripting.facades.modules import INSTEAD
from engine.scripting.loading import MAX_SOURCE_BYTES, check_script, compile_script
from hooks.specs import FIRED, hook_names, parameters_of


def reasons(text: str) -> list[str]:
    with pytest.raises(ScriptRejected) as rejected:
        check_script(text, "top.py")
    return list(rejected.value.reasons)


def test_every_mistake_is_told_at_once_in_the_order_of_lines() -> None:
    text = """
import os
def onItemCapture(data):
    x = data.__class__
    retrun = opened(x)
async def f(): pass
def onItemCaptured(data, more): pass
"""
    assert reasons(text) == [
        "Line 2: import of 'os' is not available; scripts have no operating system; use file and env",
        "Line 3: 'onItemCapture' is not a hook; did you mean 'onItemCaptured'?",
        "Line 4: '.__class__' is not available; names that start with an underscore belong to the interpreter",
        "Line 5: 'opened' is not available",
        "Line 6: async is not available; hooks are plain functions",
        "Line 7: 'onItemCaptured' is called with (data), but takes 2 parameters",
    ]


def test_the_rejection_reads_as_a_message() -> None:
    with pytest.raises(ScriptRejected) as rejected:
        check_script("def onItemCapture(d): pass\n", "top.py")
    assert str(rejected.value) == (
        "script 'top.py' was not loaded:\n  Line 1: 'onItemCapture' is not a hook; did you mean 'onItemCaptured'?"
    )


@pytest.mark.parametrize("hook", hook_names())
def test_every_hook_is_known_and_those_nothing_fires_are_warned_about(hook: str) -> None:
    report = check_script(f"def {hook}({', '.join(parameters_of(hook))}): pass\n", "top.py")
    assert report.hooks == (hook,)
    assert report.warnings == (() if hook in FIRED else (f"{hook!r}: nothing fires it yet",))


TAKES = {
    "another name": ("def onItemCaptured(item): pass", True),
    "a default": ("def onItemCaptured(item, more=1): pass", True),
    "a star": ("def onItemCaptured(*items): pass", True),
    "a star after one": ("def onItemCaptured(item, *rest, key=1): pass", True),
    "a lambda": ("onItemCaptured = lambda item: 0", True),
    "positional only": ("def onItemCaptured(item, /): pass", True),
    "in an if": ("if env.A:\n    def onItemCaptured(item): pass", True),
    "none": ("def onItemCaptured(): pass", False),
    "two": ("def onItemCaptured(a, b): pass", False),
    "keyword only": ("def onItemCaptured(*, item): pass", False),
    "keyword only besides": ("def onItemCaptured(item, *, more): pass", False),
    "a lambda without": ("onItemCaptured = lambda: 0", False),
    "too many for shutdown": ("def onShutdown(x): pass", False),
    "a generator beside": ("def onItemCaptured(item):\n    def g(): yield 1\n    for x in g(): pass", True),
    "three of four": ("def onJobFailed(tag, cron, limit): pass", False),
}


@pytest.mark.parametrize(("text", "accepted"), TAKES.values(), ids=TAKES)
def test_a_hook_takes_what_it_is_called_with(text: str, accepted: bool) -> None:
    if accepted:
        assert len(check_script(text, "top.py").hooks) == 1
    else:
        assert "is called with (" in reasons(text)[0]


def test_a_hook_that_is_a_generator_would_do_nothing() -> None:
    assert reasons("def onItemCaptured(item):\n    if item:\n        yield item\n") == [
        "Line 1: 'onItemCaptured' must not use yield; a generator does nothing when it is called"
    ]


def test_names_that_only_begin_like_a_hook_are_free() -> None:
    assert check_script("def once(): pass\ndef on_item(): pass\ndef f():\n    def onX(): pass\n", "t").hooks == ()


def test_a_name_like_a_hook_that_resembles_none_lists_them() -> None:
    assert reasons("def onWhatever(x): pass\n")[0].startswith(
        "Line 1: 'onWhatever' is not a hook; the hooks are onPacket"
    )


NO_DELETE = "Remora deletes nothing remotely; let a lifecycle rule of the bucket do it"
NO_STORE = "uploads go to Google Cloud Storage (vendor.gcs.put), or where recording.destination says (pcap.record)"
NAMES = {
    "open('x')": "'open' is not available; use file.write, file.append and file.copy",
    "consle.log(1)": "'consle' is not available; did you mean 'console'?",
    "type(1)": "'type' is not available; use isinstance",
    "requests.get('x')": f"'requests' is not available; {INSTEAD['requests']}",
    "re.search('a', 'b')": "'re' is not available; write import re",
    "setInterval(print, 5)": "'setInterval' is not available; use jobs.schedule",
    "vendor.gcs.clear('b')": f"vendor.gcs.clear is not available; {NO_DELETE}",
    "vendor.s3.put('b', 'c')": f"vendor.s3 is not available; {NO_STORE}",
    "vendor.slackBot('t')": "vendor.slackBot is not available; use vendor.slack with a webhook",
}


@pytest.mark.parametrize(("text", "reason"), NAMES.items(), ids=NAMES)
def test_a_name_nothing_binds_is_refused_with_what_to_use_instead(text: str, reason: str) -> None:
    assert reasons(text) == [f"Line 1: {reason}"]


def test_every_clear_of_a_vendor_is_refused_with_the_reason_whatever_the_vendor() -> None:
    assert sorted(reasons("vendor.s3.clear('b')")) == [
        f"Line 1: vendor.s3 is not available; {NO_STORE}",
        f"Line 1: vendor.s3.clear is not available; {NO_DELETE}",
    ]


def test_pass_is_a_keyword_and_its_author_is_told_what_to_write() -> None:
    (reason,) = reasons("def onItemQueried(data):\n    return test.pass(data)\n")
    assert reason.endswith("; pass is a keyword of Python, write test.pass_")


ALONE = {
    "in a function": "def f():\n    import os\n",
    "in a handler": "try:\n    pass\nexcept ValueError:\n    import os\n",
    "in a loop": "while 1:\n    import os\n",
    "in a class": "class A:\n    import os\n",
    "in an expression": "async def f():\n    x = [await y, (await z).a, {**await w}]\n",
    "as a target": "async def f():\n    (await v).b += 1\n    (await u)[0] = 1\n",
}


@pytest.mark.parametrize("text", ALONE.values(), ids=ALONE)
def test_what_is_refused_alone_in_its_place_is_still_only_refused(text: str) -> None:
    assert "is not available" in reasons(text)[0]


def reasons_or_nothing(text: str) -> tuple[str, ...]:
    try:
        check_script(text, "top.py")
    except ScriptRejected as rejected:
        return rejected.reasons
    return ()


LIBRARY = sorted(Path(ast.__file__).parent.glob("[a-d]*.py"))


@pytest.mark.slow
def test_whatever_python_is_dropped_in_is_loaded_or_refused_in_words() -> None:
    assert len(LIBRARY) > 20
    for path in LIBRARY:
        said = reasons_or_nothing(path.read_text())
        assert all(1 < len(reason) < 400 for reason in said), path


def test_names_bound_anywhere_are_known() -> None:
    text = """
def f(a, *b, c=1, **d):
    global late
    late = [a, b, c, d]
    for i, (j, *k) in late: pass
    with env as w: pass
    try:
        pass
    except ValueError as e:
        return e, i, j, k, w, g, A, (lambda z: z), [y for y in late], (v := 1), v, late
def g(): return f
class A: pass
"""
    assert check_script(text, "top.py").hooks == ()


def test_warnings_of_the_compiler_are_passed_on() -> None:
    (warning,) = check_script("x = '\\d'\n", "top.py").warnings
    assert warning.startswith("Line 1: ")


def test_many_reasons_are_cut_off_with_their_number() -> None:
    found = reasons("".join(f"nothing{number}\n" for number in range(60)))
    assert len(found) == 51
    assert found[-1] == "and 10 more"


def test_a_long_line_is_not_repeated_whole() -> None:
    assert all(len(reason) < 400 for reason in reasons("x = (" + "a" * 5000 + " b\n") + reasons("a" * 5000))


SOURCES = {
    "too long": (b"#" * (MAX_SOURCE_BYTES + 1), "expected a script of at most 262144 bytes, got 262145 or more"),
    "not UTF-8": (b"x = '\xff'", "expected UTF-8, got byte 0xff at offset 5"),
    "syntax": (b"x =\n", "Line 1: invalid syntax: 'x ='"),
}


@pytest.mark.parametrize(("source", "reason"), SOURCES.values(), ids=SOURCES)
def test_a_source_that_cannot_be_read_says_why(source: bytes, reason: str) -> None:
    with pytest.raises(ScriptRejected) as rejected:
        compile_script(source, "top.py")
    assert rejected.value.reasons == (reason,)


def test_nothing_runs_while_a_script_is_checked() -> None:
    assert check_script("1 / 0\n", "top.py").warnings == ()
