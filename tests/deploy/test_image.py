"""What the Dockerfile does, done without an engine: its commands, in folders of this test, make a server that answers."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.deploy.nginx import free_port, replaced
from tests.system.server import PATIENCE, ROOT, SECRET

pytestmark = pytest.mark.system

DOCKERFILE = re.sub(r"\\\n\s*", "", (ROOT / "deploy/Dockerfile").read_text())


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders that the first stage makes, by its own commands."""
    top = tmp_path_factory.mktemp("image")
    for line in DOCKERFILE.split("FROM ")[1].split("\n"):
        name, _, rest = line.partition(" ")
        if name == "COPY":
            *sources, target = rest.split()
            place = top / target.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            for source in sources:
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    place.mkdir(exist_ok=True)
                    shutil.copy(ROOT / source, place)
        if name == "RUN":
            here = {"/opt": f"{top}/opt", "/build": f"{top}/build", " --no-cache-dir": ""}
            command = replaced(rest, {old: new for old, new in here.items() if old in rest})
            command = re.sub(r"^(python|pip) ", rf"{sys.executable} -m \1 ", command).replace(" -m python ", " ")
            done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=300, check=False)
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return top


def test_the_image_serves_with_what_its_lock_names_and_nothing_to_write_to(image: Path) -> None:
    """The CMD under the image's own environment; the HEALTHCHECK says when it is up, TERM ends it."""
    port, home = free_port(), image / "opt/assistant"
    environ = {"PATH": f"{image}/opt/venv/bin:/usr/bin:/bin", "PYTHONUNBUFFERED": "1", "HOST": "127.0.0.1"}
    environ |= {"PORT": str(port), "JWT_SECRET_KEY": SECRET, "TMPDIR": os.environ.get("TMPDIR", "/tmp")}
    health, command = (json.loads(one) for one in re.findall(r"\bCMD (\[.*\])$", DOCKERFILE, re.M))
    before = set(home.rglob("*"))

    with (image / "printed").open("wb") as printed:
        process = subprocess.Popen(command, cwd=home, env=environ, stdout=printed, stderr=printed)
    try:
        check = [part.replace("8000", str(port)) for part in health]
        until = time.monotonic() + PATIENCE
        while subprocess.run(check, env=environ, capture_output=True, check=False, timeout=20).returncode:
            assert process.poll() is None, (image / "printed").read_text()
            assert time.monotonic() < until, (image / "printed").read_text()
            time.sleep(0.2)
    finally:
        process.terminate()
        ended = process.wait(30)

    assert ended == 0
    assert set(home.rglob("*")) == before  # read_only: true in the composition
    assert not (image / "opt/venv/bin/pip").exists()
