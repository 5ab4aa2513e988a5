-- The twin of leaky_bucket.py: a token bucket that holds one hit where nothing else is said.
local bucket = {}
for name, token_bucket in pairs(algorithms.token_bucket) do
  bucket[name] = function(counter, ...)
    counter.burst = counter.burst > 0 and counter.burst or 1
    return token_bucket(counter, ...)
  end
end
return bucket
