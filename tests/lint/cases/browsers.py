"""What browsers are told: CORS."""

from tests.lint.cases.parts import BASE, Case, cors, new

CASES: dict[str, Case] = {
    "GL050": Case(
        (
            cors("allow_origins: [§'*']"),
            new("", "{roles: [a]}", ", cors: {allow_origins: ['https://a.example', §'*']}"),
        ),
        (
            cors("allow_origins: ['https://a.example']"),
            new("", "public", ", cors: {allow_origins: ['*']}"),
            BASE.replace("{roles: [a]}", "public") + cors("allow_origins: ['*']"),
            new("methods: [GET]")[:-1]
            + ", {name: r, cors: {allow_origins: ['https://a.b']}}]\n"
            + cors("allow_origins: ['*']"),
        ),
    ),
    "GL051": Case(
        (cors("allow_credentials: true, allow_origins: ['https://a.example', §'http://a.example']"),),
        (
            cors("allow_origins: ['http://a.example']"),
            cors("allow_credentials: true, allow_origins: ['http://localhost:3000', 'http://127.0.0.1']"),
        ),
    ),
    "GL052": Case(
        (cors("allow_origins: [§'null']"),),
        (cors("allow_origins: ['https://null.example']"),),
    ),
    "GL053": Case(
        tuple(
            cors(f"allow_origins: [§'{origin}']")
            for origin in (
                "https://a.example/",
                "https://a.example/app",
                "https://A.example",
                "https://a.example:443",
                "http://a.example:80",
                "a.example",
                "https://*.a.example/",
                "HTTPS://a.example",
            )
        ),
        tuple(
            cors(f"allow_origins: ['{origin}']")
            for origin in (
                "https://a.example",
                "https://a.example:8443",
                "http://a.example:443",
                "http://[::1]:3000",
                "capacitor://localhost",
                "*",
                "null",
            )
        ),
    ),
    "GL054": Case(
        (
            (
                "§cors: {allow_origins: ['https://a.example']}\n"
                "routes: [{name: r, cors: {allow_origins: ['https://b.example']}}]"
            ),
        ),
        (
            cors("allow_origins: ['https://a.example']"),
            "routes: [{name: r, cors: {allow_origins: ['https://b.example']}}]",
        ),
    ),
}
