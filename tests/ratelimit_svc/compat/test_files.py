"""What is read of a configuration file, what is refused, and which rule a descriptor finds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratelimit_svc.compat import files
from ratelimit_svc.compat.config import Rate

LIMIT = "rate_limit: {unit: hour, requests_per_unit: 1}"


def config(descriptors: str) -> files.Loaded:
    return files.load({"c.yaml": f"domain: d\ndescriptors: {descriptors}"})


def mistakes(**texts: str) -> list[str]:
    with pytest.raises(files.ConfigError) as caught:
        files.load({name.replace("_", "."): text for name, text in texts.items()})
    return [str(finding) for finding in caught.value.findings]


WRONG = {
    "": "c.yaml:1:1: a configuration is a mapping with a domain",
    "[]": "c.yaml:1:1: a configuration is a mapping with a domain",
    "descriptors: []": "c.yaml:1:1: the domain must not be missing or empty",
    "domain: ''": "c.yaml:1:1: the domain must not be missing or empty",
    "domain: [a]": "c.yaml:1:9: domain is a single value",
    "domain: 1.5": "c.yaml:1:9: domain is text: write 1.5 in quotes",
    "domain: d\nDomain: d": 'c.yaml:2:1: "Domain" is no word of the configuration',
    "domain: d\ndomain: e": 'c.yaml:2:1: "domain" stands twice, first on line 1',
    "domain: d\ndescriptors: {key: a}": "c.yaml:2:14: descriptors is a list",
    "domain: d\ndescriptors: [a]": "c.yaml:2:15: descriptors is a list of mappings",
    "domain: d\ndescriptors: [{value: a}]": "c.yaml:2:15: a descriptor must have a key",
    "domain: d\ndescriptors: [{key: a}, {key: a}]": 'c.yaml:2:25: the descriptor "a" is there already, on line 2',
    "domain: d\ndescriptors: [{key: a, shadow_mode: 1}]": "c.yaml:2:37: shadow_mode is true or false",
    "domain: d\ndescriptors: [{key: a, value: b, share_threshold: true}]": (
        "c.yaml:2:34: share_threshold is for keys and values with a *"
    ),
    "domain: d\ndescriptors: [{key: a, rate_limit: 3}]": "c.yaml:2:36: rate_limit is a mapping",
    "domain: d\ndescriptors: [{key: a, rate_limit: {unit: fortnight}}]": (
        'c.yaml:2:37: "fortnight" is no unit; there are second, minute, hour, day, week, month, year'
    ),
    "domain: d\ndescriptors: [{key: a, rate_limit: {unit: day, unlimited: true}}]": (
        "c.yaml:2:37: what is unlimited has no unit"
    ),
    "domain: d\ndescriptors: [{key: a, rate_limit: {unit: day, requests_per_unit: 4294967296}}]": (
        "c.yaml:2:67: requests_per_unit is a whole number from 0 to 4294967295"
    ),
    "domain: d\ndescriptors: [{key: a, rate_limit: {unit: day, replaces: [{name: ''}]}}]": (
        "c.yaml:2:59: an entry of replaces must have a name"
    ),
    "domain: d\ndescriptors: [{key: a, rate_limit: {unit: day, name: n, replaces: [{name: n}]}}]": (
        'c.yaml:2:68: "n" cannot replace itself'
    ),
    "domain: d\ndescriptors: [{key: a, metadata: [a]}]": "c.yaml:2:34: metadata is a mapping",
    "domain: d\ndescriptors: [{key: a, rate_limit: {unit: day, unit_multiplier: 2}}]": (
        'c.yaml:2:48: "unit_multiplier" is no word of the configuration'
    ),
    "domain: d\ndescriptors: [{key: !!binary aGk=}]": (
        "c.yaml:2:21: the YAML tag tag:yaml.org,2002:binary is not supported"
    ),
    "domain: d\n---\ndomain: e": ("c.yaml:2:1: expected a single document in the stream but found another document"),
    "domain: d\ndescriptors: [&a {key: a}, {key: b, <<: *a}]": (
        'c.yaml:2:37: << brings "key", which stands before it: write << first, and once'
    ),
    "domain: d\ndescriptors: [&a {key: a}, {<<: *a, <<: *a, value: b}]": (
        'c.yaml:2:37: << brings "key", which stands before it: write << first, and once'
    ),
    "domain: d\ndescriptors: [{<<: 3, key: a}]": "c.yaml:2:16: << takes a mapping or a list of mappings",
    "domain: d\ndescriptors: &a [{key: a, descriptors: *a}]": (
        "c.yaml:2:14: an alias makes the file endless or far too large"
    ),
    "domain: d\ndescriptors: &a [*a]": "c.yaml:2:14: an alias makes the file endless or far too large",
    "domain: \udcff": "c.yaml:1:9: the file is not UTF-8",
    "domain: d\ndescriptors: " + "[" * 100: "c.yaml:2:76: the file is nested too deeply",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_mistake_is_told_with_its_place(text: str) -> None:
    assert mistakes(c_yaml=text) == [WRONG[text]]


def test_all_mistakes_of_all_files_are_told_at_once() -> None:
    assert mistakes(
        a_yaml="domain: d\ndescriptors:\n- {key: a, nonsense: 1}\n- {}", b_yaml="domain: d", c_yaml="domain: {"
    ) == [
        'a.yaml:3:12: "nonsense" is no word of the configuration',
        "a.yaml:4:3: a descriptor must have a key",
        'b.yaml:1:1: the domain "d" is in another file already',
        "c.yaml:2:1: while parsing a flow node did not find expected node content",
    ]


def test_files_about_one_domain_are_merged_where_that_is_wanted() -> None:
    texts = {name: f"domain: d\ndescriptors: [{{key: {name}, {LIMIT}}}]" for name in ("a", "b")}
    assert files.load(texts, merge_domains=True).config.rules == 2


@pytest.mark.parametrize(
    ("descriptor", "warning"),
    [
        ("{key: a, rate_limit: {unit: day, requests_per_unit: 1, shadow_mode: true}}", "shadow_mode"),
        ("{key: a, unit: day}", "unit"),
        ("{key: a, shadow_mode: true}", "shadow_mode does nothing"),
        ("{key: a, rate_limit: {unit: day}}", "requests_per_unit is missing"),
    ],
)
def test_a_word_that_does_nothing_where_it_stands_is_a_warning(descriptor: str, warning: str) -> None:
    [found] = config(f"[{descriptor}]").warnings
    assert warning in found.message


@pytest.mark.parametrize(
    ("written", "rate"),
    [
        ("{unit: second, requests_per_unit: 10}", Rate(10, "second")),
        ("{unit: MINUTE, requests_per_unit: 1_000}", Rate(1000, "minute")),
        ("{unit: Week, requests_per_unit: 0x10}", Rate(16, "week")),
        ("{unit: month, requests_per_unit: 010}", Rate(8, "month")),
        ("{unit: year, requests_per_unit: null}", Rate(0, "year")),
        ("{unlimited: yes}", None),
    ],
)
def test_numbers_and_units_are_read_as_go_reads_them(written: str, rate: Rate | None) -> None:
    found = config(f"[{{key: a, rate_limit: {written}}}]").config.match("d", [("a", "x")])
    assert found is not None
    assert found.rule.rate == rate


def test_scalars_are_text_where_text_is_wanted_and_anchors_are_followed() -> None:
    loaded = config(
        f"[{{key: a, value: 012, descriptors: &x [{{key: b, value: yes, {LIMIT}}}]}}, {{key: c, descriptors: *x}}]"
    )
    for way in ([("a", "012"), ("b", "yes")], [("c", "any"), ("b", "yes")]):
        assert loaded.config.match("d", way) is not None


def test_fields_of_one_mapping_can_be_taken_over_by_another() -> None:
    loaded = config(
        f"[{{key: a, descriptors: [&x {{key: b, value: c, {LIMIT}}}, {{<<: *x, value: d}}, {{<<: [*x], key: e}}]}},"
        f" {{key: f, descriptors: [{{key: g, <<: &y {{{LIMIT}}}}}, {{key: h, <<: *y}}]}}]"
    )
    assert loaded.config.match("d", [("f", ""), ("h", "")]) is not None
    for entry in (("b", "c"), ("b", "d"), ("e", "c")):
        assert loaded.config.match("d", [("a", ""), entry]) is not None


FOUND = f"""
- {{key: path, value: /a, {LIMIT}}}
- {{key: path, value: "/a*", {LIMIT}}}
- {{key: path, value: "/*z", {LIMIT}}}
- {{key: path, {LIMIT}, descriptors: [{{key: user, {LIMIT}}}, {{key: user, value: me}}]}}
- {{key: any, {LIMIT}}}
- {{key: any, value: "*", {LIMIT}}}
- {{key: "tenant*", {LIMIT}}}
- {{key: "zone*", value: eu, {LIMIT}}}
- {{key: "*end", {LIMIT}}}
- {{key: abab, value: "ab*ab", {LIMIT}}}
- {{key: abab, value: "*b*b*c", {LIMIT}}}
"""


@pytest.mark.parametrize(
    ("entries", "rule"),
    [
        ([("path", "/a")], "path_/a"),
        ([("path", "/az")], "path_/a*"),
        ([("path", "/bz")], "path_/*z"),
        ([("path", "/b")], "path"),
        ([("path", "")], "path"),
        ([("any", "")], "any_*"),
        ([("path", "/b"), ("user", "you")], "path.user"),
        ([("path", "/b"), ("user", "me")], None),
        ([("path", "/a"), ("user", "you")], None),
        ([("path", "/b"), ("user", "you"), ("more", "")], None),
        ([("tenant_7", "x")], "tenant*"),
        ([("zone1", "eu")], "zone*_eu"),
        ([("zone1", "us")], None),
        ([("whatever", "week-end")], "*end"),
        ([("abab", "abab")], "abab_ab*ab"),
        ([("abab", "ab")], None),
        ([("abab", "xbybc")], "abab_*b*b*c"),
        ([("abab", "xbc")], None),
        ([("other", "x")], None),
        ([], None),
    ],
)
def test_a_descriptor_finds_the_rule_at_its_own_depth(entries: list[tuple[str, str]], rule: str | None) -> None:
    found = config(FOUND).config.match("d", entries)
    assert (found and found.rule.path) == (rule and f"d.{rule}")


def test_spelling_makes_no_two_descriptors_one() -> None:
    loaded = config(f"[{{key: a_b, {LIMIT}}}, {{key: a, value: b_c}}]").config
    assert loaded.match("d", [("a", "b")]) is None


def test_values_stand_in_the_name_for_metrics_only_where_they_are_asked_for() -> None:
    loaded = config(
        f"[{{key: a, {LIMIT}}}, {{key: b, detailed_metric: true, {LIMIT}}},"
        f'{{key: c, value_to_metric: true, descriptors: [{{key: e, value: "x*", share_threshold: true, {LIMIT}}}]}}]'
    ).config
    ways = [[("a", "1")], [("b", "1")], [("c", "1"), ("e", "x1")]]
    assert [loaded.match("d", way).metric for way in ways] == ["d.a", "d.b_1", "d.c_1.e_x*"]  # type: ignore[union-attr]


@given(st.text(alphabet="abdomain:descriptorskeyvlu[]{}*&-<\n 1.'\""))
def test_any_text_is_read_or_refused(text: str) -> None:
    for whole in (text, f"domain: d\ndescriptors:\n- key: {text}"):
        try:
            files.load({"c.yaml": whole})
        except files.ConfigError as error:
            assert error.findings  # noqa: PT017 - which of both happens is not the point
