"""What becomes of requests: limits, upstreams, resilience, routes."""

from tests.lint.cases.parts import BASE, ROUTE, SHA, TOKENS_ONLY, UNLIMITED, Case, limits, new, static, upstream

ADAPTIVE = "name: x, per: [user], limit: 9/second"
AT_ONCE = "name: x, per: [user], algorithm: concurrency"

CASES: dict[str, Case] = {
    "GL020": Case(
        (limits("name: x, per: [user], limit: 1/minute, §routes: []"),),
        (limits("name: x, per: [user], limit: 1/minute, routes: [r]"), limits("name: l, limit: 5/minute")),
    ),
    "GL021": Case(
        (limits("name: x, per: [user], limit: §0/minute, when: {plan: [gone]}"),),
        (limits("name: x, per: [user], limit: 1/366d"),),
    ),
    "GL022": Case(
        (
            limits("name: x, per: [user, route], limit: §100/minute"),
            limits("name: x, per: [user], limit: §100/minute"),
            limits("name: x, per: [user], limit: §7000/hour"),
            limits("name: x, per: [user], limit: §6000/hour, algorithm: fixed_window"),
            limits("name: x, per: [user], limit: §200/minute, routes: [r], when: {plan: [free]}"),
            limits("name: x, per: [user], limit: §200/second"),
        ),
        (
            limits("name: x, per: [client_address], limit: 1000/minute"),
            limits("name: x, per: [user], limit: 1000/hour"),
            limits("name: x, per: [user], limit: 5999/hour, algorithm: fixed_window"),
            limits("name: x, per: [user], limit: 6099/hour"),
            limits("name: x, per: [user], limit: 100/second"),
            limits("name: x, per: [user], limit: 200/minute, routes: []"),
            UNLIMITED
            + "  - {name: n, match: {path: /n, methods: [GET]}, upstream: u, access: {roles: [a]}}\n"
            + limits(
                "name: x, per: [user], limit: 9/minute, routes: [r]",
                "name: y, per: [user], limit: 99/minute, routes: [r, n]",
            ),
            UNLIMITED
            + limits(
                "name: x, per: [user], limit: 10/minute, when: {plan: [free]}",
                "name: y, per: [user], limit: 100/minute",
            ),
            UNLIMITED + limits("name: x, per: [user, route], limit: 1/minute", "name: y, per: [user], limit: 9/minute"),
            UNLIMITED
            + limits(
                "name: x, per: [user], limit: 9/minute, algorithm: fixed_window",
                "name: y, per: [user], limit: 17/minute",
            ),
        ),
    ),
    "GL023": Case(
        (
            limits("name: x, per: [user], limit: 1/minute, when: {§role: [b]}"),
            new("") + "\n" + limits("name: x, per: [user], limit: 1/minute, when: {§role: [b]}"),
            TOKENS_ONLY.replace("CLAIMS", "roles: roles")
            + ROUTE
            + limits("name: x, per: [user], limit: 1/minute, when: {§plan: [free]}"),
        ),
        (
            limits("name: x, per: [user], limit: 1/minute, when: {role: [a, b]}"),
            limits("name: x, per: [user], limit: 1/minute, when: {plan: [free]}"),
            new("", "authenticated") + "\n" + limits("name: x, per: [user], limit: 1/minute, when: {role: [b]}"),
            limits("name: x, per: [user], limit: 1/minute, when: {role: [b]}, routes: []"),
            TOKENS_ONLY.replace("CLAIMS", "plan: plan")
            + ROUTE
            + limits("name: x, per: [user], limit: 1/minute, when: {plan: [free]}"),
        ),
    ),
    "GL024": Case(
        (
            UNLIMITED.replace("name: r,", "name: §r,").replace("{roles: [a]}", "public")
            + limits("name: x, per: [route], limit: 9/minute"),
        ),
        (
            UNLIMITED.replace("{roles: [a]}", "public")
            + limits("name: x, per: [route], limit: 99/minute", "name: y, per: [client_address], limit: 9/minute"),
            UNLIMITED.replace("{roles: [a]}", "public") + limits("name: y, per: [user, route], limit: 9/minute"),
            UNLIMITED + limits("name: x, per: [route], limit: 9/minute"),
            UNLIMITED.replace("{roles: [a]}", "public"),
        ),
    ),
    "GL025": Case(
        (
            TOKENS_ONLY.replace("CLAIMS", "roles: roles")
            + ROUTE
            + limits("name: x, per: [user, §plan, §api_key], limit: 1/minute"),
            TOKENS_ONLY.replace("{CLAIMS}", "{roles: null}") + ROUTE + limits("name: x, per: [§role], limit: 1/minute"),
        ),
        (
            limits("name: x, per: [user, plan, api_key, role], limit: 9/minute"),
            TOKENS_ONLY.replace("CLAIMS", "plan: plan")
            + ROUTE
            + limits("name: x, per: [user, plan, role, client_address, route], limit: 1/minute"),
        ),
    ),
    "GL026": Case(
        ("rate_limiting: {when_redis_is_away: §allow}", UNLIMITED + "§" + limits("name: x, per: [user], limit: 1/day")),
        (BASE, UNLIMITED),
    ),
    "GL027": Case(
        (
            UNLIMITED + "§rate_limiting: {when_redis_is_away: deny}",
            UNLIMITED + "§rate_limiting: {when_redis_is_away: allow}",
        ),
        (BASE, UNLIMITED),
    ),
    "GL028": Case(
        (
            UNLIMITED + limits("name: x, per: [user, §header.x-team], limit: 9/minute"),
            UNLIMITED
            + limits(
                "name: x, per: [§header.x-team], limit: 9/minute",
                "name: y, per: [user], limit: 99/minute, enforce: false",
            ),
        ),
        (
            limits("name: x, per: [user, header.x-team], limit: 9/minute"),
            UNLIMITED + limits("name: x, per: [header.x-team], limit: 9/minute, routes: []"),
        ),
    ),
    "GL029": Case(
        (limits("name: x, per: [user], limit: 9/minute, enforce: §false"),),
        (limits("name: x, per: [user], limit: 9/minute, enforce: true"),),
    ),
    "GL030": Case(
        (
            upstream("v: {endpoints: [§'api.example.com:80', 'u:80', §'8.8.8.8:80']}"),
            upstream("v: {endpoints: [§'[2606:4700::1]:80']}"),
        ),
        (
            upstream("v: {endpoints: ['10.0.0.1:80', 'orders.internal:80', 'orders.shop.svc.cluster.local.:80']}"),
            upstream(
                "v: {endpoints: ['192.168.0.1:80', 'localhost:80', 'a.localhost:80', '[fd00::1]:80', '100.64.0.1:80']}"
            ),
        ),
    ),
    "GL031": Case(
        (upstream("v: {endpoints: [§'10.0.0.1:80', '127.0.0.1:80', §'orders:80', §'a.internal:80']}"),),
        (upstream("v: {endpoints: ['127.0.0.1:80', '0.0.0.0:80', 'localhost:80', '[::1]:80', 'e.com:80']}"),),
    ),
    "GL032": Case(
        ("upstreams: {§v: {endpoints: ['127.0.0.1:1']}}",),
        (upstream("v: {endpoints: ['127.0.0.1:1']}"),),
    ),
    "GL033": Case(
        (
            TOKENS_ONLY.replace("CLAIMS", "map: [{claim: tier, equals: gold, plan: pro, roles: [a]}]")
            + ROUTE
            + limits(
                "name: x, per: [user], limit: 9/minute, plans: {pro: 99/minute, §por: 99/minute}",
                "name: y, per: [user], limit: 9/minute, when: {plan: [pro, §plus]}, exempt: {role: [§aa, a]}",
            ),
            TOKENS_ONLY.replace("CLAIMS", "roles: roles")
            + ROUTE
            + limits(
                "name: x, per: [user], limit: 9/minute, exempt: {plan: [§pro], role: [any]}, plans: {§max: 1/day}"
            ),
        ),
        (
            limits("name: x, per: [user], limit: 9/minute, plans: {por: 99/minute}, exempt: {role: [z]}"),
            TOKENS_ONLY.replace("CLAIMS", "plan: plan")
            + ROUTE
            + limits("name: x, per: [user], limit: 9/minute, plans: {por: 99/minute}"),
            TOKENS_ONLY.replace("CLAIMS", "roles: roles")
            + ROUTE
            + limits("name: x, per: [user], limit: 9/minute, when: {plan: [pro]}"),
        ),
    ),
    "GL034": Case(
        (
            static(f"id: k, sha256: {SHA}, user: u, plan: pro")
            + "\n"
            + limits("name: x, per: [user], limit: 9/minute, plans: {§por: 99/minute, max: 1/day}"),
            limits(
                "name: x, per: [user], limit: 9/minute, plans: {pro: 99/minute}",
                "name: y, per: [user], limit: 9/minute, plans: {pro: 99/minute}",
                "name: z, per: [user], limit: 9/minute, plans: {§prp: 99/minute}",
            ),
            new("", "{roles: [support]}")
            + "\n"
            + limits("name: x, per: [user], limit: 9/minute, exempt: {role: [§suport, z]}"),
        ),
        (
            static(f"id: k, sha256: {SHA}, user: u, plan: pro")
            + "\n"
            + limits("name: x, per: [user], limit: 9/minute, plans: {pro: 9/day, por: 99/minute, free: 1/day}"),
            limits(
                "name: x, per: [user], limit: 9/minute, plans: {pro: 99/minute}",
                "name: z, per: [user], limit: 9/minute, plans: {prp: 99/minute}",
            ),
            TOKENS_ONLY.replace("CLAIMS", "map: [{claim: tier, equals: gold, plan: pro}]")
            + ROUTE
            + limits("name: x, per: [user], limit: 9/minute, plans: {por: 99/minute}"),
        ),
    ),
    "GL035": Case(
        (
            upstream("v: {endpoints: ['127.0.0.1:1']}")
            + "\n"
            + limits(f"{ADAPTIVE}, §adaptive: {{target_latency: 1s}}"),
        ),
        (
            limits(f"{ADAPTIVE}, adaptive: {{target_latency: 1s}}"),
            upstream("v: {endpoints: ['127.0.0.1:1']}")
            + "\n"
            + limits(f"{ADAPTIVE}, routes: [n], adaptive: {{target_latency: 1s}}"),
        ),
    ),
    "GL036": Case(
        (
            limits(f"{AT_ONCE}, limit: 5 at once, lease: §10s"),
            new("", more=", timeout: 301s") + "\n" + limits(f"{AT_ONCE}, limit: §5 at once"),
        ),
        (
            limits(f"{AT_ONCE}, limit: 5 at once, lease: 30s"),
            limits(f"{AT_ONCE}, limit: 5 at once"),
            new("", more=", timeout: 301s") + "\n" + limits(f"{AT_ONCE}, limit: 5 at once, routes: [r]"),
        ),
    ),
    "GL040": Case(
        (upstream("§v: {endpoints: ['127.0.0.1:1', '127.0.0.1:2']}"),),
        (upstream("v: {endpoints: ['127.0.0.1:1'], health_check: {path: /}}"), "upstreams: {v: {endpoints: ['u:1']}}"),
    ),
    "GL041": Case(
        (upstream("v: {§endpoints: ['10.0.0.1:80']}"), upstream("v: {§endpoints: ['[fd00::1]:80']}")),
        (
            upstream("v: {endpoints: ['10.0.0.1:80', '10.0.0.2:80']}"),
            upstream("v: {endpoints: ['orders:80']}"),
            upstream("v: {endpoints: ['127.0.0.1:80']}"),
            "upstreams: {v: {endpoints: ['10.0.0.1:80']}}",
        ),
    ),
    "GL042": Case(
        (
            upstream("v: {endpoints: ['u:1'], retries: {§on: [connect-failure, 5xx]}}", "[GET, POST]"),
            upstream("v: {endpoints: ['u:1'], retries: {§on: [reset]}}", "[PATCH]"),
            (
                "upstreams: {v: {endpoints: ['u:1'], retries: {§on: [reset]}}}\n"
                "routes: [{name: n, match: {path: /n}, upstream: v, access: public}]"
            ),
            (
                "upstreams: {v: {endpoints: ['u:1'], retries: {§on: [gateway-error]}}}\n"
                "routes: [{name: n, match: {path: /n}, upstream: v, access: {methods: [POST], roles: [a]}}]"
            ),
            (
                "upstreams: {v: {endpoints: ['u:1'], retries: {§on: [gateway-error]}}}\n"
                "routes: [{name: n, match: {path: /n}, upstream: v, access: {roles: [a]}}]"
            ),
        ),
        (
            upstream("v: {endpoints: ['u:1'], retries: {on: [5xx]}}", "[GET, PUT, DELETE]"),
            upstream("v: {endpoints: ['u:1'], retries: {on: [connect-failure, refused-stream]}}", "[POST]"),
            "upstreams: {v: {endpoints: ['u:1'], retries: {on: [5xx]}}}",
            (
                "upstreams: {v: {endpoints: ['u:1'], retries: {on: [5xx]}}}\n"
                "routes: [{name: n, match: {path: /n}, upstream: v, access: {methods: [GET], roles: [a]}}]"
            ),
        ),
    ),
    "GL043": Case(
        (
            upstream("v: {endpoints: ['u:1'], timeout: 1s, retries: {per_try_timeout: §1s}}"),
            (
                "upstreams: {v: {endpoints: ['u:1'], retries: {per_try_timeout: §2s}}}\n"
                "routes: [{name: n, match: {path: /n}, upstream: v, access: {roles: [a]}, timeout: 1s}]"
            ),
        ),
        (upstream("v: {endpoints: ['u:1'], timeout: 1s, retries: {per_try_timeout: 400ms}}"),),
    ),
    "GL044": Case(
        (
            upstream("v: {endpoints: ['u:1'], timeout: §61s}"),
            "routes: [{name: n, match: {path: /n}, upstream: u, access: {roles: [a]}, timeout: §2m}]",
        ),
        (
            upstream("v: {endpoints: ['u:1'], timeout: 60s}"),
            "upstreams: {v: {endpoints: ['u:1'], timeout: 2m}}",
            (
                "upstreams: {v: {endpoints: ['u:1'], timeout: 2m}}\n"
                "routes: [{name: n, match: {path: /n}, upstream: v, access: {roles: [a]}, timeout: 2s}]"
            ),
        ),
    ),
    "GL045": Case(
        ("listener: {idle_timeout: 30s}\n" + upstream("v: {endpoints: ['u:1'], timeout: §31s}"),),
        ("listener: {idle_timeout: 30s}",),
    ),
    "GL046": Case(
        (
            "upstreams: {u: {health_check: {interval: 1s, timeout: §1s}}}",
            "upstreams: {u: {health_check: {interval: §1s}}}",
        ),
        ("upstreams: {u: {health_check: {interval: 2s, timeout: 1s}}}",),
    ),
    "GL070": Case(
        (
            (
                "routes: [{name: w, match: {path_prefix: /x, methods: [GET]}, upstream: u, access: {roles: [a]}},"
                " {name: n, §match: {path: /x/admin}, upstream: u, access: {roles: [b]}}]"
            ),
            (
                "routes: [{name: w, match: {path: /x, methods: [GET]}, upstream: u, access: {roles: [a]}},"
                " {name: n, §match: {path: /x, methods: [GET, POST]}, upstream: u, access: {roles: [b]}}]"
            ),
            (
                "routes: [{name: w, match: {path: /x, hosts: ['*.b.c']}, upstream: u, access: {roles: [a]}},"
                " {name: n, §match: {path: /x, hosts: [a.b.c, d.e]}, upstream: u, access: {roles: [b]}}]"
            ),
        ),
        (
            (
                "routes: [{name: w, match: {path: /x, methods: [GET]}, upstream: u, access: {roles: [a]}},"
                " {name: n, match: {path: /x}, upstream: u, access: {roles: [b]}}]"
            ),
            (
                "routes: [{name: w, match: {path: /x, headers: {x-beta: '1'}}, upstream: u, access: {roles: [a]}},"
                " {name: n, match: {path: /x, methods: [GET]}, upstream: u, access: {roles: [b]}}]"
            ),
            (
                "routes: [{name: w, match: {path_prefix: /x, hosts: [a.b]}, upstream: u, access: {roles: [a]}},"
                " {name: n, match: {path: /x/y}, upstream: u, access: {roles: [b]}}]"
            ),
            (
                "routes: [{name: w, match: {path: /x/y, methods: [GET]}, upstream: u, access: {roles: [a]}},"
                " {name: n, match: {path_prefix: /x, methods: [GET]}, upstream: u, access: {roles: [b]}}]"
            ),
        ),
    ),
    "GL071": Case(
        (
            new("", "{roles: [a]}", ", request_headers: {set: {X-One: '1'}, remove: [x-two, §x-one]}"),
            new("", "{roles: [a]}", ", response_headers: {set: {x-one: '1'}, remove: [§x-one]}"),
        ),
        (new("", "{roles: [a]}", ", request_headers: {set: {x-one: '1'}}, response_headers: {remove: [x-one]}"),),
    ),
}
