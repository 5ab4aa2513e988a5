"""A compiler from one YAML gateway spec to a running Envoy data plane."""

__version__ = "0.1.0"
