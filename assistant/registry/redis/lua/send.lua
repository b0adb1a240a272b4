-- Sends a message to a process: process, message. A script, because a cluster's pipeline takes no PUBLISH.
return redis.call('PUBLISH', key('to', ARGV[1]), ARGV[2])
