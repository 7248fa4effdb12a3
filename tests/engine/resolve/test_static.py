from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import ConfigError
from engine.resolve.options import ResolveOptions
from engine.resolve.resolver import NOBODY, Name
from engine.resolve.static import NoNames, StaticNames, open_resolver

FILE = """
10.0.0.5: {name: web.shop, namespace: shop, pod: web-7d9f, labels: {app: web}, node: n1, service: web}
10.0.0.7: database
10.0.0.7:5432: {name: postgres, process: postgres, processId: 812}
"[fd00::1]:80": six
FD00:0::2: six-too
"""


def written(folder: Path, text: str) -> ResolveOptions:
    path = folder / "names.yaml"
    path.write_text(text)
    return ResolveOptions(names=str(path))


@pytest.mark.parametrize(
    ("ip", "port", "name"),
    [
        ("10.0.0.5", 1, Name("web.shop", "shop", "web", "web-7d9f", {"app": "web"}, "n1")),
        ("10.0.0.7", 80, Name("database")),
        ("10.0.0.7", 5432, Name("postgres", process="postgres", process_id=812)),
        ("fd00::1", 80, Name("six")),
        ("fd00::1", 81, NOBODY),
        ("fd00::2", 1, Name("six-too")),
        ("10.9.9.9", 80, NOBODY),
    ],
)
def test_an_address_with_its_port_goes_before_the_address(tmp_path: Path, ip: str, port: int, name: Name) -> None:
    assert open_resolver(written(tmp_path, FILE)).name_of(ip, port, 0) == name


def test_history_has_the_form_of_kubeshark(tmp_path: Path) -> None:
    text = "10.0.0.5: {name: web.shop, namespace: shop}\n10.0.0.7:80: db\n"
    assert open_resolver(written(tmp_path, text)).history() == {
        "0": {
            "10.0.0.5": {"FullAddress": "web.shop", "Namespace": "shop"},
            "10.0.0.7:80": {"FullAddress": "db", "Namespace": ""},
        }
    }


def test_without_a_file_or_names_nobody_has_a_name(tmp_path: Path) -> None:
    assert isinstance(open_resolver(ResolveOptions()), NoNames)
    assert open_resolver(ResolveOptions()).history() == {}
    assert open_resolver(written(tmp_path, "# nothing yet\n")).history() == {}
    assert StaticNames({}).name_of("10.0.0.1", 80, 0) is NOBODY


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "expected a map from addresses to names, got ['a']"),
        ("web: {name: x}\n", "expected an address such as '10.0.0.7', '10.0.0.7:5432' or '[::1]:80', got 'web'"),
        ("10.0.0.1:http: x\n", "got '10.0.0.1:http'"),
        ("10.0.0.1:70000: x\n", "got '10.0.0.1:70000'"),
        ("10.0.0.1: [x]\n", "10.0.0.1: expected a name or a map of name, namespace, service, pod …, got ['x']"),
        ("10.0.0.1: {nam: x}\n", "10.0.0.1: expected one of name, namespace, service, pod"),
        ("10.0.0.1: {name: 5}\n", "10.0.0.1: name: expected text, got 5"),
        ("10.0.0.1: {labels: {a: 1}}\n", "10.0.0.1: labels: expected a map of text, got {'a': 1}"),
        ("10.0.0.1: {processId: true}\n", "10.0.0.1: processId: expected a number, got True"),
        ("a: b: c\n", "names.yaml line 1: expected YAML, got 'mapping values are not allowed here'"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_resolver(written(tmp_path, text))
    assert message in str(caught.value)
    assert "names.yaml" in str(caught.value)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"resolve.names: /no/such: expected a readable file"):
        open_resolver(ResolveOptions(names="/no/such"))


def test_a_changed_file_changes_the_names_for_all_times(tmp_path: Path) -> None:
    options = written(tmp_path, "10.0.0.1: one\n")
    names = open_resolver(options)
    before = names.generation
    assert names.refresh(10.0) == ""
    written(tmp_path, "10.0.0.1: two\n10.0.0.2:80: new\n")
    assert names.refresh(10.5) == "", "it is looked at once a second"
    assert names.refresh(11.0) == f"{options.names}: 2 names"
    assert (names.name_of("10.0.0.1", 1, 0).name, names.name_of("10.0.0.2", 80, 0).name) == ("two", "new")
    assert names.generation > before
    assert names.by_port
    assert names.refresh(12.0) == ""


@pytest.mark.parametrize("text", ["a: [", "nonsense: x\n", None], ids=["no YAML", "no address", "no file"])
def test_a_change_that_cannot_be_read_is_told_once_and_changes_nothing(tmp_path: Path, text: str | None) -> None:
    options = written(tmp_path, "10.0.0.1: one\n")
    names = open_resolver(options)
    if text is None:
        Path(options.names).unlink()
    else:
        written(tmp_path, text)
    said = names.refresh(10.0)
    assert "names.yaml" in said
    assert said.endswith("the names stay as they were")
    assert names.refresh(20.0) == ""
    assert names.name_of("10.0.0.1", 1, 0).name == "one"
    written(tmp_path, "10.0.0.1: back\n")
    assert names.refresh(30.0) == f"{options.names}: 1 names"
    assert names.name_of("10.0.0.1", 1, 0).name == "back"


def test_a_file_that_is_replaced_by_rename_is_noticed(tmp_path: Path) -> None:
    names = open_resolver(written(tmp_path, "10.0.0.1: one\n"))
    (tmp_path / "new.yaml").write_text("10.0.0.1: two\n")
    (tmp_path / "new.yaml").replace(tmp_path / "names.yaml")
    assert names.refresh(1.0)
    assert names.name_of("10.0.0.1", 1, 0).name == "two"
