"""What the gateway costs: bare Envoy against the full path, measured in one run (``make bench``)."""
