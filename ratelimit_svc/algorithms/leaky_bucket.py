"""Leaky bucket: hits leave at an even pace of ``requests`` per window, and at most ``burst`` are held.

Seen from outside it is a token bucket, with the same bound. What differs is what is meant by it: without ``burst`` one
hit at a time, so that callers are spaced evenly and no trailing window admits more than ``requests``.
"""

from ratelimit_svc.algorithms.token_bucket import Bucket

LEAKY_BUCKET = Bucket(lambda _: 1)
