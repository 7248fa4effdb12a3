"""Every function a script can call, by its name and arguments, and the stub that editors read."""

from __future__ import annotations

import ast
import dis
import inspect
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.errors import ScriptRejected
from engine.frames.endpoint import Endpoint, message_pair
from engine.frames.host import ToHost
from engine.scripting.calls import Calls, HelperError
from engine.scripting.facades.facade import Facade, functions_of, name_of
from engine.scripting.facades.scope import ERRORS, FUNCTIONS, HELPERS, Scope, build_scope, helper_names
from engine.scripting.loading import check_script, compile_script, run_top_level
from tests.support.scripthost import ITEM, Zygote

STUB = Path(__file__).parents[4] / "scripts" / "__builtins__.pyi"

CALLS: dict[str, tuple[str, list[Any]]] = {
    "pcap.path": ("pcap.path(data.stream)", ["000000000144.pcap"]),
    "pcap.record": ("pcap.record(data.stream, 'r')", ["000000000144.pcap", "r"]),
    "pcap.seal": ("pcap.seal('r')", ["r"]),
    "pcap.snapshot": ("pcap.snapshot(['a', 'b'], 'd')", [["a", "b"], "d"]),
    "pcap.snapshot of all": ("pcap.snapshot()", [[], ""]),
    "recordings.create": (
        "recordings.create('r', 'http', duration='2h', redact=['a.b'], format='pcapng')",
        [
            "r",
            "http",
            {
                "start": "",
                "iterations": 1,
                "duration": "2h",
                "expiration": 0,
                "redact": ["a.b"],
                "packets": None,
                "fromStart": False,
                "format": "pcapng",
            },
        ],
    ),
    "recordings.stop": ("recordings.stop('r')", ["r"]),
    "recordings.list": ("recordings.list()", []),
    "pcap.nameResolutionHistory": ("pcap.nameResolutionHistory()", []),
    "file.write": ("file.write('a', 'text')", ["a", "text"]),
    "file.append": ("file.append('a', '')", ["a", ""]),
    "file.move": ("file.move('a', 'b')", ["a", "b"]),
    "file.copy": ("file.copy('a', 'b')", ["a", "b"]),
    "file.delete": ("file.delete('a')", ["a"]),
    "file.mkdir": ("file.mkdir('a')", ["a"]),
    "file.mkdirTemp": ("file.mkdirTemp('a')", ["a", ""]),
    "file.temp": ("file.temp('a', 'b')", ["a", "b", "txt"]),
    "file.tar": ("file.tar('a')", ["a"]),
    "jobs.schedule": ("jobs.schedule('t', '* * * * * *', print, 3, 'x')", ["t", "* * * * * *", 3]),
    "jobs.remove": ("jobs.remove('t')", ["t"]),
    "jobs.removeAll": ("jobs.removeAll()", []),
    "jobs.list": ("jobs.list()", []),
    "jobs.run": ("jobs.run('t')", ["t"]),
    "jobs.runAll": ("jobs.runAll()", []),
    "jobs.scheduler.isRunning": ("jobs.scheduler.isRunning()", []),
    "jobs.scheduler.start": ("jobs.scheduler.start()", []),
    "jobs.scheduler.stop": ("jobs.scheduler.stop()", []),
    "vendor.gcs.put": ("vendor.gcs.put('bucket', 'a.pcap', env.KEY)", ["bucket", "a.pcap", "secret:KEY"]),
    "vendor.gcs.put with the operator's key": ("vendor.gcs.put('bucket', 'a.pcap')", ["bucket", "a.pcap", None]),
    "vendor.webhook": (
        "vendor.webhook('POST', 'http://a/b', 'c', {'d': 'e'})",
        ["POST", "http://a/b", "c", {"d": "e"}],
    ),
    "vendor.webhookForm": ("vendor.webhookForm('POST', 'http://a/b', {'d': 'e'})", ["POST", "http://a/b", {"d": "e"}]),
    "vendor.slack": ("vendor.slack('http://a', 'b', 'c')", ["http://a", "b", "c", ""]),
}


@pytest.mark.parametrize(("source", "arguments"), CALLS.values(), ids=CALLS)
def test_a_helper_becomes_a_call(zygote: Zygote, request: Any, source: str, arguments: list[Any]) -> None:
    helper = request.node.callspec.id.split()[0]
    host = zygote.spawn(
        f"def onItemCaptured(data):\n    console.log({source})\n",
        environment={"KEY": "secret:KEY"},
        answers={helper: "answer"},
    )
    host.ready()
    assert host.deliver(ITEM) == (0, 0)
    assert host.asked == [(helper, *arguments)]
    assert host.lines == ["log: answer"] or helper in ("file.write", "file.append", "jobs.schedule")


def test_every_remote_function_has_a_row_here() -> None:
    rows = {row.split()[0] for row in CALLS}
    local = {"console", "env", "json", "kfl", "math", "stats", "test", "time", "wrapper"}
    wanted = {name for name in _all_functions() if name.split(".")[0] not in local} - {
        "utils.nodeName",
        "utils.json2Yaml",
        "vendor.gcs.clear",
    }
    assert rows == wanted


def _all_functions() -> set[str]:
    found = set()
    for name, members in facade_functions().items():
        found |= {f"{name}.{member}" for member in members}
    return found


@pytest.fixture
def scope() -> Any:
    ours, theirs = message_pair()
    with ours, theirs:
        yield build_scope("top.py", {"A": "b"}, "node-1", Calls(Endpoint(ours, ToHost)))


def test_a_look_at_the_flag_is_one_specialised_instruction(scope: Scope) -> None:
    """The interpreter does that for globals whose table holds text alone; else a round of a loop takes a third more."""
    script = compile_script(b"def onItemCaptured(data):\n    for number in range(100):\n        pass\n", "top.py")
    hook: Any = run_top_level(script, scope).hooks["onItemCaptured"]
    for _ in range(100):
        hook(None)
    looks = [one.opname for one in dis.get_instructions(hook, adaptive=True) if one.argval == "_stop_"]
    assert len(looks) == 2, "at the head of the function and of the loop"
    assert set(looks) == {"LOAD_GLOBAL_MODULE"}


def facade_functions() -> dict[str, dict[str, list[str]]]:
    """Path of each helper -> its functions -> their parameters."""
    ours, theirs = message_pair()
    with ours, theirs:
        names = build_scope("top.py", {}, "node-1", Calls(Endpoint(ours, ToHost))).names
    found: dict[str, dict[str, list[str]]] = {}

    def visit(path: str, facade: Facade) -> None:
        functions = found.setdefault(path, {})
        for member in functions_of(type(facade)):
            value = getattr(facade, member)
            if isinstance(value, Facade):
                visit(f"{path}.{member}", value)
            elif callable(value) and not isinstance(value, type):
                functions[member] = _parameters(value)
            elif isinstance(getattr(type(facade), member), property):
                functions[member] = []

    for helper in HELPERS:
        visit(name_of(helper), names[name_of(helper)])
    return found


def _parameters(function: Any) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except ValueError:  # a function of C without a signature
        return []


# -- what holds for all ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("helper", HELPERS, ids=name_of)
def test_a_helper_cannot_be_changed(scope: Scope, helper: type[Facade]) -> None:
    value = scope.names[name_of(helper)]
    with pytest.raises(TypeError, match="cannot be changed"):
        value.log = 1
    with pytest.raises(TypeError, match="cannot be changed"):
        del value.log
    assert not hasattr(value, "__dict__")


@pytest.mark.parametrize("helper", HELPERS, ids=name_of)
def test_a_helper_shows_functions_and_values_only(scope: Scope, helper: type[Facade]) -> None:
    value = scope.names[name_of(helper)]
    for member in functions_of(helper):
        shown = getattr(value, member)
        assert callable(shown) or isinstance(shown, Facade | float | int | str), member
        assert not inspect.ismodule(shown)


def test_a_misspelt_function_is_answered_with_the_nearest(scope: Scope) -> None:
    with pytest.raises(AttributeError, match=r"file has no 'copyy'; did you mean 'copy'\?"):
        scope.names["file"].copyy  # noqa: B018  # the access is the test
    with pytest.raises(AttributeError, match=r"kfl has no 'zzz'$"):
        scope.names["kfl"].zzz  # noqa: B018  # the access is the test


def test_env_answers_attributes_and_items(scope: Scope) -> None:
    env = scope.names["env"]
    assert (env.A, env.B, env["A"], env.get("B", 1), dict(env), "A" in env) == ("b", None, "b", 1, {"A": "b"}, True)
    with pytest.raises(KeyError):
        env["B"]


def test_json_takes_items_and_refuses_in_words(scope: Scope) -> None:
    json = scope.names["json"]
    assert json.loads(json.dumps({"a": [1, None, "ü"]})) == {"a": [1, None, "ü"]}
    wrong: list[tuple[Any, Any]] = [(json.loads, "{"), (json.loads, 1), (json.dumps, {1, object()})]
    for function, argument in wrong:
        with pytest.raises(HelperError, match=r"^json\."):
            function(argument)


def test_a_large_file_is_written_in_pieces_and_appears_at_once(zygote: Zygote) -> None:
    host = zygote.spawn("def onItemCaptured(data):\n    file.write('big', 'ü€😀' * 20_000)\n")
    host.ready()
    assert host.deliver(ITEM) == (0, 0)
    assert [call[:2] for call in host.asked] == [
        ("file.write", "big.part"),
        *[("file.append", "big.part")] * 3,
        ("file.move", "big.part"),
    ]
    assert "".join(call[2] for call in host.asked[:-1]) == "ü€😀" * 20_000


def test_the_simple_helpers_answer_without_the_broker(zygote: Zygote) -> None:
    source = """
def onItemCaptured(data):
    console.log(utils.nodeName(), math.floor(2.5), json.dumps(data.src), kfl.validate("http"), kfl.validate("http ("))
    console.error("a", 1, None)
    console.clear()
    print("a", "b", sep="-")
    assert time.time() > 1.7e9 and time.time_ns() > 1.7e18
"""
    host = zygote.spawn(source)
    host.ready()
    assert host.deliver(ITEM) == (0, 0)
    src = msgspec.json.encode(ITEM["src"]).decode().replace('":', '": ').replace(",", ", ")
    assert host.lines == [f"log: node-1 2 {src} True False", "error: a 1 None", "log: a-b"]


def test_a_bad_filter_is_an_error_the_script_can_catch(zygote: Zygote) -> None:
    source = """
def onItemCaptured(data):
    try:
        kfl.match("http " + "and", data)
    except KflError as error:
        console.log(error)
"""
    host = zygote.spawn(source)
    host.ready()
    assert host.deliver(ITEM) == (0, 0)
    assert host.lines[0].startswith("log: kfl: ")


# -- the stub ----------------------------------------------------------------------------------------------------------


def stub_functions() -> dict[str, dict[str, list[str]]]:
    """The same as ``facade_functions``, as the stub says it."""
    tree = ast.parse(STUB.read_text())
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    found: dict[str, dict[str, list[str]]] = {}

    def visit(path: str, name: str) -> None:
        functions = found.setdefault(path, {})
        for member in classes[name].body:
            if isinstance(member, ast.FunctionDef) and not member.name.startswith("_"):
                functions[member.name] = _stub_parameters(member)
            elif isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name):
                kind = ast.unparse(member.annotation)
                if kind in classes:
                    visit(f"{path}.{member.target.id}", kind)

    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id != "state":
            visit(node.target.id, ast.unparse(node.annotation))
    return found


def _stub_parameters(function: ast.FunctionDef) -> list[str]:
    arguments = function.args
    named = [argument.arg for argument in [*arguments.posonlyargs, *arguments.args]]
    star = [arguments.vararg.arg] if arguments.vararg else []
    return [name for name in [*named, *star, *(argument.arg for argument in arguments.kwonlyargs)] if name != "self"]


def test_the_stub_and_the_helpers_agree() -> None:
    ours, told = facade_functions(), stub_functions()
    assert set(told) == set(ours)
    for helper in sorted(set(ours) - {"env", "math", "time"}):
        assert told[helper] == ours[helper], helper
    for helper in ("math", "time"):  # functions of C, which do not all tell their parameters
        assert set(told[helper]) == set(ours[helper])


def test_the_stub_names_every_helper_that_is_one_function() -> None:
    functions = {node.name for node in ast.parse(STUB.read_text()).body if isinstance(node, ast.FunctionDef)}
    assert functions == set(FUNCTIONS)


def test_the_stub_names_every_error() -> None:
    tree = ast.parse(STUB.read_text())
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    assert classes >= {error.__name__ for error in ERRORS}


def test_helpers_can_be_hidden_by_a_scripts_own_names() -> None:
    assert check_script("file = 1\nx = file\n", "top.py").hooks == ()
    with pytest.raises(ScriptRejected):
        check_script("filee", "top.py")
    assert "file" in helper_names()
