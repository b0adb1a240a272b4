-- Which request an Idempotency-Key stands for: user, key, digest.
local user = ARGV[1]
local known = redis.call('HMGET', key('k', #user .. ':' .. user .. ':' .. ARGV[2]), 'digest', 'id')
if not known[2] or redis.call('EXISTS', key('m', known[2])) == 0 then return {} end
if known[1] ~= ARGV[3] then return {'mismatch'} end
redis.call('HSET', key('m', known[2]), 'promised', 1)
return {'replayed', known[2]}
