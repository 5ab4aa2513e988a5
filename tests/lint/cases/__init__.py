"""For every rule, specs that break it and specs that come near."""

from tests.lint.cases import abuse, browsers, callers, traffic
from tests.lint.cases.parts import BASE as BASE

CASES = callers.CASES | browsers.CASES | traffic.CASES | abuse.CASES
