-- KEYS: one hash for each adaptive limit. ARGV: interval (ms), time to live (ms), and eight for each key:
-- the figures of this process since its last report (ended, errors, slow, duration_ms, pressed), and a decision:
-- the interval it is about (-2: none is made), the one that was decided last when it was made, and the state.
-- Returns for each key {1 if the decision was taken, interval decided last (-1: none), state, interval closed last (-1: none),
-- intervals that are not decided, their figures…}.
-- An interval is closed by Redis's own clock, so all processes see the same figures of it and decide the same.
local NUMBERS, EACH = 5, 8
local time = redis.call('TIME')
local now = math.floor((time[1] * 1000 + math.floor(time[2] / 1000)) / tonumber(ARGV[1]))
local replies = {}

local function numbers(text)
  local found = {}
  for number in string.gmatch(text or '', '%-?%d+') do
    found[#found + 1] = tonumber(number)
  end
  return found
end

local function text(list)
  local words = {}
  for i, number in ipairs(list) do
    words[i] = string.format('%.0f', number)
  end
  return table.concat(words, ' ')
end

for i, key in ipairs(KEYS) do
  local first = 2 + EACH * (i - 1)
  local stored = redis.call('HMGET', key, 'open', 'closed', 'decided', 'state')
  -- open: interval, figures; closed: interval, how many intervals are in it, figures
  local open, closed, decided, state = numbers(stored[1]), numbers(stored[2]), tonumber(stored[3] or '-1'), stored[4] or ''
  if #open ~= 1 + NUMBERS or #closed ~= 2 + NUMBERS or open[1] > now + 5 then
    -- nothing was known, or the clock was set back
    open, closed, decided = {now, 0, 0, 0, 0, 0}, {-1, 0, 0, 0, 0, 0, 0}, -1
  end
  if open[1] < now then
    local waiting = closed[1] > decided
    for n = 1, NUMBERS do
      closed[2 + n] = (waiting and closed[2 + n] or 0) + open[1 + n]
      open[1 + n] = 0
    end
    closed[1], closed[2], open[1] = open[1], (waiting and closed[2] or 0) + 1, now
  end
  for n = 1, NUMBERS do
    open[1 + n] = open[1 + n] + tonumber(ARGV[first + n])
  end
  local taken = 0
  if tonumber(ARGV[first + 6]) == closed[1] and tonumber(ARGV[first + 7]) == decided and decided < closed[1] then
    taken, decided, state = 1, closed[1], ARGV[first + 8]
  end
  redis.call('HSET', key, 'open', text(open), 'closed', text(closed), 'decided', text({decided}), 'state', state)
  redis.call('PEXPIRE', key, ARGV[2])
  replies[i] = {taken, decided, state, unpack(closed)}
end
return replies
