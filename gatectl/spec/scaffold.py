"""The commented spec that `gatectl init` writes."""

from importlib import resources


def scaffold() -> str:
    """A spec that is valid as it is, and says what else could be there."""
    return resources.files("gatectl.spec").joinpath("scaffold.yaml").read_text(encoding="utf-8")
