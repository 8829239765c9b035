#!/usr/bin/env bash
# Builds the images and starts the deployment that the env file describes; back when everything is ready.
# If something is not, the last words of each container that failed, and exit 1: nothing has to be looked for.
#   deploy/up.sh ENV_FILE
set -euo pipefail
env=$1
compose() { docker compose --progress "$progress" --env-file "$env" "$@"; }
progress=auto
[ -t 2 ] || progress=quiet # a log needs no line for each step

# What the file says counts, not what this shell happens to have set: it is what `baton secrets` went by.
while read -r name; do unset "$name"; done < <(sed -nE 's/^ *(export +)?([A-Z_]+) *=.*/\2/p' "$env")

command -v docker >/dev/null || { echo "docker is missing: install Docker Engine with its compose plugin" >&2; exit 1; }
docker info >/dev/null 2>&1 || { echo "the Docker engine does not answer: is it started, and may this user talk to it?" >&2; exit 1; }

# Mounted into containers, whose users must be able to read them, whatever the mask of whoever cloned this.
chmod a+r deploy/kafka/*.yaml deploy/postgres/services.sh 2>/dev/null || true
compose build --quiet
# A start that was cut short leaves containers that were made and never started; they would be in the way of this one.
compose ps --all --quiet --status created | xargs -r docker rm >/dev/null
since=$(date -u +%Y-%m-%dT%H:%M:%SZ)
failed() { compose ps --all --format '{{.State}} {{.ExitCode}}' | grep -qvE '^(running|exited 0$)'; }
unhealthy() { compose ps --format '{{.Health}}' | grep -qx unhealthy; }
while :; do
    compose up --detach --wait --remove-orphans && exit 0
    # Whoever is only not ready at this moment may be in the next: a broker that comes back is found again after some seconds.
    if failed || ! unhealthy || [ "$SECONDS" -gt 120 ]; then break; fi
    sleep 5
done

# What each container that failed has said since, what its last health check was told, and what the engine says about it.
told() { docker inspect --format "$1" "$2" | grep . | tail -n 1 || true; }
echo >&2
compose ps --all --format '{{.ID}} {{.Service}} {{.State}} {{.ExitCode}} {{.Health}}' | while read -r id service state code health; do
    case $state:$code:$health in
        exited:0:* | created:*) continue ;;
        exited:* | restarting:*) echo "--- $service ended with exit code $code:" ;;
        running:*:unhealthy) echo "--- $service runs and is not ready:" ;;
        *) continue ;;
    esac
    docker logs --since "$since" --tail 6 "$id" 2>&1 </dev/null
    [ "$health" != unhealthy ] || told '{{range .State.Health.Log}}{{println .Output}}{{end}}' "$id"
    error=$(told '{{.State.Error}}' "$id")
    [ -z "$error" ] || echo "$error"
    case $error in *"address already in use"*)
        echo "another program has that port: stop it, or choose another BATON_PORT_$(echo "${service%-api}" | tr a-z A-Z) in $env" ;;
    esac
done >&2
echo "not everything is ready; what stands above is why. make compose-logs shows more, make compose-up tries again" >&2
exit 1
