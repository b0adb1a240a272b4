"""The app under the system tests, which waits three seconds for a store that is away and not thirty."""

from __future__ import annotations

from assistant import service
from assistant.registry.redis import registry, writer
from tests.system.app import app

# Seconds; above the two that an answer of Redis may take.
PATIENCE = 3.0

service.STORE_PATIENCE = registry.PATIENCE = writer.PATIENCE = PATIENCE

__all__ = ["PATIENCE", "app"]
