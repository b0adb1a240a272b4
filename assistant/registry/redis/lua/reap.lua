-- Takes over requests of processes whose lease is over, each as its next attempt, which fences off the old owner.
-- process, whether only freed leases count, most requests
local process, found = ARGV[1], {}
local limit = ARGV[2] == '1' and 0 or real()
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', key('leases'), '-inf', limit, 'LIMIT', 0, 20)) do
  if dead ~= process then
    for _, id in ipairs(redis.call('SRANDMEMBER', key('own', dead), ARGV[3] - #found)) do
      redis.call('SREM', key('own', dead), id)
      local meta = redis.call('HMGET', key('m', id), 'attempt', 'ended')
      if meta[1] and not meta[2] then
        redis.call('HSET', key('m', id), 'attempt', meta[1] + 1, 'last', 0, 'owner', process)
        owned(id, process)
        found[#found + 1] = id
      end
    end
    if redis.call('SCARD', key('own', dead)) == 0 then
      redis.call('ZREM', key('leases'), dead)
      redis.call('DEL', key('inbox', dead))
    end
    if #found >= tonumber(ARGV[3]) then break end
  end
end
return found
