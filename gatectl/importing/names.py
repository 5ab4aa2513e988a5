"""Words of others → names of the language: lower-case letters, digits and dashes, each only once."""

import re
import unicodedata

LONGEST = 63


class Names:
    """Mints names of one kind. The same word always gets the same name, two words never share one."""

    def __init__(self) -> None:
        self._by_word: dict[str, str] = {}
        self._taken: set[str] = set()

    def of(self, word: str, otherwise: str) -> str:
        """The name for ``word``; made of ``otherwise`` when nothing of it can stand in a name."""
        if word not in self._by_word:
            self._by_word[word] = self.fresh(word, otherwise)
        return self._by_word[word]

    def fresh(self, word: str, otherwise: str) -> str:
        """A name that nobody has, like ``word``."""
        wanted = slug(word) or otherwise
        name, number = wanted, 2
        while name in self._taken:
            suffix = f"-{number}"
            name, number = wanted[: LONGEST - len(suffix)] + suffix, number + 1
        self._taken.add(name)
        return name


def slug(word: str) -> str:
    """``listPets`` → ``list-pets``, ``write:pets`` → ``write-pets``; empty when nothing is left."""
    ascii_only = unicodedata.normalize("NFKD", word[:1000]).encode("ascii", "ignore").decode()
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", ascii_only)
    return re.sub(r"[^a-z0-9]+", "-", split.lower()).strip("-")[:LONGEST].rstrip("-")


def variable(word: str, taken: set[str], number: int) -> str:
    """A variable of a path template; ``taken`` are those it already has."""
    name = re.sub(r"[^a-z0-9]+", "_", slug(word)).strip("_")
    name = name if name[:1].isalpha() else f"p{number}_{name}".rstrip("_")
    while name in taken:
        name = f"{name}_{number}"
    return name
