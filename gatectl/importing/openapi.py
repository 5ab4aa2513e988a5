"""OpenAPI 3 → a spec: paths become routes, security becomes access, the server becomes the upstream."""

from typing import Any

from pydantic import ValidationError

from gatectl.diagnostics import Diagnostic, Location, SpecError
from gatectl.fields import parse_rate
from gatectl.importing import openapi_paths
from gatectl.importing.names import Names, slug
from gatectl.importing.openapi_document import Document
from gatectl.importing.openapi_paths import Path
from gatectl.importing.openapi_security import Security
from gatectl.importing.openapi_servers import Server, server_of
from gatectl.importing.result import Imported, frozen, sealed
from gatectl.importing.tls import tls_to
from gatectl.spec.model import Route
from gatectl.spec.tree import Node

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
QUIET = {"summary", "description", "parameters", "$ref"}
"""Fields of a path that are no business of a gateway."""
ACCESS, LIMIT = "x-gatectl-access", "x-gatectl-limit"
UPSTREAM = "api"


def import_openapi(name: str, text: str) -> Imported:
    """The spec of an OpenAPI document. Raises SpecError when it is none, or when there is no path to route."""
    document = Document(name, text)
    info = document.field(document.tree, "info")
    gateway = slug(document.text(info, "title") or "") or "imported"
    server = server_of(document)
    routes = _Routes(document, Security(document, gateway), server)
    for path, node in document.fields(document.field(document.tree, "paths"), "paths"):
        routes.add(path, node)
    for field in ("webhooks",):
        if (there := document.field(document.tree, field)) is not None:
            document.note(f"{field} are calls to others: no gateway routes them", there.key_at or there.at)
    made = routes.made()
    if not made:
        hint = "see the warnings" if document.notes else None
        at = Location(name, 1, 1)
        raise SpecError([*document.notes, Diagnostic("GC0400", "there is no path that could become a route", at, hint)])
    spec: dict[str, Any] = {
        "version": 1,
        "name": gateway,
        "authentication": routes.security.authentication(),
        "upstreams": {
            UPSTREAM: {"endpoints": [server.endpoint]} | ({"tls": tls_to([server.endpoint])} if server.tls else {})
        },
        "routes": made,
    }
    if routes.limits:
        spec["rate_limits"] = routes.limits
    return sealed(name, "openapi", spec, document.notes)


class _Routes:
    """Collects operations by path; ``made`` then writes the routes in an order where each can match."""

    def __init__(self, document: Document, security: Security, server: Server) -> None:
        self.security, self.limits = security, list[dict[str, Any]]()
        self._document, self._server = document, server
        self._names = Names()
        self._found: dict[tuple[str | None, ...], tuple[Path, dict[str, Node]]] = {}
        self._limits: dict[tuple[str | None, ...], str] = {}

    def add(self, text: str, node: Node) -> None:
        """One path item."""
        at = node.key_at or node.at
        item = self._document.resolved(node)
        if item is None or text.startswith("x-"):
            return
        try:
            path = openapi_paths.converted(self._server.base + text if text.startswith("/") else text)
        except openapi_paths.UnroutableError as error:
            self._document.note(f'the path "{text}" is left out: it {error}', at)
            return
        for sentence in path.told:
            self._document.note(f'the path "{text}": {sentence}', at)
        operations = self._operations(text, item)
        if not operations:
            self._document.note(f'the path "{text}" is left out: it has no operation', at)
            return
        known, before = self._found.setdefault(path.shape, (path, {}))
        if before:
            self._document.note(f'the path "{text}" takes the same requests as one above; they are one route', at)
        for method, operation in operations.items():
            if method in before:
                message = f'the path "{text}": its {method.upper()} is left out: the path above has one already'
                self._document.note(message, operation.key_at or operation.at)
            before.setdefault(method, operation)
        self._limit(known.shape, item)

    def _operations(self, text: str, item: Node) -> dict[str, Node]:
        operations: dict[str, Node] = {}
        for field, node in self._document.fields(item, f'the path "{text}"'):
            at = node.key_at or node.at
            if field in METHODS and isinstance(node.value, dict):
                operations[field] = node
                for part in ("servers", "callbacks"):
                    if part in node.value:
                        self._document.note(f'the path "{text}": {part} of an operation are not carried over', at)
            elif field == "servers":
                self._document.note(f'the path "{text}": all routes go to the server of the document', at)
            elif field not in QUIET and field != LIMIT:
                self._document.note(f'the path "{text}": "{field}" is not carried over', at)
        return operations

    def _limit(self, shape: tuple[str | None, ...], item: Node) -> None:
        node = self._document.field(item, LIMIT)
        if node is None:
            return
        try:
            parse_rate(node.value)
        except ValueError as error:
            self._document.note(f"{LIMIT} is not carried over: {error}", node.at)
        else:
            self._limits[shape] = str(node.value)

    def made(self) -> list[dict[str, Any]]:
        """The routes: what is written out before what has variables."""
        routes: list[dict[str, Any]] = []
        for shape, (path, operations) in sorted(self._found.items(), key=lambda found: found[1][0].order):
            made = [route for route in self._of_path(path, operations) if self._is_valid(route, operations)]
            if made and shape in self._limits:
                names = [route["name"] for route in made]
                limit = {"name": names[0], "per": ["user"], "limit": self._limits[shape], "routes": names}
                self.limits.append(limit)
            routes += made
        return routes

    def _of_path(self, path: Path, operations: dict[str, Node]) -> list[dict[str, Any]]:
        """One route; or two, where some of its operations are public."""
        rules = {method.upper(): self._rule(operation, method.upper()) for method, operation in operations.items()}
        public = [method for method, rule in rules.items() if rule is None]
        guarded = [rule for rule in rules.values() if rule is not None]
        routes = []
        if public:
            match = {**path.match, "methods": public}
            routes.append(self._route(operations, public, match, "public"))
        if guarded:
            methods = [method for method in rules if method not in public]
            routes.append(self._route(operations, methods, dict(path.match), _merged(guarded)))
        return routes

    def _route(
        self, operations: dict[str, Node], methods: list[str], match: dict[str, Any], access: Any
    ) -> dict[str, Any]:
        word = self._document.text(operations[methods[0].lower()], "operationId") if len(methods) == 1 else None
        place = " ".join(match.get("path", match.get("path_template", "")).split("/"))
        name = self._names.fresh(word or place, "root")
        return {"name": name, "match": match, "upstream": UPSTREAM, "access": access}

    def _rule(self, operation: Node, method: str) -> dict[str, Any] | None:
        said = self._document.field(operation, ACCESS)
        if said is None:
            return self.security.rule(operation, method)
        if said.value == "public":
            return None
        if isinstance(said.value, list) and said.value and all(isinstance(one.value, str) for one in said.value):
            return {"methods": [method], "roles": [self.security.role(str(one.value)) for one in said.value]}
        if said.value != "authenticated":
            hint = "public, authenticated, or a list of roles"
            self._document.note(f"{ACCESS} is not understood: any authenticated caller is let in", said.at, hint)
        return {"methods": [method]}

    def _is_valid(self, route: dict[str, Any], operations: dict[str, Node]) -> bool:
        try:
            Route.model_validate(frozen(route))
        except ValidationError as error:
            first = error.errors()[0]
            at = next(iter(operations.values())).at
            self._document.note(f"a route is left out: {'.'.join(map(str, first['loc']))}: {first['msg']}", at)
            return False
        return True


def _merged(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rules for the same roles as one."""
    merged: dict[tuple[str, ...], list[str]] = {}
    for rule in rules:
        merged.setdefault(tuple(rule.get("roles", ())), []).extend(rule["methods"])
    return [{"methods": methods, **({"roles": list(roles)} if roles else {})} for roles, methods in merged.items()]
