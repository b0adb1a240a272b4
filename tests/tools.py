"""Programs that some tests need beside Python: looked up in one place, so that none is skipped where it counts."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

# Where Debian keeps daemons, also for users who do not have it in their PATH.
_SBIN = os.pathsep.join(["/usr/local/sbin", "/usr/sbin", "/sbin"])


def program(name: str, package: str = "") -> str:
    """The path of a program. Without it the test is skipped, with the name of what to install; under CI it fails."""
    found = shutil.which(name) or shutil.which(name, path=_SBIN)
    return found or missing(f"{name} is not installed (apt-get install {package or name})")


def missing(why: str) -> NoReturn:
    """Skips the test, or fails it where the whole suite has to run (CI=true)."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)
