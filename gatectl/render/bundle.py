"""The bundle: every file of one generation, byte for byte, and the revision that names it."""

import copy
import hashlib
from dataclasses import dataclass
from typing import Any

import orjson

from gatectl.diagnostics import GatectlError
from gatectl.render import resources, transport
from gatectl.render.templates import Message, render
from gatectl.snapshot import Snapshot

REVISION_LENGTH = 12
_READABLE = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
_UNSEALED = "\ue000revision\ue000"
"""Stands where the revision belongs while the digest is taken: private-use characters that no spec text can spell."""


@dataclass(frozen=True)
class Bundle:
    """One generation. ``files`` maps a name inside the generation to its content; ``revision`` is their digest."""

    gateway: str
    revision: str
    files: dict[str, bytes]

    def resource(self, kind: str) -> list[Message]:
        """The resources in ``envoy/<kind>.json``."""
        resources: list[Message] = orjson.loads(self.files[f"envoy/{kind}.json"])["resources"]
        return resources

    @property
    def secrets(self) -> dict[str, bytes]:
        """The files that say where Envoy finds certificates and keys, by their names inside the generation."""
        return {name: content for name, content in self.files.items() if name.startswith(f"{transport.SECRETS}/")}


def build(snapshot: Snapshot) -> Bundle:
    """Render a snapshot. Pure: the same snapshot gives the same bytes."""
    envoy = {
        "lds": resources.listeners(snapshot),
        "cds": resources.clusters(snapshot),
        "rds": [resources.route_configuration(snapshot, _UNSEALED)],
    }
    documents: dict[str, Any] = {
        f"envoy/{kind}.json": {"version_info": _UNSEALED, "resources": messages} for kind, messages in envoy.items()
    }
    for secret in transport.secrets(snapshot):
        # its version stays the same from bundle to bundle: what a name stands for never changes
        documents[secret.file] = {"version_info": secret.name, "resources": [render("secret", secret=secret)]}
    documents["authz.json"] = snapshot.authz.model_dump(mode="json") | {"revision": _UNSEALED}
    documents["limits.json"] = snapshot.limits.model_dump(mode="json") | {"revision": _UNSEALED}
    texts = {name: canonical(document) for name, document in sorted(documents.items())}
    revision = hashlib.sha256(canonical(texts).encode()).hexdigest()[:REVISION_LENGTH]
    return Bundle(
        snapshot.name, revision, {name: text.replace(_UNSEALED, revision).encode() for name, text in texts.items()}
    )


def canonical(document: Any) -> str:
    """The one way a document is written: sorted keys, readable, a newline at the end."""
    return orjson.dumps(document, option=_READABLE).decode()


def flatten(bundle: Bundle, bootstrap: Message) -> Message:
    """A bootstrap that holds everything itself, as ``envoy --mode validate`` does not read dynamic files.

    Only secrets stay where they are: it wants their files to be there, and does not look into them.
    """
    static = copy.deepcopy(bootstrap)
    static.pop("dynamic_resources", None)
    static.pop("admin", None)
    listeners, routes = bundle.resource("lds"), bundle.resource("rds")[0]
    for listener in listeners:
        manager = listener["filter_chains"][0]["filters"][-1]["typed_config"]
        if manager.pop("rds", None) is None:
            raise GatectlError("the last network filter of a listener is not the HTTP connection manager")
        manager["route_config"] = {**_untyped(routes), "validate_clusters": True}
    static["static_resources"]["listeners"] = [_untyped(message) for message in listeners]
    static["static_resources"]["clusters"] += [_untyped(message) for message in bundle.resource("cds")]
    return static


def _untyped(message: Message) -> Message:
    return {key: value for key, value in message.items() if key != "@type"}
