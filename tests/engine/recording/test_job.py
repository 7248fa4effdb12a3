"""What people write for a recording job, and what is made of it."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from engine.clock import NS_PER_S
from engine.errors import ConfigError, KflError
from engine.recorder import profile_of
from engine.recording.job import read_job, read_start_ns
from engine.recording.options import RecordingOptions
from engine.recording.service import Service

NOW_NS = 1_795_170_600 * NS_PER_S  # 2026-11-20 10:30 UTC
MINUTE_NS, HOUR_NS, DAY_NS = 60 * NS_PER_S, 3600 * NS_PER_S, 86_400 * NS_PER_S


def made(**given: Any) -> Any:
    return read_job({"name": "r", **given}, NOW_NS, "command").job


def test_nothing_but_a_name_records_everything_from_now_until_it_is_stopped() -> None:
    job = made()
    assert (job.kfl, job.plan.start_ns, job.plan.iterations, job.plan.duration_ns) == ("", NOW_NS, 1, 0)
    assert (job.packets, job.from_start, job.expiration_ns, job.destination) == (True, False, 0, "")
    assert not job.wants_items


@pytest.mark.parametrize(
    ("text", "after_ns"),
    [
        ("", 0),
        ("now", 0),
        ("10:30", 0),
        ("10:29", DAY_NS - MINUTE_NS),
        ("10:31 UTC", MINUTE_NS),
        ("10:31:05", MINUTE_NS + 5 * NS_PER_S),
        ("0:00", 13 * HOUR_NS + 30 * MINUTE_NS),
        ("2026-11-20T12:00Z", 90 * MINUTE_NS),
        ("2026-11-20T12:00", 90 * MINUTE_NS),
        ("2026-11-20T14:00+02:00", 90 * MINUTE_NS),
        ("2026-11-20 12:00:00.25", 90 * MINUTE_NS + NS_PER_S // 4),
    ],
)
def test_a_start_is_utc_and_the_next_one(text: str, after_ns: int) -> None:
    assert read_start_ns("start", text, NOW_NS) == NOW_NS + after_ns


def test_the_clock_of_a_day_is_right_at_every_minute() -> None:
    """Against ``datetime``, one minute after the other."""
    for minute in range(1440):
        text = f"{minute // 60:02d}:{minute % 60:02d}"
        now = datetime.datetime(2026, 11, 20, 10, 30, tzinfo=datetime.UTC)
        moment = now.replace(hour=minute // 60, minute=minute % 60)
        if moment < now:
            moment += datetime.timedelta(days=1)
        assert read_start_ns("start", text, NOW_NS) == int(moment.timestamp()) * NS_PER_S


@pytest.mark.parametrize(
    ("text", "duration_ns"),
    [
        ("60", HOUR_NS),
        (60, HOUR_NS),
        ("0.5", 30 * NS_PER_S),
        ("2h", 2 * HOUR_NS),
        ("90s", 90 * NS_PER_S),
        ("1d", DAY_NS),
    ],
)
def test_a_bare_number_is_minutes(text: object, duration_ns: int) -> None:
    assert made(duration=text).plan.duration_ns == made(expiration=text).expiration_ns == duration_ns


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": ""}, "name: expected 1 to 64 letters"),
        ({"name": "../up"}, "name: expected 1 to 64 letters"),
        ({"name": ".."}, "name: expected 1 to 64 letters"),
        ({"name": "x" * 65}, "name: expected 1 to 64 letters"),
        ({"start": "25:00"}, "start: expected HH:MM"),
        ({"start": "tomorrow"}, "start: expected HH:MM"),
        ({"start": "2020-01-01", "duration": "1h"}, "start: expected a run that is not over, got '2020-01-01'"),
        ({"duration": "long"}, "duration: expected minutes or a duration such as '2h'"),
        ({"duration": "-5"}, "duration: expected minutes"),
        ({"expiration": "200000d"}, "expiration: expected at most a hundred years"),
        ({"iterations": "x"}, "iterations: expected 0 (every day)"),
        ({"iterations": "-1"}, "iterations: expected 0 (every day)"),
        ({"iterations": "0"}, "duration: expected a duration beside 0 daily iterations"),
        ({"iterations": "2", "duration": "25h"}, "duration: expected at most 24h with daily iterations"),
        ({"packets": "perhaps"}, "packets: expected true or false"),
        ({"redact": "request..*"}, "redact: expected paths such as request.headers.Authorization"),
        ({"format": "text"}, "format: expected pcap or pcapng, got 'text'"),
        ({"withSecrets": "perhaps"}, "withSecrets: expected true or false"),
        ({"format": "pcap", "withSecrets": True}, "format: expected pcapng beside withSecrets"),
        ({"dialect": "sql"}, "dialect: expected kfl, kfl2 or auto"),
        ({"kfl": "x" * 9000}, "kfl: expected at most 8192 characters"),
        ({"iteration": "2"}, "did you mean 'iterations'?"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_wrong_is_said_with_its_name(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        made(**given)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("given", "usual", "packed"),
    [
        ({}, {}, ("pcap", False)),
        ({}, {"format": "pcapng", "with_secrets": True}, ("pcapng", True)),
        ({"format": "pcapng"}, {}, ("pcapng", False)),
        ({"format": "pcap"}, {"format": "pcapng", "with_secrets": True}, ("pcap", False)),
        ({"withSecrets": "true"}, {}, ("pcap", True)),
        ({"withSecrets": False}, {"format": "pcapng", "with_secrets": True}, ("pcapng", False)),
        ({"format": "pcapng", "withSecrets": True}, {}, ("pcapng", True)),
    ],
)
def test_the_form_of_packets_is_the_jobs_or_else_that_of_the_configuration(
    tmp_path: Path, given: dict[str, Any], usual: dict[str, Any], packed: tuple[str, bool]
) -> None:
    """Also for who reads the job again from the store."""
    service = Service(tmp_path, "run", NOW_NS, lambda *_: None)
    service.answer("create", {"job": {"name": "r", **given}}, NOW_NS)
    service.close()
    service = Service(tmp_path, "run", NOW_NS, lambda *_: None)
    profile = profile_of(service, RecordingOptions(**usual), "r")
    service.close()
    assert (profile.format, profile.with_secrets) == packed


def test_a_filter_that_is_wrong_points_at_the_place() -> None:
    with pytest.raises(KflError, match="did you mean 'response'"):
        made(kfl="http and respons.status == 500")


def test_a_recording_may_not_ask_about_itself() -> None:
    with pytest.raises(KflError, match="recording 'r' asks about itself"):
        made(kfl='http or record("r")')


def test_the_dialect_and_the_macros_of_its_day_stay_with_a_job() -> None:
    job = read_job({"name": "r", "kfl": "slow"}, NOW_NS, "", macros={"slow": "elapsedTime > 500"}).job
    assert (job.dialect, job.macros) == ("kfl", {"slow": "elapsedTime > 500"})
    assert job.compiled.matches({"elapsedTime": 501})
    assert made(kfl="http && status_code >= 500").dialect == "kfl2"


def test_a_job_that_redacts_writes_items_only_unless_it_says_otherwise() -> None:
    read = read_job({"name": "r", "kfl": 'http and redact("request.headers.Host")'}, NOW_NS, "")
    assert not read.job.packets
    assert read.notes == ["items only: packets cannot be redacted; packets=true records them as they are"]
    read = read_job({"name": "r", "redact": "request.path", "packets": True}, NOW_NS, "")
    assert read.job.packets
    assert "its packets hold what redact() hides" in read.notes[0]


def test_items_alone_are_never_everything_undissected() -> None:
    assert made(packets=False).wants_items
    assert made(kfl="http").wants_items


def test_where_a_property_stands_is_said() -> None:
    with pytest.raises(ConfigError, match=r"recordings\[3\]\.start: expected HH:MM"):
        read_job({"name": "r", "start": "x"}, NOW_NS, "", where="recordings[3].")
