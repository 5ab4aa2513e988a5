"""Settings of the service while it obeys files of envoyproxy/ratelimit, and whether it does."""

import argparse
from collections.abc import Mapping, Sequence

from ratelimit_svc import settings
from serving.settings import Setting, choice, directory, switch

COMPAT_CONFIG = Setting(
    "compat-config", directory, None, "directory of envoyproxy/ratelimit configuration files, obeyed as they are"
)
SETTINGS = (
    *(one for one in settings.SETTINGS if one.name != COMPAT_CONFIG.name),
    Setting(
        "when-redis-is-away",
        choice("deny", "allow"),
        "deny",
        "deny: Envoy's failure mode decides; allow: local counters",
    ),
    Setting("shadow-mode", switch, "false", "let every call through, and count it all the same"),
    Setting("response-headers", switch, "false", "tell clients RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset"),
    Setting("merge-domains", switch, "false", "several files may say something about one domain"),
)


def wanted(argv: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Whether the command line or the environment names a directory of such files."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument(f"--{COMPAT_CONFIG.name}", nargs="?", const="", dest="given")
    given = parser.parse_known_args(argv)[0].given
    return bool(environ.get("RATELIMIT_SVC_COMPAT_CONFIG") if given is None else given)
