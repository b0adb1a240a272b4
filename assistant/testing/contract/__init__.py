"""RegistryContract: what every registry must do, as tests that a team runs on its own.

    class TestOurRegistry(RegistryContract):
        def registry(self, settings, clock):
            return OurRegistry(settings, clock)

Each test asks for one empty registry and closes it. The registry must take its time from `clock` alone, which the tests
move. For readable failures call `pytest.register_assert_rewrite("assistant.testing.contract")` before the import.
"""

from .actions import ActionRules
from .admission import AdmissionRules
from .clocks import ClockRules
from .log import LogRules
from .memory import MemoryRules
from .scene import Base, Recorder, Scene, completed, failed, said, together
from .viewers import ViewerRules


class RegistryContract(AdmissionRules, LogRules, ViewerRules, ActionRules, ClockRules, MemoryRules):
    """All rules; `registry` and, where it can tell, `held` are the team's to write."""


__all__ = ["Base", "Recorder", "RegistryContract", "Scene", "completed", "failed", "said", "together"]
