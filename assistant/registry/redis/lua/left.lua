-- Notes that viewers of a request have left this process. It may come late: who has come since then has said how many.
-- id, process, how many are still there, now, number of the last viewer that had come
local id, process, meta, counts = ARGV[1], ARGV[2], key('m', ARGV[1]), key('v', ARGV[1])
local known = redis.call('HGET', counts, process)
if known and string.match(known, ':(.*)') == ARGV[5] then
  if ARGV[3] == '0' then
    redis.call('HDEL', counts, process)
  else
    redis.call('HSET', counts, process, ARGV[3] .. ':' .. ARGV[5])
  end
end
if redis.call('EXISTS', meta) == 1 then redis.call('HSET', meta, 'left', moment(ARGV[4])) end
return 'ok'
