-- Removes a request whose creation nobody heard of: id, process.
local id = ARGV[1]
local meta = redis.call('HMGET', key('m', id), 'owner', 'last', 'attempt', 'user', 'key')
if meta[1] ~= ARGV[2] or meta[2] ~= '1' or meta[3] ~= '1' then return 'kept' end
redis.call('DEL', key('m', id), key('s', id), key('v', id))
if meta[5] ~= '' then redis.call('DEL', meta[5]) end
redis.call('ZREM', key('active', #meta[4] .. ':' .. meta[4]), id)
redis.call('ZREM', key('active'), id)
redis.call('ZREM', key('of', meta[4]), id)
redis.call('SREM', key('own', ARGV[2]), id)
return 'ok'
