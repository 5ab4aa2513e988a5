-- The twin of sliding_log.py. A sorted set with one member for each millisecond that something was admitted in: its score is
-- that time, the member the hits counted up to then since the log began. The newest member that has left the window stays,
-- because the count goes on from there. state {at, base, total}.
local ENOUGH = 10000

local function entry(members)
  if members[1] then
    return tonumber(members[1]), tonumber(members[2])
  end
end

local function read(counter, now)
  local total, last = entry(redis.call('ZRANGE', counter.key, -1, -1, 'WITHSCORES'))
  if not total then
    return {now, 0, 0}
  end
  local at = math.max(now, last)
  local gone = string.format('%.0f', at - counter.window)
  local base = entry(redis.call('ZREVRANGEBYSCORE', counter.key, gone, '-inf', 'WITHSCORES', 'LIMIT', 0, 1)) or 0
  return {at, base, total}
end

local function room(counter, state)
  return counter.requests - (state[3] - state[2])
end

local function write(counter, state, _, hits)
  local key, at, base, total = counter.key, string.format('%.0f', state[1]), state[2], state[3]
  if total == base then
    redis.call('DEL', key)
    base, total = 0, 0
  end
  if hits > 0 then
    if total > base and total - base >= counter.requests then
      redis.call('ZREMRANGEBYRANK', key, -1, -1)
    end
    redis.call('ZREMRANGEBYSCORE', key, at, at)
    redis.call('ZADD', key, at, string.format('%.0f', total + math.min(hits, ENOUGH)))
  else
    local left, time = math.max(base, total + math.max(hits, -ENOUGH)), at
    while total > left do
      time = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2]
      redis.call('ZREMRANGEBYRANK', key, -1, -1)
      total = entry(redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')) or base
    end
    if total < left then
      redis.call('ZADD', key, time, string.format('%.0f', left))
    end
  end
  if base > 0 then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', '(' .. redis.call('ZSCORE', key, string.format('%.0f', base)))
  end
  redis.call('PEXPIRE', key, counter.window)
end

-- when the hits counted up to `wanted` have left the window
local function left_at(counter, wanted)
  local low, high = 0, redis.call('ZCARD', counter.key) - 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if tonumber(redis.call('ZRANGE', counter.key, middle, middle)[1]) >= wanted then
      high = middle
    else
      low = middle + 1
    end
  end
  return redis.call('ZRANGE', counter.key, low, low, 'WITHSCORES')[2] + counter.window
end

local function emptied(counter, state, now)
  return state[3] == state[2] and 1 or math.max(1, left_at(counter, state[3]) - now)
end

local function reset(counter, state, now)
  if counter.hits > 0 and counter.mode ~= 'give_back' then
    return state[1] + counter.window - now
  end
  return emptied(counter, state, now)
end

local function wait(counter, state, now)
  local wanted = math.max(counter.hits, 1)
  if wanted > counter.requests or state[3] == state[2] then
    return state[3] == state[2] and counter.window or emptied(counter, state, now)
  end
  return math.max(1, left_at(counter, state[3] + wanted - counter.requests) - now)
end

return {read = read, room = room, write = write, reset = reset, wait = wait}
