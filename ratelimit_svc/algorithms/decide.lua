-- KEYS: one counter each, no key twice. ARGV: algorithm, requests, window (ms), hits; four for each key.
-- Checks every counter, then charges all of them, or none if one has no room.
-- Returns {1 or 0 (allowed), now (ms), {room, state…} for each key}; room and state are those before the charge.
-- The time is Redis's own: replicas with skewed clocks count in the same windows.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local reply, counters = {1, now}, {}

for i, key in ipairs(KEYS) do
  local counter = {algorithm = algorithms[ARGV[4 * i - 3]], window = tonumber(ARGV[4 * i - 1]), hits = tonumber(ARGV[4 * i])}
  counter.state = counter.algorithm.read(key, counter.window, now)
  local room = counter.algorithm.room(counter.state, tonumber(ARGV[4 * i - 2]), counter.window, now)
  if room < math.max(counter.hits, 1) then
    reply[1] = 0
  end
  counters[i] = counter
  reply[i + 2] = {room, unpack(counter.state)}
end

if reply[1] == 1 then
  for i, counter in ipairs(counters) do
    if counter.hits > 0 then
      counter.algorithm.write(KEYS[i], counter.state, counter.window, counter.hits)
    end
  end
end
return reply
