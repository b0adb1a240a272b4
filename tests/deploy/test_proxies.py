"""The other proxies of docs/production/proxies.md, as that page sets them up: HAProxy and Caddy pass on every event."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.curl import Curl
from tests.deploy.nginx import NAME, free_port, make_certificate, replaced
from tests.system.server import PATIENCE, ROOT, Server
from tests.tools import program

pytestmark = pytest.mark.system

PAGE = (ROOT / "docs/production/proxies.md").read_text()


@dataclass
class Proxy:
    """What `Curl` needs to know of a site."""

    https: int
    certificate: Path
    http: int = 9

    @property
    def base(self) -> str:
        return f"https://{NAME}:{self.https}"


def shown(language: str) -> str:
    """The only sample of the page in that language."""
    (sample,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)
    return str(sample)


def haproxy(folder: Path, port: int, app: int) -> list[str]:
    pem = folder / "site.pem"
    pem.write_text((folder / "fullchain.pem").read_text() + (folder / "privkey.pem").read_text())
    changes = {":443": f"127.0.0.1:{port}", "/etc/haproxy/site.pem": str(pem), "127.0.0.1:8000": f"127.0.0.1:{app}"}
    (folder / "haproxy.cfg").write_text(replaced(shown("haproxy"), changes))
    return [program("haproxy"), "-db", "-f", str(folder / "haproxy.cfg")]


def caddy(folder: Path, port: int, app: int) -> list[str]:
    tls = f"tls {folder}/fullchain.pem {folder}/privkey.pem"
    changes = {f"{NAME} {{": f"https://{NAME}:{port} {{\n    {tls}", "127.0.0.1:8000": f"127.0.0.1:{app}"}
    quiet = "{\n    admin off\n    auto_https disable_redirects\n}\n"
    (folder / "Caddyfile").write_text(quiet + replaced(shown("caddy"), changes))
    return [program("caddy"), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


@pytest.fixture(params=[haproxy, caddy], ids=["haproxy", "caddy"])
def proxy(request: pytest.FixtureRequest, behind: Server, tmp_path: Path) -> Iterator[Proxy]:
    make_certificate(tmp_path)
    port = free_port()
    command = request.param(tmp_path, port, behind.port)
    environ = os.environ | {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    with (tmp_path / "printed").open("wb") as printed:
        process = subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=printed, stderr=printed)
    try:
        until = time.monotonic() + PATIENCE
        while not _listens(port):
            assert process.poll() is None, (tmp_path / "printed").read_text()
            assert time.monotonic() < until, (tmp_path / "printed").read_text()
            time.sleep(0.05)
        yield Proxy(port, tmp_path / "fullchain.pem")
    finally:
        process.kill()
        process.wait()


def test_every_event_is_passed_on_when_it_comes(proxy: Proxy) -> None:
    seen = Curl(proxy).in_step(10, "--compressed")

    assert seen == [f"{number};" for number in range(10)]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
