-- The twin of fixed_window.py. Stored as "<index> <used>"; state {index, used}.
local function read(counter, now)
  local index = math.floor(now / counter.window)
  local stored = redis.call('GET', counter.key)
  if stored then
    local last, used = string.match(stored, '^(%d+) (%d+)$')
    last = tonumber(last)
    if last >= index then
      return {last, tonumber(used)}
    end
  end
  return {index, 0}
end

local function room(counter, state)
  return counter.requests - state[2]
end

local function write(counter, state, _, hits)
  local used = math.min(math.max(0, state[2] + hits), MOST)
  redis.call('SET', counter.key, string.format('%.0f %.0f', state[1], used), 'PX', counter.window)
end

local function reset(counter, state, now)
  return (state[1] + 1) * counter.window - now
end

return {read = read, room = room, write = write, reset = reset, wait = reset}
