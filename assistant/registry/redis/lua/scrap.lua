-- Removes what is left of a request that was lost in part, so that everybody sees that it is: id, user, process.
local id, user = ARGV[1], ARGV[2]
redis.call('DEL', key('m', id), key('s', id), key('a', id), key('v', id))
redis.call('ZREM', key('active', #user .. ':' .. user), id)
redis.call('ZREM', key('active'), id)
redis.call('ZREM', key('of', user), id)
redis.call('SREM', key('own', ARGV[3]), id)
return 'ok'
