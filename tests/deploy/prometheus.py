"""The real Prometheus with deploy/prometheus as it is, but for whom it asks, how often, and where its token lies."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.deploy.nginx import free_port
from tests.system.server import PATIENCE, ROOT
from tests.tools import program

DEPLOY = ROOT / "deploy/prometheus"


class Prometheus:
    """Prometheus, asking one server every second."""

    def __init__(self, folder: Path, target: int, token: str) -> None:
        self.base = f"http://127.0.0.1:{free_port()}"
        self._folder = folder
        config = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(DEPLOY / "rules.yml")]
        (job,) = config["scrape_configs"]
        del job["dns_sd_configs"]
        job["static_configs"] = [{"targets": [f"127.0.0.1:{target}"]}]
        job["authorization"]["credentials_file"] = str(folder / "token")
        (folder / "token").write_text(token)
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))

    def __enter__(self) -> Prometheus:
        command = [program("prometheus"), f"--config.file={self._folder}/prometheus.yml", "--log.level=warn"]
        command += [f"--storage.tsdb.path={self._folder}/data", f"--web.listen-address={self.base[7:]}"]
        with (self._folder / "printed").open("wb") as printed:
            self._process = subprocess.Popen(command, stdout=printed, stderr=printed)
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self._process.poll() is None:
            try:
                if requests.get(f"{self.base}/-/ready", timeout=2).status_code == 200:
                    return self
            except (requests.ConnectionError, requests.Timeout):
                time.sleep(0.1)
        self._process.kill()
        raise AssertionError(f"Prometheus did not come up: {(self._folder / 'printed').read_text()}")

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def get(self, path: str, **query: str) -> Any:
        reply = requests.get(f"{self.base}/api/v1/{path}", params=query, timeout=PATIENCE)
        assert reply.status_code == 200, f"{query}: {reply.text}"
        return json.loads(reply.content)["data"]

    def values(self, expression: str) -> list[float]:
        """What a query answers now. A query that is not one fails."""
        return [float(one["value"][1]) for one in self.get("query", query=expression)["result"]]
