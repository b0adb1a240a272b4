-- The ids of a user's requests, newest first: user, most.
local found, kept = redis.call('ZREVRANGE', key('of', ARGV[1]), 0, ARGV[2] - 1), {}
for _, id in ipairs(found) do
  if redis.call('EXISTS', key('m', id)) == 1 then kept[#kept + 1] = id else redis.call('ZREM', key('of', ARGV[1]), id) end
end
return kept
