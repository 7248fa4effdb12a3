"""What the kernel says about a host, seen from outside."""

from __future__ import annotations

import os
import shutil
import signal

import pytest

from engine.jail.layers import LAYERS, insisted, wanted
from engine.jail.limits import MAX_DESCRIPTORS
from tests.support.scripthost import ITEM, MEMORY_BYTES, HostEnds, Zygote, running_zygote

NOBODY = 65534

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can look into an undumpable process, or change users")


@pytest.fixture
def host(zygote: Zygote) -> HostEnds:
    host = zygote.spawn("def onItemCaptured(data):\n    pass\n")
    host.ready()
    return host


@pytest.fixture
def dropped(zygote: Zygote) -> HostEnds:
    host = zygote.spawn("def onItemCaptured(data):\n    pass\n", user=NOBODY)
    host.ready()
    return host


def status_of(host: HostEnds) -> dict[str, str]:
    with open(f"/proc/{host.pid}/status") as status:
        return {key: value.strip() for key, _, value in (line.partition(":") for line in status)}


def test_a_host_has_no_capability_and_gets_none(host: HostEnds) -> None:
    status = status_of(host)
    assert {name: int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == dict.fromkeys(
        ("CapInh", "CapPrm", "CapEff", "CapAmb"), 0
    )
    assert status["NoNewPrivs"] == "1"
    assert status["Threads"] == "1"


@as_root
def test_root_gives_up_the_bounding_set_too(host: HostEnds) -> None:
    assert int(status_of(host)["CapBnd"], 16) == 0


EVERYTHING = """
def onItemCaptured(data):
    text = json.dumps({"data": data, "f": 1.5}, indent=2)
    console.log(len(text), f"{1.5:.3f} {10**20:,} {data!r:>10}", "%05d" % 3, math.sqrt(2), time.time())
    for codec in ("utf-8", "latin-1", "ascii", "utf-16", "cp1252", "idna", "unicode_escape"):
        "abc".encode(codec).decode(codec)
    "ß".upper().casefold()
    kfl.match('http and request.path == r"^/a+" or dst.name == "x"', data)
    kfl.validate("http and (")
    try:
        kfl.match("status " + "==", data)
    except KflError as error:
        str(error)
    sorted([3, 1], key=lambda x: -x), 2 ** 200, float("1e3"), int("ff", 16), complex(1, 2), bytes.fromhex("ff")
    try:
        json.loads("{")
    except HelperError as error:
        repr(error)
    file.write("a", text)
"""

LIMITS = {
    "Max address space": MEMORY_BYTES,
    "Max open files": MAX_DESCRIPTORS,
    "Max file size": 0,
    "Max core file size": 0,
    "Max locked memory": 0,
}


def limit_of(host: HostEnds, name: str) -> list[str]:
    with open(f"/proc/{host.pid}/limits") as limits:
        (line,) = (line for line in limits if line.startswith(name))
    return line[len("Max pending signals      ") :].split()[:2]


@as_root
@pytest.mark.parametrize(("name", "value"), LIMITS.items(), ids=LIMITS)
def test_limits_are_hard(host: HostEnds, name: str, value: int) -> None:
    assert limit_of(host, name) == [str(value)] * 2


@as_root
def test_a_host_has_two_sockets_and_the_progress_page_and_nothing_else(host: HostEnds) -> None:
    targets = {int(name): os.readlink(f"/proc/{host.pid}/fd/{name}") for name in os.listdir(f"/proc/{host.pid}/fd")}
    assert {targets.pop(number) for number in (0, 1, 2)} == {"/dev/null"}
    assert {targets.pop(number).partition(":")[0] for number in (3, 4)} == {"socket"}
    assert set(targets.values()) == {"/memfd:progress (deleted)"}, "mmap keeps a copy of its descriptor"


@as_root
def test_a_host_stands_alone(host: HostEnds) -> None:
    assert os.getsid(host.pid) == host.pid
    assert os.readlink(f"/proc/{host.pid}/cwd") == "/"
    with open(f"/proc/{host.pid}/environ", "rb") as environment:
        assert environment.read() == b""


@as_root
def test_a_host_becomes_the_user_it_is_told(dropped: HostEnds) -> None:
    status = status_of(dropped)
    assert status["Uid"].split() == [str(NOBODY)] * 4
    assert status["Gid"].split() == [str(NOBODY)] * 4
    assert status["Groups"] == ""
    assert "user" in dropped.layers
    assert "processes" in dropped.layers
    assert limit_of(dropped, "Max processes") == ["0", "0"]


@as_root
def test_a_dropped_host_finds_all_that_scripts_use_without_a_file(zygote: Zygote) -> None:
    host = zygote.spawn(EVERYTHING, user=NOBODY)
    host.ready()
    assert host.deliver() == (0, 1), host.lines


@as_root
def test_a_dropped_host_is_undumpable(dropped: HostEnds) -> None:
    assert os.stat(f"/proc/{dropped.pid}/environ").st_uid == 0, "proc files of an undumpable process belong to root"


def test_the_layers_are_reported_in_the_order_they_were_obtained(host: HostEnds) -> None:
    assert [layer for layer in host.layers if layer in wanted("standard")] == [
        layer for layer in wanted("standard") if layer in host.layers
    ]
    assert {layer.name for layer in LAYERS if insisted("standard", layer)} <= set(host.layers)


@as_root
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv takes the capability away")
def test_root_that_may_not_change_users_has_one_layer_less() -> None:
    with running_zygote([str(shutil.which("setpriv")), "--bounding-set", "-setuid,-setgid"]) as own:
        host = own.spawn("def onItemCaptured(data):\n    pass\n", user=NOBODY)
        host.ready()
        assert "user" not in host.layers
        assert {"limits", "capabilities", "no_new_privs"} <= set(host.layers)
        assert int(status_of(host)["CapEff"], 16) == 0


@as_root
@pytest.mark.slow
def test_a_user_without_capabilities_gets_the_same_jail() -> None:
    become_nobody = (
        f"zygote._warm_up()\nimport os\nos.setgroups([]); os.setresgid(*[{NOBODY}] * 3); os.setresuid(*[{NOBODY}] * 3)"
    )
    with running_zygote(prelude=become_nobody) as own:
        host = own.spawn("def onItemCaptured(data):\n    console.log(data.index)\n", user=1000)
        host.ready()
        assert {"limits", "capabilities", "processes", "parent_death", "no_new_privs", "undumpable"} <= set(host.layers)
        assert status_of(host)["Uid"].split() == [str(NOBODY)] * 4
        assert host.deliver() == (0, 0)


def test_memory_is_limited_and_the_script_survives_it(zygote: Zygote) -> None:
    host = zygote.spawn("def onItemCaptured(data):\n    x = bytes(2**28)\n", memory_bytes=256 << 20)
    host.ready()
    assert host.deliver() == (1, 0)
    assert host.lines == ["error: onItemCaptured: line 2: MemoryError"]
    assert host.deliver() == (1, 0)


def test_a_top_level_that_needs_too_much_memory_is_refused(zygote: Zygote) -> None:
    host = zygote.spawn("x = 'x' * 2**26\n", memory_bytes=64 << 20)
    assert host.refused() == ["line 1: MemoryError"]


def test_without_a_sandbox_only_what_costs_nothing_is_put_on(zygote: Zygote) -> None:
    host = zygote.spawn(EVERYTHING, sandbox="off")
    host.ready()
    assert host.layers == ["descriptors", *wanted("off")]
    assert host.deliver() == (0, 1), host.lines


@as_root
def test_a_strict_host_is_refused_where_a_layer_is_missing(zygote: Zygote) -> None:
    host = zygote.spawn("x = 1\n", sandbox="strict")
    (reason,) = host.refused()
    missing = "the layer 'user' cannot be had here (no user to become was named)"
    assert reason == f"scripting.sandbox is 'strict', but {missing}; 'remora doctor' shows all of them"


@as_root
def test_a_strict_host_runs_where_everything_is_given(zygote: Zygote) -> None:
    host = zygote.spawn(EVERYTHING, sandbox="strict", user=NOBODY)
    host.ready()
    assert set(host.layers) == {"descriptors", *wanted("strict")}
    assert host.deliver() == (0, 1), host.lines


BROKEN_OUT = """
import os, socket
from engine.scripting.facades.language import Math
Math.sqrt = staticmethod(lambda _: socket.socket())
Math.floor = staticmethod(lambda _: os.open("/etc/passwd", os.O_RDONLY))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the filter of other processors was never run")
def test_a_script_that_left_its_language_opens_no_file_and_ends_with_its_first_socket() -> None:
    with running_zygote(prelude=BROKEN_OUT) as own:
        host = own.spawn("def onItemCaptured(data):\n    math.floor(1.5)\n    math.sqrt(2)\n")
        host.ready()
        assert host.deliver() == (1, 0)
        (line,) = host.lines
        assert line.endswith("line 2: PermissionError: [Errno 1] Operation not permitted: '/etc/passwd'")
        host = own.spawn("def onItemCaptured(data):\n    math.sqrt(2)\n")
        host.ready()
        host.send([ITEM])
        assert own.exit_status(host) == -signal.SIGSYS
