"""A recording job: what somebody asked to be recorded, read from what they wrote."""

from __future__ import annotations

import datetime
import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, cast

import msgspec

from engine import kfl
from engine.clock import NS_PER_S
from engine.errors import ConfigError, KflError
from engine.kfl import Filter
from engine.kfl.redaction import RedactError, redaction
from engine.recording.plan import DAY_NS, Plan, over
from engine.units import parse_duration_s

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}", re.ASCII)
NAME_WORDS = "1 to 64 letters, digits, '.', '_' and '-', the first of them no '.'"
PROPERTIES = (
    "name", "kfl", "dialect", "start", "iterations", "duration", "expiration", "destination", "redact", "packets",
    "fromStart", "format", "withSecrets",
)  # fmt: skip
"""What a job consists of, as configuration, scripts and the command line name it."""
MAX_KFL_CHARACTERS = 8192
MAX_ITERATIONS = 100_000
MAX_DURATION_S = 100 * 365 * 86_400.0
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?\s*(?:UTC|Z)?", re.IGNORECASE)


class Job(msgspec.Struct, frozen=True):
    """One job. Stored as JSON: fields may be added, with a default, and never change their meaning."""

    name: str
    plan: Plan
    kfl: str = ""
    """Empty: every stream, dissected or not."""
    dialect: str = "kfl"
    """``kfl`` or ``kfl2``: found out when it was made, so that its text keeps its meaning."""
    macros: dict[str, str] = {}
    """Those of the configuration at that time."""
    expiration_ns: int = 0
    """How long its local data stays; 0: until it is deleted."""
    destination: str = ""
    """Where its batches go; empty: where all others go."""
    redact: list[str] = []
    """Paths that are hidden in its items, besides those of ``redact()`` in its filter."""
    packets: bool = True
    """False: its batches hold items alone."""
    from_start: bool = False
    """Streams are kept from their first packet that is still there, not from the first that matched."""
    format: Literal["", "pcap", "pcapng"] = ""
    """Of its packets; empty: as ``recording.format`` says when a batch is sealed."""
    with_secrets: bool | None = None
    """Its packets come with the keys of their TLS sessions; None: as ``recording.withSecrets`` says."""
    by: str = ""
    """Who made it: ``command``, ``configuration``, ``script NAME``."""
    created_ns: int = 0
    asked: dict[str, Any] = {}
    """What was given for it, by which it is known again."""

    @property
    def compiled(self) -> Filter:
        """Its filter, compiled.

        Raises:
            KflError: it was written by another version, which knew more.
        """
        return kfl.compile(self.kfl, self.dialect, self.macros)  # type: ignore[arg-type] # one of the two dialects

    @property
    def wants_items(self) -> bool:
        """Whether traffic has to be dissected for it."""
        return bool(self.kfl.strip()) or not self.packets


class Asked(NamedTuple):
    """A job that was read, and what its author should know though it is no error."""

    job: Job
    notes: list[str]


def read_job(
    given: Mapping[str, Any],
    now_ns: int,
    by: str,
    *,
    where: str = "",
    dialect: str = "auto",
    macros: Mapping[str, str] | None = None,
    check_destination: Callable[[str, str], str] = lambda _, destination: destination,
) -> Asked:
    """The job that ``given`` describes; every value may be text.

    Args:
        given: properties by name.
        now_ns: wall clock.
        by: who asks.
        where: what goes before a property's name in messages: ``recordings[0].``.
        dialect: of its filter, where it does not say.
        macros: of its filter.
        check_destination: raises ``ConfigError`` for a destination nothing can be sent to.

    Raises:
        ConfigError: a property that is unknown, missing or of the wrong form.
        KflError: the filter is wrong; points at the place.
    """
    _refuse_unknown(given, where)
    values = {key: value for key, value in given.items() if value is not None}
    name = checked_name(f"{where}name", values.get("name", ""))
    text, used = _text(values, "kfl"), {}
    if len(text) > MAX_KFL_CHARACTERS:
        raise ConfigError(f"{where}kfl", f"at most {MAX_KFL_CHARACTERS} characters", len(text))
    compiled = _compile(text, values.get("dialect") or dialect, macros or {}, f"{where}dialect")
    if name in compiled.recordings:
        raise KflError(f"recording {name!r} asks about itself", text, 1, max(text.find("record"), 0) + 1)
    if compiled.dialect == "kfl":
        used = dict(compiled.macros)
    redact = _paths(f"{where}redact", values.get("redact"))
    redacts = bool(redact or compiled.redactions)
    packets = _flag(f"{where}packets", values.get("packets"), default=not redacts)
    form, with_secrets = _form(values, where)
    job = Job(
        name,
        _plan(values, now_ns, where),
        text,
        compiled.dialect,
        used,
        _nanoseconds(f"{where}expiration", values.get("expiration")),
        check_destination(f"{where}destination", _text(values, "destination")),
        redact,
        packets,
        _flag(f"{where}fromStart", values.get("fromStart"), default=False),
        form,
        with_secrets,
        by,
        now_ns,
        values,
    )
    return Asked(job, _notes(job, compiled, redacts))


def checked_name(where: str, name: object) -> str:
    """``name``, if a recording can be called that.

    Raises:
        ConfigError: it cannot.
    """
    if not isinstance(name, str | int) or isinstance(name, bool) or not NAME.fullmatch(str(name)):
        raise ConfigError(where, NAME_WORDS, str(name)[:100])
    return str(name)


def _refuse_unknown(given: Mapping[str, Any], where: str) -> None:
    for key in given:
        if key not in PROPERTIES:
            nearest = difflib.get_close_matches(str(key), PROPERTIES, 1, 0.5)
            hint = f"did you mean {nearest[0]!r}?" if nearest else ""
            raise ConfigError(f"{where}{key}", f"one of {', '.join(PROPERTIES)}", str(key), hint)


def _compile(text: str, dialect: str, macros: Mapping[str, str], where: str) -> kfl.Filter:
    if dialect not in ("kfl", "kfl2", "auto"):
        raise ConfigError(where, "kfl, kfl2 or auto", dialect)
    return kfl.compile(text, dialect, macros)  # type: ignore[arg-type] # checked above


def _text(values: Mapping[str, Any], key: str) -> str:
    return str(values.get(key, "")).strip()


def _paths(where: str, value: object) -> list[str]:
    parts = value if isinstance(value, list | tuple) else str(value or "").split(",")
    paths = [str(part).strip() for part in parts if str(part).strip()]
    for path in paths:
        try:
            redaction(path)
        except RedactError as error:
            raise ConfigError(where, "paths such as request.headers.Authorization", path, str(error)) from None
    return paths


def _form(values: Mapping[str, Any], where: str) -> tuple[Literal["", "pcap", "pcapng"], bool | None]:
    """``format`` and ``withSecrets``, each of which may be left to the configuration."""
    form, secrets = _text(values, "format"), values.get("withSecrets")
    if form not in ("", "pcap", "pcapng"):
        raise ConfigError(f"{where}format", "pcap or pcapng", form)
    wanted = None if secrets is None or secrets == "" else _flag(f"{where}withSecrets", secrets, default=False)
    if wanted and form == "pcap":
        raise ConfigError(f"{where}format", "pcapng beside withSecrets, pcap holds no keys", form)
    return cast(Literal["", "pcap", "pcapng"], form), wanted


def _flag(where: str, value: object, *, default: bool) -> bool:
    if value is None or value == "":
        return default
    if str(value).lower() not in ("true", "false", "yes", "no", "1", "0"):
        raise ConfigError(where, "true or false", value)
    return str(value).lower() in ("true", "yes", "1")


def _nanoseconds(where: str, value: object) -> int:
    """A bare number is minutes, as in Kubeshark."""
    compact = str("" if value is None else value).strip()
    if not compact:
        return 0
    try:
        minutes = re.fullmatch(r"\d+(\.\d+)?", compact)
        seconds = float(compact) * 60 if minutes else parse_duration_s(where, compact)
    except ConfigError:
        raise ConfigError(where, "minutes or a duration such as '2h' or '30s'", value) from None
    if seconds > MAX_DURATION_S:
        raise ConfigError(where, "at most a hundred years", value)
    return round(seconds * NS_PER_S)


def _plan(values: Mapping[str, Any], now_ns: int, where: str) -> Plan:
    duration_ns = _nanoseconds(f"{where}duration", values.get("duration"))
    iterations = _iterations(f"{where}iterations", values.get("iterations"))
    if iterations != 1 and not duration_ns:
        hint = "set a duration, or 1 iteration, which records until it is stopped"
        raise ConfigError(f"{where}duration", f"a duration beside {iterations} daily iterations", "0", hint)
    if iterations != 1 and duration_ns > DAY_NS:
        raise ConfigError(f"{where}duration", "at most 24h with daily iterations", values.get("duration"))
    start_ns = read_start_ns(f"{where}start", values.get("start"), now_ns)
    plan = Plan(start_ns, iterations, duration_ns)
    if over(plan, now_ns):
        raise ConfigError(f"{where}start", "a run that is not over", values.get("start"), "leave it empty for now")
    return plan


def _iterations(where: str, value: object) -> int:
    text = str(1 if value is None or value == "" else value).strip()
    if not text.isdecimal() or int(text) > MAX_ITERATIONS:
        raise ConfigError(where, "0 (every day), 1 (once) or a number of days", value)
    return int(text)


def read_start_ns(where: str, value: object, now_ns: int) -> int:
    """``HH:MM`` in UTC, the next time it is so late; an ISO time, UTC unless it says otherwise; empty: now.

    Raises:
        ConfigError: neither.
    """
    text = str("" if value is None else value).strip()
    if not text or text.lower() == "now":
        return now_ns
    expected = "HH:MM (UTC), an ISO time such as 2026-12-01T08:45Z, or nothing for now"
    try:
        if match := _CLOCK.fullmatch(text):
            time = datetime.time(int(match[1]), int(match[2]), int(match[3] or 0))
            in_day_ns = (time.hour * 3600 + time.minute * 60 + time.second) * NS_PER_S
            start_ns = now_ns - now_ns % DAY_NS + in_day_ns
            return start_ns if start_ns >= now_ns else start_ns + DAY_NS
        moment = datetime.datetime.fromisoformat(text.upper())
    except ValueError:
        raise ConfigError(where, expected, value) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    passed = moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return (passed.days * 86_400 + passed.seconds) * NS_PER_S + passed.microseconds * 1000


def _notes(job: Job, compiled: kfl.Filter, redacts: bool) -> list[str]:
    notes = [f"kfl: {remark}" for remark in compiled.diagnostics] if job.kfl else []
    if redacts and not job.packets:
        notes.append("items only: packets cannot be redacted; packets=true records them as they are")
    elif redacts:
        notes.append("its packets hold what redact() hides: packets cannot be redacted, its items are")
    if job.with_secrets and not job.packets:
        notes.append("withSecrets says nothing about items, and it records no packets")
    if compiled.protocols is not None and not compiled.protocols:
        notes.append("its filter can match nothing")
    if job.destination.startswith("gs://") and job.expiration_ns:
        notes.append("expiration deletes local data; for objects in a bucket set a lifecycle rule (docs/recordings.md)")
    return notes


def stopped(job: Job, now_ns: int) -> Job:
    """The same job, over at this moment."""
    plan = msgspec.structs.replace(job.plan, stopped_ns=min(now_ns, job.plan.stopped_ns))
    return msgspec.structs.replace(job, plan=plan)
