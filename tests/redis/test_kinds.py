"""Other ways to reach Redis: a cluster, TLS, a socket. The contract holds there as well; here it is a part of it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import pytest

from assistant.clock import Clock
from assistant.config import Settings
from assistant.errors import StoreUnavailable
from assistant.protocols import RequestRegistry
from assistant.registry.redis import RedisRegistry
from assistant.testing import FakeClock
from assistant.testing.contract import Scene
from assistant.testing.contract.actions import ActionRules
from assistant.testing.contract.viewers import ViewerRules
from tests.deploy.nginx import free_port
from tests.redis.cluster import Cluster
from tests.redis.pair import until
from tests.redis.servers import RedisServer
from tests.redis.settled import Apart
from tests.tools import program

_numbers = count(1)


class _Kind(ViewerRules, ActionRules):
    url: str
    cluster: Cluster
    open_url: str
    given: Settings

    def registry(self, settings: Settings, clock: Clock) -> RequestRegistry:
        self.given = replace(settings, registry=self.url, redis_prefix=f"kind-{next(_numbers)}")
        return Apart(self.given, clock)


class TestCluster(_Kind):
    """Three nodes, of which one has all keys of a deployment."""

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _server(cls) -> Iterator[None]:
        with Cluster() as cls.cluster:
            cls.url = cls.cluster.url
            yield

    def test_one_node_has_all_keys_of_a_deployment(self) -> None:
        with self.scene() as scene:
            scene.ended()
            scene.registry.sweep()
            having = [node for node in self.cluster.nodes if _keys(node, self.given)]

        assert len(having) == 1

    def test_a_node_that_was_away_is_found_again(self) -> None:
        settings = replace(Settings(registry=self.url), redis_prefix=f"kind-{next(_numbers)}")
        registry = RedisRegistry(settings)
        try:
            scene = Scene(registry, FakeClock(), settings)
            scene.create()
            (node,) = [node for node in self.cluster.nodes if _keys(node, settings)]
            node.kill()
            until(lambda: not registry.process.store.up)
            with pytest.raises(StoreUnavailable):
                scene.create()

            node.start()

            until(lambda: registry.process.store.up)
            mine, rung = scene.create(), []
            with registry.watch(mine, lambda: rung.append(1)):
                scene.finish(mine)
                until(lambda: rung)
            assert {thread.name for thread in registry.process._threads if thread.is_alive()} == {
                "assistant-writer", "assistant-listener", "assistant-pulse",
            }  # fmt: skip
        finally:
            registry.close()


class TestClusterAway:
    """A cluster of which no node is there is as any other Redis that is not."""

    def test_it_is_waited_for_at_the_start_and_when_it_goes(self, caplog: pytest.LogCaptureFixture) -> None:
        cluster = Cluster()
        settings = Settings(registry="redis+cluster://127.0.0.1:9", redis_prefix="away")
        absent = RedisRegistry(settings)
        until(lambda: not absent.process.store.up)
        with pytest.raises(StoreUnavailable):
            absent.ping()
        absent.close()

        with cluster:
            registry = RedisRegistry(replace(settings, registry=cluster.url))
            try:
                scene = Scene(registry, FakeClock(), settings)
                mine = scene.create()
                for node in cluster.nodes:
                    node.kill()
                scene.say(mine)
                until(lambda: not registry.process.store.up)
                for node in cluster.nodes:
                    node.start()
                until(lambda: registry.process.store.up)

                registry.ping()
                assert all(thread.is_alive() for thread in registry.process._threads)
            finally:
                registry.close()
        assert "Traceback" not in caplog.text


class TestTls(_Kind):
    """Encrypted, with a certificate that the server alone has signed."""

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _server(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        folder, port = tmp_path_factory.mktemp("tls"), free_port()
        certificate, key = folder / "cert.pem", folder / "key.pem"
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        command = [program("openssl"), "req", "-x509", *curve, *names, "-keyout", str(key), "-out", str(certificate)]
        subprocess.run(command, check=True, capture_output=True, timeout=30)
        files = {"tls_cert_file": certificate, "tls_key_file": key, "tls_auth_clients": "no"}
        with RedisServer("redis", tls_port=port, **files):
            cls.open_url = f"rediss://127.0.0.1:{port}/0"
            cls.url = f"{cls.open_url}?ssl_ca_certs={certificate}"
            yield

    def test_a_certificate_that_nobody_knows_is_refused(self) -> None:
        registry = RedisRegistry(Settings(registry=self.open_url))
        try:
            with pytest.raises(StoreUnavailable):
                registry.ping()
        finally:
            registry.close()


class TestSocket(_Kind):
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _server(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        path = tmp_path_factory.mktemp("socket") / "redis.sock"
        with RedisServer(unixsocket=str(path)):
            cls.url = f"unix://{path}"
            yield


def _keys(node: RedisServer, settings: Settings) -> list[bytes]:
    with node.client() as client:
        found: list[bytes] = client.keys(f"{{{settings.redis_prefix}}}:*")
    return found
