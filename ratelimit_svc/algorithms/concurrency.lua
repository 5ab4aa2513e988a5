-- The twin of concurrency.py. A sorted set of leases, each with the time it ends at the latest; state {leases held, this one too}.
local NOBODY_KNOWS = 1000

local function read(counter, now)
  local ends = tonumber(redis.call('ZSCORE', counter.key, counter.extra) or 0)
  return {redis.call('ZCOUNT', counter.key, string.format('(%.0f', now), '+inf'), ends > now}
end

local function room(counter, state)
  local left = counter.requests - state[1]
  local takes = counter.hits > 0 and counter.mode ~= 'give_back'
  return takes and state[2] and math.min(left, 0) or left
end

local function write(counter, _, now, hits)
  redis.call('ZREMRANGEBYSCORE', counter.key, '-inf', string.format('%.0f', now))
  if hits < 0 then
    redis.call('ZREM', counter.key, counter.extra)
  else
    redis.call('ZADD', counter.key, string.format('%.0f', now + counter.window), counter.extra)
    redis.call('PEXPIRE', counter.key, counter.window)
  end
end

local function reset(counter)
  return math.min(NOBODY_KNOWS, counter.window)
end

return {read = read, room = room, write = write, reset = reset, wait = reset}
