"""How connections are made."""

from tests.lint.cases.parts import Case, upstream

CASES: dict[str, Case] = {
    "GL090": Case(
        (upstream('v: {endpoints: ["127.0.0.1:1"], tls: {insecure_skip_verify: §true}}'),),
        (upstream('v: {endpoints: ["127.0.0.1:1"], tls: {san: [a.example]}}'),),
    ),
    "GL091": Case(
        ("listener: {address: §0.0.0.0}", "listener: {address: §10.0.0.1}"),
        (
            "listener: {address: 0.0.0.0, tls: {certificate: a, key: b}}",
            "listener: {address: 0.0.0.0, trusted_proxies: 1}",
            'listener: {address: "::1"}',
        ),
    ),
    "GL092": Case(("listener: {tls: {local: §true}}",), ("listener: {tls: {certificate: a, key: b}}",)),
}
