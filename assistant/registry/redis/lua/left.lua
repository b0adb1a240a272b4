-- Notes that viewers of a request have left this process: id, process, how many are still there, now.
if tonumber(ARGV[3]) == 0 then
  redis.call('HDEL', key('v', ARGV[1]), ARGV[2])
else
  redis.call('HSET', key('v', ARGV[1]), ARGV[2], ARGV[3])
end
if redis.call('EXISTS', key('m', ARGV[1])) == 1 then redis.call('HSET', key('m', ARGV[1]), 'left', moment(ARGV[4])) end
return 'ok'
