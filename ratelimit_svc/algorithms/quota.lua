-- The twin of quota.py. Stored as "<start of the period> <used>"; state {start, used, end}.
-- counter.extra has the starts of some periods around now, in order: a time zone is more than Lua knows.
local function read(counter, now)
  local boundaries = {}
  for text in string.gmatch(counter.extra, '%d+') do
    boundaries[#boundaries + 1] = tonumber(text)
  end
  local function period_of(time)
    for i = 1, #boundaries - 1 do
      if boundaries[i] <= time and time < boundaries[i + 1] then
        return boundaries[i], boundaries[i + 1]
      end
    end
    error('the clocks of Redis and of the limiter are too far apart for a calendar')
  end
  local start, finish = period_of(now)
  local stored = redis.call('GET', counter.key)
  if stored then
    local last, used = string.match(stored, '^(%d+) (%d+)$')
    last = tonumber(last)
    if last >= start then
      local _, last_finish = period_of(last)
      return {last, tonumber(used), last_finish}
    end
  end
  return {start, 0, finish}
end

local function write(counter, state, now, hits)
  local used = math.min(math.max(0, state[2] + hits), MOST)
  redis.call('SET', counter.key, string.format('%.0f %.0f', state[1], used), 'PX', string.format('%.0f', state[3] - now))
end

local function reset(_, state, now)
  return state[3] - now
end

return {read = read, room = algorithms.fixed_window.room, write = write, reset = reset, wait = reset}
