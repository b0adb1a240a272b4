-- Appends events of one request, joined in one entry, if they are the next ones of its current attempt.
-- id, attempt, first, last, frames, state, loud, bytes, events, end, retention (ms), now, then actions as id, state
local id, attempt, first, last = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local meta, stream = key('m', id), key('s', id)
local known = redis.call('HMGET', meta, 'attempt', 'last', 'ended', 'user')
if not known[1] then return {'lost'} end
if tonumber(known[1]) ~= attempt then return {'fenced', tonumber(known[1])} end
if known[3] then return {'closed', tonumber(known[2])} end
if first ~= tonumber(known[2]) + 1 then return {'have', tonumber(known[2])} end

local ending = ARGV[10]
local fields = {'f', first, 'd', ARGV[5]}
if ending ~= '' then
  fields[5], fields[6] = 'e', 1
end
if not redis.call('XADD', stream, 'NOMKSTREAM', attempt .. '-' .. last, unpack(fields)) then return {'lost'} end
redis.call('HSET', meta, 'last', last, 'bytes', ARGV[8], 'events', ARGV[9])
if ARGV[6] ~= '' then redis.call('HSET', meta, 'state', ARGV[6]) end
if ARGV[7] ~= '' then redis.call('HSET', meta, 'loud', 1) end
for i = 13, #ARGV, 2 do redis.call('HSET', key('a', id), ARGV[i], ARGV[i + 1]) end
if #ARGV >= 13 then redis.call('PEXPIRE', key('a', id), redis.call('PTTL', meta)) end

if ending ~= '' then
  local now, kept, user = moment(ARGV[12]), tonumber(ARGV[11]), known[4]
  redis.call('HSET', meta, 'state', ending, 'ended', now)
  redis.call('ZREM', key('active', #user .. ':' .. user), id)
  redis.call('ZREM', key('active'), id)
  redis.call('SREM', key('own', redis.call('HGET', meta, 'owner')), id)
  redis.call('ZADD', key('ended'), now + kept, numbered(id))
  redis.call('PEXPIRE', key('ended'), kept + 3600000)
  -- the sweep drops it in time; this is for when nobody is left to sweep
  for _, name in ipairs({meta, stream, key('a', id), key('v', id)}) do redis.call('PEXPIRE', name, kept + 60000) end
end
return {'ok', last, unpack(redis.call('HKEYS', key('v', id)))}
