"""Snapshot → Bundle: Jinja fills leaves, JSON carries structure, the Envoy API judges."""
