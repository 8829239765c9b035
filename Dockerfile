# One image per service:  docker build --build-arg SERVICE=marketing --tag baton-marketing .
# It holds the interpreter, the locked packages, shared/ and that one service, and runs as a user without rights. What never changes
# comes first: four services share all layers but the last two.
FROM python:3.13-slim AS packages
RUN apt-get update && apt-get install --yes --no-install-recommends binutils
RUN python -m venv --without-pip /opt/baton
COPY requirements.txt /tmp/
RUN --mount=type=cache,target=/var/cache/pip \
    pip --python /opt/baton/bin/python install --cache-dir /var/cache/pip --disable-pip-version-check --no-deps --require-hashes --requirement /tmp/requirements.txt
# A third of the size: symbols for a debugger, and parts of the rules language that come along and are never imported.
RUN cd /opt/baton/lib/python3.13/site-packages \
    && find . -name '*.so*' -exec strip --strip-unneeded {} + \
    && rm -r bazel-project cel_expr_python/ext

FROM python:3.13-slim
# No program raises rights, and none installs others.
RUN python -m pip uninstall --quiet --yes --root-user-action ignore pip \
    && rm -rf /usr/share/python-wheels \
    && find / -xdev -type f -perm /6000 -exec chmod a-s {} +
COPY --from=packages /opt/baton /opt/baton
ENV PATH=/opt/baton/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MALLOC_ARENA_MAX=1
WORKDIR /baton
# Readable by the user below, whatever the mask of whoever cloned this.
COPY shared shared
RUN chmod -R a+rX . && python -m compileall -q .
ARG SERVICE
ENV BATON_SERVICE=${SERVICE}
COPY services/__init__.py services/__init__.py
COPY services/${SERVICE} services/${SERVICE}
RUN chmod -R a+rX services && python -m compileall -q services
ARG VERSION=local
LABEL org.opencontainers.image.title="baton-${SERVICE}" \
      org.opencontainers.image.description="Baton, from lead to delivery: the service ${SERVICE}" \
      org.opencontainers.image.version="${VERSION}"
USER 10001:10001
EXPOSE 8000
# The role is the last word: api, worker, all, or a job: migrate, provision.
CMD ["sh", "-c", "exec python -m services.$BATON_SERVICE all"]
