"""nginx in front of several servers, round robin and without stickiness, as plain as it goes."""

from __future__ import annotations

import os
from pathlib import Path

from tests.deploy.nginx import Started, free_port
from tests.system.server import Server

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


class RoundRobin(Started):
    """Runs while entered; `base` is where clients come."""

    def __init__(self, folder: Path, servers: list[Server]) -> None:
        self.folder, self.http = folder, free_port()
        self.base = f"http://127.0.0.1:{self.http}"
        (folder / "nginx.conf").write_text(
            _CONFIG.format(
                folder=folder,
                port=self.http,
                user="user root;" if os.geteuid() == 0 else "",
                servers=" ".join(f"server 127.0.0.1:{one.port} max_fails=0;" for one in servers),
            )
        )
