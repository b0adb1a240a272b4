from tests.redis.fixtures import shared_redis, valkey

__all__ = ["shared_redis", "valkey"]
