"""`gatectl import envoy`: what a real Envoy obeys becomes a spec; our own comes back as it was."""

import copy
import json
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gatectl.compiler import compile_spec
from gatectl.compiler.names import UNJUDGED
from gatectl.diagnostics import SpecError
from gatectl.importing.envoy import import_envoy
from gatectl.importing.result import Imported
from gatectl.render.bundle import build
from gatectl.rollout.envoy_admin import EnvoyAdmin
from gatectl.rollout.envoy_binary import find_envoy
from gatectl.snapshot import Route, Snapshot
from gatectl.spec.formatting import formatted
from gatectl.spec.load import load
from tests.gatectl.gateways import Gateway, free_port, unguarded, until

# of the poll that came before the socket did
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket.socket.*family=1:ResourceWarning")
ROOT = Path(__file__).parents[2]
GOLDEN = ("everything", "customer-support")


@pytest.fixture(scope="module")
def short() -> Iterator[Path]:
    """A socket's path must be short."""
    with tempfile.TemporaryDirectory(prefix="im-") as directory:
        yield Path(directory)


@pytest.fixture(scope="module", params=GOLDEN)
def round_trip(request: pytest.FixtureRequest, short: Path) -> Any:
    """A spec of ours, and what a real Envoy that runs it says."""
    directory = short / request.param
    directory.mkdir()
    spec = load([str(ROOT / "tests" / "golden" / request.param / "spec.yaml")], {})[0]
    gateway = Gateway(directory)
    listener = spec.listener.model_copy(update={"address": "127.0.0.1", "port": gateway.port, "tls": None})
    plain = {name: upstream for name, upstream in spec.upstreams.items() if upstream.tls is None}
    original = compile_spec(spec.model_copy(update={"listener": listener, "upstreams": plain}))
    try:
        gateway.start(unguarded(build(original)))
        dump = gateway.admin.config_dump()
    finally:
        gateway.stop()
    assert dump is not None
    return original, import_envoy("dump", dump)


def reloaded(imported: Imported, directory: Path) -> Snapshot:
    file = directory / "imported.yaml"
    file.write_text(imported.text)
    return compile_spec(load([str(file)], {})[0])


def comparable(routes: tuple[Route, ...]) -> list[Route]:
    """Without limits, which Envoy knows by name only. In which order headers are compared is no matter."""
    return [
        replace(
            route,
            descriptors=(),
            own_filters=tuple(one for one in route.own_filters if one != UNJUDGED),
            headers=tuple(sorted(route.headers, key=lambda header: header.name)),
        )
        for route in routes
    ]


def test_our_own_upstreams_come_back_as_they_were(round_trip: Any, tmp_path: Path) -> None:
    original, imported = round_trip
    assert reloaded(imported, tmp_path).clusters == original.clusters


def test_our_own_routes_come_back_as_they_were_for_every_host(round_trip: Any, tmp_path: Path) -> None:
    original, imported = round_trip
    found = {host.domains: comparable(host.routes) for host in reloaded(imported, tmp_path).virtual_hosts}
    for host in original.virtual_hosts:
        for before, after in zip(comparable(host.routes), found[host.domains], strict=True):
            assert after == before


def test_our_own_listener_comes_back_and_nobody_is_let_in_without_credentials(round_trip: Any, tmp_path: Path) -> None:
    original, imported = round_trip
    assert reloaded(imported, tmp_path).listener == original.listener
    assert reloaded(imported, tmp_path).address_limit == original.address_limit
    assert {route["access"] for route in imported.spec["routes"]} == {"authenticated"}


def test_little_has_to_be_said_about_our_own(round_trip: Any) -> None:
    _, imported = round_trip
    said = [note.message for note in imported.notes]
    assert [one for one in said if "is not carried over" in one] == []
    assert len(said) <= 2


ORDINARY = """
static_resources:
  listeners:
  - name: web
    address: {socket_address: {address: 127.0.0.1, port_value: PORT}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: web
          route_config:
            name: web
            virtual_hosts:
            - name: shop
              domains: [shop.example.com, "shop.example.com:*"]
              routes:
              - match: {prefix: /cart}
                route: {cluster: cart service, timeout: 2.5s, prefix_rewrite: /v2/cart}
              - match: {prefix: /old}
                redirect: {path_redirect: /new}
            - name: all
              domains: ["*"]
              routes:
              - match: {safe_regex: {regex: "/x[0-9]+"}}
                route: {cluster: one}
              - match: {path: /b, headers: [{name: ":method", string_match: {exact: POST}}, {name: x-v, string_match: {prefix: a}}]}
                route: {weighted_clusters: {clusters: [{name: one, weight: 10}, {name: two, weight: 90}]}}
              - match: {prefix: /q, query_parameters: [{name: debug, present_match: true}]}
                route: {cluster: one}
              - match: {prefix: /}
                request_headers_to_add: [{header: {key: x-id, value: "%REQ(x)%"}}, {header: {key: x-a, value: "1%%"}}]
                route: {cluster: one, timeout: 0s, retry_policy: {retry_on: "5xx,reset", num_retries: 2}}
              - match: {prefix: /never}
                route: {cluster: one}
          http_filters:
          - name: envoy.filters.http.lua
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua}
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
  clusters:
  - {name: cart service, type: STATIC, lb_policy: RANDOM, load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}}]}]}}
  - {name: one, type: STATIC, connect_timeout: 1s, load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: "::1", port_value: 2}}}}]}]}}
  - {name: two, type: STRICT_DNS, load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: localhost, port_value: 3}}}}]}]}}
  - {name: idle, type: STATIC}
admin: {address: {pipe: {path: ADMIN}}}
"""  # noqa: E501 - as dense as such files are
EXPECTED = {
    "upstreams": {
        "cart-service": {
            "endpoints": ["127.0.0.1:1"],
            "connect_timeout": "5s",
            "timeout": "2500ms",
        },
        "one": {
            "endpoints": ["[::1]:2"],
            "load_balancing": "round_robin",
            "connect_timeout": "1s",
            "timeout": "8784h",
            "retries": {"attempts": 2, "on": ["5xx", "reset"]},
        },
        "two": {
            "endpoints": ["localhost:3"],
            "load_balancing": "round_robin",
            "connect_timeout": "5s",
            "timeout": "15s",
        },
    },
    "routes": [
        {
            "name": "cart",
            "match": {"path_prefix": "/cart", "hosts": ["shop.example.com"]},
            "upstream": "cart-service",
            "access": "authenticated",
            "rewrite_prefix": "/v2/cart",
        },
        {
            "name": "b",
            "match": {"path": "/b", "methods": ["POST"], "headers": {"x-v": {"prefix": "a"}}},
            "upstream": "two",
            "access": "authenticated",
        },
        {
            "name": "route",
            "match": {"path_prefix": "/"},
            "upstream": "one",
            "access": "authenticated",
            "request_headers": {"set": {"x-a": "1%"}},
        },
    ],
}
TOLD = [
    "load balancing RANDOM is not supported",
    "a prefix takes whole segments here",
    "a route is left out: it is a redirect",
    "a route is left out: it is matched by a regular expression",
    "a route is left out: it looks at the query string",
    "weighted clusters are not supported: everything goes to the heaviest",
    "the header x-id is left out",
    "a header is set, not added",
    "a route without time limit",
    'the routes to "one" retry differently',
    "the HTTP filter envoy.filters.http.lua is not carried over",
    "would answer 404",
    '"never" is left out',
    "every route asks for an authenticated caller",
]


@pytest.mark.parametrize(
    ("endpoint", "tls"), [("orders.example", {}), ("10.0.0.1", {"san": ["10.0.0.1"]}), ("::1", {"san": ["::1"]})]
)
def test_an_upstream_with_tls_is_verified_whatever_it_was_before(endpoint: str, tls: dict[str, Any]) -> None:
    address = {"socket_address": {"address": endpoint, "port_value": 443}}
    cluster = {
        "name": "one",
        "load_assignment": {"endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]},
        "transport_socket": {"name": "envoy.transport_sockets.tls"},
    }
    text = ORDINARY.replace("PORT", "8080").replace("ADMIN", "a")
    document = yaml.safe_load(text)
    document["static_resources"]["clusters"] = [
        cluster if one["name"] == "one" else one for one in document["static_resources"]["clusters"]
    ]
    imported = import_envoy("f", yaml.safe_dump(document))
    assert imported.spec["upstreams"]["one"]["tls"] == tls
    assert any("its certificate must be for its endpoints" in note.message for note in imported.notes)


@pytest.fixture(scope="module")
def ordinary(short: Path) -> tuple[str, str]:
    """A configuration that somebody wrote by hand, and what a real Envoy makes of it."""
    text = ORDINARY.replace("PORT", str(free_port())).replace("ADMIN", str(short / "a"))
    (short / "envoy.yaml").write_text(text)
    command = [str(find_envoy()), "-c", str(short / "envoy.yaml"), "--disable-hot-restart", "--concurrency", "1"]
    process = subprocess.Popen([*command, "-l", "error"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    admin = EnvoyAdmin(str(short / "a"))
    try:
        until(lambda: admin.info() is not None, "Envoy is up")
        dump = admin.config_dump()
    finally:
        admin.close()
        process.kill()
        process.wait()
    assert dump is not None
    return text, dump


@pytest.mark.parametrize("live", [False, True], ids=["file", "live"])
def test_a_configuration_of_somebody_else_is_carried_over_and_the_rest_is_told(
    ordinary: tuple[str, str], live: bool, tmp_path: Path
) -> None:
    imported = import_envoy("dump", ordinary[live])
    for name in ("upstreams", "routes"):
        assert imported.spec[name] == EXPECTED[name]
    said = [note.message for note in imported.notes]
    assert [one for one in TOLD if not any(one in message for message in said)] == []
    assert len(said) == len(TOLD), [one for one in said if not any(told in one for told in TOLD)]
    assert reloaded(imported, tmp_path).name == "imported"
    assert formatted("f", imported.text) == imported.text


def test_a_note_names_the_place_in_the_dump(ordinary: tuple[str, str]) -> None:
    said = " ".join(str(note) for note in import_envoy("dump", ordinary[0]).notes)
    place = ".static_resources.listeners[0].filter_chains[0].filters[0].typed_config.route_config.virtual_hosts[1]"
    assert f"{place}.routes[0]: a route is left out: it is matched by a regular expression" in said


@pytest.mark.parametrize("text", ["", "[]", "{}", "a: b", "{", '{"configs": []}', "static_resources: {}", "[" * 9999])
def test_what_is_no_configuration_of_envoy_is_an_error(text: str) -> None:
    with pytest.raises(SpecError):
        import_envoy("f", text)


def test_json_without_end_is_an_error() -> None:
    with pytest.raises(SpecError):
        import_envoy("f", '{"configs": ' + '{"a": ' * 400 + "1" + "}" * 401)


NODES = st.sampled_from(
    [None, True, -1, 2**70, 1.5, "", "a", "/", "*", "é\0", "1s", [], {}, [[]], [None], {"a": {}}, {"value": 70000}]
)


@given(data=st.data())
def test_a_mutilated_configuration_is_a_spec_that_loads_or_an_error(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    document = yaml.safe_load(ORDINARY.replace("PORT", "1"))
    for _ in range(data.draw(st.integers(1, 4))):
        node: Any = document
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            key = data.draw(st.sampled_from(keys))
            below = node[key]
            if not below or not isinstance(below, (dict, list)) or data.draw(st.integers(0, 9)) == 0:
                break
            node = below
        node[key] = copy.deepcopy(data.draw(NODES))
        if not document:
            return
    try:
        imported = import_envoy("f", json.dumps(document))
    except SpecError:
        return
    reloaded(imported, tmp_path_factory.getbasetemp())
    assert "public" not in {route["access"] for route in imported.spec["routes"]}
