-- Appends events of many requests. Those of one are joined in one entry, if they are the next ones of its current attempt.
-- now, retention (ms), then for each request: id, attempt, first, last, frames, state, loud, bytes, events, end,
-- how many actions, each of them as id, state. Answers for each request; one that fails is no other's concern.
local now, kept = ARGV[1], tonumber(ARGV[2])

-- What is left of an ended request, and until when.
local function close(id, meta, stream, ending, user)
  local ended = moment(now)
  redis.call('HSET', meta, 'state', ending, 'ended', ended)
  redis.call('ZREM', key('active', #user .. ':' .. user), id)
  redis.call('ZREM', key('active'), id)
  redis.call('SREM', key('own', redis.call('HGET', meta, 'owner')), id)
  redis.call('ZADD', key('ended'), ended + kept, numbered(id))
  redis.call('PEXPIRE', key('ended'), kept + 3600000)
  -- the sweep drops it in time; this is for when nobody is left to sweep
  for _, name in ipairs({meta, stream, key('a', id), key('v', id)}) do redis.call('PEXPIRE', name, kept + 60000) end
end

local function append(at)
  local id, attempt, first, last = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local meta, stream = key('m', id), key('s', id)
  local known = redis.call('HMGET', meta, 'attempt', 'last', 'ended', 'user')
  if not known[1] then return {'lost'} end
  if tonumber(known[1]) ~= attempt then return {'fenced', tonumber(known[1])} end
  if known[3] then return {'closed', tonumber(known[2])} end
  if first ~= tonumber(known[2]) + 1 then return {'have', tonumber(known[2])} end

  local ending = ARGV[at + 9]
  local fields = {'f', first, 'd', ARGV[at + 4]}
  if ending ~= '' then fields[5], fields[6] = 'e', 1 end
  if not redis.call('XADD', stream, 'NOMKSTREAM', attempt .. '-' .. last, unpack(fields)) then return {'lost'} end
  local facts = {'last', last, 'bytes', ARGV[at + 7], 'events', ARGV[at + 8]}
  if ARGV[at + 5] ~= '' then facts[#facts + 1], facts[#facts + 2] = 'state', ARGV[at + 5] end
  if ARGV[at + 6] ~= '' then facts[#facts + 1], facts[#facts + 2] = 'loud', 1 end
  redis.call('HSET', meta, unpack(facts))
  local actions = tonumber(ARGV[at + 10])
  for i = at + 11, at + 9 + 2 * actions, 2 do redis.call('HSET', key('a', id), ARGV[i], ARGV[i + 1]) end
  if actions > 0 then redis.call('PEXPIRE', key('a', id), redis.call('PTTL', meta)) end
  if ending ~= '' then close(id, meta, stream, ending, known[4]) end
  return {'ok', last, unpack(redis.call('HKEYS', key('v', id)))}
end

local answers, at = {}, 3
while at <= #ARGV do
  local fine, answer = pcall(append, at)
  if not fine then answer = {'failed', type(answer) == 'table' and answer.err or tostring(answer)} end
  answers[#answers + 1] = answer
  at = at + 11 + 2 * tonumber(ARGV[at + 10])
end
return answers
