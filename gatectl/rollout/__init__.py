"""The only code that touches the world: generations on disk, Envoy, the services."""
