-- Changes an action's state if it is still the given one, and tells the owner when there is a message.
-- id, action, old state, new state, message
local actions = key('a', ARGV[1])
if redis.call('HGET', actions, ARGV[2]) ~= ARGV[3] then return 0 end
redis.call('HSET', actions, ARGV[2], ARGV[4])
if ARGV[5] ~= '' then tell(redis.call('HGET', key('m', ARGV[1]), 'owner'), ARGV[5]) end
return 1
