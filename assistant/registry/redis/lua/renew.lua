-- Says that a process lives; how many requests it owns and how many messages wait for it: process, lease (ms), ttl (ms).
redis.call('ZADD', key('leases'), real() + ARGV[2], ARGV[1])
redis.call('PEXPIRE', key('leases'), ARGV[3])
return {redis.call('SCARD', key('own', ARGV[1])), redis.call('LLEN', key('inbox', ARGV[1]))}
