# One image for gatectl, ext_authz, ratelimit_svc and the demo backend; compose.yaml starts each from it.
FROM python:3.12-slim-bookworm AS build

RUN python -m venv /opt/gatectl
ENV PATH=/opt/gatectl/bin:$PATH
WORKDIR /src
COPY pyproject.toml README.md constraints.txt ./
COPY envoy envoy
COPY serving serving
COPY audit audit
COPY ext_authz ext_authz
COPY ratelimit_svc ratelimit_svc
COPY gatectl gatectl
RUN pip install --no-cache-dir --disable-pip-version-check --constraint constraints.txt .


FROM python:3.12-slim-bookworm

ENV PATH=/opt/gatectl/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
COPY --from=build /opt/gatectl /opt/gatectl
COPY examples/customer-support/*.py /opt/customer-support/
# a new volume takes over the owner of the directory that it is mounted on
RUN install --directory --owner=65532 --group=65532 --mode=0750 /state \
 && install --directory --owner=65532 --group=65532 --mode=0700 /state/audit /audit
USER 65532:65532
CMD ["gatectl", "--help"]
