"""Configuration files of envoyproxy/ratelimit, obeyed as they are. docs/compat.md tells what is different."""
