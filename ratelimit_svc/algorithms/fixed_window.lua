-- The twin of fixed_window.py. Stored as "<index> <used>"; state {index, used}.
local function read(key, window, now)
  local index = math.floor(now / window)
  local stored = redis.call('GET', key)
  if stored then
    local last, used = string.match(stored, '^(%d+) (%d+)$')
    last = tonumber(last)
    if last >= index then
      return {last, tonumber(used)}
    end
  end
  return {index, 0}
end

local function room(state, requests)
  return requests - state[2]
end

local function write(key, state, window, hits)
  redis.call('SET', key, string.format('%.0f %.0f', state[1], state[2] + hits), 'PX', window)
end

return {read = read, room = room, write = write}
