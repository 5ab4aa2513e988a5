"""Listeners → the one listener, and the route configuration that it obeys."""

from typing import Any

from gatectl.compiler.names import UNJUDGED
from gatectl.importing.envoy_address_limit import address_limit_of
from gatectl.importing.envoy_dump import Dump, Item, Notes, span
from gatectl.importing.envoy_overload import Spared, spared_by

_MANAGER = "http_connection_manager"
_TIMES = {
    "stream_idle_timeout": "idle_timeout",
    "request_headers_timeout": "request_headers_timeout",
    "request_timeout": "request_timeout",
}
_KNOWN = {"ext_authz", "ratelimit", "router", "cors", "body_size_limit", "request_trailers", UNJUDGED}
"""HTTP filters that every gateway has, by the end of their name."""


def listener_of(dump: Dump, notes: Notes) -> tuple[dict[str, Any], dict[str, Any], list[Spared], Item | None]:
    """The first listener that speaks HTTP, ``abuse``, what spares upstreams, and its routes; none when there is none.

    The others are told.
    """
    made: dict[str, Any] = {}
    abuse: dict[str, Any] = {}
    spared: list[Spared] = []
    routes: Item | None = None
    for listener in dump.listeners:
        name = str(listener.take("name"))
        for chain in listener.items("filter_chains"):
            for one in chain.items("filters"):
                config = one.item("typed_config")
                if str(one.take("name")).endswith("connection_limit") and routes is None:
                    _put(made, "max_connections", config.number("max_connections"))
                if _MANAGER not in str(config.data.get("@type")):
                    continue
                if routes is not None:
                    notes.add(f'the listener "{name}" is left out: a gateway has one', listener.path)
                    continue
                routes = _routes(config, dump, notes)
                _address(made, listener, notes)
                _manager(made, abuse, spared, config, notes)
                if "transport_socket" in chain.data:
                    notes.add("TLS of the listener is not carried over", chain.path)
    if routes is None:
        routes = next(iter(dump.routes.values()), None)
        if routes is not None:
            notes.add("there is no listener that speaks HTTP: address and port are the language's own", decided=True)
    return made, abuse, spared, routes


def _routes(manager: Item, dump: Dump, notes: Notes) -> Item | None:
    if "route_config" in manager.data:
        routes = manager.item("route_config")
    else:
        name = str(manager.item("rds").take("route_config_name"))
        found = dump.routes.get(name)
        if found is None:
            notes.add(f'the route configuration "{name}" is not in the dump', manager.path)
            return None
        routes = found
    # what clients learn about what is behind is the same for every gateway
    routes.ignore("name", "validate_clusters", "response_headers_to_remove", "max_direct_response_body_size_bytes")
    return routes


def _address(made: dict[str, Any], listener: Item, notes: Notes) -> None:
    socket = listener.item("address").item("socket_address")
    address, port = socket.take("address", str), socket.number("port_value")
    if address is None or not port:
        notes.add("the listener has no address and port: they are the language's own", listener.path, decided=True)
        return
    made["address"], made["port"] = address, port


def _manager(made: dict[str, Any], abuse: dict[str, Any], spared: list[Spared], manager: Item, notes: Notes) -> None:
    for theirs, ours in _TIMES.items():
        milliseconds = manager.duration(theirs)
        _put(made, ours, span(milliseconds) if milliseconds else None)
    kib = manager.number("max_request_headers_kb")
    _put(made, "max_request_headers", f"{kib}KiB" if kib else None)
    _put(made, "trusted_proxies", manager.number("xff_num_trusted_hops") or None)
    for one in manager.items("http_filters"):
        name = str(one.take("name"))
        if name.endswith(("body_size_limit", ".buffer")):
            size = one.item("typed_config").number("max_request_bytes")
            _put(made, "max_request_body", f"{size}B" if size else None)
        elif name.endswith("local_ratelimit"):
            abuse |= address_limit_of(one.item("typed_config"), notes)
        elif (sparing := spared_by(one)) is not None:
            spared.append(sparing)
        elif name.rpartition(".")[2] not in _KNOWN:
            notes.add(f"the HTTP filter {name} is not carried over", one.path)


def _put(made: dict[str, Any], name: str, value: Any) -> None:
    if value is not None:
        made[name] = value
