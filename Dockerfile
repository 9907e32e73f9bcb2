# syncd in a container: two stages, no compiler and no package manager's cache in the second, an ordinary user.
#
#   docker build -t syncd .
#   docker run -d --name syncd -v ./config:/etc/syncd:ro -v syncd-state:/var/lib/syncd -p 127.0.0.1:8642:8642 syncd
#
# In a container the API must listen on 0.0.0.0, so the folder needs a token:
#   daemon: {listen: "0.0.0.0:8642", token: "${file:/run/secrets/syncd-token}"}
# Secrets: mount them (docker secret, Kubernetes Secret) and write ${file:/run/secrets/NAME} in the YAML.

FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY requirements-runtime.lock ./
RUN python -m venv /opt/syncd \
 && /opt/syncd/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements-runtime.lock
COPY pyproject.toml README.md ./
COPY syncd ./syncd
COPY connectors ./connectors
RUN /opt/syncd/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps \
        . ./connectors/google ./connectors/http ./connectors/microsoft ./connectors/singer ./connectors/zoho \
 && /opt/syncd/bin/python -m compileall -q /opt/syncd/lib

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 8642 --home-dir /var/lib/syncd --shell /usr/sbin/nologin syncd \
 && install -d -o syncd -g syncd -m 0750 /var/lib/syncd \
 && install -d -m 0755 /etc/syncd
COPY --from=build /opt/syncd /opt/syncd
ENV PATH=/opt/syncd/bin:$PATH SYNCD_CONFIG=/etc/syncd SYNCD_STATE=/var/lib/syncd PYTHONUNBUFFERED=1
USER syncd
VOLUME /var/lib/syncd
EXPOSE 8642
STOPSIGNAL SIGTERM
# The unix socket is there whatever `listen` says; /readyz needs no token.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-c", "import sys; from syncd.sdk.http import httpx; \
sys.exit(httpx.Client(transport=httpx.HTTPTransport(uds='/var/lib/syncd/syncd.sock')).get('http://localhost/readyz').status_code != 200)"]
ENTRYPOINT ["syncd"]
CMD ["run"]
