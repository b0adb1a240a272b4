from tests.redis.fixtures import shared_redis

__all__ = ["shared_redis"]
