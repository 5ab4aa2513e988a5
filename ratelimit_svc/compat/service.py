"""The service that obeys files of envoyproxy/ratelimit, as its parent process knows it, and whether it is wanted."""

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ratelimit_svc import settings
from serving.service import Service
from serving.settings import Setting, Values, choice, directory, switch
from serving.text_files import text_files

if TYPE_CHECKING:
    from ratelimit_svc.compat.config import Config
    from serving.worker import Worker

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


def mistakes(values: Values) -> list[str]:
    """What keeps the service from starting: every mistake in the files, or that there are none."""
    from ratelimit_svc.compat import files  # noqa: PLC0415 - YAML, which the parent needs for nothing else

    try:
        files.load(text_files(values[COMPAT_CONFIG.key], files.SUFFIXES), merge_domains=values["merge_domains"])
    except files.ConfigError as error:
        return [str(finding) for finding in error.findings]
    except OSError as error:
        return [f"the configuration files cannot be read: {error.strerror}"]
    return []


def _worker() -> "Worker[Config]":
    from ratelimit_svc.compat.server import WORKER  # noqa: PLC0415 - the parent process does without

    return WORKER


SERVICE = Service(name="ratelimit_svc", worker=_worker, settings=SETTINGS, directory=COMPAT_CONFIG, mistakes=mistakes)
