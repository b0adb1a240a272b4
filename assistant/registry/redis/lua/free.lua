-- Frees the leases of processes that are dead for certain, by the beginning of their names: prefix.
local freed = 0
for _, process in ipairs(redis.call('ZRANGE', key('leases'), 0, -1)) do
  if string.sub(process, 1, #ARGV[1]) == ARGV[1] then
    if redis.call('SCARD', key('own', process)) == 0 then
      redis.call('ZREM', key('leases'), process)
    else
      redis.call('ZADD', key('leases'), 0, process)
      freed = freed + 1
    end
  end
end
return freed
