"""Builds the settings: ``--set`` over environment over file over defaults, and remembers where each value came from."""

from __future__ import annotations

import difflib
import math
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.clock import wall_ns
from engine.config import Settings, all_keys
from engine.cron import zone_of
from engine.dissect.enabling import PORTS_KEY, check_dissectors
from engine.dissect.table import ProtocolRow
from engine.errors import ConfigError, KflError
from engine.kubeshark import known_to_kubeshark
from engine.options import Key
from engine.resolve.targets import check_targets
from engine.scripting.options import PER_SCRIPT
from engine.shipping.address import destination_text
from engine.units import format_bytes, parse_duration_s, parse_size_bytes

MAX_PATH_CHARACTERS = 4096
SECRET_ENDINGS = ("KEY", "KEY_JSON", "TOKEN", "SECRET", "PASSWORD")
"""Names that end like this hold secrets: scripts see an opaque handle instead of the value."""
_MACROS = "tap.custommacros."
_PORTS = f"{PORTS_KEY}.".lower()
_SCRIPTS = "scripting.scripts"
MAX_MACRO_BYTES = 8 << 10
"""Of all macros together: every script host gets them in one message."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What was built, and why."""

    settings: Settings
    origins: Mapping[str, str]
    """Key -> ``default``, ``--set``, ``environment GCS_BUCKET``, ``file remora.yaml``."""
    without_effect: tuple[str, ...]
    """Keys that Kubeshark knows and that mean nothing here."""
    doubts: tuple[str, ...]
    """What may not be meant so, as sentences."""
    secrets: Mapping[str, str]
    """Values that only the shipper may know, by variable name."""
    script_env: Mapping[str, str]
    """What scripts see as ``env``; secrets are handles."""


@dataclass(frozen=True, slots=True)
class _Given:
    """One value somebody gave."""

    key: str
    value: Any
    origin: str
    base: Path = Path()
    """What a relative path in it is relative to."""


def configure(file: Path | None, sets: Sequence[str], environment: Mapping[str, str], **run: Any) -> Configuration:
    """Settings from all four places; ``run`` sets fields of ``Settings`` that are flags of the command.

    Raises:
        ConfigError: an unreadable file, an unknown key, a value of the wrong form.
    """
    known = {key.name.lower(): (stage, attribute, key) for stage, attribute, key, _ in all_keys()}
    given = [*_from_file(file), *_from_environment(environment), *_from_sets(sets)]
    values: dict[str, dict[str, Any]] = {}
    origins = {key.name: "default" for _, _, key, _ in all_keys()}
    script_env: dict[str, Any] = {}
    macros: dict[str, str] = {}
    ports: dict[str, str] = {}
    without_effect = []
    for item in given:
        name = item.key.lower()
        if name.startswith("scripting.env."):
            script_env[item.key.split(".", 2)[2]] = item.value
        if name.startswith(_MACROS):
            macros[item.key[len(_MACROS) :]] = _as_text(item.value)
        if name.startswith(_PORTS):
            ports[item.key[len(_PORTS) :]] = _as_text(item.value)
            origins[PORTS_KEY] = item.origin
        if name == _SCRIPTS or name.startswith(f"{_SCRIPTS}."):
            _set_own(values.setdefault("scripts", {}).setdefault("scripts", {}), item, known)
            origins[_SCRIPTS] = item.origin
        elif name in known:
            stage, attribute, key = known[name]
            values.setdefault(stage, {})[attribute] = _convert(item, key)
            origins[key.name] = item.origin
        elif not name.startswith(("scripting.env.", _MACROS, _PORTS)):
            _refuse_unknown(item, known)
            without_effect.append(item.key)
    settings = Settings(**run)
    settings = replace(
        settings, **{stage: replace(getattr(settings, stage), **chosen) for stage, chosen in values.items()}
    )
    zone_of(settings.scripts.timezone)
    destination_text(settings.shipping)
    if settings.shipping.egress:
        from engine.shipping.request import check_hosts  # here and not above: it takes 10 ms to load, and few need it

        check_hosts(settings.shipping.egress)
    if macros:
        settings = replace(settings, filters=replace(settings.filters, macros={**settings.filters.macros, **macros}))
    if (size := len(str(settings.filters.macros))) > MAX_MACRO_BYTES:
        raise ConfigError("tap.customMacros", f"at most {MAX_MACRO_BYTES} bytes in all", size)
    settings = replace(settings, dissect=replace(settings.dissect, ports={**settings.dissect.ports, **ports}))
    without_effect += check_dissectors(settings.dissect, _load_rows)
    check_targets(settings.targets, settings.resolve)
    if settings.recording.all_jobs:
        _check_jobs(settings)
    if not settings.node.name:
        settings = replace(settings, node=replace(settings.node, name=socket.gethostname()))
    passed = {name: environment[name] for name in settings.scripts.pass_env if name in environment}
    settings = replace(settings, scripts=replace(settings.scripts, env={}))
    secrets, visible = _split_secrets({**{k: _as_text(v) for k, v in script_env.items()}, **passed})
    if settings.shipping.key_json:
        secrets["GCS_SA_KEY_JSON"] = settings.shipping.key_json
        visible.setdefault("GCS_SA_KEY_JSON", "secret:GCS_SA_KEY_JSON")
    return Configuration(
        settings, origins, tuple(dict.fromkeys(without_effect)), _doubts(environment), secrets, visible
    )


def _load_rows() -> Sequence[ProtocolRow]:
    from engine.dissect.registry import load_rows  # here and not above: few name what is not built in

    return load_rows()


def _check_jobs(settings: Settings) -> None:
    """Raises ``ConfigError``: a job of the configuration could not be made."""
    from engine.kfl.recordings import in_order  # here and not above: the filter language takes 60 ms to load
    from engine.recording.job import read_job
    from engine.shipping.address import checked

    compiled: dict[str, Any] = {}
    dialect, macros = settings.filters.dialect, settings.filters.macros
    for index, given in enumerate(settings.recording.all_jobs):
        where = f"recordings[{index}]." if index < len(settings.recording.jobs) else "recording."
        try:
            job, _ = read_job(
                given, wall_ns(), "", where=where, dialect=dialect, macros=macros, check_destination=checked
            )
        except KflError as error:
            raise ConfigError(f"{where}kfl", "a filter", given["kfl"], f"it is wrong:\n{error}") from None
        if job.name in compiled:
            raise ConfigError(f"{where}name", "a name of its own", job.name)
        compiled[job.name] = job.compiled
    try:
        in_order(compiled)
    except KflError as error:
        raise ConfigError("recordings", "filters that do not ask in a circle", error.reason) from None


def _from_file(file: Path | None) -> Iterator[_Given]:
    if file is None:
        return
    import yaml  # here and not above: it takes 10 ms to load, and most offline commands have no file

    try:
        text = file.read_text()
        content = yaml.safe_load(text)
        twice = _key_named_twice(yaml.compose(text, yaml.SafeLoader))
    except OSError as error:
        raise ConfigError(str(file), "a readable YAML file", error.strerror) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(str(file), "YAML", " ".join(str(error).split())) from None
    if twice is not None:
        line = twice.start_mark.line + 1
        raise ConfigError(f"{file}, line {line}", "each key once", twice.value, "write what belongs below it together")
    if content is None:
        return
    if not isinstance(content, dict):
        raise ConfigError(str(file), "a mapping of keys", content)
    yield from _flatten(content, "", file)


def _key_named_twice(root: Any) -> Any:
    """The first key of a YAML document that its mapping has already: of two the last would count, without a word."""
    pending, looked_at = [root] if root is not None else [], set()
    while pending:
        node = pending.pop()
        if id(node) in looked_at or isinstance(node.value, str):
            continue
        looked_at.add(id(node))
        pairs = node.value if node.id == "mapping" else []
        names: set[str] = set()
        for key, _ in pairs:
            if key.value in names and key.tag != "tag:yaml.org,2002:merge":
                return key
            names.add(key.value)
        pending += [value for _, value in pairs] if pairs else node.value
    return None


def _flatten(content: Mapping[Any, Any], prefix: str, file: Path) -> Iterator[_Given]:
    kinds = ("map", "scripts")
    whole = {key.name.lower() for _, _, key, _ in all_keys() if key.kind in kinds} - {"scripting.env", _MACROS[:-1]}
    for name, value in content.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and key.lower() not in whole:
            yield from _flatten(value, key + ".", file)
        else:
            yield _Given(key, value, f"file {file}", file.parent)


def _from_environment(environment: Mapping[str, str]) -> Iterator[_Given]:
    for _, _, key, _ in all_keys():
        for variable in (*key.environment, _variable(key)):
            if environment.get(variable, "") != "":
                yield _Given(key.name, environment[variable], f"environment {variable}")


def _doubts(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Variables that look as if they were meant for a key, and are for none."""
    known = {_variable(key) for _, _, key, _ in all_keys()}
    sections = tuple({"_".join(name.split("_")[:2]) + "_" for name in known if name.count("_") > 1})
    found = []
    for name in sorted(name for name in environment if name.startswith(sections) and name not in known):
        near = difflib.get_close_matches(name, known, 1, 0.8)
        found.append(f"environment {name}: for no key" + (f"; did you mean {near[0]!r}?" if near else ""))
    return tuple(found)


def _variable(key: Key) -> str:
    return "REMORA_" + key.name.upper().replace(".", "_")


def _from_sets(sets: Sequence[str]) -> Iterator[_Given]:
    for text in sets:
        key, separator, value = text.partition("=")
        if not separator:
            raise ConfigError("--set", "KEY=VALUE such as 'tap.misc.pcapTTL=30s'", text)
        yield _Given(key.strip(), value, "--set")


def _refuse_unknown(item: _Given, known: Mapping[str, tuple[str, str, Key]]) -> None:
    if known_to_kubeshark(item.key):
        return
    names = {key.name.lower(): key.name for _, _, key in known.values()}
    nearest = difflib.get_close_matches(item.key.lower(), names, 1, 0.5)
    hint = f"did you mean {names[nearest[0]]!r}?" if nearest else "remora config lists them"
    raise ConfigError(item.origin, "a key of Remora or Kubeshark", item.key, hint)


def _set_own(own: dict[str, dict[str, Any]], item: _Given, known: Mapping[str, tuple[str, str, Key]]) -> None:
    """Settings of single scripts: ``scripting.scripts.NAME.KEY``, or all of them as a mapping."""
    for script, name, value in _own_values(item):
        stage, attribute, key = known.get(f"scripting.{name}".lower(), ("", "", None))
        if stage != "scripts" or attribute not in PER_SCRIPT or key is None:
            names = [key.name.removeprefix("scripting.") for _, field, key in known.values() if field in PER_SCRIPT]
            near = difflib.get_close_matches(name, names, 1, 0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(names))}"
            raise ConfigError(f"{_SCRIPTS}.{script} ({item.origin})", "a setting that a script can have", name, hint)
        named = replace(key, name=f"{_SCRIPTS}.{script}.{name}")
        own.setdefault(script, {})[attribute] = _convert(replace(item, value=value), named)


def _own_values(item: _Given) -> Iterator[tuple[str, str, Any]]:
    where = f"{item.key} ({item.origin})"
    script, _, name = item.key[len(_SCRIPTS) + 1 :].rpartition(".")
    if script:
        yield script, name, item.value
        return
    content = _mapping(item.value) if isinstance(item.value, str) else item.value
    content = {name: content} if name else content
    for script, values in content.items() if isinstance(content, dict) else [("", None)]:
        if not isinstance(values, dict):
            raise ConfigError(where, "a mapping such as '{top.py: {softCpu: 1s}}'", item.value)
        for name, value in values.items():
            yield str(script), str(name), value


def _convert(item: _Given, key: Key) -> Any:
    """The value that ``item`` gives ``key``.

    Raises:
        ConfigError: it is of the wrong form, none of those there are, too little or too much.
    """
    value = _parsed(item, key)
    where = f"{key.name} ({item.origin})"
    if key.choices and value not in key.choices:
        near = difflib.get_close_matches(value, key.choices, 1)
        hint = f"did you mean {near[0]!r}?" if near else ""
        raise ConfigError(where, f"one of {', '.join(key.choices)}", value, hint)
    if isinstance(value, int | float) and not key.least <= value <= key.most:
        shown = format_bytes if key.kind == "size" else str
        bounds = f"at least {shown(int(key.least))}" if key.most == math.inf else f"{key.least} to {key.most}"
        raise ConfigError(where, bounds, item.value)
    return value


def _parsed(item: _Given, key: Key) -> Any:
    where, value = f"{key.name} ({item.origin})", item.value
    if key.kind == "duration":
        return parse_duration_s(where, value)
    if key.kind == "size":
        return parse_size_bytes(where, value)
    if key.kind == "flag":
        return _flag(where, value)
    if key.kind == "number":
        return _number(where, value)
    if key.kind in ("list", "paths"):
        parts = [str(part).strip() for part in value] if isinstance(value, list) else _split(str(value or ""))
        return [str((item.base / part).absolute()) for part in parts] if key.kind == "paths" else parts
    if key.kind == "jobs":
        content = _mapping(value) if isinstance(value, str) else value
        if not isinstance(content, list) or not all(isinstance(one, dict) for one in content):
            raise ConfigError(where, "a list of recording jobs such as '[{name: slow, kfl: http}]'", value)
        return [_job(one, item.base) for one in content]
    if key.kind == "map":
        content = _mapping(value) if isinstance(value, str) else value
        if not isinstance(content, dict):
            raise ConfigError(where, "a mapping such as '{name: text}'", value)
        return {str(name): _as_text(part) for name, part in content.items()}
    text = "" if value is None else _as_text(value)
    if key.kind == "regex":
        _check_regex(where, text)
    if key.kind == "path" and text and "://" not in text:
        return str((item.base / text).absolute())
    if key.kind == "key" and text and "{" not in text and len(text) < MAX_PATH_CHARACTERS:
        path = (item.base / text).absolute()
        return str(path) if path.is_file() else text  # base64 of a key names no file
    return text


def _job(given: Mapping[Any, Any], base: Path) -> dict[str, Any]:
    """Properties as text, or lists of text; a relative folder as destination as it is meant."""
    job: dict[str, Any] = {
        str(name): part if isinstance(part, list) else _as_text(part) for name, part in given.items()
    }
    destination = job.get("destination")
    if destination and "://" not in destination:
        job["destination"] = str((base / destination).absolute())
    return job


def _mapping(text: str) -> Any:
    import yaml  # as above

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None


def _check_regex(where: str, text: str) -> None:
    """Raises ``ConfigError`` that points at the place where ``text`` is no regular expression."""
    from engine.kfl.patterns import PatternError, compile_pattern  # here and not above: most commands have none

    try:
        compile_pattern(text)
    except PatternError as error:
        reason = str(error)
        place = _place_of(reason.rpartition(": ")[2], text)
        raise ConfigError(where, "a regular expression", text, _pointed(text, reason, place)) from None


def _place_of(part: str, text: str) -> int:
    """Where a pattern is wrong: RE2 names the part, or all of it, and then Python's engine may know more; else -1."""
    if part and part != text:
        return text.find(part)
    try:
        re.compile(text)
    except re.error as error:
        return -1 if error.pos is None else error.pos
    except (RecursionError, OverflowError):
        return -1
    return -1


def _pointed(text: str, reason: str, place: int) -> str:
    if place < 0:
        return reason
    begin = text.rfind("\n", 0, place) + 1
    line = text[begin:].split("\n", 1)[0]
    return f"{reason.partition(':')[0]} at position {place}\n  {line}\n  {' ' * (place - begin)}^"


def _flag(where: str, value: Any) -> bool:
    text = str(value).lower()
    if text not in ("true", "false", "1", "0", "yes", "no"):
        raise ConfigError(where, "true or false", value)
    return text in ("true", "1", "yes")


def _number(where: str, value: Any) -> int:
    text = str(value)
    if not text.isdigit():
        raise ConfigError(where, "a whole number", value)
    return int(text)


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _as_text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    import yaml  # as above

    return yaml.safe_dump(value, default_flow_style=True).removesuffix("\n...\n").strip()


def _split_secrets(env: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """``(secrets, what scripts see)``: a secret's value never reaches a script, its handle does."""
    secrets = {name: value for name, value in env.items() if value and name.upper().endswith(SECRET_ENDINGS)}
    return secrets, {name: f"secret:{name}" if name in secrets else value for name, value in env.items()}
