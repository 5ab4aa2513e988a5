"""`gatectl import openapi`: any document becomes a spec that loads, or an error; never more open than it was."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gatectl.diagnostics import SpecError
from gatectl.importing.openapi import import_openapi
from gatectl.importing.result import Imported
from gatectl.spec.formatting import formatted
from gatectl.spec.load import load
from gatectl.spec.model import Spec

SHOP = """\
openapi: 3.0.3
info: {title: Pet Störe API, version: "1"}
servers:
  - url: https://{env}.petstore.example/v1
    variables: {env: {default: api}}
  - url: http://other.example
components:
  securitySchemes:
    key: {type: apiKey, in: header, name: X-Pet-Key}
    cookie: {type: apiKey, in: cookie, name: sid}
    oauth:
      type: oauth2
      flows: {implicit: {authorizationUrl: https://id.example.com/auth, scopes: {"write:pets": w}}}
  pathItems:
    shared: {get: {operationId: shared}}
security:
  - key: []
paths:
  /pets/{petId}:
    get: {operationId: getPet, security: [{oauth: ["read:pets"]}]}
    put: {security: [{oauth: ["read:pets", "write:pets"]}]}
  /pets/mine:
    get: {operationId: myPets}
  /pets:
    get: {security: [], operationId: listPets}
    post: {operationId: createPet}
    x-gatectl-limit: 10/minute
  /files/{name}.json: {get: {x-gatectl-access: [admin]}}
  /pets/{id}: {patch: {}, get: {}}
  "/größe": {get: {x-gatectl-access: everybody}}
  /ext: {$ref: 'other.yaml#/x'}
  /round: {$ref: '#/paths/~1round'}
  /shared: {$ref: '#/components/pathItems/shared'}
  /a/../b: {get: {}}
  relative: {get: {}}
  /list: [1]
webhooks: {w: {}}
"""
SPEC = {
    "version": 1,
    "name": "pet-store-api",
    "authentication": {
        "api_keys": {"header": "X-Pet-Key"},
        "jwt": [
            {
                "name": "oauth",
                "issuer": "https://id.example.com",
                "audiences": ["pet-store-api"],
                "jwks": {"url": "https://id.example.com/.well-known/jwks.json"},
            }
        ],
    },
    "upstreams": {"api": {"endpoints": ["api.petstore.example:443"], "tls": {}}},
    "routes": [
        {
            "name": "list-pets",
            "match": {"path": "/v1/pets", "methods": ["GET"]},
            "upstream": "api",
            "access": "public",
        },
        {"name": "create-pet", "match": {"path": "/v1/pets"}, "upstream": "api", "access": [{"methods": ["POST"]}]},
        {
            "name": "v1-gr-c3-b6-c3-9-fe",
            "match": {"path": "/v1/gr%C3%B6%C3%9Fe"},
            "upstream": "api",
            "access": [{"methods": ["GET"]}],
        },
        {"name": "shared", "match": {"path": "/v1/shared"}, "upstream": "api", "access": [{"methods": ["GET"]}]},
        {"name": "my-pets", "match": {"path": "/v1/pets/mine"}, "upstream": "api", "access": [{"methods": ["GET"]}]},
        {
            "name": "v1-pets-pet-id",
            "match": {"path_template": "/v1/pets/{pet_id}"},
            "upstream": "api",
            "access": [
                {"methods": ["GET"], "roles": ["read-pets"]},
                {"methods": ["PUT"], "roles": ["read-pets-and-write-pets"]},
                {"methods": ["PATCH"]},
            ],
        },
        {
            "name": "v1-files-name",
            "match": {"path_template": "/v1/files/{name}"},
            "upstream": "api",
            "access": [{"methods": ["GET"], "roles": ["admin"]}],
        },
    ],
    "rate_limits": [
        {"name": "list-pets", "per": ["user"], "limit": "10/minute", "routes": ["list-pets", "create-pet"]}
    ],
}
TOLD = """\
6:5 GC0401 only the first server
10:13 GC0401 cookie
12:7 GC0402 a guess
19:3 GC0401 petId
20:43 GC0401 read:pets
21:22 GC0402 all of read:pets, write:pets
28:3 GC0401 whole segment
29:3 GC0401 the same requests
29:27 GC0401 its GET is left out
30:3 GC0401 gr%C3%B6%C3%9Fe
30:38 GC0401 any authenticated caller
31:16 GC0401 leads nowhere
32:11 GC0401 without end
34:3 GC0401 dot segment
35:3 GC0401 does not begin with /
36:10 GC0401 must be a mapping
36:3 GC0401 no operation
37:1 GC0401 webhooks
"""


def reloaded(imported: Imported, directory: Path) -> Spec:
    file = directory / "imported.yaml"
    file.write_text(imported.text)
    return load([str(file)], {})[0]


def test_a_document_becomes_a_spec(tmp_path: Path) -> None:
    imported = import_openapi("f", SHOP)
    assert imported.spec == SPEC
    assert reloaded(imported, tmp_path).name == "pet-store-api"
    assert yaml.safe_load(imported.text) == SPEC
    assert formatted("f", imported.text) == imported.text


def test_json_is_read_like_yaml() -> None:
    text = json.dumps({**yaml.safe_load(SHOP), "x-emoji": "😀\\ud83d", "x-reference": "${HOME} ${"}, indent="\t")
    assert import_openapi("f", text).spec == SPEC


@pytest.mark.parametrize("line", TOLD.splitlines())
def test_what_is_not_carried_over_is_told_with_its_place(line: str) -> None:
    place, code, words = line.split(" ", 2)
    found = [str(note) for note in import_openapi("f", SHOP).notes]
    assert [one for one in found if one.startswith(f"f:{place}: warning[{code}]") and words in one], found


def test_nothing_else_is_told() -> None:
    assert len(import_openapi("f", SHOP).notes) == len(TOLD.splitlines())


def document(**fields: Any) -> str:
    return json.dumps({"openapi": "3.1.0", "info": {"title": "t"}, "paths": {"/a": {"get": {}}}, **fields})


@pytest.mark.parametrize(
    "fields", [{}, {"security": []}, {"security": [{}]}, {"security": [{"nobody": []}]}, {"security": 1}]
)
def test_a_document_that_says_nothing_about_callers_lets_in_nobody_without_credentials(fields: dict[str, Any]) -> None:
    imported = import_openapi("f", document(**fields))
    assert [route["access"] for route in imported.spec["routes"]] == [[{"methods": ["GET"]}]]
    assert imported.spec["authentication"] == {"api_keys": {"header": "X-API-Key"}}
    assert imported.notes


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"swagger": "2.0"}', "GC0400"),
        ("a: b", "GC0400"),
        ("openapi: 4.0.0", "GC0400"),
        ("openapi: 3.0.0\npaths: {}", "GC0400"),
        ("openapi: 3.0.0\npaths: [1]", "GC0400"),
        ("openapi: [", "GC0002"),
        ("", "GC0002"),
        ("- a", "GC0102"),
        ('{"a": ' * 999, "GC0002"),
    ],
)
def test_what_is_no_document_is_an_error(text: str, code: str) -> None:
    with pytest.raises(SpecError) as caught:
        import_openapi("f", text)
    assert code in [one.code for one in caught.value.diagnostics if one.severity == "error"]


SEGMENTS = st.sampled_from(
    [
        "a",
        "b",
        "{id}",
        "{other}",
        "{x}.json",
        "v1:do",
        "@me",
        "é",
        "",
        ".",
        "..",
        "%2F",
        "%",
        "{",
        "}",
        "{}",
        "{1}",
        "a b",
        ";x",
        "*",
        "(.*)",
        "\0",
        "x" * 300,
        "$${A}",
    ]
)
PATHS = st.lists(SEGMENTS, max_size=4).map(lambda parts: "/" + "/".join(parts)) | st.text(max_size=5)
WORDS = st.sampled_from(["a", "read:a", "read.a", "é", "", "A-Key", "*", "x" * 200]) | st.text(max_size=4)
ODD = st.sampled_from([None, True, 0, 2**70, 1.5, "", "é\0", [], {}, [[]], [None], {"$ref": "#/paths"}, {"$ref": 1}])
REQUIREMENT = st.dictionaries(WORDS, st.lists(WORDS, max_size=2) | ODD, max_size=2)
SECURITY = st.lists(REQUIREMENT, max_size=3) | ODD
ACCESS = st.sampled_from(["public", "authenticated", "nonsense", ["admin", "Admin"], [], [1], None])
OPERATION = (
    st.fixed_dictionaries({}, optional={"operationId": WORDS | ODD, "security": SECURITY, "x-gatectl-access": ACCESS})
    | ODD
)
METHODS = st.sampled_from(["get", "put", "post", "trace", "options", "x-y", "GET", "servers", "$ref"])
ITEM = st.dictionaries(METHODS, OPERATION, max_size=4).flatmap(
    lambda item: st.sampled_from([{}, {"x-gatectl-limit": "5/second"}, {"x-gatectl-limit": "x"}]).map(item.__or__)
)
URLS = st.sampled_from(
    [
        "",
        "/v1",
        "/v1/../x/",
        "http://a.example/b/",
        "https://[::1]:8/",
        "//x",
        "http://{h}:{p}/",
        "http://é/",
        "http://a:99999",
        "http://a b/",
        "ftp://x/{y}",
        "http://[x/",
    ]
)
SCHEME = st.fixed_dictionaries(
    {"type": st.sampled_from(["apiKey", "http", "oauth2", "openIdConnect", "mutualTLS", "x"])},
    optional={
        "in": st.sampled_from(["header", "query"]),
        "name": WORDS | st.just("Authorization"),
        "scheme": st.sampled_from(["bearer", "basic"]),
        "openIdConnectUrl": URLS | st.just("https://id.example/.well-known/openid-configuration"),
        "flows": st.dictionaries(WORDS, st.fixed_dictionaries({}, optional={"tokenUrl": URLS}) | ODD, max_size=2) | ODD,
    },
)
DOCUMENTS = st.fixed_dictionaries(
    {"openapi": st.sampled_from(["3.0.0", "3.1.0"]), "paths": st.dictionaries(PATHS, ITEM | ODD, max_size=6) | ODD},
    optional={
        "info": st.fixed_dictionaries({"title": WORDS}) | ODD,
        "servers": st.lists(st.fixed_dictionaries({"url": URLS}) | ODD, max_size=2) | ODD,
        "security": SECURITY,
        "components": st.fixed_dictionaries({"securitySchemes": st.dictionaries(WORDS, SCHEME | ODD, max_size=3)})
        | ODD,
    },
)


@settings(max_examples=300)
@given(data=DOCUMENTS)
def test_any_document_becomes_a_spec_that_loads_or_an_error(
    data: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    try:
        imported = import_openapi("f", json.dumps(copy.deepcopy(data)))
    except SpecError:
        return
    spec = reloaded(imported, tmp_path_factory.getbasetemp())
    opened = json.dumps(data).count('"security": []') + json.dumps(data).count('"x-gatectl-access": "public"')
    assert sum(route.access == "public" for route in spec.routes) <= opened
    assert formatted("f", imported.text) == imported.text
    assert [note for note in imported.notes if not str(note).isprintable()] == []
