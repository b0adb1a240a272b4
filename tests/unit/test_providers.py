"""The providers without a network: what they refuse at the start, and what failures mean."""

from __future__ import annotations

import os
import time
from email.utils import formatdate
from typing import Any

import pytest

from assistant import providers
from assistant.config import ConfigError, Settings, is_loopback
from assistant.errors import AssistantError, ProviderIncomplete
from assistant.providers.anthropic import AnthropicProvider
from assistant.providers.failures import failure, retry_after, told
from assistant.providers.openai import OpenAIProvider
from assistant.providers.upstream import Access, PerProcess

NAMES = ("openai", "anthropic")
VARIABLES = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL")


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def refusal(**settings: Any) -> str:
    """Why these settings are refused; one line."""
    with pytest.raises(ConfigError) as caught:
        providers.build(Settings(**settings))
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- the start ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", NAMES)
def test_a_missing_key_is_refused_with_its_names(name: str) -> None:
    assert f"needs ASSISTANT_API_KEY (or {name.upper()}_API_KEY)" in refusal(provider=name, model="m")


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_model_is_refused(name: str) -> None:
    assert "needs ASSISTANT_MODEL" in refusal(provider=name, api_key="k")


@pytest.mark.parametrize("name", NAMES)
def test_a_model_per_mode_is_enough(name: str) -> None:
    assert providers.build(Settings(provider=name, api_key="k", models={"chat": "m"}))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("host", ["127.0.0.1:11434", "localhost:8080", "[::1]:9"])
def test_a_server_on_this_host_needs_no_key(name: str, host: str) -> None:
    assert providers.build(Settings(provider=name, model="m", base_url=f"http://{host}/v1"))


@pytest.mark.parametrize("name", NAMES)
def test_a_server_elsewhere_needs_a_key(name: str) -> None:
    assert "needs ASSISTANT_API_KEY" in refusal(provider=name, model="m", base_url="https://models.example/v1")


@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"])
def test_the_sdks_own_variable_will_do(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "k")

    assert providers.build(Settings(provider=variable.partition("_")[0].lower(), model="m"))


@pytest.mark.parametrize("key", ["sk-a\nb", "sk a", "sk-ü", "sk-\x00"])
def test_a_key_that_cannot_be_sent_is_refused_and_not_shown(key: str) -> None:
    text = refusal(provider="openai", model="m", api_key=key)

    assert "ASSISTANT_API_KEY holds characters" in text
    assert key not in text


@pytest.mark.parametrize("url", ["models.example", "ftp://models.example", "http://", "http:///v1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    assert "ASSISTANT_BASE_URL is not an address" in refusal(provider="openai", model="m", api_key="k", base_url=url)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_package_is_refused_with_the_remedy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(wanted: str) -> None:
        raise ModuleNotFoundError(name=wanted)

    monkeypatch.setattr("assistant.providers.upstream.import_module", missing)

    assert refusal(provider=name, model="m", api_key="k").endswith(f"pip install {name}")


def test_no_key_is_shown_by_what_holds_it() -> None:
    assert "sk-canary" not in repr(Access("sk-canary", ""))


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("a.localhost", True),
        ("10.0.0.1", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_loopback_is_this_host_alone(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("", "max_completion_tokens"),
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("https://team.openai.azure.com/openai/v1", "max_completion_tokens"),
        ("http://127.0.0.1:11434/v1", "max_tokens"),
        ("https://notopenai.com/v1", "max_tokens"),
    ],
)
def test_the_token_limit_has_the_name_that_the_server_knows(url: str, name: str) -> None:
    assert OpenAIProvider(Access("k", url))._limit == name


@pytest.mark.parametrize("kind", [OpenAIProvider, AnthropicProvider])
def test_no_client_is_made_before_the_first_call(kind: Any) -> None:
    provider = kind(Access("k", ""))

    assert provider._client.taken() is None


def test_a_fork_makes_a_client_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    holder = PerProcess(lambda: made.append(object()) or made[-1])
    first = holder.get()

    assert holder.get() is first
    monkeypatch.setattr(os, "getpid", lambda: -1)

    assert holder.get() is not first
    assert len(made) == 2


# --- what failures mean -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, None, "invalid_request"),
        (422, "<html>", "invalid_request"),
        (400, {"error": {"code": "content_filter"}}, "content_refused"),
        (400, {"error": {"innererror": {"code": "ResponsibleAIPolicyViolation"}}}, "content_refused"),
        (400, [{"error": {"code": "context_length_exceeded"}}], "too_large"),
        (401, {}, "provider_auth"),
        (402, {}, "provider_auth"),
        (403, {}, "provider_auth"),
        (404, {}, "misconfigured"),
        (405, {}, "misconfigured"),
        (408, {}, "provider_timeout"),
        (413, {}, "too_large"),
        (429, {}, "provider_rate_limited"),
        (500, {}, "provider_unavailable"),
        (503, {"error": {"type": "invalid_request_error"}}, "provider_unavailable"),
        (200, {"message": "no code at all"}, "provider_unavailable"),
        (200, {"code": 429}, "provider_rate_limited"),
        (200, {"code": "429"}, "provider_rate_limited"),
        (200, {"type": "BadRequestError", "code": 400}, "invalid_request"),
        (200, {"error": {"type": "overloaded_error"}}, "provider_unavailable"),
        (200, {"type": "error", "error": {"type": "authentication_error"}}, "provider_auth"),
        (200, {"code": 12345678901}, "provider_unavailable"),
        (200, {"code": {"nested": ["oddly"]}}, "provider_unavailable"),
    ],
)
def test_what_a_server_says_has_one_meaning(status: int, body: Any, code: str) -> None:
    assert told(status, body).code == code


def test_an_error_object_without_an_end_is_not_followed() -> None:
    body: dict[str, Any] = {"type": "odd"}
    body["error"] = body

    assert told(200, body).code == "provider_unavailable"


@pytest.mark.parametrize(
    ("problem", "opened", "code"),
    [
        (OSError("no route"), False, "provider_unavailable"),
        (OSError("reset"), True, "provider_incomplete"),
        (ValueError("not JSON"), True, "provider_protocol"),
        (AttributeError("no such field"), True, "provider_protocol"),
        (ProviderIncomplete(), True, "provider_incomplete"),
    ],
)
def test_an_exception_means_what_its_kind_and_its_time_say(problem: Exception, opened: bool, code: str) -> None:
    assert failure(problem, opened=opened).code == code


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3", 3),
        ("0", 0),
        ("0.5", 0.5),
        ("999999999", 86_400),
        ("inf", 86_400),
        ("-1", None),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("Thu, 99 Foo 2026", None),
    ],
)
def test_retry_after_is_a_finite_number_of_seconds_or_nothing(text: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": text}) == seconds


def test_retry_after_may_be_a_date() -> None:
    seconds = retry_after({"retry-after": formatdate(time.time() + 30, usegmt=True)})

    assert seconds is not None
    assert 25 < seconds <= 30


def test_every_meaning_uses_the_tables_own_words() -> None:
    for status in range(400, 600):
        error: AssistantError = told(status, {"error": {"message": "canary"}})
        assert error.detail == type(error).message
