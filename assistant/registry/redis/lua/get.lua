-- What a request is, to its user: id, user.
local known = redis.call('HMGET', key('m', ARGV[1]), 'user', 'ctx', 'context', 'attempt', 'size')
if known[1] then
  if known[1] == ARGV[2] then return known end
  return {}
end
local gone = redis.call('HGET', key('gone'), ARGV[1])
if gone == ARGV[2] then return {'gone'} end
return {}
