from __future__ import annotations

import selectors
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine import clock
from engine.configure import configure
from engine.errors import ConfigError
from engine.scripting.options import ScriptOptions
from engine.supervisor.scriptfolders import ScriptFolders, folders_of, is_active, read_folders

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


class Loaded:
    """Takes the set of scripts instead of the processes that would run them."""

    def __init__(self) -> None:
        self.sets: list[dict[str, bytes]] = []

    def set_texts(self, texts: dict[str, bytes], _now_s: float, _unread: dict[str, str]) -> None:
        self.sets.append(dict(texts))


class Watched:
    """A folder that is watched, and a loop around it."""

    def __init__(self, folder: Path, *, watch: bool = True, settings: Sequence[str] = ()) -> None:
        self.folder, self.loaded, self.selector = folder, Loaded(), selectors.DefaultSelector()
        options = ScriptOptions(source=str(folder), watch=watch, scripts={name: {} for name in settings})
        self.told: list[str] = []
        loaded: Any = self.loaded  # as much of a ScriptSet as is used
        self.folders = ScriptFolders(options, loaded, self.selector, self.told.append)
        self.folders.load()

    def turn(self, wait_s: float = 0.01) -> None:
        for key, _ in self.selector.select(wait_s):
            key.data()
        self.folders.take_due(clock.monotonic_s())

    def until(self, names: set[str]) -> None:
        deadline_s = clock.monotonic_s() + 20
        while set(self.loaded.sets[-1]) != names:
            assert clock.monotonic_s() < deadline_s, self.loaded.sets
            self.turn()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    scene = Watched(tmp_path)
    yield scene
    scene.folders.close()
    scene.selector.close()


def test_settings_of_a_script_that_is_not_there_are_named(tmp_path: Path) -> None:
    for name in ("errors.py", "top.py"):
        (tmp_path / name).write_text("x = 1\n")
    scene = Watched(tmp_path, settings=["error.py", "top", "errors.py", "zzz"])
    missing = "there is no script of this name"
    assert scene.told == [
        f"scripting.scripts.error.py: {missing}; is 'errors.py' meant?",
        f"scripting.scripts.zzz: {missing}",
    ]
    scene.folders.load()
    assert len(scene.told) == 2, "once"
    (tmp_path / "error.py").write_text("x = 1\n")
    (tmp_path / "zzz.py").write_text("x = 1\n")
    scene.folders.load()
    assert len(scene.told) == 2
    scene.folders.close()
    scene.selector.close()


def test_without_watching_a_folder_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "first.py").write_text("x = 1\n")
    unwatched = Watched(tmp_path, watch=False)
    (tmp_path / "second.py").write_text("x = 1\n")
    assert not unwatched.selector.get_map()
    unwatched.folders.take_due(clock.monotonic_s() + 100)
    assert [set(texts) for texts in unwatched.loaded.sets] == [{"first.py"}]
    unwatched.selector.close()


@pytest.mark.slow
def test_files_that_come_together_are_one_new_set(watched: Watched) -> None:
    for number in range(5):
        (watched.folder / f"{number}.py").write_text("x = 1\n")
    watched.until({f"{number}.py" for number in range(5)})
    assert [len(texts) for texts in watched.loaded.sets] == [0, 5]


@pytest.mark.slow
def test_a_file_that_goes_or_gets_another_name_does_so_here(watched: Watched) -> None:
    (watched.folder / "a.py").write_text("x = 1\n")
    (watched.folder / "b.py").write_text("x = 2\n")
    watched.until({"a.py", "b.py"})
    (watched.folder / "a.py").rename(watched.folder / "c.py")
    watched.until({"b.py", "c.py"})
    (watched.folder / "b.py").unlink()
    watched.until({"c.py"})
    (watched.folder / "c.py").rename(watched.folder / ".c.py.swp")
    watched.until(set())


@pytest.mark.slow
def test_a_file_that_is_still_being_written_is_read_when_it_rests(watched: Watched) -> None:
    with (watched.folder / "a.py").open("w") as file:
        for line in range(30):
            file.write(f"x{line} = (\n")
            file.flush()
            watched.turn()
        file.write("1" + ")" * 30)
    watched.until({"a.py"})
    texts = [texts["a.py"] for texts in watched.loaded.sets if texts]
    assert texts[-1].endswith(b")")
    assert all(text.endswith(b")") for text in texts), "half a file was loaded"


@pytest.mark.slow
def test_an_editor_that_replaces_the_file_is_a_change_like_any_other(watched: Watched) -> None:
    (watched.folder / "a.py").write_text("x = 1\n")
    watched.until({"a.py"})
    (watched.folder / "a.py~").write_text("x = 2\n")
    (watched.folder / "a.py~").replace(watched.folder / "a.py")
    deadline_s = clock.monotonic_s() + 20
    while watched.loaded.sets[-1]["a.py"] != b"x = 2\n":
        assert clock.monotonic_s() < deadline_s
        watched.turn()


@pytest.mark.slow
def test_a_folder_that_is_put_in_the_place_of_another_is_watched_from_then_on(tmp_path: Path) -> None:
    for release in ("one", "two"):
        (tmp_path / release).mkdir()
        (tmp_path / release / f"{release}.py").write_text("x = 1\n")
    current = tmp_path / "current"
    current.symlink_to("one")
    watched = Watched(current)
    watched.until({"one.py"})
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").replace(current)
    watched.until({"two.py"})
    (tmp_path / "two" / "more.py").write_text("x = 1\n")
    watched.until({"two.py", "more.py"})
    current.unlink()
    (tmp_path / "two").rename(current)
    watched.until({"two.py", "more.py"})
    watched.folders.close()
    watched.selector.close()


@pytest.mark.slow
def test_a_folder_in_which_something_changes_all_the_time_is_read_all_the_same(watched: Watched) -> None:
    (watched.folder / "a.py").write_text("x = 1\n")
    deadline_s = clock.monotonic_s() + 20
    while set(watched.loaded.sets[-1]) != {"a.py"}:
        assert clock.monotonic_s() < deadline_s
        (watched.folder / "log.txt").write_text("one more line\n")
        watched.turn()
