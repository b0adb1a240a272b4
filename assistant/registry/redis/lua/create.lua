-- Admits a request and stores it with its first event, or says why not. Repeating it changes nothing.
-- id, user, process, now, ctx, context, size, frame, key, digest, most of a user, of a process, of all, life, ttl (ms), lease
local id, user, process, now = ARGV[1], ARGV[2], ARGV[3], moment(ARGV[4])
local life, ttl, lease = tonumber(ARGV[14]), tonumber(ARGV[15]), tonumber(ARGV[16])
local meta = key('m', id)
if redis.call('EXISTS', meta) == 1 then return {'created'} end

local reserved = ARGV[9] ~= '' and key('k', #user .. ':' .. user .. ':' .. ARGV[9])
if reserved then
  local known = redis.call('HMGET', reserved, 'digest', 'id')
  if known[2] and redis.call('EXISTS', key('m', known[2])) == 1 then
    if known[1] ~= ARGV[10] then return {'mismatch'} end
    redis.call('HSET', key('m', known[2]), 'promised', 1)
    return {'replayed', known[2]}
  end
end

local theirs, all = key('active', #user .. ':' .. user), key('active')
redis.call('ZREMRANGEBYSCORE', theirs, '-inf', now)
redis.call('ZREMRANGEBYSCORE', all, '-inf', now)
if redis.call('ZCARD', theirs) >= tonumber(ARGV[11]) then return {'user'} end
if redis.call('SCARD', key('own', process)) >= tonumber(ARGV[12]) then return {'process'} end
if tonumber(ARGV[13]) > 0 and redis.call('ZCARD', all) >= tonumber(ARGV[13]) then return {'cluster'} end

redis.call('HSET', meta, 'user', user, 'owner', process, 'ctx', ARGV[5], 'context', ARGV[6], 'size', ARGV[7],
  'attempt', 1, 'last', 1, 'events', 1, 'bytes', #ARGV[8], 'state', 'accepted', 'born', now, 'key', reserved or '')
redis.call('XADD', key('s', id), '1-1', 'f', 1, 'd', ARGV[8])
redis.call('ZADD', theirs, now + life, id)
redis.call('ZADD', all, now + life, id)
redis.call('ZADD', key('of', user), redis.call('INCR', key('seq')), id)
redis.call('SADD', key('own', process), id)
redis.call('ZADD', key('leases'), real() + lease, process)
if reserved then
  redis.call('HSET', reserved, 'digest', ARGV[10], 'id', id)
  redis.call('PEXPIRE', reserved, ttl)
end
for _, name in ipairs({meta, key('s', id), theirs, all, key('of', user), key('own', process), key('leases'), key('seq')}) do
  redis.call('PEXPIRE', name, ttl)
end
return {'created'}
