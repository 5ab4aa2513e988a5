-- The twin of sliding_window.py. Stored as "<index> <current> <previous>"; state {index, current, previous}.
local function read(counter, now)
  local index = math.floor(now / counter.window)
  local stored = redis.call('GET', counter.key)
  if stored then
    local last, current, previous = string.match(stored, '^(%d+) (%d+) (%d+)$')
    last = tonumber(last)
    if last >= index then
      return {last, tonumber(current), tonumber(previous)}
    end
    if last == index - 1 then
      return {index, 0, tonumber(current)}
    end
  end
  return {index, 0, 0}
end

local function room(counter, state, now)
  local window = counter.window
  local elapsed = math.max(0, now - state[1] * window)
  return counter.requests - state[2] - math.ceil(state[3] * (window - elapsed) / window)
end

local function write(counter, state, _, hits)
  local current = math.min(math.max(0, state[2] + hits), MOST)
  -- kept through the next window, where it is the previous one
  redis.call('SET', counter.key, string.format('%.0f %.0f %.0f', state[1], current, state[3]), 'PX', 2 * counter.window)
end

local function reset(counter, state, now)
  return (state[1] + 1) * counter.window - now
end

local function wait(counter, state, now)
  local requests, window, wanted = counter.requests, counter.window, math.max(counter.hits, 1)
  local left = reset(counter, state, now)
  if wanted > requests then
    return left
  end
  if state[2] + wanted <= requests then
    return math.max(1, left - math.floor((requests - state[2] - wanted) * window / math.max(state[3], 1)))
  end
  return left + math.max(0, window - math.floor((requests - wanted) * window / state[2]))
end

return {read = read, room = room, write = write, reset = reset, wait = wait}
