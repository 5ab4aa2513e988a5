"""How to get from one generation to another without losing a request.

Envoy reads its files in no order that one could rely on. A route that arrives before its cluster answers 503, and so
does a route whose cluster has left before it. So clusters come first and go last: on the way, a generation of passage
holds the clusters of both.
"""

from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from gatectl.render.bundle import Bundle, canonical

CDS, RDS, LDS = "envoy/cds.json", "envoy/rds.json", "envoy/lds.json"


@dataclass(frozen=True)
class Stage:
    """A generation to switch to.

    ``name`` is the revision in force, and behind a ``+`` the other one in a generation of passage. ``versions`` is the
    version text that Envoy reports, by kind of file, when it is there.
    """

    name: str
    bundle: Bundle
    versions: dict[str, str]

    @property
    def secrets(self) -> tuple[str, ...]:
        """What Envoy calls the certificates that it needs."""
        return tuple(PurePosixPath(file).stem for file in self.bundle.secrets)


def stages(old: Bundle | None, new: Bundle) -> list[Stage]:
    """The generations to switch to one after the other; the last one is ``new`` itself."""
    final = Stage(new.revision, new, dict.fromkeys(("lds", "cds", "rds"), new.revision))
    if old is None:
        return [final]
    before, after = _clusters(old), _clusters(new)
    both = f"{old.revision}+{new.revision}"
    union = canonical({"version_info": both, "resources": [*({**before, **after}).values()]}).encode()
    secrets = {**old.secrets, **new.secrets}  # the name of a secret never changes its meaning
    way: list[Stage] = []
    if set(after) - set(before):  # the new clusters, under the old routes
        bundle = replace(old, files={**old.files, **secrets, CDS: union})
        way.append(Stage(both, bundle, {"lds": old.revision, "cds": both, "rds": old.revision}))
    if set(before) - set(after):  # the new routes, over the clusters of both
        bundle = replace(new, files={**new.files, **secrets, CDS: union})
        name, versions = f"{new.revision}+{old.revision}", {"lds": new.revision, "cds": both, "rds": new.revision}
        way.append(Stage(name, bundle, versions))
    return [*way, final]


def _clusters(bundle: Bundle) -> dict[str, object]:
    return {cluster["name"]: cluster for cluster in bundle.resource("cds")}
