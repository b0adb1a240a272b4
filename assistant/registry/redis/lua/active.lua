-- How many requests of a user run: user, now.
return redis.call('ZCOUNT', key('active', #ARGV[1] .. ':' .. ARGV[1]), '(' .. moment(ARGV[2]), '+inf')
