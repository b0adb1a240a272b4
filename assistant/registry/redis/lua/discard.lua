-- Removes a request of this process that it does not know, because it did not hear of its creation. One that somebody was
-- promised all the same, by its key, and one that it took over and could not read, is given free instead, as of a process
-- that is dead: id, process.
local id = ARGV[1]
local meta = redis.call('HMGET', key('m', id), 'owner', 'last', 'attempt', 'user', 'key', 'promised')
redis.call('SREM', key('own', ARGV[2]), id)
if meta[1] ~= ARGV[2] then return 'kept' end
if meta[2] ~= '1' or meta[3] ~= '1' or meta[6] then
  redis.call('HSET', key('m', id), 'owner', 'nobody')
  owned(id, 'nobody')
  redis.call('ZADD', key('leases'), 0, 'nobody')
  return 'freed'
end
redis.call('DEL', key('m', id), key('s', id), key('v', id))
if meta[5] ~= '' then redis.call('DEL', meta[5]) end
redis.call('ZREM', key('active', #meta[4] .. ':' .. meta[4]), id)
redis.call('ZREM', key('active'), id)
redis.call('ZREM', key('of', meta[4]), id)
return 'ok'
