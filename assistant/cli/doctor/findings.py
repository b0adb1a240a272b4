"""Findings: what the doctor says, and what it has looked at."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that breaks this kind of service (`fault`), or may (`warning`)."""

    code: str
    level: Literal["fault", "warning"]
    what: str
    remedy: str


@dataclass(slots=True)
class Findings:
    """All findings of one visit, and what could not be looked at, with the reason."""

    found: list[Finding] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def fault(self, code: str, what: str, remedy: str) -> None:
        self.found.append(Finding(code, "fault", what, remedy))

    def warn(self, code: str, what: str, remedy: str) -> None:
        self.found.append(Finding(code, "warning", what, remedy))

    def skip(self, why: str) -> None:
        self.skipped.append(why)

    def without(self, ignored: tuple[str, ...]) -> Findings:
        return Findings([one for one in self.found if one.code not in ignored], self.skipped)

    @property
    def sound(self) -> bool:
        """Whether there is no fault; warnings break nothing."""
        return not any(one.level == "fault" for one in self.found)

    def as_json(self) -> dict[str, Any]:
        return {"sound": self.sound, "findings": [asdict(one) for one in self.found], "skipped": self.skipped}
