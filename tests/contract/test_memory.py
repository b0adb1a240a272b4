"""MemoryRegistry keeps the contract. test_threads.py runs this file again where nothing is patched."""

from assistant.clock import Clock
from assistant.config import Settings
from assistant.protocols import RequestRegistry
from assistant.registry.memory import MemoryRegistry
from assistant.testing import RegistryContract


class TestMemoryRegistry(RegistryContract):
    def registry(self, settings: Settings, clock: Clock) -> RequestRegistry:
        return MemoryRegistry(settings, clock)

    def held(self, registry: RequestRegistry) -> int:
        assert isinstance(registry, MemoryRegistry)
        return registry.bytes
