"""The audit trail: JSON lines linked by hashes, written by many processes, read and verified by anybody."""
