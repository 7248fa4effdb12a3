from __future__ import annotations

from pathlib import Path

import pytest

from engine.configure import configure
from engine.errors import ConfigError
from engine.supervisor.scriptfolders import folders_of, is_active, read_folders

TEXT = b"# Top talkers.\n# Env: TOP\n\ncount = 0\n"


@pytest.mark.parametrize(
    ("active", "asked_for"),
    [
        ([], True),
        (["Top talkers"], True),
        (["top TALKERS "], True),
        (["top.py"], True),
        (["other", "top"], True),
        (["Top"], True),
        (["talkers"], False),
        (["other.py"], False),
        ([""], False),
    ],
)
def test_active_names_titles_or_files_and_nothing_in_part(active: list[str], asked_for: bool) -> None:
    assert is_active("top.py", TEXT, active) is asked_for


def test_a_script_without_a_title_is_active_by_its_name_alone() -> None:
    assert not is_active("a.py", b"x = 1\n", [""])
    assert is_active("a.py", b"x = 1\n", ["a"])


def test_scripts_of_several_folders_are_one_set(tmp_path: Path) -> None:
    for name in ("one/a.py", "two/b.py"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(name)
    (tmp_path / "two/c.py").mkdir()
    texts, unread = read_folders([tmp_path / "one", tmp_path / "two"])
    assert texts == {"a.py": b"one/a.py", "b.py": b"two/b.py"}
    assert list(unread) == ["c.py"]


def test_two_scripts_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("one/a.py", "two/a.py"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    with pytest.raises(ConfigError, match=r"scripting\.sources: expected scripts with names that differ, got .*a\.py"):
        read_folders([tmp_path / "one", tmp_path / "two"])


def test_folders_are_relative_to_the_file_that_names_them_and_count_once(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("scripting: {source: a, sources: [b, a]}\n")
    options = configure(tmp_path / "c.yaml", [], {}).settings.scripts
    assert folders_of(options) == [tmp_path / "a", tmp_path / "b"]
    assert folders_of(configure(None, ["scripting.sources=x,y"], {}).settings.scripts) == [
        Path("x").absolute(),
        Path("y").absolute(),
    ]
    assert folders_of(configure(None, [], {}).settings.scripts) == []
