"""Settings of the property tests: the machine may be slow, that is no finding."""

from hypothesis import HealthCheck, settings

from tests.commands.shell import gatectl

__all__ = ["gatectl"]

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
