-- KEYS: one counter each. ARGV: algorithm, mode, hits, requests, window (ms), burst (-1: the usual), extra; seven for each key.
-- Checks every counter, then makes the charges as their modes say (ratelimit_svc.store.Mode).
-- Returns {1 or 0 (allowed), now (ms), {room, until (ms)} for each key}, as they stood before the charge.
-- The time is Redis's own: replicas with skewed clocks count in the same windows.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local reply, counters = {1, now}, {}

for i, key in ipairs(KEYS) do
  local at = 7 * (i - 1)
  local counter = {
    key = key, algorithm = algorithms[ARGV[at + 1]], mode = ARGV[at + 2], hits = tonumber(ARGV[at + 3]),
    requests = tonumber(ARGV[at + 4]), window = tonumber(ARGV[at + 5]), burst = tonumber(ARGV[at + 6]), extra = ARGV[at + 7],
  }
  local algorithm = counter.algorithm
  counter.state = algorithm.read(counter, now)
  local room = algorithm.room(counter, counter.state, now)
  counter.over = room < math.max(counter.hits, 1)
  if counter.over and (counter.mode == 'take' or counter.mode == 'always') then
    reply[1] = 0
  end
  counters[i] = counter
  reply[i + 2] = {room, counter.over and algorithm.wait(counter, counter.state, now) or algorithm.reset(counter, counter.state, now)}
end

for _, counter in ipairs(counters) do
  local mode, hits = counter.mode, counter.hits
  if (mode == 'take' and reply[1] == 0) or (mode == 'shadow' and (reply[1] == 0 or counter.over)) then
    hits = 0
  elseif mode == 'give_back' then
    hits = -hits
  end
  if hits ~= 0 then
    counter.algorithm.write(counter, counter.state, now, hits)
  end
end
return reply
