"""Who may call: exposure, credentials, access rules."""

from tests.lint.cases.parts import (
    BASE,
    ROUTE,
    SHA,
    SHA_PASSWORD,
    TOKENS_ONLY,
    UNLIMITED,
    Case,
    issuer,
    limits,
    new,
    static,
)

CASES: dict[str, Case] = {
    "GL001": Case(
        (
            "routes: [{name: n, §match: {path: /n}, upstream: u, access: public}]",
            "routes: [{name: n, match: {path: /n, §methods: [GET, POST]}, upstream: u, access: public}]",
            "routes: [{name: n, match: {path: /n, §methods: [TRACE]}, upstream: u, access: public}]",
        ),
        (new("methods: [GET, HEAD, OPTIONS]"), new("methods: [POST]", "authenticated"), new("", "{roles: [a]}")),
    ),
    "GL002": Case(
        (new("path_prefix: §/"), new("path_prefix: §/, methods: [GET]")),
        (
            new("path_prefix: /, hosts: [static.example.com]"),
            new("path_prefix: /assets"),
            new("path: /"),
            new("path_prefix: /", "authenticated"),
        ),
    ),
    "GL003": Case(
        (
            UNLIMITED.replace("name: r,", "name: §r,").replace("{roles: [a]}", "public"),
            UNLIMITED.replace("name: r,", "name: §r,").replace("{roles: [a]}", "public")
            + limits("name: x, per: [user], limit: 1/minute, when: {plan: [free]}"),
            UNLIMITED.replace("name: r,", "name: §r,").replace("{roles: [a]}", "public")
            + limits("name: x, per: [user], limit: 1/minute, routes: []"),
        ),
        (
            new("methods: [GET]"),
            UNLIMITED,
            UNLIMITED.replace("{roles: [a]}", "public") + limits("name: x, per: [user], limit: 1/minute, routes: [r]"),
        ),
    ),
    "GL004": Case(
        (
            UNLIMITED.replace("name: r,", "name: §r,"),
            UNLIMITED.replace("name: r,", "name: §r,")
            + limits("name: x, per: [user], limit: 1/minute, when: {role: [b]}"),
            UNLIMITED.replace("name: r,", "name: §r,")
            + limits("name: x, per: [user], limit: 1/minute, when: {role: [a], plan: [free]}"),
            UNLIMITED.replace("name: r,", "name: §r,").replace("{roles: [a]}", "authenticated")
            + limits("name: x, per: [user], limit: 1/minute, when: {role: [a]}"),
        ),
        (
            BASE,
            UNLIMITED.replace("{roles: [a]}", "public"),
            UNLIMITED + limits("name: x, per: [user], limit: 1/minute, when: {role: [a, b]}"),
            UNLIMITED.replace("roles: [a]", "roles: [a, b]")
            + limits(
                "name: x, per: [user], limit: 1/minute, when: {role: [a]}",
                "name: y, per: [user], limit: 2/minute, when: {role: [b]}",
            ),
        ),
    ),
    "GL005": Case(
        (
            new("", "§authenticated"),
            new("", "[§{methods: [GET]}]"),
            "routes: [{name: n, match: {path: /n}, upstream: u, §access: {methods: [GET]}}]",
        ),
        (
            new("", "{roles: [a]}"),
            new("path_template: '/n/{u}'", "{methods: [GET], where: path.u == user.id}"),
            new(""),
        ),
    ),
    "GL006": Case(
        (new("", "§authenticated"), new("", "[{methods: [GET], roles: [b]}, §{roles: [a]}]")),
        (new("methods: [GET, POST]", "[{roles: [a]}]"), new("", "{methods: [GET], roles: [a]}"), new("")),
    ),
    "GL007": Case(
        ("listener: {address: 0.0.0.0, trusted_proxies: §1}", "listener: {address: '8.8.8.8', trusted_proxies: §2}"),
        (
            "listener: {trusted_proxies: 0}",
            "listener: {address: 127.0.0.1, trusted_proxies: 1}",
            "listener: {address: 10.0.0.5, trusted_proxies: 1}",
        ),
    ),
    "GL008": Case(
        ("listener: {request_headers_timeout: §61s}",),
        ("listener: {request_headers_timeout: 60s}",),
    ),
    "GL010": Case(
        (issuer("jwks: {file: f}, leeway: §61s"),),
        (issuer("jwks: {file: f}, leeway: 60s"), issuer("jwks: {file: f}")),
    ),
    "GL009": Case(
        (issuer("jwks: {file: f}, max_lifetime: §25h"),),
        (issuer("jwks: {file: f}, max_lifetime: 24h"), issuer("jwks: {file: f}")),
    ),
    "GL011": Case(
        ("authentication: {api_keys: {stale: §301s}}",),
        ("authentication: {api_keys: {stale: 5m}}",),
    ),
    "GL019": Case(
        ("authentication: {api_keys: {query: §api_key}}", "authentication: {api_keys: {header: X-K, query: §k}}"),
        ("authentication: {api_keys: {cookie: api_key}}",),
    ),
    "GL012": Case(
        (issuer("jwks: {local: §true}"), issuer("jwks: {url: §'http://127.0.0.1:8000/jwks.json'}")),
        (issuer("jwks: {file: f}"), issuer("jwks: {url: 'https://id.example.com/jwks.json'}")),
    ),
    "GL013": Case((static(f"§id: k, sha256: {SHA}, user: u, roles: [a]").replace("{§", "§{"),), (BASE,)),
    "GL014": Case(
        ("authentication: {forward_credentials: §true}",),
        ("authentication: {forward_credentials: false}",),
    ),
    "GL015": Case(
        (
            (
                "authentication: {api_keys: {static: ["
                f"{{id: k, sha256: {SHA}, user: u}}, §{{id: l, sha256: {SHA}, user: v}}]}}}}"
            ),
        ),
        (static(f"id: k, sha256: {SHA}, user: u", f"id: l, sha256: {'cd' * 32}, user: u"),),
    ),
    "GL016": Case(
        (
            static(f"§id: k, sha256: {SHA_PASSWORD}, user: u").replace("{§", "§{"),
            # of an empty text: what an unset variable becomes
            static("§id: k, sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855, user: u").replace(
                "{§", "§{"
            ),
        ),
        (static(f"id: k, sha256: {SHA}, user: u"),),
    ),
    "GL017": Case(
        (
            issuer("jwks: {file: f}, claims: {user: §email}"),
            issuer("jwks: {file: f}, claims: {user: §profile.nickname}"),
        ),
        (issuer("jwks: {file: f}, claims: {user: sub}"), issuer("jwks: {file: f}, claims: {user: email.id}")),
    ),
    "GL018": Case(
        (issuer("jwks: {url: 'https://id.example.com/k'}") + "\ndevelopment: {§keys: [{user: x}]}",),
        (
            issuer("jwks: {local: true}") + "\ndevelopment: {keys: [{user: x}]}",
            issuer("jwks: {url: 'https://id.example.com/k'}"),
        ),
    ),
    "GL060": Case(
        (
            new("", "[{methods: [GET], roles: [a]}, §{methods: [GET], roles: [a]}]"),
            new("", "[§{methods: [GET], roles: [a]}, {roles: [a, b]}]"),
            new(
                "path_template: '/n/{u}'",
                "[{methods: [GET], roles: [a]}, §{methods: [GET], roles: [a], where: path.u == user.id}]",
            ),
            new(
                "path_template: '/n/{u}'", "[§{methods: [GET], roles: [a], where: path.u == user.id}, {methods: [GET]}]"
            ),
        ),
        (
            new("", "[{methods: [GET], roles: [a]}, {methods: [POST], roles: [a]}]"),
            new("", "[{methods: [GET], roles: [a, b]}, {methods: [GET, POST], roles: [b]}]"),
            new(
                "path_template: '/n/{u}'", "[{methods: [GET], roles: [b]}, {methods: [GET], where: path.u == user.id}]"
            ),
            new(
                "path_template: '/n/{u}'",
                "[{roles: [a], where: path.u == user.id}, {roles: [a], where: path.u == user.plan}]",
            ),
        ),
    ),
    "GL061": Case(
        (new("methods: [GET]", "[{§methods: [GET, POST], roles: [a]}]"),),
        (
            new("methods: [GET, POST]", "[{methods: [GET], roles: [a]}]"),
            new("", "[{methods: [GET], roles: [a]}]"),
            new("methods: [GET]", "[{methods: [GET, OPTIONS], roles: [a]}]")
            + "\ncors: {allow_origins: ['https://a.b']}",
            new(
                "methods: [GET]", "[{methods: [GET, OPTIONS], roles: [a]}]", ", cors: {allow_origins: ['https://a.b']}"
            ),
        ),
    ),
    "GL062": Case(
        (new("§methods: [GET, POST]", "[{methods: [GET], roles: [a]}]"),),
        (
            new("methods: [GET, POST]", "[{methods: [GET], roles: [a]}, {roles: [b]}]"),
            new("methods: [GET, OPTIONS]", "{methods: [GET], roles: [a]}", ", cors: {allow_origins: ['https://a.b']}"),
            new("methods: [GET, POST]", "public"),
        ),
    ),
    "GL063": Case(
        (
            TOKENS_ONLY.replace("CLAIMS", "roles: null") + ROUTE.replace("roles:", "§roles:"),
            TOKENS_ONLY.replace("CLAIMS", "roles: r, attributes: {org: o}")
            + ROUTE.replace("path: /r", "path_template: '/{t}'").replace("roles: [a]", "where: §path.t == user.tenant"),
            TOKENS_ONLY.replace("CLAIMS", "roles: r")
            + ROUTE.replace("path: /r", "path_template: '/{t}'").replace("roles: [a]", "where: §path.t == user.plan"),
        ),
        (
            TOKENS_ONLY.replace("CLAIMS", "roles: r") + ROUTE,
            TOKENS_ONLY.replace("CLAIMS", "roles: null, attributes: {tenant: o}")
            + ROUTE.replace("path: /r", "path_template: '/{t}'").replace("roles: [a]", "where: path.t == user.tenant"),
            TOKENS_ONLY.replace("CLAIMS", "attributes: {tenant: o}, plan: p")
            + ROUTE.replace("path: /r", "path_template: '/{t}/{p}/{u}'").replace(
                "roles: [a]", "where: path.t == user.tenant and path.p == user.plan and path.u == user.id"
            ),
            new("path_template: '/n/{t}'", "{methods: [GET], where: path.t == user.tenant}"),
        ),
    ),
    "GL065": Case(
        (
            new("", "[{roles: [a]}, {effect: deny, methods: [PUT], enforce: §false}]"),
            new("", "[{roles: [a], enforce: §false}]"),
        ),
        (new("", "[{roles: [a], enforce: true}, {effect: deny, methods: [PUT]}]"),),
    ),
    "GL064": Case(
        (
            static(f"id: k, sha256: {SHA}, user: u, roles: [a, §b]"),
            "development: {keys: [{user: u, roles: [§b, a]}]}",
        ),
        (
            "development: {keys: [{user: u, roles: [a]}]}",
            "development: {keys: [{user: u, roles: [b]}]}\n"
            + limits("name: x, per: [user], limit: 1/day, when: {role: [a, b]}"),
        ),
    ),
}
