-- For wrk: the credential comes from the environment, so that no process list shows it, and done() ends the output
-- with one line of JSON. Latencies are in microseconds, as wrk recorded them.
wrk.headers["X-API-Key"] = os.getenv("BENCH_API_KEY")

function done(summary, latency, requests)
  local failed = summary.errors
  io.write(string.format(
    '{"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"status_errors":%d,"socket_errors":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    failed.status, failed.connect + failed.read + failed.write + failed.timeout))
end
