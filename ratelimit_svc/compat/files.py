"""Configuration files of envoyproxy/ratelimit → :class:`Config`. Pure; all mistakes at once, each with its place.

What the reference reads is read, what it refuses is refused: unknown words, duplicates, bad units. A word that it
knows and ignores where it stands (``shadow_mode`` inside ``rate_limit``) is ignored as well, and told.
"""

import hashlib
import re
from collections.abc import Mapping as Texts
from dataclasses import dataclass

from ratelimit_svc.compat.config import UNIT_SECONDS, Config, Level, Node, Rate, Rule, label
from ratelimit_svc.compat.yaml_tree import Finding, Leaf, Mapping, Place, Sequence, Tree, YamlReader

_ROOT = {"domain", "descriptors"}
_DESCRIPTOR = {
    "key", "value", "rate_limit", "descriptors", "shadow_mode", "quota_mode", "detailed_metric", "value_to_metric",
    "share_threshold", "metadata",
}  # fmt: skip
_RATE_LIMIT = {"unit", "requests_per_unit", "unlimited", "name", "replaces"}
_REPLACES = {"name"}
_KNOWN = _ROOT | _DESCRIPTOR | _RATE_LIMIT
_TRUE = {"y", "yes", "true", "on"}
_WHOLE = re.compile(r"0[xX][0-9a-fA-F]+|0[bB][01]+|0[0-7]*|[1-9][0-9]*")
MAX_UINT32 = 2**32 - 1
SUFFIXES = (".yaml", ".yml", ".json", "")
"""How the names of configuration files end. The reference reads files of any name; JSON is YAML."""


class ConfigError(ValueError):
    """The files cannot be obeyed. ``findings`` are all mistakes in reading order."""

    def __init__(self, findings: list[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("; ".join(map(str, findings)))


@dataclass(frozen=True)
class Loaded:
    """``warnings`` are about words that stand where nobody reads them."""

    config: Config
    warnings: tuple[Finding, ...]


def load(texts: Texts[str, str], *, merge_domains: bool = False) -> Loaded:
    """The rules of all files (name → text), in the order of their names. Raises ConfigError.

    ``merge_domains``: several files may say something about one domain (MERGE_DOMAIN_CONFIG of the reference).
    """
    findings: list[Finding] = []
    domains: dict[str, list[_Draft]] = {}
    for name, text in sorted(texts.items()):
        reader = YamlReader(name)
        tree = reader.read(text)
        findings += reader.findings
        file = _File(name, findings)
        domain, drafts = file.root(tree) if tree is not None or not reader.findings else ("", [])
        if domain in domains and not merge_domains:
            findings.append(Finding(file.domain_at, f'the domain "{domain}" is in another file already'))
        elif domain:
            domains.setdefault(domain, []).extend(drafts)
    levels = {domain: _level(domain, drafts, findings) for domain, drafts in domains.items()}
    mistakes = sorted({finding for finding in findings if finding.is_error})
    if mistakes:
        raise ConfigError(mistakes)
    digest = hashlib.sha256("\0".join(part for item in sorted(texts.items()) for part in item).encode())
    warnings = tuple(sorted({finding for finding in findings if not finding.is_error}))
    return Loaded(Config(digest.hexdigest()[:12], levels), warnings)


@dataclass(frozen=True)
class _Draft:
    """A descriptor as it was read, before its name in metrics and its duplicates are known."""

    place: Place
    key: str
    value: str
    rate_limit: "_RateLimit | None"
    flags: dict[str, bool]
    below: list["_Draft"]


@dataclass(frozen=True)
class _RateLimit:
    rate: Rate | None
    name: str
    replaces: tuple[str, ...]


def _level(path: str, drafts: list[_Draft], findings: list[Finding]) -> Level:
    seen: dict[tuple[str, str], _Draft] = {}
    nodes = []
    for draft in drafts:
        first = seen.setdefault((draft.key, draft.value), draft)
        if first is not draft:
            message = f'the descriptor "{label(draft.key, draft.value)}" is there already, on line {first.place.line}'
            findings.append(Finding(draft.place, message))
        below = f"{path}.{label(draft.key, draft.value)}"
        level, said, flags = _level(below, draft.below, findings), draft.rate_limit, draft.flags
        rule = (
            None
            if said is None
            else Rule(
                path=below,
                rate=said.rate,
                name=said.name,
                replaces=said.replaces,
                shadow=flags["shadow_mode"],
                quota=flags["quota_mode"],
                detailed_metric=flags["detailed_metric"],
            )
        )
        nodes.append(
            Node(draft.key, draft.value, rule, flags["share_threshold"], flags["value_to_metric"], level, draft.place)
        )
    return Level(nodes)


class _File:
    """Reads the tree of one file."""

    def __init__(self, name: str, findings: list[Finding]) -> None:
        self.domain_at = Place(name, 1, 1)
        self._findings = findings

    def root(self, tree: Tree | None) -> tuple[str, list[_Draft]]:
        """The domain, empty when there is none, and its descriptors."""
        if not isinstance(tree, Mapping):
            self._wrong(tree.place if tree else self.domain_at, "a configuration is a mapping with a domain")
            return "", []
        self._words(tree, _ROOT, "a configuration")
        domain = self._text(tree, "domain")
        if "domain" in tree.fields:
            self.domain_at = tree.fields["domain"][0]
        if not domain and isinstance(self._field(tree, "domain"), Leaf | None):
            self._wrong(self.domain_at, "the domain must not be missing or empty")
        return domain, self._descriptors(tree)

    def _descriptors(self, tree: Mapping) -> list[_Draft]:
        return [self._descriptor(item) for item in self._mappings(tree, "descriptors")]

    def _descriptor(self, tree: Mapping) -> _Draft:
        self._words(tree, _DESCRIPTOR, "a descriptor")
        key, value = self._text(tree, "key"), self._text(tree, "value")
        words = ("shadow_mode", "quota_mode", "detailed_metric", "value_to_metric", "share_threshold")
        flags = {word: self._flag(tree, word) for word in words}
        if not key:
            self._wrong(tree.place, "a descriptor must have a key")
        if flags["share_threshold"] and "*" not in key + value:
            self._wrong(tree.fields["share_threshold"][0], "share_threshold is for keys and values with a *")
        if not isinstance(metadata := self._field(tree, "metadata"), Mapping | None):
            self._wrong(metadata.place, "metadata is a mapping")
        limit = self._field(tree, "rate_limit")
        if limit is not None and not isinstance(limit, Mapping):
            self._wrong(limit.place, "rate_limit is a mapping")
        rate_limit = self._rate_limit(limit) if isinstance(limit, Mapping) else None
        for word in ("shadow_mode", "quota_mode", "detailed_metric"):
            if rate_limit is None and flags[word]:
                self._warn(tree.fields[word][0], f"{word} does nothing where there is no rate_limit")
        return _Draft(tree.place, key, value, rate_limit, flags, self._descriptors(tree))

    def _rate_limit(self, tree: Mapping) -> _RateLimit:
        self._words(tree, _RATE_LIMIT, "a rate_limit")
        unlimited, word = self._flag(tree, "unlimited"), self._text(tree, "unit")
        unit, requests = word.lower(), self._number(tree, "requests_per_unit")
        place = tree.fields["unit"][0] if "unit" in tree.fields else tree.place
        rate = None
        if unlimited:
            if unit in UNIT_SECONDS:
                self._wrong(place, "what is unlimited has no unit")
        elif unit not in UNIT_SECONDS:
            told = f'"{word}" is no unit' if word else "the unit is missing"
            self._wrong(place, f"{told}; there are {', '.join(UNIT_SECONDS)}")
        else:
            rate = Rate(requests, unit)
            if "requests_per_unit" not in tree.fields:
                self._warn(tree.place, "requests_per_unit is missing: it is 0, and every request is refused")
        name, replaces = self._text(tree, "name"), []
        for item in self._mappings(tree, "replaces"):
            self._words(item, _REPLACES, "an entry of replaces")
            replaced = self._text(item, "name")
            if not replaced:
                self._wrong(item.place, "an entry of replaces must have a name")
            elif replaced == name:
                self._wrong(item.place, f'"{name}" cannot replace itself')
            replaces.append(replaced)
        return _RateLimit(rate, name, tuple(replaces))

    def _words(self, tree: Mapping, here: set[str], what: str) -> None:
        for word, (place, _) in tree.fields.items():
            if word not in _KNOWN:
                self._wrong(place, f'"{word}" is no word of the configuration')
            elif word not in here:
                self._warn(place, f'"{word}" is not read in {what}')

    def _field(self, tree: Mapping, word: str) -> Tree | None:
        _, found = tree.fields.get(word, (None, None))
        return None if isinstance(found, Leaf) and found.kind == "null" else found

    def _leaf(self, tree: Mapping, word: str) -> Leaf | None:
        found = self._field(tree, word)
        if found is not None and not isinstance(found, Leaf):
            self._wrong(found.place, f"{word} is a single value")
            return None
        return found

    def _text(self, tree: Mapping, word: str) -> str:
        leaf = self._leaf(tree, word)
        if leaf is not None and leaf.kind == "float":
            self._wrong(leaf.place, f"{word} is text: write {leaf.text} in quotes")
        return leaf.text if leaf is not None else ""

    def _flag(self, tree: Mapping, word: str) -> bool:
        leaf = self._leaf(tree, word)
        if leaf is None:
            return False
        if leaf.kind != "bool" and not (leaf.kind == "str" and leaf.text in {"y", "Y", "n", "N"}):
            self._wrong(leaf.place, f"{word} is true or false")
        return leaf.text.lower() in _TRUE

    def _number(self, tree: Mapping, word: str) -> int:
        leaf = self._leaf(tree, word)
        if leaf is None:
            return 0
        digits = leaf.text.replace("_", "").removeprefix("+")
        if leaf.kind != "int" or len(digits) > 40 or not _WHOLE.fullmatch(digits):
            number = -1
        else:  # 010 is octal to yaml.v2
            number = int(digits, 8) if digits.isdecimal() and digits[0] == "0" else int(digits, 0)
        if not 0 <= number <= MAX_UINT32:
            self._wrong(leaf.place, f"{word} is a whole number from 0 to {MAX_UINT32}")
            return 0
        return number

    def _mappings(self, tree: Mapping, word: str) -> list[Mapping]:
        found = self._field(tree, word)
        if found is None:
            return []
        if not isinstance(found, Sequence):
            self._wrong(found.place, f"{word} is a list")
            return []
        for item in found.items:
            if not isinstance(item, Mapping):
                self._wrong(item.place, f"{word} is a list of mappings")
        return [item for item in found.items if isinstance(item, Mapping)]

    def _wrong(self, place: Place, message: str) -> None:
        self._findings.append(Finding(place, message))

    def _warn(self, place: Place, message: str) -> None:
        self._findings.append(Finding(place, message, is_error=False))
