"""How a service lives as a process: settings, logs, health, metrics, reload, drain, workers.

A service hands one :class:`Service` to :func:`serving.supervisor.main` and is done::

    SERVICE = Service(
        name="ext_authz",
        settings=(Setting("redis-url", ...),),
        worker=load_worker,          # imports what the parent process does without, and returns:
    )
    WORKER = Worker(
        grpc_service="envoy.service.auth.v3.Authorization",
        policy_file="authz.json",
        load_policy=policy.load,
        opened=open_worker,          # async context manager: (Values, PolicyBook) -> register(grpc server)
    )

This package is a leaf: it knows neither of the services nor gatectl.
"""
