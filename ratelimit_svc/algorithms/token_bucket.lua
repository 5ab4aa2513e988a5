-- The twin of token_bucket.py. Stored as "<at> <used>"; state {at, used}, used in parts.
local function capacity(counter)
  if counter.requests == 0 then
    return 0
  end
  return (counter.burst > 0 and counter.burst or counter.requests) * counter.window + counter.requests - 1
end

-- math.fmod is exact where a division of doubles is not
local function divided_up(number, by)
  local rest = math.fmod(number, by)
  return (number - rest) / by + (rest > 0 and 1 or 0)
end

local function read(counter, now)
  local stored = redis.call('GET', counter.key)
  if stored then
    local at, used = string.match(stored, '^(%d+) (%d+)$')
    at, used = tonumber(at), tonumber(used)
    return {math.max(at, now), math.max(0, used - math.max(0, now - at) * counter.requests)}
  end
  return {now, 0}
end

local function room(counter, state)
  local left = capacity(counter) - state[2]
  return left < 0 and -divided_up(-left, counter.window) or (left - math.fmod(left, counter.window)) / counter.window
end

local function until_empty(counter, used)
  return counter.requests == 0 and counter.window or math.max(1, divided_up(used, counter.requests))
end

local function write(counter, state, _, hits)
  local most = math.min(capacity(counter) + counter.requests * counter.window, MOST)
  local used = math.max(0, math.min(state[2] + hits * counter.window, math.max(state[2], most)))
  if used == 0 then -- a full bucket is what is not kept
    redis.call('DEL', counter.key)
    return
  end
  redis.call('SET', counter.key, string.format('%.0f %.0f', state[1], used), 'PX', string.format('%.0f', until_empty(counter, used)))
end

local function reset(counter, state)
  local hits = counter.mode == 'give_back' and -counter.hits or counter.hits
  return until_empty(counter, state[2] + hits * counter.window)
end

local function wait(counter, state)
  local most, wanted = capacity(counter), math.max(counter.hits, 1) * counter.window
  if wanted > most then
    return until_empty(counter, state[2])
  end
  return until_empty(counter, state[2] - (most - wanted))
end

return {read = read, room = room, write = write, reset = reset, wait = wait}
