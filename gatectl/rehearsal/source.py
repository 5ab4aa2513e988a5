"""The spec as its author wrote it: where a thing stands, and what of it may be shown."""

from ext_authz.authenticators.certificate import METHOD as CERTIFICATE
from ext_authz.identity import Identity
from gatectl.rollout.candidate import Candidate
from gatectl.spec.tree import Node

Step = int | str
HIDDEN = "(from the environment)"


class Source:
    """Looks things up in the spec of a candidate. A value that comes from the environment is never shown."""

    def __init__(self, candidate: Candidate) -> None:
        self._tree = candidate.tree
        spec = candidate.spec
        self._routes = {route.name: index for index, route in enumerate(spec.routes)}
        self.rate_limits = spec.rate_limits
        """As the spec has them, in its order."""
        self._limits = {limit.name: index for index, limit in enumerate(spec.rate_limits)}
        self._keys = {
            key.id: index
            for index, key in enumerate(spec.authentication.api_keys.static if spec.authentication.api_keys else ())
        }
        self._holders = [one.user for one in spec.authentication.certificates]

    def route(self, name: str) -> tuple[Step, ...]:
        """The path of a route."""
        return ("routes", self._routes[name])

    def limit(self, name: str) -> tuple[Step, ...]:
        """The path of a rate limit."""
        return ("rate_limits", self._limits[name])

    def holders(self, identity: Identity) -> list[tuple[Step, ...]]:
        """The paths of the static key, or of all certificates, that may have made somebody who he is."""
        if identity.method == CERTIFICATE:
            users = enumerate(self._holders)
            return [("authentication", "certificates", index) for index, user in users if user == identity.user]
        index = self._keys.get(identity.key_id or "")
        return [] if index is None else [("authentication", "api_keys", "static", index)]

    def place(self, *path: Step) -> str:
        """``file:line:column`` of a thing, or of what it stands in."""
        node = self._tree.find(path)
        return str(node.key_at or node.at)

    def text(self, *path: Step, default: str = "") -> str:
        """A scalar as it may be shown; ``default`` when it is not written."""
        node = self._at(path)
        return default if node is None else node.shown

    def texts(self, *path: Step) -> list[str]:
        """The items of a list, or the keys of a mapping, as they may be shown."""
        node = self._at(path)
        if node is None:
            return []
        if isinstance(node.value, dict):
            return list(node.value)
        return [item.shown for item in node.value] if isinstance(node.value, list) else [node.shown]

    def hides(self, *path: Step) -> bool:
        """Whether anything at a place or below comes from the environment."""
        node = self._at(path)
        return node is not None and _from_environment(node)

    def header(self, route: str | None, which: str, name: str, value: str) -> str:
        """A header's value as it may be shown, if ``which`` of a route's header changes may have set it."""
        if route is None:
            return value
        path = (*self.route(route), which, "set")
        changes = self._at(path)
        written = list(changes.value) if changes is not None and isinstance(changes.value, dict) else []
        same = next((key for key in written if key.lower() == name), None)
        return self.text(*path, same) if same is not None and self.hides(*path, same) else value

    def _at(self, path: tuple[Step, ...]) -> Node | None:
        """The node at exactly this path."""
        node = self._tree
        for step in path:
            if isinstance(node.value, dict) and str(step) in node.value:
                node = node.value[str(step)]
            elif isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
            else:
                return None
        return node


def _from_environment(node: Node) -> bool:
    if isinstance(node.value, dict):
        return any(map(_from_environment, node.value.values()))
    if isinstance(node.value, list):
        return any(map(_from_environment, node.value))
    return node.from_environment
