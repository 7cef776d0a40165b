# shellcheck shell=bash
# Functions of script/compose-up, script/compose-pin and script/compose-rotate, which source this
# file.

fail() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }
print_status() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }

# Runs compose: the plugin of Docker or, without it, docker-compose 1.29. $@: its arguments.
compose() {
    if docker compose version >/dev/null 2>&1; then
        docker compose "$@"
    elif command -v docker-compose >/dev/null; then
        # BuildKit skips the stages of the Dockerfile that the image does not need.
        COMPOSE_DOCKER_CLI_BUILD=1 DOCKER_BUILDKIT=1 docker-compose "$@"
    else
        fail 'docker compose not found; install the compose plugin of Docker'
    fi
}

# Prints the value of a variable in .env. $1: its name; $2: the value if it is not set.
variable() {
    local value
    value=$(sed -n "s/^$1=\"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" .env 2>/dev/null) || true
    printf '%s\n' "${value:-${2-}}"
}

# Sets a variable in .env, which compose reads. $1: its name; $2: its value.
set_variable() {
    (umask 077; { grep -v "^$1=" .env 2>/dev/null || true; printf '%s="%s"\n' "$1" "$2"; } > .env.new)
    mv .env.new .env
}

# Waits until a service is healthy. $1: its name.
await_health() {
    local state deadline=$((SECONDS + 180))
    until [ "${state:-}" = healthy ]; do
        if [ $SECONDS -ge $deadline ]; then
            compose logs --tail=20 "$1" >&2
            fail "$1 is not healthy after 180 seconds; read its log above"
        fi
        sleep 0.5
        state=$(docker inspect --format '{{.State.Health.Status}}' "$(compose ps --quiet "$1")" 2>/dev/null) ||
            true
    done
}

# Writes a secret in place. Docker mounts the file itself into the containers, so they do not see a
# file that replaces it. It is never empty meanwhile, because the service may read it. $1: its name;
# standard input: the content.
write_secret() {
    local content LC_ALL=C
    content=$(cat)
    [ -n "$content" ] || fail "the new secrets/$1 is empty; the old one stays"
    chmod 0600 "secrets/$1"
    printf '%s\n' "$content" 1<> "secrets/$1"
    # Cuts off what is left of a longer one. macOS has no truncate.
    dd if=/dev/null of="secrets/$1" bs=1 seek=$((${#content} + 1)) 2>/dev/null
    chmod 0400 "secrets/$1"
}

# Waits until the running service has read a changed file again. $1: its setting; $2: the time of the
# change, in seconds since 1970.
await_reload() {
    local service line deadline=$((SECONDS + 30))
    service=$(compose ps --quiet keeper)
    if [ -z "$service" ]; then print_status 'the service does not run; it reads the file at its start'; return; fi
    while :; do
        line=$(docker logs --since "$2" "$service" 2>&1 | grep -F "\"keeper.setting\":\"$1\"" | tail -n 1) || true
        case $line in
            *'"reloaded"'*) return ;;
            *'failed to reload'*) fail "the service rejects the new file and keeps the old one: $line" ;;
        esac
        [ $SECONDS -lt $deadline ] || fail "the service has not read the new file ($1) after 30 seconds;" \
            'read its log, or restart it: docker compose restart keeper'
        sleep 0.5
    done
}
