"""The real nginx with the site of deploy/nginx as it is, but for ports, certificate and pid file."""

from __future__ import annotations

import datetime
import ipaddress
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.system.server import PATIENCE, ROOT
from tests.tools import program

SITE, UPSTREAM = ROOT / "deploy/nginx/assistant.conf", ROOT / "deploy/nginx/upstream.conf"
NAME = "assistant.example.com"

# What a distribution's nginx.conf is around the site; gzip is on, because the site has to stand that.
_MAIN = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    gzip on;
    gzip_min_length 0;
    gzip_types *;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/conf.d/*.conf;
}}
"""


class Started:
    """nginx with the configuration `folder`/nginx.conf while entered; it answers at the port `http`."""

    folder: Path
    http: int

    def __enter__(self) -> Self:
        command = [program("nginx"), "-p", str(self.folder), "-c", str(self.folder / "nginx.conf")]
        with (self.folder / "printed").open("wb") as printed:
            self._process = subprocess.Popen(command, stdout=printed, stderr=printed)
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self._process.poll() is None:
            try:
                requests.get(f"http://127.0.0.1:{self.http}/", allow_redirects=False, timeout=2)
            except (requests.ConnectionError, requests.Timeout):
                time.sleep(0.05)
            else:
                return self
        self._process.kill()
        raise AssertionError(f"nginx did not come up: {(self.folder / 'printed').read_text()}")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Nginx(Started):
    """nginx in front of `port`; `https` and `http` are where it listens, `certificate` is what to trust."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.http, self.https = free_port(), free_port()
        self.base = f"https://{NAME}:{self.https}"
        self.certificate = folder / "fullchain.pem"
        self._write(port)

    def _write(self, port: int) -> None:
        make_certificate(self.folder)
        (self.folder / "conf.d").mkdir()
        user = "user root;" if os.geteuid() == 0 else ""  # the folder of a test is its owner's alone
        (self.folder / "nginx.conf").write_text(_MAIN.format(folder=self.folder, user=user))
        ports = {"listen 80;": f"listen 127.0.0.1:{self.http};", "listen 443 ": f"listen 127.0.0.1:{self.https} "}
        here = {"    listen [::]:80;\n": "", "    listen [::]:443 ssl http2;\n": "", "/etc/nginx/tls": str(self.folder)}
        (self.folder / "conf.d/assistant.conf").write_text(replaced(SITE.read_text(), ports | here))
        upstream = replaced(UPSTREAM.read_text(), {"127.0.0.1:8000": f"127.0.0.1:{port}"})
        (self.folder / "conf.d/upstream.conf").write_text(upstream)


def free_port() -> int:
    """A port of loopback that was free a moment ago; nginx takes no open socket."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def replaced(text: str, changes: dict[str, str]) -> str:
    """The text with each change made; one that finds nothing would leave a test to talk to something else."""
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def make_certificate(folder: Path) -> None:
    """fullchain.pem and privkey.pem, signed by itself, for the site's name and loopback."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    names = x509.SubjectAlternativeName([x509.DNSName(NAME), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "fullchain.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
