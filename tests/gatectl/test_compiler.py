"""What a spec means: order, hosts, the catch-all, identity of routes, headers, and policies that the services read."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ext_authz import policy as authz
from gatectl.compiler import compile_spec
from gatectl.compiler.routes import compile_virtual_hosts
from gatectl.render.bundle import Bundle, build
from gatectl.spec.model import Match, Spec
from ratelimit_svc import policy as limits
from tests.gatectl.specs import MINIMAL, bundle, route, spec, text

HOSTS = ["x.example", "a.x.example", "*.x.example", "*.a.x.example", "y.example"]
LIMITS = "envoy.filters.http.ratelimit"
FILTER = "envoy.filters.http.ext_authz"


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    """Gateways of a few routes that do not shadow each other."""
    routes = []
    for index in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(["path", "path_prefix", "path_template"]))
        match = {
            kind: f"/{index}" + ("/{x}" if kind == "path_template" else ""),
            "hosts": tuple(draw(st.lists(st.sampled_from(HOSTS), max_size=2, unique=True))),
            "methods": tuple(draw(st.lists(st.sampled_from(["GET", "POST"]), max_size=2, unique=True))),
        }
        rewrite = draw(st.sampled_from([{}, {"rewrite_prefix": "/n"}])) if kind == "path_prefix" else {}
        access = draw(st.sampled_from(["public", "authenticated", {"roles": ("a",)}, ({"methods": ("GET",)},)]))
        value = draw(st.text("a% ${}", max_size=4))
        routes.append(route(f"r{index}", match, access=access, request_headers={"set": {"x-a": value}}, **rewrite))
    limit_fields = st.fixed_dictionaries(
        {
            "per": st.lists(st.sampled_from(limits.DIMENSIONS), min_size=1, max_size=3, unique=True).map(tuple),
            "limit": st.sampled_from(["0/day", "5/second", "10/90s"]),
            "when": st.sampled_from([{}, {"role": ("a", "b")}, {"plan": ("p",), "role": ("a",)}]),
            "routes": st.none() | st.just(("r0",)),
        }
    )
    found = draw(st.lists(limit_fields, max_size=3))
    rate_limits = tuple(
        {"name": f"l{index}", **{key: value for key, value in one.items() if value is not None}}
        for index, one in enumerate(found)
    )
    fields = MINIMAL | {"routes": tuple(routes), "rate_limits": rate_limits}
    return Spec.model_validate(fields | {"upstreams": {"u": {"endpoints": ("127.0.0.1:9001",)}}})


def virtual_hosts(rendered: Bundle) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rendered.resource("rds")[0]["virtual_hosts"]
    return found


def applies(match: Match, host: str) -> bool:
    return not match.hosts or any(
        host == own or (own[0] == "*" and host.endswith(own[1:]) and host != own[1:]) for own in match.hosts
    )


def chosen(hosts: list[dict[str, Any]], host: str) -> dict[str, Any]:
    """The virtual host that Envoy looks into: exact, else the longest wildcard, else ``*``."""
    by_domain = {domain: one for one in hosts for domain in one["domains"]}
    wild = sorted((domain for domain in by_domain if domain[0] == "*" and host.endswith(domain[1:])), key=len)
    return by_domain[host if host in by_domain else wild[-1]]


@settings(max_examples=40)
@given(read=specs())
def test_every_host_gets_exactly_its_routes_in_the_order_of_the_spec(read: Spec) -> None:
    hosts = virtual_hosts(build(compile_spec(read)))
    for host in ["x.example", "a.x.example", "b.x.example", "c.a.x.example", "y.example", "z.example"]:
        names = [one["name"] for one in chosen(hosts, host)["routes"]]
        assert names == [*(one.name for one in read.routes if applies(one.match, host)), "not-found"]


@settings(max_examples=40)
@given(read=specs())
def test_every_virtual_host_ends_in_a_catch_all_that_leads_nowhere(read: Spec) -> None:
    hosts = virtual_hosts(build(compile_spec(read)))
    assert hosts[-1]["domains"] == ["*"]
    domains = [domain for host in hosts for domain in host["domains"]]
    assert len(domains) == len(set(domains))
    for host in hosts:
        *own, last = host["routes"]
        assert (last["match"], last["direct_response"], "route" in last) == ({"prefix": "/"}, {"status": 404}, False)
        assert all("direct_response" not in one and one["route"]["cluster"] == "upstream-u" for one in own)


@settings(max_examples=40)
@given(read=specs())
def test_every_route_tells_who_it_is_and_which_revision_chose_it(read: Spec) -> None:
    rendered = build(compile_spec(read))
    policy = authz.load(rendered.files["authz.json"])
    rules = limits.load(rendered.files["limits.json"]).limits
    for one in (one for host in virtual_hosts(rendered) for one in host["routes"][:-1]):
        per_route = one["typed_per_filter_config"][FILTER]
        assert "disabled" not in per_route
        context = per_route["check_settings"]["context_extensions"]
        assert context == {authz.ROUTE_KEY: one["name"], authz.REVISION_KEY: rendered.revision}
        assert one["name"] in policy.routes
        expected = [limit.name for limit in read.rate_limits if limit.routes is None or one["name"] in limit.routes]
        assert "rate_limits" not in one["route"]
        sent = one["typed_per_filter_config"].get(LIMITS, {}).get("rate_limits", [])
        assert [limit["actions"][0]["generic_key"]["descriptor_value"] for limit in sent] == expected
        for limit in sent:
            name, revision, *rest = limit["actions"]
            assert revision["generic_key"] == {
                "descriptor_key": limits.REVISION_KEY,
                "descriptor_value": rendered.revision,
            }
            rule = rules[name["generic_key"]["descriptor_value"]]
            keys = [(entry.get("generic_key") or entry["metadata"])["descriptor_key"] for entry in rest]
            assert keys == list(rule.dimensions)
            assert all(entry["metadata"]["default_value"] == limits.ABSENT for entry in rest if "metadata" in entry)


@settings(max_examples=40)
@given(read=specs())
def test_no_header_value_becomes_a_command(read: Spec) -> None:
    """Envoy reads ``%%`` as one percent sign; a single one begins a command."""
    for host in virtual_hosts(build(compile_spec(read))):
        for one in host["routes"][:-1]:
            written = next(each for each in read.routes if each.name == one["name"]).request_headers.set["x-a"]
            value = one["request_headers_to_add"][0]["header"]["value"]
            assert value.replace("%%", "") == written.replace("%", "")
            assert value.count("%") == 2 * written.count("%")


@settings(max_examples=40)
@given(read=specs())
def test_the_policies_are_what_the_services_read_back(read: Spec) -> None:
    snapshot = compile_spec(read)
    rendered = build(snapshot)
    sealed = {"revision": rendered.revision}
    assert authz.load(rendered.files["authz.json"]) == snapshot.authz.model_copy(update=sealed)
    assert limits.load(rendered.files["limits.json"]) == snapshot.limits.model_copy(update=sealed)


@settings(max_examples=40)
@given(read=specs())
def test_every_file_carries_the_revision_and_no_mark_is_left(read: Spec) -> None:
    rendered = build(compile_spec(read))
    for name, content in rendered.files.items():
        document = json.loads(content)
        assert document.get("version_info", document.get("revision")) == rendered.revision, name
        assert "\ue000" not in content.decode()
        assert "\ue001" not in content.decode()


def test_any_change_of_meaning_changes_the_revision_and_no_other_does(tmp_path: Path) -> None:
    first = bundle(tmp_path)
    same = spec(tmp_path, "# another comment\n" + text(development={"keys": [{"user": "u"}]}))
    assert build(compile_spec(same)) == first
    assert bundle(tmp_path, listener={"address": "127.0.0.1", "port": 8081}).revision != first.revision
    assert bundle(tmp_path, authentication={"api_keys": {"stale": "61s"}}).revision != first.revision


ACCESS: list[tuple[Any, authz.Route]] = [
    ("public", authz.Route(public=True)),
    ("authenticated", authz.Route(rules=(authz.Rule(),))),
    ({"roles": ["a"]}, authz.Route(rules=(authz.Rule(roles=("a",)),))),
    (
        [{"methods": ["GET"]}, {"roles": ["b"]}],
        authz.Route(rules=(authz.Rule(methods=("GET",)), authz.Rule(roles=("b",)))),
    ),
]


@pytest.mark.parametrize(("written", "meant"), ACCESS, ids=[str(written) for written, _ in ACCESS])
def test_only_the_word_public_opens_a_route(tmp_path: Path, written: Any, meant: authz.Route) -> None:
    policy = authz.load(bundle(tmp_path, routes=[route(access=written)]).files["authz.json"])
    assert policy.routes == {"r": meant}


@pytest.mark.parametrize(
    ("prefix", "rewrite", "path", "meant"),
    [
        ("/old", "/new", "/old/x", "/new/x"),
        ("/old", "/new", "/old", "/new"),
        ("/old/", "/new/", "/old/old/x", "/new/old/x"),
        ("/old", "/", "/old/x", "/x"),
        ("/old", "/", "/old", "/"),
        ("/a.b", "/", "/a.b/x", "/x"),
        ("/", "/v1", "/x", "/v1/x"),
        ("/", "/v1", "/", "/v1/"),
        ("/", "/", "/x", "/x"),
    ],
)
def test_a_rewritten_prefix_keeps_one_slash_between_it_and_the_rest(
    tmp_path: Path, prefix: str, rewrite: str, path: str, meant: str
) -> None:
    read = spec(tmp_path, text(routes=[route(match={"path_prefix": prefix}, rewrite_prefix=rewrite)]))
    compiled = compile_virtual_hosts(read)[0].routes[0].rewrite
    assert compiled is not None
    assert re.sub(compiled.pattern, compiled.substitution, path) == meant


@pytest.mark.parametrize(
    ("endpoints", "discovery"),
    [
        (["10.0.0.1:80", "[::1]:81"], "STATIC"),
        (["a.example:80"], "STRICT_DNS"),
        (["10.0.0.1:80", "a.example:80"], "STRICT_DNS"),
        (["10.0.0.1.:80"], "STRICT_DNS"),
    ],
)
def test_addresses_are_static_and_names_are_resolved(tmp_path: Path, endpoints: list[str], discovery: str) -> None:
    (cluster,) = compile_spec(spec(tmp_path, text(upstreams={"u": {"endpoints": endpoints}}))).clusters
    assert cluster.discovery == discovery
    assert [f"{one.host}:{one.port}" for one in cluster.endpoints] == [one.replace("[::1]", "::1") for one in endpoints]
