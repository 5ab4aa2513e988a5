"""gatectl version."""

from gatectl import __version__
from gatectl.commands.options import OutputOption
from gatectl.views import view


def run(output: OutputOption = "human") -> None:
    """Print the version of gatectl and of the Envoy binary that it would use.

    Examples:

      gatectl version

      gatectl version -o json
    """
    from gatectl.rollout.envoy_binary import envoy_version, find_envoy

    binary = find_envoy()
    data = {"gatectl": __version__, "envoy": envoy_version(binary) if binary else None}
    view(output).result("version", data)
