"""Security schemes and requirements of OpenAPI → authentication and access."""

import re
from typing import Any
from urllib.parse import urlsplit

from gatectl.importing.names import Names
from gatectl.importing.openapi_document import Document
from gatectl.spec.tree import Node

PLACEHOLDER = "https://issuer.example"
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^`|~-]{1,128}")
_TEXT = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?")
_DISCOVERY = "/.well-known/openid-configuration"


class Security:
    """What the document says about callers. ``authentication`` is complete once every operation was asked about."""

    def __init__(self, document: Document, gateway: str) -> None:
        self._document, self._gateway = document, gateway
        self._roles, self._issuer_names = Names(), Names()
        self._api_key: str | None = None
        self._issuers: dict[str, dict[str, Any]] = {}
        components = document.field(document.tree, "components")
        schemes = document.field(components, "securitySchemes") if components is not None else None
        self._schemes = {name: self._scheme(name, node) for name, node in document.fields(schemes, "securitySchemes")}
        root = document.field(document.tree, "security")
        self._default = root
        if root is None or root.value == []:
            document.note(
                "the document names no security for the whole API: such routes ask for an authenticated caller",
                root.at if root is not None else document.tree.at,
                "write `access: public` where that is meant",
                decided=True,
            )

    def authentication(self) -> dict[str, Any]:
        """At least one way to say who is calling."""
        made: dict[str, Any] = {}
        if self._api_key is not None or not self._issuers:
            made["api_keys"] = {"header": self._api_key or "X-API-Key"}
        if self._issuers:
            made["jwt"] = list(self._issuers.values())
        return made

    def rule(self, operation: Node, method: str) -> dict[str, Any] | None:
        """Who may call an operation: an access rule, or None when it is public."""
        asked = self._document.field(operation, "security")
        if asked is not None and asked.value == []:
            return None
        rule: dict[str, Any] = {"methods": [method]}
        alternatives = self._document.items(asked if asked is not None else self._default, "security")
        roles = [self._role(alternative) for alternative in alternatives]
        if None in roles and any(roles):
            message = "one of the ways asks for no scope: any authenticated caller is let in"
            self._document.note(message, alternatives[0].at, decided=True)
        if roles and None not in roles:
            rule["roles"] = list(dict.fromkeys(role for role in roles if role))
        return rule

    def role(self, word: str) -> str:
        """The role for a scope."""
        return self._roles.of(word, "role")

    def _role(self, alternative: Node) -> str | None:
        """The one role that an alternative asks for; None when any authenticated caller will do."""
        fields = dict(self._document.fields(alternative, "a security requirement"))
        if not fields:
            self._document.note("a caller without credentials is not let in here", alternative.at, decided=True)
            return None
        words: list[str] = []
        for name, node in fields.items():
            if name not in self._schemes:
                self._document.note(f'the security scheme "{name}" does not exist', node.key_at or node.at)
            scopes = self._document.items(node, "the scopes of a requirement")
            words += [scope.value for scope in scopes if isinstance(scope.value, str)]
        if len(fields) > 1:
            words = [*words, *fields]
        words = sorted(set(words))
        if not words:
            return None
        role = self.role(" and ".join(words))
        if len(words) > 1:
            message = (
                f"all of {', '.join(words)} are asked for; one role of a rule is enough, so they are one role: {role}"
            )
            self._document.note(message, alternative.at, "give it to callers who may", decided=True)
        elif role != words[0]:
            self._document.note(f'the scope "{words[0]}" is the role {role}', alternative.at, "tokens must say so too")
        return role

    def _scheme(self, name: str, node: Node) -> str:
        """Takes over one scheme; returns its type."""
        found = self._document.resolved(node)
        kind = str(self._document.text(found, "type"))
        if found is None:
            return kind
        if kind == "apiKey" and self._document.text(found, "in") == "header":
            self._key_header(name, found)
        elif kind == "openIdConnect":
            self._issuer(name, found, self._document.text(found, "openIdConnectUrl"))
        elif kind == "oauth2":
            self._issuer(name, found, self._token_url(found))
        elif kind == "http" and str(self._document.text(found, "scheme")).lower() == "bearer":
            self._issuer(name, found, None)
        else:
            what = {"apiKey": "an API key outside of headers", "http": "HTTP authentication other than bearer"}
            message = f'the security scheme "{name}" is not carried over: {what.get(kind, kind)}'
            hint = "name it in authentication.api_keys, if it is a key and no session" if kind == "apiKey" else None
            self._document.note(message, found.at, hint)
        return kind

    def _key_header(self, name: str, node: Node) -> None:
        header = self._document.text(node, "name") or ""
        if not _HEADER.fullmatch(header) or header.lower() == "authorization":
            self._document.note(
                f'the security scheme "{name}": the header "{header}" cannot carry API keys here', node.at
            )
        elif self._api_key is not None and self._api_key.lower() != header.lower():
            self._document.note(f'the security scheme "{name}": API keys come in one header, {self._api_key}', node.at)
        else:
            self._api_key = header

    def _token_url(self, node: Node) -> str | None:
        flows = self._document.field(node, "flows")
        for _, flow in self._document.fields(flows, "flows"):
            url = self._document.text(flow, "tokenUrl") or self._document.text(flow, "authorizationUrl")
            if url:
                parts = url.split("/")
                return "/".join(parts[:3])
        return None

    def _issuer(self, name: str, node: Node, url: str | None) -> None:
        issuer = (url or "").removesuffix(_DISCOVERY).rstrip("/")
        usable = bool(_TEXT.fullmatch(issuer)) and len(issuer) < 1000 and bool(urlsplit(issuer).hostname)
        issuer = issuer if usable else PLACEHOLDER
        if issuer in self._issuers:
            return
        self._issuers[issuer] = {
            "name": self._issuer_names.fresh(name, "issuer"),
            "issuer": issuer,
            "audiences": [self._gateway],
            "jwks": {"url": f"{issuer}/.well-known/jwks.json"},
        }
        message = f'the security scheme "{name}": issuer, audience and JWKS address of its tokens are a guess'
        self._document.note(message, node.at, "put the real ones in authentication.jwt", decided=True)
