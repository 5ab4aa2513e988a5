-- The twin of sliding_window.py. Stored as "<index> <current> <previous>"; state {index, current, previous}.
local function read(key, window, now)
  local index = math.floor(now / window)
  local stored = redis.call('GET', key)
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

local function room(state, requests, window, now)
  local elapsed = math.max(0, now - state[1] * window)
  return requests - state[2] - math.ceil(state[3] * (window - elapsed) / window)
end

local function write(key, state, window, hits)
  -- kept through the next window, where it is the previous one
  redis.call('SET', key, string.format('%.0f %.0f %.0f', state[1], state[2] + hits, state[3]), 'PX', 2 * window)
end

return {read = read, room = room, write = write}
