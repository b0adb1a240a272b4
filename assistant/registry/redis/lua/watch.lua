-- Counts this process's viewers of a request, and so says that it lives.
-- id, process, how many now, most of all, ttl (ms), lease (ms), number of the viewer that comes
local id, process, mine = ARGV[1], ARGV[2], tonumber(ARGV[3])
if redis.call('EXISTS', key('m', id)) == 0 then return 'none' end
if viewers(id, process) + mine > tonumber(ARGV[4]) then return 'full' end
redis.call('HSET', key('v', id), process, mine .. ':' .. ARGV[7])
redis.call('PEXPIRE', key('v', id), ARGV[5])
redis.call('HINCRBY', key('m', id), 'views', 1)
redis.call('ZADD', key('leases'), real() + ARGV[6], process)
return 'ok'
