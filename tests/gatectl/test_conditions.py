"""The expression language: what is refused, where exactly, and that no text makes the parser fail."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ext_authz import condition as c
from ext_authz import policy as authz
from gatectl.diagnostics import SpecError
from gatectl.spec.conditions import ConditionError, Mistake, Scope, parse
from gatectl.spec.load import load

SCOPE = Scope(("customer_id", "from"), {"admin": ("admin",), "agent": ("agent", "admin")}, "x-key", "api.key")

WRONG = [
    # § stands before the very word
    ("path.§customer == user.id", 'unknown path variable "customer"'),
    ("§pth.customer_id == user.id", 'unknown word "pth"'),
    ("user.id == §customer_id", '"customer_id" is unknown'),
    ("user.id == §user.a.b", '"user.a.b" is unknown'),
    ("§lower(user.id) == 'a'", 'unknown function "lower"'),
    ("§eval('1')", 'unknown function "eval"'),
    ("§user.level >= 3", "user.level is a text and is compared with a number"),
    ("number(user.level) >= §'3'", "'3' is a text and is compared with a number"),
    ("§user.plan < user.id", "user.plan is a text, and texts have no order"),
    ("§'a' == 'a'", "two constants are compared"),
    ("§1 == 1", "two constants are compared"),
    ("§'a' in ['a']", "two constants are compared"),
    ("1 < number(user.a) < §5", "one comparison at a time"),
    ("user.id §= path.customer_id", "= compares nothing"),
    ("user.id == 'a' §&& user.plan == 'b'", "&& is no part of a condition"),
    ("§!has(user.plan)", "! is no part of a condition"),
    ("user.id is §user.plan", "`is` compares nothing"),
    ("§user.id", "user.id alone is no condition"),
    ("§'a'", "'a' alone is no condition"),
    ("§number(user.a)", "number(user.a) alone is no condition"),
    ("§has(user.plan) == 'a'", "has(…) is true or false: it is not compared"),
    ("§has()", "has takes 1 argument"),
    ("§startswith(user.id)", "startswith takes 2 arguments"),
    ("§has(user.id, name='a')", "has takes 1 argument"),
    ("has(§path.customer_id)", "path.customer_id is always there"),
    ("startswith(user.id, §3)", "startswith takes texts, not numbers"),
    ("startswith(user.id, §'')", "every text has an empty part"),
    ("startswith(§'a', user.id)", "\"'a'\" is a constant"),
    ("§'agnt' in user.roles", 'unknown role "agnt"'),
    ("§user.plan in user.roles", '"user.plan" is no text'),
    ("user.plan in §user.id", "after `in` stands a list of 1 to 64 texts, or user.roles"),
    ("user.plan in §[]", "after `in` stands a list of 1 to 64 texts, or user.roles"),
    ("user.§roles == 'admin'", "user.roles is a list"),
    ("user.§Tenant == 'a'", '"Tenant" is no name of an attribute'),
    ("request.§path == '/'", 'unknown property of a request "path"'),
    ("§header.x-tenant == 'a'", '"header.x-tenant" is no part of a condition'),
    ("header.§connection == 'a'", "connection is for the next hop, not for conditions"),
    ("has(header[§'X-Gate-User'])", "x-gate-user is written by the gateway"),
    ("has(header[§'authorization'])", "authorization carries credentials"),
    ("has(header[§'X-Key'])", "x-key carries credentials"),
    ("has(header[§'x-forwarded-for'])", "x-forwarded-for is written by the gateway"),
    ("has(header[§'x_a'])", '"x_a" is no name of a header that gets through'),
    ("has(header[§3])", '"3" is no text'),
    ("has(query[§'api.key'])", "api.key carries credentials"),
    ("has(query[§''])", "the name of a parameter has 1 to 128 characters"),
    ("user.id == §f'a'", "\"f'a'\" is no part of a condition"),
    ("user.id == §b'a'", "\"b'a'\" is no whole number"),
    ("user.id == §r'a'", "a text stands in one pair of quotes"),
    ("user.id == §'a' 'b'", "a text stands in one pair of quotes"),
    ("user.id == §'''a'''", "a text stands in one pair of quotes"),
    ("user.id == 'a§\\x41'", '"\\" is no part of a condition'),
    ("user.id == 'a' §# and more", '"#" is no part of a condition'),
    ("user.id == 'a§\x00'", "a control character is no part of a condition"),
    ("number(user.a) == §1.5", '"1.5" is no whole number of up to 15 digits'),
    ("number(user.a) == §0x10", '"0x10" is no whole number'),
    ("number(user.a) == §1_000", '"1_000" is no whole number'),
    ("number(user.a) == §1234567890123456", "is no whole number of up to 15 digits"),
    ("user.id == §True", '"True" is no whole number'),
    ("user.id == 'ü' and §lower(user.id) == 'a'", 'unknown function "lower"'),
    ("§[user.id == 'a' for x in y]", "is no part of a condition"),
    ("§lambda: 1", "is no part of a condition"),
    ("(§x := user.id) == 'a'", None),
    ("§user.id == user.id if has(user.a) else user.b", None),
    ("§user.ｉd == 'a'", "is not written in plain letters"),
    ("§__import__('os').system('x')", "unknown function"),
    ("user.id == 'a' §)", "the condition cannot be read here"),
    ("user.id == 'a'§) or (user.id == 'b'", "the condition cannot be read here"),
    ("user.id ==", "the condition cannot be read here"),
    ("§", "the condition cannot be read here"),
    ("not " * 20 + "has(user.a)", "the condition is nested too deeply"),
    ("(" * 300 + ")" * 300, "the condition cannot be read"),
    ("user.id == '" + "a" * 1024 + "'", "longer than 1024 characters"),
]


@pytest.mark.parametrize(("marked", "message"), WRONG)
def test_what_is_no_condition_is_refused_at_the_very_word(marked: str, message: str | None) -> None:
    text = marked.replace("§", "")
    with pytest.raises(ConditionError) as caught:
        parse(text, SCOPE)
    (mistake,) = caught.value.mistakes
    assert message is None or message in mistake.message
    assert "§" not in marked or text[mistake.offset :] == marked.partition("§")[2]


def test_every_side_of_and_and_or_tells_its_mistake() -> None:
    with pytest.raises(ConditionError) as caught:
        parse("path.a == user.id and (foo(user.id) or user.b > 3) and has(user.c)", SCOPE)
    assert [mistake.offset for mistake in caught.value.mistakes] == [5, 23, 39]


FACT = {name: c.Fact(source="attribute", name=name) for name in "ab"}


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ('  user.a == "x" ', c.Compare(operator="==", left=FACT["a"], right=c.Text(value="x"))),
        ("user.a\n==\nuser.b", c.Compare(operator="==", left=FACT["a"], right=FACT["b"])),
        ('user["a"] != user.b', c.Compare(operator="!=", left=FACT["a"], right=FACT["b"])),
        (
            "-3 < number(user.a)",
            c.Compare(operator="<", left=c.Number(value=-3), right=c.NumberOf(fact=FACT["a"])),
        ),
        ('user.a not in ("x", "y")', c.Not(condition=c.OneOf(fact=FACT["a"], values=("x", "y")))),
        ('"agent" in user.roles', c.HasRole(roles=("agent", "admin"))),
        (
            "has(user.a) or not has(user.b)",
            c.Any(conditions=(c.Has(fact=FACT["a"]), c.Not(condition=c.Has(fact=FACT["b"])))),
        ),
        ('contains(user.a, "x")', c.Part(function="contains", fact=FACT["a"], part=c.Text(value="x"))),
        ('path["from"] == user.a', c.Compare(operator="==", left=c.Fact(source="path", name="from"), right=FACT["a"])),
        (
            'header["X-A"] == "ü"',
            c.Compare(operator="==", left=c.Fact(source="header", name="x-a"), right=c.Text(value="ü")),
        ),
    ],
)
def test_an_expression_becomes_a_typed_condition_that_survives_the_policy_document(
    text: str, condition: c.Condition
) -> None:
    assert parse(text, SCOPE) == condition
    rule = authz.Rule(where=condition)
    assert authz.Rule.model_validate_json(rule.model_dump_json()) == rule


WORDS = [
    "path",
    ".",
    "customer_id",
    "user",
    "id",
    "==",
    "!=",
    "<",
    "in",
    "not",
    "and",
    "or",
    "(",
    ")",
    "[",
    "]",
    "'",
    '"',
]
WORDS += [
    "number",
    "has",
    "startswith",
    ",",
    "3",
    "-",
    "=",
    "header",
    "query",
    "roles",
    "is",
    "if",
    "else",
    "lambda",
    ":",
]
WORDS += ["*", "**", "{", "}", "f'", "\n", "\\", "await", "yield", ":=", "…", "ü", "0x", "1e9", "...", "@", "~", "%"]


@settings(max_examples=600, deadline=None)
@given(text=st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join) | st.text(max_size=60))
def test_no_text_makes_the_parser_fail_otherwise(text: str) -> None:
    mistakes: tuple[Mistake, ...] | None = None
    try:
        parse(text, SCOPE)
    except ConditionError as error:
        mistakes = error.mistakes
    assert mistakes != ()
    assert all(0 <= mistake.offset <= len(text) for mistake in mistakes or ())


SPEC = """\
version: 1
name: conditions
authentication: {api_keys: {}}
upstreams: {u: {endpoints: ["127.0.0.1:9"]}}
routes:
  - name: r
    match: {path_template: "/{a}"}
    upstream: u
    access:
      - WHERE
"""


@pytest.mark.parametrize(
    ("where", "line", "column"),
    [
        ("where: path.a == usr.id", 10, 26),
        ("{roles: [x], where: path.a == usr.id}", 10, 39),
        ("where: 'user.b == ''x'' and usr.id == \"\"'", 10, 37),
        ('where: "user.b == \\"x\\" and usr.id == user.b"', 10, 37),
        ("where: >-\n          path.a == user.b\n          and usr.id == path.a", 12, 15),
        ("where: |\n          path.a == user.b or\n\n          usr.id == path.a", 13, 11),
        ("where: path.a == user.b\n          or usr.id == path.a", 11, 14),
    ],
)
def test_the_place_of_a_word_is_told_through_quotes_and_folded_lines(
    tmp_path: Path, where: str, line: int, column: int
) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(SPEC.replace("WHERE", where))
    with pytest.raises(SpecError) as caught:
        load([str(file)])
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.location is not None
    assert (diagnostic.location.line, diagnostic.location.column) == (line, column)
    assert 'unknown word "usr"' in diagnostic.message


def test_an_environment_reference_never_becomes_logic_and_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(SPEC.replace("WHERE", "where: path.a == ${W}"))
    with pytest.raises(SpecError) as caught:
        load([str(file)], {"W": 'user.id or "" == query.hunter2'})
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "GC0111"
    assert "hunter2" not in str(diagnostic)
