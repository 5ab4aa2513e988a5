"""The certificates that an Envoy has loaded, and how long they are good for."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

WARN_DAYS = 30
"""From here on somebody should do something."""
_UNNAMED = "<inline>"
"""What Envoy says of a file that it reads again when it changes."""


@dataclass(frozen=True)
class Certificate:
    """One certificate. ``path`` is the file that it came from, empty when Envoy does not say; ``kind`` is ``own`` for
    one that Envoy shows, ``trusted`` for one that it believes.
    """

    kind: Literal["own", "trusted"]
    path: str
    serial: str
    names: tuple[str, ...]
    expires_at: datetime

    def days(self, now: datetime) -> int:
        """Whole days that are left; negative once it has expired."""
        return (self.expires_at - now).days


def parse(document: Any) -> tuple[Certificate, ...]:
    """Envoy's ``/certs``, the soonest expiry first. Entries that cannot be read are left out; one certificate that
    several contexts use comes once, and of those that one context trusts the one that is good for longest.
    """
    found: dict[tuple[str, ...], Certificate] = {}
    contexts = document.get("certificates") if isinstance(document, dict) else None
    for context in contexts if isinstance(contexts, list) else ():
        # some root among many has always expired: those who are trusted are good for as long as one of them is
        trusted = sorted(_of(context, "ca_cert", "trusted"), key=lambda one: one.expires_at)[-1:]
        for certificate in _of(context, "cert_chain", "own") + trusted:
            found.setdefault((certificate.kind, certificate.path, certificate.serial), certificate)
    return tuple(sorted(found.values(), key=lambda one: (one.expires_at, one.kind, one.path)))


def _of(context: Any, field: str, kind: Literal["own", "trusted"]) -> list[Certificate]:
    found = []
    entries = context.get(field) if isinstance(context, dict) else None
    for entry in entries if isinstance(entries, list) else ():
        try:
            names = [str(name) for subject in entry.get("subject_alt_names", []) for name in subject.values()]
            expires_at = datetime.fromisoformat(entry["expiration_time"])
            aware = expires_at if expires_at.tzinfo else expires_at.replace(tzinfo=UTC)
            serial, path = str(entry.get("serial_number", "")), str(entry.get("path", ""))
            path = "" if path == _UNNAMED else path
            found.append(Certificate(kind, path, serial, tuple(names), aware))
        except (KeyError, TypeError, ValueError, AttributeError):  # an Envoy of another version, or no Envoy
            continue
    return found
