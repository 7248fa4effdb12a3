"""The layers of ``docs/architecture.md``, held by a test so that a reviewer does not have to."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted([*ROOT.glob("engine/**/*.py"), *ROOT.glob("hooks/**/*.py")])

HOMES = {
    "numpy": "capture decode streams segments recording pipeline streamlog pcapdump",
    "pluggy": "hooks dissect",
    "lark": "kfl",
    "re2": "kfl",
    "msgspec": "hooks frames items segments recording shipping helpers scripting process archive"
    " supervisor children controlsocket broker",
    "RestrictedPython": "scripting",
    "watchdog": "scripting",
    "google": "shipping",
    "google_crc32c": "shipping recording",
    "requests": "shipping",
    "yaml": "configure resolve scripting",
    "rich": "cli",
    "click": "cli",
    "prometheus_client": "metrics",
    "dpkt": "decode dissect",
    "backports": "capture dissect recording",
    "brotli": "dissect",
    "cramjam": "dissect",
    "cryptography": "dissect",
    "graphql": "dissect",
    "hpack": "dissect",
}
"""Each third-party package and the rooms that may use it."""

PURE = ("engine/decode", "engine/streams", "engine/dissect", "engine/kfl", "engine/cron.py")
IMPURE = {"time", "threading", "socket", "os", "logging", "subprocess", "selectors", "random"}


def layers() -> dict[str, int]:
    """Room -> line, read from the page, so that page and test cannot disagree."""
    block = (ROOT / "docs/architecture.md").read_text().split("## Layers")[1].split("```")[1]
    found = {}
    for number, names in re.findall(r"(\d+) ((?:[a-z]+ ?)+)", block):
        for name in names.split():
            found["hooks" if name == "hooks" else f"engine.{name}"] = int(number)
    return found


LAYERS = layers()


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    return ".".join(module.split(".")[:2]) if module.startswith("engine") else "hooks"


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            modules = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {
                name if (ROOT / (name.replace(".", "/") + ".py")).exists() else str(node.module) for name in modules
            }
            if node.module == "engine":
                found |= modules
    return found - {"engine"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_the_lines_above_its_own(path: Path) -> None:
    room = room_of(name_of(path))
    if room == "engine":
        return
    assert room in LAYERS, f"{room}: expected a line in docs/architecture.md"
    for imported in sorted(imports_of(path)):
        if imported.split(".")[0] in ("engine", "hooks") and room_of(imported) != room:
            assert LAYERS[room_of(imported)] < LAYERS[room], f"{name_of(path)} must not import {imported}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_third_party_package_stays_in_its_rooms(path: Path) -> None:
    for imported in imports_of(path):
        homes = HOMES.get(imported.split(".")[0])
        assert homes is None or room_of(name_of(path)).removeprefix("engine.") in homes.split(), (
            f"{name_of(path)} must not import {imported}"
        )


@pytest.mark.parametrize("path", [p for p in MODULES if str(p.relative_to(ROOT)).startswith(PURE)], ids=name_of)
def test_pure_stages_use_no_clock_thread_socket_or_log(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports_of(path)} & IMPURE - {"random"}


def test_packages_export_nothing_but_the_two_public_faces() -> None:
    for path in [p for p in MODULES if p.name == "__init__.py"]:
        body = ast.parse(path.read_text()).body
        if name_of(path) not in ("hooks", "engine.kfl"):
            assert len(body) <= 1, f"{path}: a docstring and nothing else"


def test_imports_have_no_cycle() -> None:
    graph = {name_of(path): {i for i in imports_of(path) if i.startswith(("engine", "hooks"))} for path in MODULES}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail, module))
        if module not in done:
            for imported in graph.get(module, ()):
                if imported != module:
                    visit(imported, (*trail, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_the_page_lists_every_room() -> None:
    assert {room_of(name_of(path)) for path in MODULES} - {"engine"} <= set(LAYERS)
