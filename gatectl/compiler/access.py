"""Authentication and access → the policy that ext_authz obeys."""

from ext_authz import policy as authz
from ext_authz.condition import facts
from gatectl.compiler.abuse import compile_throttling
from gatectl.compiler.limits import UNSEALED, counted_attributes, counts_leases
from gatectl.compiler.names import local_jwks_file, route_id
from gatectl.spec import model
from gatectl.spec.conditions import Scope, parse
from gatectl.spec.roles import Holders, holders, of_rule


def compile_access(spec: model.Spec) -> authz.Policy:
    """What ext_authz obeys."""
    authentication, heirs = spec.authentication, holders(spec.roles)
    return authz.Policy(
        revision=UNSEALED,
        gateway=spec.name,
        api_keys=_api_keys(authentication.api_keys) if authentication.api_keys else None,
        issuers=tuple(_issuer(issuer) for issuer in authentication.jwt),
        certificates=tuple(map(_certificate, authentication.certificates)),
        revocations_stale_seconds=authentication.token_revocation.stale // 1000,
        identity_token=_identity_token(authentication.identity_token, spec.name),
        forward_credentials=authentication.forward_credentials,
        throttling=compile_throttling(spec.abuse),
        counted_attributes=counted_attributes(spec),
        leases=counts_leases(spec),
        routes={
            route_id(route.name): _route(route, spec, heirs)
            for route in sorted(spec.routes, key=lambda route: route.name)
        },
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


def _certificate(certificate: model.Certificate) -> authz.Certificate:
    return authz.Certificate(
        name=certificate.uri or certificate.dns or "",
        user=certificate.user,
        roles=certificate.roles,
        plan=certificate.plan,
        attributes=dict(certificate.attributes),
    )


def _route(route: model.Route, spec: model.Spec, heirs: Holders) -> authz.Route:
    access = route.access
    rules: tuple[authz.Rule, ...]
    if isinstance(access, str):
        rules = () if access == "public" else (authz.Rule(),)
    else:
        rules = tuple(_rule(rule, spec, heirs) for rule in (access if isinstance(access, tuple) else (access,)))
    public = access == "public"
    return authz.Route(
        public=public,
        authentication=_accepted(route.authentication or spec.authentication, public=public),
        rules=rules,
        path_template=route.match.path_template,
    )


def _accepted(accepted: model.Accepted, *, public: bool) -> authz.Authentication | None:
    """On a public route nothing is needed: of what the gateway wants together, it takes any."""
    methods = accepted.any or accepted.all
    return authz.Authentication(methods=methods, all=not public and bool(accepted.all)) if methods else None


def _rule(rule: model.AccessRule, spec: model.Spec, heirs: Holders) -> authz.Rule:
    return authz.Rule(
        effect=rule.effect or "allow",
        enforce=rule.enforce is not False,
        methods=rule.methods,
        roles=of_rule(rule, spec.roles, heirs),
        path_template=rule.path_template,
        where=parse(rule.where, Scope(roles=heirs or None)) if rule.where is not None else None,
    )


def condition_headers(policy: authz.Policy) -> tuple[str, ...]:
    """The request headers that conditions look at, in lower case."""
    rules = (rule for route in policy.routes.values() for rule in route.rules)
    return tuple(sorted({fact.name for rule in rules for fact in facts(rule.where) if fact.source == "header"}))
