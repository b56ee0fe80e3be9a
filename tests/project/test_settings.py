"""The settings: what is refused at start, and the reference page that lists them all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from service_kit import settings_page
from service_kit.settings import Settings, is_loopback, split_address

_PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither variables nor a .env file of the machine reach these tests."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"EVENTINDEX_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)


def test_reference_page_is_what_the_code_says() -> None:
    """docs/settings.md is the output of the generator, to the letter."""
    assert _PAGE.read_text("utf-8") == settings_page.render(Settings)


def test_reference_page_lists_every_setting_once() -> None:
    """Each setting has one row, in a section, with a description."""
    page = settings_page.render(Settings)
    listed = re.findall(r"^\| `EVENTINDEX_([A-Z0-9_]+)` \|", page, re.MULTILINE)
    assert [name.lower() for name in listed] == list(Settings.model_fields)
    assert "None" not in page
    assert page.index("\n## ") < page.index("| `EVENTINDEX_")


def test_sections_name_settings_that_exist() -> None:
    """A renamed setting cannot lose its section in silence."""
    assert set(settings_page._SECTIONS) <= set(Settings.model_fields)


def test_defaults_are_valid_and_stay_on_this_machine() -> None:
    """Without any variable the services listen on loopback only and take no plaintext leave."""
    settings = Settings()
    for name in ("index", "index_metrics", "ingest", "ingest_metrics"):
        assert is_loopback(getattr(settings, f"{name}_address"))
    assert not settings.allow_plaintext
    assert settings.allow_anonymous == "false"


def test_variable_wins_over_env_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A .env file in the working directory is read, and a variable wins over it."""
    (tmp_path / ".env").write_text("EVENTINDEX_LOG_LEVEL=debug\nEVENTINDEX_RETRY_MAX_S=7\n")
    monkeypatch.setenv("EVENTINDEX_LOG_LEVEL", "error")
    settings = Settings()
    assert (settings.log_level, settings.retry_max_s) == ("error", 7.0)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"INDEX_ADDRESS": "50051"}, "'50051' is not host:port"),
        ({"INGEST_METRICS_ADDRESS": "localhost"}, "'localhost' is not host:port"),
        ({"TLS_CERT": "server.pem"}, "EVENTINDEX_TLS_CERT and EVENTINDEX_TLS_KEY go together"),
        ({"TLS_KEY": "server.key"}, "EVENTINDEX_TLS_CERT and EVENTINDEX_TLS_KEY go together"),
        ({"TLS_CLIENT_CA": "ca.pem"}, "EVENTINDEX_TLS_CLIENT_CA needs EVENTINDEX_TLS_CERT"),
        ({"ALLOW_ANONYMOUS": "true", "REQUIRE_TOKENS": "true"}, "contradict each other"),
        ({"TOKEN_LIFETIME_MAX_S": "0"}, "token_lifetime_max_s"),
        ({"TOKEN_CACHE_S": "0"}, "token_cache_s"),
        ({"MQTT_TLS_CERT": "c.pem"}, "EVENTINDEX_MQTT_TLS_CERT and EVENTINDEX_MQTT_TLS_KEY"),
        (
            {"MQTT_URL": "tcp://broker:1883"},
            "EVENTINDEX_MQTT_URL: not mqtt://host[:port] or mqtts://host[:port]",
        ),
        ({"MQTT_VERSION": "4"}, "mqtt_version"),
        ({"MQTT_CLIENT_ID": ""}, "mqtt_client_id"),
        ({"MQTT_SHARE_GROUP": "a/b"}, "mqtt_share_group"),
        (
            {"MQTT_SHARE_GROUP": "a", "MQTT_VERSION": "3.1.1"},
            "EVENTINDEX_MQTT_SHARE_GROUP needs MQTT 5",
        ),
        ({"MQTT_TOPIC_BATCH": "a/+/b"}, "EVENTINDEX_MQTT_TOPIC_BATCH='a/+/b' holds a wildcard"),
        ({"MQTT_TOPIC_JSON": "a/#"}, "EVENTINDEX_MQTT_TOPIC_JSON='a/#' holds a wildcard"),
        ({"MQTT_TOPIC_COSMIC": ""}, "EVENTINDEX_MQTT_TOPIC_COSMIC='' is empty"),
        ({"MQTT_TOPIC_COSMIC": "/cosmic"}, "has an empty level"),
        ({"MQTT_TOPIC_COSMIC": "cosmic/"}, "has an empty level"),
        ({"MQTT_TOPIC_BATCH": "a//b"}, "has an empty level"),
        ({"MQTT_TOPIC_BATCH": "$SYS/a"}, "holds a $"),
        ({"MQTT_TOPIC_BATCH": "a/$share"}, "holds a $"),
        ({"MQTT_TOPIC_BATCH": "a\tb"}, "holds a control character"),
        ({"MQTT_TOPIC_BATCH": "a\u0085b"}, "holds a control character"),
        ({"MQTT_TOPIC_BATCH": "a /b"}, "a space around it"),
        ({"MQTT_TOPIC_BATCH": "a" * 1001}, "mqtt_topic_batch"),
        (
            {"MQTT_TOPIC_JSON": "eventindex/v1/batch"},
            "EVENTINDEX_MQTT_TOPIC_BATCH and EVENTINDEX_MQTT_TOPIC_JSON are both",
        ),
        ({"MQTT_TOPIC_COSMIC": "eventindex/v1/json"}, "are both 'eventindex/v1/json'"),
        ({"MQTT_TOPIC_COSMIC": "eventindex/v1"}, "lies one level below"),
        ({"MQTT_TOPIC_JSON": "cosmic/json"}, "of detector 'json' too"),
        ({"BATCH_EVENTS_MAX": "0"}, "batch_events_max"),
        ({"QUEUE_BYTES_MAX": "1000"}, "queue_bytes_max"),
        ({"SHUTDOWN_GRACE_S": "soon"}, "shutdown_grace_s"),
        ({"LOG_FORMAT": "xml"}, "log_format"),
    ],
)
def test_wrong_value_is_refused_by_name(
    variables: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong setting ends the start with a message that names it."""
    for name, value in variables.items():
        monkeypatch.setenv(f"EVENTINDEX_{name}", value)
    with pytest.raises(ValidationError, match=re.escape(named)):
        Settings()


def test_prefixes_below_one_another_are_taken_where_no_topic_is_both() -> None:
    """Who keeps everything below one level may: only a topic of two kinds is refused."""
    Settings(mqtt_topic_batch="lab", mqtt_topic_json="lab/json", mqtt_topic_cosmic="lab/a/b")


@pytest.mark.parametrize(
    ("address", "parts", "loopback"),
    [
        ("127.0.0.1:1", ("127.0.0.1", 1), True),
        ("localhost:0", ("localhost", 0), True),
        ("[::1]:50051", ("::1", 50051), True),
        ("0.0.0.0:9101", ("0.0.0.0", 9101), False),
        ("[::]:9101", ("::", 9101), False),
        ("index.example.org:443", ("index.example.org", 443), False),
    ],
)
def test_address_parts(address: str, parts: tuple[str, int], loopback: bool) -> None:
    """Addresses are host:port, and only loopback counts as this machine."""
    assert split_address(address) == parts
    assert is_loopback(address) is loopback


@pytest.mark.parametrize("address", ["", ":50051", "host", "host:65536", "host:port"])
def test_address_without_host_or_port_is_refused(address: str) -> None:
    """An address needs a host and a port from 0 to 65535."""
    with pytest.raises(ValueError, match=r"host:port|[Pp]ort"):
        split_address(address)


def test_a_token_is_not_shown_and_an_empty_file_name_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The settings can be printed; a variable set to nothing names no file."""
    monkeypatch.setenv("EVENTINDEX_TOKEN", "eix_secret")
    monkeypatch.setenv("EVENTINDEX_TOKEN_FILE", "")
    settings = Settings()
    assert "eix_secret" not in repr(settings)
    assert settings.token.get_secret_value() == "eix_secret"
    assert settings.token_file is None


def test_services_read_no_variable_past_the_settings() -> None:
    """Whatever a service can be told is in the reference: nothing else reads the environment."""
    root = Path(__file__).parents[2]
    readers = [
        f"{path.relative_to(root)}: {line.strip()}"
        for package in ("event_store", "index_service", "ingest_service", "rest_gateway")
        for path in (root / package).rglob("*.py")
        # Takes the variables of libpq away, so that nothing reads them.
        if path != root / "event_store/database/session.py"
        for line in path.read_text("utf-8").splitlines()
        if re.search(r"\bos\.(getenv|environ\b(?!,))", line)
    ]
    assert readers == []
