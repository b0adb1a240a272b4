"""Model providers by name. Their SDKs are imported only when one is chosen."""

from __future__ import annotations

from importlib import import_module

from ..config import ConfigError, Settings
from ..protocols import LLMProvider

NAMES = ("demo", "openai", "anthropic")


def build(settings: Settings) -> LLMProvider:
    """The provider that the settings name. Raises ConfigError, in one line, for one that cannot work."""
    if settings.provider not in NAMES:
        raise ConfigError(f"ASSISTANT_PROVIDER={settings.provider!r} is none of {', '.join(NAMES)}")
    module = import_module(f".{settings.provider}", __name__)
    provider: LLMProvider = module.build(settings)
    return provider
