"""gatectl keys show."""

from gatectl.commands.keys.options import KeyId, SpecFiles, shown
from gatectl.commands.options import DEFAULT_STATE_DIR, OutputOption, RedisUrl, StateDir
from gatectl.views import view


def run(
    key_id: KeyId,
    files: SpecFiles = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    redis_url: RedisUrl = None,
    output: OutputOption = "human",
) -> None:
    """Show everything that is known of an API key, but for its hash.

    Examples:

      gatectl keys show 1f8k2m0q4zxa
    """
    from gatectl.runtime import api_keys
    from gatectl.runtime.keyring import keyring

    view(output).result("key", shown(api_keys.find(keyring(state_dir, redis_url, files or []), key_id)))
