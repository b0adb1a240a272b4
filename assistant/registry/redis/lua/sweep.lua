-- Drops ended requests that nobody watches after their retention, and remembers their ids as gone.
-- now, how long an id is remembered (ms), how many ids, first place to look at, how many
local now, remembered, offset = moment(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[4])
local due = redis.call('ZRANGEBYSCORE', key('ended'), '-inf', now, 'LIMIT', offset, ARGV[5])
local removed = {}
for _, member in ipairs(due) do
  local id = string.sub(member, 18)
  if viewers(id, '') == 0 then
    redis.call('ZREM', key('ended'), member)
    local meta = redis.call('HMGET', key('m', id), 'user', 'key')
    if meta[1] then
      redis.call('DEL', key('m', id), key('s', id), key('a', id), key('v', id))
      if meta[2] ~= '' then redis.call('DEL', meta[2]) end
      redis.call('ZREM', key('of', meta[1]), id)
      redis.call('HSET', key('gone'), id, meta[1])
      redis.call('ZADD', key('graves'), now, numbered(id))
      removed[#removed + 1] = id
    end
  end
end

local function forget(members)
  for _, member in ipairs(members) do
    redis.call('HDEL', key('gone'), string.sub(member, 18))
    redis.call('ZREM', key('graves'), member)
  end
end
forget(redis.call('ZRANGEBYSCORE', key('graves'), '-inf', now - remembered, 'LIMIT', 0, 1000))
local surplus = redis.call('ZCARD', key('graves')) - tonumber(ARGV[3])
if surplus > 0 then forget(redis.call('ZRANGE', key('graves'), 0, surplus - 1)) end
if #removed > 0 then
  redis.call('PEXPIRE', key('gone'), remembered + 60000)
  redis.call('PEXPIRE', key('graves'), remembered + 60000)
end
return {#due, removed}
