"""For every rule, specs that break it and specs that come near."""

from tests.lint.cases import abuse, browsers, callers, traffic, transport
from tests.lint.cases.parts import BASE as BASE

CASES = callers.CASES | browsers.CASES | traffic.CASES | transport.CASES | abuse.CASES
