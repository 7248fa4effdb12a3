from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.config import Settings, all_keys
from engine.configure import configure
from engine.errors import ConfigError
from engine.kubeshark import known_to_kubeshark


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "remora.yaml"
    path.write_text(text)
    return path


def test_flags_beat_environment_beats_file_beats_default(tmp_path: Path) -> None:
    file = write(tmp_path, "tap: {misc: {pcapTTL: 20s, jsonTTL: 20s, pcapErrorTTL: 20s}}")
    environment = {"PCAP_TTL": "30s", "JSON_TTL": "30s"}
    configuration = configure(file, ["tap.misc.pcapTTL=40s"], environment)
    storage = configuration.settings.storage
    assert (storage.pcap_ttl_s, storage.json_ttl_s, storage.pcap_error_ttl_s) == (40, 30, 20)
    assert configuration.origins["tap.misc.pcapTTL"] == "--set"
    assert configuration.origins["tap.misc.jsonTTL"] == "environment JSON_TTL"
    assert configuration.origins["tap.misc.pcapErrorTTL"] == f"file {file}"
    assert configuration.origins["tap.storageLimit"] == "default"


def test_keys_have_no_case_and_every_key_has_its_own_variable() -> None:
    environment = {"REMORA_TAP_STORAGELIMIT": "1Gi"}
    assert configure(None, ["TAP.MISC.PCAPTTL=1s"], environment).settings.storage.pcap_ttl_s == 1
    assert configure(None, [], environment).settings.storage.storage_limit_bytes == 1 << 30


def test_a_key_of_kubeshark_is_accepted_and_named(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "tap:\n  docker: {registry: x, tag: y}\n  regex: .*\n  stopped: false\n"
        "headless: true\nscripting: {enabled: true}\n",
    )
    named = configure(file, [], {}).without_effect
    assert named == ("tap.docker.registry", "tap.docker.tag", "tap.stopped", "headless", "scripting.enabled")


def test_an_unknown_key_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=re.escape("got 'tap.misc.pcapTL'; did you mean 'tap.misc.pcapTTL'?")):
        configure(None, ["tap.misc.pcapTL=1s"], {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tap: [", "expected YAML"),
        ("- a", "expected a mapping of keys"),
        ("tap: {storageLimit: lots}", "tap.storageLimit (file {file}): expected a size such as '500Mi', got 'lots'"),
        ("scripting: {watchScripts: perhaps}", "expected true or false, got 'perhaps'"),
        ("scripting: {queue: many}", "expected a whole number, got 'many'"),
    ],
)
def test_a_wrong_file_is_one_message(tmp_path: Path, text: str, message: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(ConfigError, match=re.escape(message.replace("{file}", str(file)))):
        configure(file, [], {})


def test_an_unreadable_file_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a readable YAML file, got 'No such file or directory'"):
        configure(tmp_path / "missing.yaml", [], {})


def test_a_script_sees_handles_instead_of_secrets(tmp_path: Path) -> None:
    file = write(
        tmp_path, "scripting: {env: {GCS_SA_KEY_JSON: '{}', SLACK_TOKEN: s, db_password: p, LEVEL: 5, LOUD: true}}"
    )
    environment = {"RECORDING_KFL": "http", "GCS_BUCKET": "bucket", "UNRELATED": "x"}
    configuration = configure(file, [], environment)
    assert configuration.secrets == {"GCS_SA_KEY_JSON": "{}", "SLACK_TOKEN": "s", "db_password": "p"}
    assert configuration.script_env == {
        "GCS_SA_KEY_JSON": "secret:GCS_SA_KEY_JSON",
        "SLACK_TOKEN": "secret:SLACK_TOKEN",
        "db_password": "secret:db_password",
        "LEVEL": "5",
        "LOUD": "true",
        "RECORDING_KFL": "http",
        "GCS_BUCKET": "bucket",
    }
    assert configuration.settings.shipping.bucket == "bucket"


def test_no_secret_is_left_in_what_children_get() -> None:
    configuration = configure(None, [], {"GCS_SA_KEY_JSON": "{very secret}"})
    assert configuration.secrets["GCS_SA_KEY_JSON"] == "{very secret}"
    assert "very secret" not in repr(configuration.settings.without_secrets())


def test_a_path_in_a_file_is_relative_to_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "scripting: {source: mine}\nrecording: {destination: 'gs://bucket/p'}")
    settings = configure(file, [], {}).settings
    assert settings.scripts.source == str(tmp_path / "mine")
    assert settings.shipping.destination == "gs://bucket/p"
    assert configure(None, ["scripting.source=mine"], {}).settings.scripts.source == str(Path("mine").absolute())


def test_every_option_has_help_and_no_two_share_a_key() -> None:
    keys = [key for _, _, key, _ in all_keys()]
    assert all(key.help.endswith((".", ").")) for key in keys)
    assert len({key.name.lower() for key in keys}) == len(keys)


def test_the_groups_of_kubeshark_are_known_as_groups() -> None:
    assert known_to_kubeshark("tap.resources.hub.limits.cpu")
    assert known_to_kubeshark("pcapdump.timeInterval")
    assert known_to_kubeshark("tap.capture.raw.storageSize")
    assert not known_to_kubeshark("tap.misc.nonsense")
    assert not known_to_kubeshark("tapp.regex")


@pytest.mark.parametrize(
    ("given", "nearest"),
    [
        ("tap.capture.dissection.enabld", "tap.capture.dissection.enabled"),
        ("tap.metrics.prot", "tap.metrics.port"),
        ("pcapdump.maxTme", "pcapdump.maxTime"),
    ],
)
def test_a_key_of_ours_that_is_misspelt_in_a_group_of_kubeshark_is_an_error(given: str, nearest: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"got {given!r}; did you mean {nearest!r}?")):
        configure(None, [f"{given}=1"], {})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            "recording.whenFull=odlest",
            "recording.whenFull (--set): expected one of refuse, oldest, got 'odlest'; did you",
        ),
        ("recording.format=pacp", "recording.format (--set): expected one of pcap, pcapng, got 'pacp'"),
        (
            "scripting.sandbox=standart",
            "expected one of standard, strict, off, got 'standart'; did you mean 'standard'?",
        ),
        ("kfl.dialect=kfl3", "kfl.dialect (--set): expected one of kfl, kfl2, auto, got 'kfl3'"),
        ("capture.workers=17", "capture.workers (--set): expected 1 to 16, got '17'"),
        ("tap.metrics.port=70000", "tap.metrics.port (--set): expected 0 to 65535, got '70000'"),
        ("tap.storageLimit=0", "tap.storageLimit (--set): expected at least 64.0 KiB, got '0'"),
        ("shipping.parallel=0", "shipping.parallel (--set): expected 1 to 64, got '0'"),
        ("scripting.queue=0", "scripting.queue (--set): expected at least 1, got '0'"),
        ("scripting.memory=1Mi", "scripting.memory (--set): expected at least 32.0 MiB, got '1Mi'"),
        ("scripting.scripts.a.py.memory=1Mi", "scripting.scripts.a.py.memory (--set): expected at least 32.0 MiB"),
        (
            "recording.destination=s3://b/p",
            "recording.destination: expected gs://bucket, gs://bucket/prefix or a folder",
        ),
        ("scripting.env.GCS_BUCKET=A b", "GCS_BUCKET: expected gs://bucket"),
        (
            "scripting.egress=a.example,ftp://b",
            "scripting.egress: expected host, host:port, *.domain or http://host, got",
        ),
        ("scripting.egress=*", "scripting.egress: expected host, host:port, *.domain or http://host, got '*'"),
        ("scripting.egress=a.*.example", "scripting.egress: expected host, host:port, *.domain or http://host, got"),
    ],
)
def test_a_value_that_nothing_could_be_done_with_is_refused_before_anything_starts(given: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configure(None, [given], {})
    assert str(caught.value).startswith(message) or message in str(caught.value)


@pytest.mark.parametrize("host", ["a.example", "a.example:8443", "*.corp.example:8443", "http://10.0.0.1:9000"])
def test_hosts_as_the_documentation_names_them_are_taken(host: str) -> None:
    assert configure(None, [f"scripting.egress={host}"], {}).settings.shipping.egress == [host]


def test_a_key_that_stands_twice_in_a_file_is_an_error_with_its_line(tmp_path: Path) -> None:
    file = write(tmp_path, "tap: {misc: {pcapTTL: 10s}}\nheadless: true\ntap:\n  storageLimit: 1Gi\n")
    with pytest.raises(ConfigError, match=r"remora\.yaml, line 3: expected each key once, got 'tap'"):
        configure(file, [], {})
    inner = write(tmp_path, "tap:\n  misc:\n    pcapTTL: 10s\n    jsonTTL: 1m\n    pcapTTL: 20s\n")
    with pytest.raises(ConfigError, match=r"line 5: expected each key once, got 'pcapTTL'"):
        configure(inner, [], {})


def test_anchors_and_keys_of_one_name_in_two_places_are_no_doubles(tmp_path: Path) -> None:
    file = write(tmp_path, "recordings:\n- &a {name: x, kfl: http}\n- {<<: *a, name: y}\ntap: {clusterName: name}\n")
    assert len(configure(file, [], {}).settings.recording.jobs) == 2


def test_a_variable_that_looks_as_if_it_were_for_a_key_is_named() -> None:
    environment = {"REMORA_TAP_MISC_PCAPTLL": "5s", "REMORA_NODE_SERVICE_HOST": "10.0.0.1", "REMORA_TAP_REGEX": ".*"}
    assert configure(None, [], {**environment, "REMORA_CORPUS": "/c", "REMORA_PORT": "1"}).doubts == (
        "environment REMORA_NODE_SERVICE_HOST: for no key",
        "environment REMORA_TAP_MISC_PCAPTLL: for no key; did you mean 'REMORA_TAP_MISC_PCAPTTL'?",
    )


def test_settings_survive_the_way_to_a_child() -> None:
    import msgspec

    settings = configure(None, [], {}, sources=("-",), data="/d").settings
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(settings), type=Settings) == settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("front(end", "missing ) at position 5\n  front(end\n       ^"),
        ("front[a-", "missing ] at position 5\n  front[a-\n       ^"),
        ("*web", "no argument for repetition operator at position 0\n  *web\n  ^"),
        ("a\n(b", "missing ) at position 2\n  (b\n  ^"),
        ("a(?=b)", "invalid perl operator at position 1\n  a(?=b)\n   ^"),
        ("web{2000}", "invalid repetition size at position 3\n  web{2000}\n     ^"),
        ("\\xe9\udcff", "it holds half of a character (a lone surrogate)"),
    ],
    ids=["group", "set", "star", "second line", "look ahead", "repeats", "surrogate"],
)
def test_a_bad_regular_expression_is_pointed_at(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configure(None, [f"tap.regex={text}"], {})
    assert str(caught.value) == f"tap.regex (--set): expected a regular expression, got {text!r}; {message}"


def test_filters_by_name_need_names() -> None:
    with pytest.raises(ConfigError, match=r"tap.namespaces: expected names .* set resolve.names"):
        configure(None, ["tap.namespaces=shop"], {})
    with pytest.raises(ConfigError, match=r"tap.excludedNamespaces"):
        configure(None, [], {"EXCLUDED_NAMESPACES": "kube-system"})
    assert configure(None, ["tap.regex=.*", "tap.namespaces="], {}).settings.targets.chosen == ()


@pytest.mark.parametrize("text", ["tap: {namespaces: }", "tap: {namespaces: []}", "tap: {namespaces: ''}"])
def test_an_empty_list_is_none_at_all(tmp_path: Path, text: str) -> None:
    assert configure(write(tmp_path, text), [], {}).settings.targets.namespaces == []


def test_one_script_has_settings_of_its_own_wherever_they_are_written(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("scripting: {softCpu: 300ms, scripts: {top.py: {softCpu: 1s, memory: 1Gi, secrets: [A_KEY]}}}")
    sets = ["scripting.scripts.top.py.calls=7", "scripting.scripts={other: {lossless: true}}"]
    scripts = configure(file, sets, {}).settings.scripts
    top, other, third = scripts.of("top.py"), scripts.of("other.py"), scripts.of("third.py")
    assert (top.soft_cpu_s, top.memory_bytes, top.secrets, top.calls_per_s) == (1.0, 1 << 30, ["A_KEY"], 7)
    assert (other.soft_cpu_s, other.lossless, third.lossless) == (0.3, True, False)
    assert third == scripts


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("scripting.scripts.top.py.softCpuu=1s", "did you mean 'softCpu'"),
        ("scripting.scripts.top.py.source=x", "a setting that a script can have, got 'source'"),
        ("scripting.scripts.top.py.softCpu=soon", "scripting.scripts.top.py.softCpu (--set)"),
        ("scripting.scripts.top=5", "expected a mapping such as"),
        ("scripting.scripts=[a]", "expected a mapping such as"),
    ],
)
def test_settings_of_one_script_are_checked_like_all_others(given: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configure(None, [given], {})
    assert words in str(caught.value)


def test_the_path_of_a_key_is_relative_to_the_file_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text("{}")
    named = configure(write(tmp_path, "scripting: {env: {GCS_SA_KEY_JSON: key.json}}"), [], {})
    assert named.settings.shipping.key_json == named.secrets["GCS_SA_KEY_JSON"] == str(tmp_path / "key.json")
    for text in ('{"type": "service_account"}', "eyJ0eXBlIjogInNlcnZpY2VfYWNjb3VudCJ9"):
        assert configure(None, [], {"GCS_SA_KEY_JSON": text}).settings.shipping.key_json == text
