-- An action's state and whether its request has ended: id, action.
local ended = redis.call('HMGET', key('m', ARGV[1]), 'owner', 'ended')
if not ended[1] then return {} end
return {redis.call('HGET', key('a', ARGV[1]), ARGV[2]), ended[2]}
