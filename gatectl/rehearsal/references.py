"""Names in a file of tests that refer to nothing, and callers that the gateway cannot know."""

from collections.abc import Iterator

from ext_authz import reasons
from gatectl.diagnostics import Diagnostic, SpecError
from gatectl.rehearsal.answer import PREFLIGHT, PROBLEM, RATE_LIMITED
from gatectl.rehearsal.suite import Script
from gatectl.render.problems import PROBLEMS
from gatectl.spec.model import Spec
from gatectl.spec.names import known

REASONS = {
    *(value.code for value in vars(reasons).values() if isinstance(value, reasons.Reason)),
    *(problem.type.removeprefix(PROBLEM) for problem in PROBLEMS),
    RATE_LIMITED,
    PREFLIGHT,
}
"""Every word that a request's end can have."""
_NAMED = (("route", "route"), ("upstream", "upstream"), ("refused_by", "rate limit"), ("reason", "reason"))


def check(script: Script, spec: Spec) -> None:
    """Raises SpecError with every mistake that shows beside the spec."""
    diagnostics = [*_callers(script, spec), *_names(script, spec)]
    if diagnostics:
        raise SpecError(diagnostics)


def _callers(script: Script, spec: Spec) -> Iterator[Diagnostic]:
    authentication = spec.authentication
    for name, caller in script.suite.callers.items():
        node = script.tree.find(("callers", name))
        at, kinds = node.key_at or node.at, caller.kinds
        if len(kinds) > 1:
            yield Diagnostic("GC0108", f'caller "{name}" is described by {" and ".join(kinds)}: one way is enough', at)
        if kinds == ["jwt"] and not authentication.jwt:
            yield Diagnostic("GC0108", f'caller "{name}" has a token, but the gateway takes none', at)
        if kinds == ["key"] and authentication.api_keys is None:
            yield Diagnostic("GC0108", f'caller "{name}" has an API key, but the gateway takes none', at)
        tls = spec.listener.tls
        if caller.certificate is not None and (tls is None or tls.client_ca is None):
            yield Diagnostic("GC0108", f'caller "{name}" has a certificate, but the listener asks for none', at)
        if kinds == ["user"] and authentication.api_keys is None and not authentication.jwt:
            yield Diagnostic("GC0108", f'caller "{name}" cannot be: no authentication is configured', at)


def _names(script: Script, spec: Spec) -> Iterator[Diagnostic]:
    routes, limits = [route.name for route in spec.routes], [limit.name for limit in spec.rate_limits]
    names = {
        "route": {name: name for name in routes},
        "upstream": {name: name for name in spec.upstreams},
        "rate limit": {name: name for name in limits},
        "reason": {name: name for name in sorted(REASONS)},
        "caller": {name: name for name in script.suite.callers},
    }
    for index, test in enumerate(script.suite.tests):
        path = ("tests", index)
        if test.caller is not None:
            node = script.tree.find((*path, "as"))
            yield from known(node.at, "a test", "caller", test.caller, names["caller"], node.shown)
        for field, kind in _NAMED:
            value = getattr(test.expectation, field)
            if value is not None:
                node = script.tree.find((*path, "expect", field))
                yield from known(node.at, "a test", kind, value, names[kind], node.shown)
        for position, value in enumerate(test.expectation.limits or ()):
            node = script.tree.find((*path, "expect", "limits", position))
            yield from known(node.at, "a test", "rate limit", value, names["rate limit"], node.shown)
