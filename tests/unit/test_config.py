"""Settings: a value that cannot be used stops the start in one line."""

from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from assistant.config import ConfigError, Settings, log, parse_pairs

_CANARY = "sk-canary-5f2a"


def _refusal(config: dict[str, Any], environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as refused:
        Settings.load(config, environ or {})
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_without_anything_the_defaults_hold() -> None:
    settings = Settings.load({}, {})

    assert settings == Settings()
    assert (settings.max_active, settings.max_active_per_user, settings.heartbeat) == (1000, 5, 15.0)


def test_every_setting_says_what_it_is_and_has_a_parser() -> None:
    for one in fields(Settings):
        assert one.metadata["doc"]
        value = getattr(Settings(), one.name)
        assert getattr(Settings.load({"ASSISTANT_" + one.name.upper(): value}, {}), one.name) == value


def test_the_environment_beats_the_config_which_beats_the_default() -> None:
    settings = Settings.load(
        {"ASSISTANT_MAX_ACTIVE": 7, "ASSISTANT_MODEL": "config"}, {"ASSISTANT_MAX_ACTIVE": "8", "MAX_VIEWERS": "1"}
    )

    assert (settings.max_active, settings.model, settings.max_viewers) == (8, "config", 10)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("MAX_ACTIVE", " 12 ", 12),
        ("MAX_ACTIVE", 12.0, 12),
        ("HEARTBEAT", "2.5", 2.5),
        ("HEARTBEAT", 3, 3.0),
        *(("GUESTS", value, True) for value in (True, 1, "1", "true", "YES", " on ")),
        *(("GUESTS", value, False) for value in (False, 0, "0", "false", "No", "off", "")),
        ("RATES", "chat=1/second, edit = 2/minute,", {"chat": "1/second", "edit": "2/minute"}),
        ("RATES", {"chat": "1/second"}, {"chat": "1/second"}),
        ("ORIGINS", "https://a.example/, http://b.example:8000", ("https://a.example", "http://b.example:8000")),
        ("ORIGINS", ["https://a.example"], ("https://a.example",)),
        ("MODEL", " gpt ", "gpt"),
    ],
)
def test_values_are_read_in_every_form_they_come_in(name: str, value: Any, expected: Any) -> None:
    settings = Settings.load({f"ASSISTANT_{name}": value}, {})

    assert getattr(settings, name.lower()) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("MAX_ACTIVE", value) for value in ("", "many", "1.5", 1.5, "0", 0, -1, None, [], True, float("inf"), float("nan"))),
        *(("HEARTBEAT", value) for value in ("", "soon", "nan", "inf", "-inf", "0", 0.05, 51, None, {})),
        *(("RETENTION", value) for value in (-1, "-0.1", "nan")),
        *(("GUESTS", value) for value in ("maybe", 2, None, [])),
        *(("RATES", value) for value in ("chat", "=1", "chat=", "chat=1,edit", 5, None, ["chat"])),
        *(("ORIGINS", value) for value in (5, None, [5])),
        *(("MODEL", value) for value in (5, None, b"x", ["x"])),
        ("PROXIES", 11),
        ("MAX_BYTES", 1000),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_used_is_named(name: str, value: Any) -> None:
    assert f"ASSISTANT_{name}=" in _refusal({f"ASSISTANT_{name}": value})


def test_a_refusal_says_the_range() -> None:
    assert _refusal({}, {"ASSISTANT_PROXIES": "99"}) == "ASSISTANT_PROXIES=99 is out of range (0 to 10)"
    assert _refusal({}, {"ASSISTANT_MAX_ACTIVE": "0"}) == "ASSISTANT_MAX_ACTIVE=0 is out of range (1 to any)"


def test_an_unknown_name_in_the_config_stops_the_start_with_the_nearest_one() -> None:
    assert _refusal({"ASSISTANT_MAX_ACTVE": 1}) == (
        "unknown setting ASSISTANT_MAX_ACTVE; did you mean ASSISTANT_MAX_ACTIVE?"
    )
    assert _refusal({"ASSISTANT_QQQQQQQQQQQQ": 1}) == "unknown setting ASSISTANT_QQQQQQQQQQQQ"


def test_an_unknown_name_in_the_environment_is_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    warned: list[str] = []
    monkeypatch.setattr(log, "warning", lambda text, *values: warned.append(text % values))

    settings = Settings.load({}, {"ASSISTANT_QQQQQQQQQQQQ": "10.0.0.1", "ASSISTANTX": "1", "PATH": "/bin"})

    assert settings == Settings()
    assert warned == ["unknown setting ASSISTANT_QQQQQQQQQQQQ"]


def test_names_of_others_are_nobodys_business() -> None:
    assert Settings.load({"JWT_SECRET_KEY": "x", "ASSISTANT_GREETING": "1", "DEBUG": True}, {}) == Settings()


@pytest.mark.parametrize("value", [5, None, [_CANARY], {"key": _CANARY}, _CANARY.encode()])
def test_a_secret_is_never_shown(value: Any) -> None:
    assert _CANARY not in _refusal({"ASSISTANT_API_KEY": value})
    assert "(hidden)" in _refusal({"ASSISTANT_API_KEY": value})
    assert _CANARY not in repr(Settings(api_key=_CANARY))


def test_settings_are_frozen_and_share_no_defaults() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().model = "x"  # type: ignore[misc]

    assert Settings().rates is not Settings().rates


@pytest.mark.parametrize(("text", "pairs"), [("", {}), (" , ", {}), ("a=b=c", {"a": "b=c"}), ("a=1,a=2", {"a": "2"})])
def test_pairs_are_read_leniently(text: str, pairs: dict[str, str]) -> None:
    assert parse_pairs(text) == pairs
