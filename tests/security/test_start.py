"""What a server does not start with."""

from __future__ import annotations

import re
import secrets

import pytest

from assistant.config import ConfigError
from assistant.testing import make_app
from tests.system.server import ROOT

# As they stand in manuals, examples and templates, each long enough.
EXAMPLES = [
    "change-me-change-me-change-me-change-me",
    "CHANGEME0123456789abcdef0123456789abcdef",
    "please change this secret before you deploy",
    "your-secret-key-goes-here-your-secret-key",
    "at least 32 bytes, from your secret store",
    "replace_me_with_something_long_and_random",
    "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
    "a" * 64,
    "0123456" * 10,
]


@pytest.mark.parametrize("example", EXAMPLES)
@pytest.mark.parametrize("name", ["JWT_SECRET_KEY", "SECRET_KEY"])
def test_a_secret_from_an_example_stops_the_start(name: str, example: str) -> None:
    config = {"JWT_SECRET_KEY": None, "TESTING": False, name: example}

    with pytest.raises(ConfigError, match="is an example") as refused:
        make_app(**config)

    assert example not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("mode", ["TESTING", "DEBUG"])
def test_an_example_will_do_while_developing(mode: str) -> None:
    assert make_app(**{"JWT_SECRET_KEY": EXAMPLES[0], "TESTING": False, mode: True})


@pytest.mark.parametrize("make", [secrets.token_hex, secrets.token_urlsafe, lambda: secrets.token_bytes(32)])
def test_a_secret_that_was_made_for_it_is_none(make: object) -> None:
    for _ in range(50):
        assert make_app(JWT_SECRET_KEY=make(), TESTING=False)  # type: ignore[operator]


@pytest.mark.parametrize(
    "page", ["README.md", "docs/getting-started.md", "deploy/env.example", "instance/config.example.py"]
)
def test_our_own_examples_hold_no_secret_that_would_work(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")

    given = re.findall(r"""(?:SECRET_KEY"?\]?|secret_key) ?= ?["']([^"'$(]{8,})["']""", text)

    for secret in given:
        with pytest.raises(ConfigError):
            make_app(JWT_SECRET_KEY=secret, TESTING=False)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_pinned_by_its_hash(name: str) -> None:
    wanted = re.split(r"\n(?=[a-z0-9])", (ROOT / name).read_text("utf-8").strip())

    assert len(wanted) > 20
    for one in wanted:
        assert re.match(r"[a-z0-9._\[\],-]+==\S+", one), one
        assert "--hash=sha256:" in one, one
