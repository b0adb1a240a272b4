from tests.redis.fixtures import pair, shared_redis, valkey

__all__ = ["pair", "shared_redis", "valkey"]
