-- Notes why a request should stop, the first reason only, and tells its owner: id, reason, message, process asking.
local meta = redis.call('HMGET', key('m', ARGV[1]), 'owner', 'ended', 'stop')
if not meta[1] then return 'none' end
if meta[2] then return 'ended' end
if not meta[3] then
  redis.call('HSET', key('m', ARGV[1]), 'stop', ARGV[2])
  if meta[1] ~= ARGV[4] then tell(meta[1], ARGV[3]) end
end
return 'ok'
