"""The registry under real threads: the suite itself runs patched, so this starts a Python that is not."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from gevent import monkey

_ROOT = Path(__file__).parents[2]
_UNPATCHED = "ASSISTANT_TESTS_UNPATCHED"


@pytest.mark.skipif(_UNPATCHED in os.environ, reason="this is that run")
def test_the_contract_holds_under_real_threads() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-o", "addopts=--import-mode=importlib", "--noconftest", "-p",
               "no:cacheprovider", "tests/contract"]  # fmt: skip

    run = subprocess.run(
        command,
        cwd=_ROOT,
        env={**os.environ, _UNPATCHED: "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert run.returncode == 0, run.stdout[-4_000:] + run.stderr[-2_000:]
    assert "passed" in run.stdout


@pytest.mark.skipif(_UNPATCHED not in os.environ, reason="only in that run")
def test_that_run_has_real_threads() -> None:
    found: list[int] = []

    thread = threading.Thread(target=lambda: found.append(threading.get_native_id()))
    thread.start()
    thread.join(5)

    assert not monkey.is_module_patched("threading")
    assert found != [threading.get_native_id()]
