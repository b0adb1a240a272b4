-- Begins every script. All keys of a deployment share the hash tag in KEYS[1], so one node of a cluster holds them and
-- scripts may name keys by themselves.
local base = KEYS[1]

local function key(kind, id)
  if id then return base .. ':' .. kind .. ':' .. id end
  return base .. ':' .. kind
end

-- Redis' own clock; ms since 1970.
local function real()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The moment by which a request's clocks run: Redis' own, unless a test tells another.
local function moment(given)
  if given == '' then return real() end
  return tonumber(given)
end

-- The members of an ordered set with equal scores stand in the order of this number.
local function numbered(id)
  return string.format('%016d', redis.call('INCR', key('seq'))) .. ':' .. id
end

-- Notes that a process has a request now; the note lives as long as the request.
local function owned(id, process)
  local own = key('own', process)
  redis.call('SADD', own, id)
  redis.call('PEXPIRE', own, math.max(redis.call('PTTL', own), redis.call('PTTL', key('m', id))))
end

-- How many watch a request in the processes that live, `but` one. A process's count is followed by the number of the last
-- viewer that came there.
local function viewers(id, but)
  local counts = redis.call('HGETALL', key('v', id))
  local total, now = 0, real()
  for i = 1, #counts, 2 do
    local lease = redis.call('ZSCORE', key('leases'), counts[i])
    if counts[i] ~= but and lease and tonumber(lease) > now then total = total + tonumber(string.match(counts[i + 1], '%d+')) end
  end
  return total
end

-- Puts a message into a process's inbox and rings: what the bell loses, the inbox keeps.
local function tell(process, message)
  redis.call('RPUSH', key('inbox', process), message)
  redis.call('PEXPIRE', key('inbox', process), 3600000)
  redis.call('PUBLISH', key('to', process), 'inbox')
end
