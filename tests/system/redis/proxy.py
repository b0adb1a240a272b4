"""nginx in front of several servers, round robin and without stickiness, as plain as it goes."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import requests

from tests.deploy.nginx import free_port
from tests.system.server import PATIENCE, Server
from tests.tools import program

_CONFIG = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
worker_processes 1;
events {{ worker_connections 8192; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    access_log off;
    upstream assistant {{ {servers} }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://assistant;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_read_timeout 30s;
            proxy_next_upstream error timeout http_502 http_503;
        }}
    }}
}}
"""


class RoundRobin:
    """Runs while entered; `base` is where clients come."""

    def __init__(self, folder: Path, servers: list[Server]) -> None:
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        (folder / "nginx.conf").write_text(
            _CONFIG.format(
                folder=folder,
                port=self.port,
                user="user root;" if os.geteuid() == 0 else "",
                servers=" ".join(f"server 127.0.0.1:{one.port} max_fails=0;" for one in servers),
            )
        )

    def __enter__(self) -> RoundRobin:
        command = [program("nginx"), "-p", str(self._folder), "-c", str(self._folder / "nginx.conf")]
        with (self._folder / "printed").open("wb") as printed:
            self._process = subprocess.Popen(command, stdout=printed, stderr=printed)
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self._process.poll() is None:
            try:
                requests.get(f"{self.base}/healthz", timeout=2)
            except (requests.ConnectionError, requests.Timeout):
                time.sleep(0.05)
            else:
                return self
        self._process.kill()
        raise AssertionError(f"nginx did not come up: {(self._folder / 'printed').read_text()}")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
