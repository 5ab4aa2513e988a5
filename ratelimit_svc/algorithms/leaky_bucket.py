"""Leaky bucket: hits leave at an even pace of ``requests`` per window, and at most ``burst`` are held.

Seen from outside it is a token bucket, and any trailing window can admit ``burst + requests``. What differs is what is
meant by it: without ``burst`` one hit at a time, so that callers are spaced evenly.
"""

from ratelimit_svc.algorithms.token_bucket import Bucket

LEAKY_BUCKET = Bucket(lambda _: 1)
