"""Authentication and access → the policy that ext_authz obeys."""

from ext_authz import policy as authz
from gatectl.compiler.abuse import compile_throttling
from gatectl.compiler.limits import UNSEALED
from gatectl.compiler.names import local_jwks_file, route_id
from gatectl.spec import model


def compile_access(spec: model.Spec) -> authz.Policy:
    """What ext_authz obeys."""
    authentication = spec.authentication
    return authz.Policy(
        revision=UNSEALED,
        gateway=spec.name,
        api_keys=_api_keys(authentication.api_keys) if authentication.api_keys else None,
        issuers=tuple(_issuer(issuer) for issuer in authentication.jwt),
        revocations_stale_seconds=authentication.token_revocation.stale // 1000,
        identity_token=_identity_token(authentication.identity_token, spec.name),
        forward_credentials=authentication.forward_credentials,
        throttling=compile_throttling(spec.abuse),
        routes={route_id(route.name): _route(route) for route in sorted(spec.routes, key=lambda route: route.name)},
    )


def _api_keys(api_keys: model.ApiKeys) -> authz.ApiKeys:
    static = tuple(authz.StaticKey(**key.model_dump()) for key in api_keys.static)
    return authz.ApiKeys(
        header=api_keys.header.lower() if api_keys.header is not None else None,
        query=api_keys.query,
        cookie=api_keys.cookie,
        prefix=api_keys.prefix,
        static=static,
        stale_seconds=api_keys.stale // 1000,
    )


def _identity_token(wanted: model.IdentityToken | None, gateway: str) -> authz.IdentityToken | None:
    if wanted is None:
        return None
    return authz.IdentityToken(
        issuer=wanted.issuer or gateway, audiences=wanted.audiences, lifetime_seconds=wanted.lifetime // 1000
    )


def _issuer(issuer: model.Jwt) -> authz.Issuer:
    local = issuer.jwks.local is True
    return authz.Issuer(
        name=issuer.name,
        issuer=issuer.issuer,
        audiences=issuer.audiences,
        algorithms=issuer.algorithms,
        jwks=authz.Jwks(
            file=local_jwks_file(issuer.name) if local else issuer.jwks.file,
            url=issuer.jwks.url,
            refresh_seconds=issuer.jwks.refresh // 1000,
            max_stale_seconds=issuer.jwks.max_stale // 1000,
        ),
        leeway_seconds=issuer.leeway // 1000,
        max_lifetime_seconds=issuer.max_lifetime // 1000,
        user_claim=issuer.claims.user,
        roles_claim=issuer.claims.roles,
        plan_claim=issuer.claims.plan,
        attributes=dict(issuer.claims.attributes),
        mappings=tuple(authz.ClaimMapping(**mapping.model_dump()) for mapping in issuer.claims.map),
    )


def _route(route: model.Route) -> authz.Route:
    access = route.access
    rules: tuple[authz.Rule, ...]
    if isinstance(access, str):
        rules = () if access == "public" else (authz.Rule(),)
    else:
        rules = tuple(_rule(rule) for rule in (access if isinstance(access, tuple) else (access,)))
    return authz.Route(public=access == "public", rules=rules, path_template=route.match.path_template)


def _rule(rule: model.AccessRule) -> authz.Rule:
    where = tuple(
        authz.Condition(variable=variable, attribute=_attribute(attribute))
        for variable, attribute in rule.where.items()
    )
    return authz.Rule(methods=rule.methods, roles=rule.roles, where=where)


def _attribute(text: str) -> str:
    """``user.id`` and ``user.plan`` are properties of every user; anything else is one of the user's attributes."""
    name = text.removeprefix("user.")
    return name if name in {"id", "plan"} else f"attributes.{name}"
