"""gatectl validate."""

from gatectl.commands.options import DEFAULT_FILES, EnvoyOption, Files, OutputOption
from gatectl.views import view


def run(files: Files = DEFAULT_FILES, envoy: EnvoyOption = "auto", output: OutputOption = "human") -> None:
    """Check a spec without touching anything.

    The spec first, then what it renders to against Envoy's typed API, then by a real Envoy where there is one. All
    mistakes are shown at once; exit code 65 says that there are some.

    Examples:

      gatectl validate -f gateway.yaml

      gatectl validate -f base.yaml -f prod.yaml -o json

      gatectl validate -f gateway.yaml --envoy off
    """
    from gatectl.rollout.candidate import prove, read

    candidate = prove(read(files), envoy, both=True)
    spec = candidate.spec
    data = {
        "valid": True,
        "gateway": spec.name,
        "revision": candidate.bundle.revision,
        "routes": len(spec.routes),
        "upstreams": len(spec.upstreams),
        "rate_limits": len(spec.rate_limits),
        "envoy": candidate.seen_by_envoy,
        "diagnostics": [one.data() for one in candidate.unchecked],
    }
    view(output).result("validated", data)
