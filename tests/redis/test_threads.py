"""The contract under real threads: the suite itself runs patched, so this starts a Python that is not."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_contract_holds_under_real_threads() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-o", "addopts=--import-mode=importlib", "--noconftest", "-p",
               "no:cacheprovider", "-p", "tests.redis.fixtures", "tests/redis/test_contract.py",
               "-k", "valkey and not ten_thousand"]  # fmt: skip

    run = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=240, check=False)

    assert run.returncode == 0, run.stdout[-4_000:] + run.stderr[-2_000:]
    assert " passed" in run.stdout
