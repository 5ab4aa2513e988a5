"""What the fuzzer injures: good and nearly good CheckRequests for a policy with a route of each kind, and odd words."""

import time

from envoy.service.auth.v3 import external_auth_pb2

from ext_authz import condition, engine, policy
from tests.ext_authz import worlds
from tests.ext_authz.worlds import AGENT_KEY, CUSTOMER_KEY, FOREIGN_KEY, bearer, check_request, claims, request

TOKEN = bearer(claims(iat=int(time.time()), exp=int(time.time()) + 3600, sub="42", roles=["customer"]))
KEYS = {AGENT_KEY: "agent", CUSTOMER_KEY: "customer", FOREIGN_KEY: "agent"}
CERTIFICATE = "spiffe://example.com/agent"
RISK, FORCE = (condition.Fact(source=source, name=name) for source, name in (("header", "x-risk"), ("query", "force")))
POLICY = worlds.POLICY.model_copy(
    update={
        "api_keys": policy.ApiKeys(
            header="x-api-key",
            query="key",
            cookie="session",
            static=worlds.POLICY.api_keys.static if worlds.POLICY.api_keys is not None else (),
        ),
        "certificates": (policy.Certificate(name=CERTIFICATE, user="agent", roles=("agent",)),),
        "routes": {
            **worlds.POLICY.routes,
            "both": policy.Route(
                authentication=policy.Authentication(methods=("api_key", "jwt"), all=True), rules=(policy.Rule(),)
            ),
            "certified": policy.Route(authentication=policy.Authentication(methods=("mtls",)), rules=(policy.Rule(),)),
            "forced": policy.Route(
                rules=(
                    policy.Rule(where=condition.Compare(operator="==", left=FORCE, right=condition.Text(value="no"))),
                )
            ),
            "risky": policy.Route(
                rules=(
                    policy.Rule(),
                    policy.Rule(
                        effect="deny",
                        where=condition.Compare(operator="!=", left=RISK, right=condition.Text(value="low")),
                    ),
                )
            ),
        },
    }
)


def _sent(asked: engine.Request, principal: str = "", **headers: str) -> bytes:
    """A request with other headers, and from the holder of a certificate."""
    message = external_auth_pb2.CheckRequest.FromString(check_request(asked))
    message.attributes.source.principal = principal
    message.attributes.request.http.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    serialized: bytes = message.SerializeToString()
    return serialized


SEEDS = [
    _sent(asked, principal, **headers)
    for asked, principal, headers in (
        (request("any", path=f"/x?a=1&key={AGENT_KEY}&b"), "", {}),
        (request("any"), "", {"cookie": f"a=1; session={CUSTOMER_KEY}; b"}),
        (request("open", path=f"/x?key={AGENT_KEY}"), "", {"cookie": "a=1"}),
        (request("any"), CERTIFICATE, {}),
        (request("certified"), CERTIFICATE, {}),
        (request("tickets", key=CUSTOMER_KEY), CERTIFICATE, {}),
        (request("both", key=CUSTOMER_KEY, authorization=TOKEN), "", {}),
        (request("both", key=CUSTOMER_KEY), CERTIFICATE, {}),
        (request("forced", key=AGENT_KEY, path="/x?a=1&force=no"), "", {}),
        (request("forced", key=AGENT_KEY, path="/x?force=no&force=yes"), "", {}),
        (request("risky", key=AGENT_KEY), "", {"x_risk": "low"}),
        (request("risky", key=AGENT_KEY), "", {"x_risk": "low,high"}),
        (request("risky", key=AGENT_KEY), "", {}),
        (request("open"), "", {}),
        (request("open", key=AGENT_KEY), "", {}),
        (request("any", key=FOREIGN_KEY), "", {}),
        (request("any", authorization=TOKEN), "", {}),
        (request("tickets", key=AGENT_KEY, method="POST"), "", {}),
        (request("tickets", key=CUSTOMER_KEY), "", {}),
        (request("customer", key=CUSTOMER_KEY, path="/customers/42?q=1"), "", {}),
        (request("customer", authorization=TOKEN, path="/customers/4%32"), "", {}),
        (request("shut", key=AGENT_KEY), "", {}),
        (request("nowhere", key=AGENT_KEY, revision="r0", host="a.example"), "", {}),
    )
]
WORDS = (
    *(
        b"",
        b"\0",
        b"\n",
        b",",
        b" ",
        b"%",
        b"%2f",
        b"..",
        b";",
        b"?",
        b"\xff\xff\xff\xff\x0f",
        b"\x80",
        b"\xed\xa0\x80",
    ),
    *(b"open", b"any", b"tickets", b"customer", b"r1", b"route", b"revision", b"x-api-key", b"authorization"),
    *(b"?", b"&", b"key=", b"force=no", b"x-risk", b"low", b"cookie", b"session=", CERTIFICATE.encode(), b"both"),
    *(b"Bearer ", b"GET", b"POST", b"/customers/42", AGENT_KEY.encode(), CUSTOMER_KEY.encode(), TOKEN.encode()),
)
