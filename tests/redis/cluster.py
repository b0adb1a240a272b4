"""A cluster of three nodes on loopback, each with a third of the slots."""

from __future__ import annotations

import time
from contextlib import ExitStack

from tests.deploy.nginx import free_port
from tests.redis.servers import PATIENCE, RedisServer

_SLOTS = 16384


class Cluster:
    """Runs while entered."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.nodes: list[RedisServer] = []

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def __enter__(self) -> Cluster:
        with ExitStack() as stack:
            for _ in range(3):
                node = RedisServer(cluster_enabled="yes", cluster_port=free_port(), cluster_node_timeout=2000)
                self.nodes.append(stack.enter_context(node))
            self._join()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _join(self) -> None:
        """Does what `redis-cli --cluster create` does."""
        size = len(self.nodes)
        for number, node in enumerate(self.nodes):
            with node.client() as client:
                client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
                first, end = number * _SLOTS // size, (number + 1) * _SLOTS // size
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
                for other in self.nodes[:number]:
                    client.execute_command("CLUSTER", "MEET", "127.0.0.1", other.port, other.cluster_port)
        until = time.monotonic() + PATIENCE
        while not all(self._knows_all(node) for node in self.nodes):
            assert time.monotonic() < until, "the cluster did not come together"
            time.sleep(0.05)

    def _knows_all(self, node: RedisServer) -> bool:
        with node.client() as client:
            said = str(client.execute_command("CLUSTER", "INFO"))
        return "cluster_state:ok" in said and f"cluster_known_nodes:{len(self.nodes)}" in said
