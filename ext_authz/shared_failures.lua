-- What the replicas tell each other of failed authentications: one script, one round trip.
-- KEYS: failures of this window (sorted set, subject → count), blocks (sorted set, subject → end in microseconds).
-- ARGV: window ms, block ms, refuse_after, most failures kept, most blocks kept, end of the last block already known,
-- then subject and count of each failure reported.
-- Returns the time in microseconds, the new counts in the order of the report, and the blocks that are not known.
local failures, blocks = KEYS[1], KEYS[2]
local window, block, refuse_after = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

redis.call('ZREMRANGEBYSCORE', blocks, '-inf', string.format('%.0f', now))
local counts, added = {}, false
for i = 7, #ARGV, 2 do
  local count = tonumber(redis.call('ZINCRBY', failures, ARGV[i + 1], ARGV[i]))
  counts[#counts + 1] = count
  if count >= refuse_after then
    redis.call('ZREM', failures, ARGV[i])
    redis.call('ZADD', blocks, 'NX', string.format('%.0f', now + block * 1000), ARGV[i])
    added = true
  end
end
if redis.call('PTTL', failures) == -1 then
  redis.call('PEXPIRE', failures, window)
end
-- those that failed least, and the blocks that end first, make room
redis.call('ZREMRANGEBYRANK', failures, 0, -(ARGV[4] + 1))
if added then
  redis.call('ZREMRANGEBYRANK', blocks, 0, -(ARGV[5] + 1))
  redis.call('PEXPIRE', blocks, block)
end
local found = redis.call('ZRANGEBYSCORE', blocks, '(' .. ARGV[6], '+inf', 'WITHSCORES')
return {string.format('%.0f', now), counts, found}
