"""How peppers of API keys are written down. What they do is in ``ext_authz.api_key``. Pure."""

import re

PEPPER_LENGTH = 32
"""Least length of a pepper, in characters: a short one could be guessed from its fingerprint."""
MAX_PEPPERS = 16


def read(text: str) -> tuple[str, ...]:
    """One on each line; blank lines are nothing. Raises ValueError with a sentence that quotes none."""
    lines = tuple(line.strip() for line in text.splitlines() if line.strip())
    if any(not re.fullmatch(f"[!-~]{{{PEPPER_LENGTH},}}", line) for line in lines):
        raise ValueError(f"must hold one pepper a line: {PEPPER_LENGTH} or more ASCII characters without spaces")
    if len(lines) > MAX_PEPPERS:
        raise ValueError(f"must hold {MAX_PEPPERS} peppers at most")
    return lines
