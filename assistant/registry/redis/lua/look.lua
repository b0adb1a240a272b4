-- A request as it stands: id, process, now. Its viewers are those of the other processes.
local id = ARGV[1]
local meta = redis.call('HMGET', key('m', id), 'ctx', 'context', 'size', 'attempt', 'last', 'events', 'bytes', 'state',
  'ended', 'stop', 'loud', 'owner', 'born', 'views', 'left')
if not meta[1] then return {} end
local now = moment(ARGV[3])
return {meta, viewers(id, ARGV[2]), redis.call('HVALS', key('a', id)), now - meta[13], meta[15] and now - meta[15] or -1}
