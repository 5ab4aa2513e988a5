"""Limits that breathe with the health of their upstream: the law, and how all processes come to one value."""
