#!/usr/bin/env bash
# Tests the Debian package in a fresh Debian that boots with systemd: follows
# docs/how-to/install-on-debian.md, and what docs/how-to/serve-tls.md and
# docs/how-to/keep-the-master-key-outside.md say about the package, drains the service as
# docs/how-to/run-several-instances.md prints it, then upgrades, removes and purges it.
#   tests/acceptance/package.sh BINARY
# ACCEPTANCE_DEBIAN names a folder that debootstrap made, to save time while you change this script.
#
# Exits with 77, and writes the reason to the file of ACCEPTANCE_SKIPPED, if this system cannot boot a
# container. Needs root, Debian's package archive, and a kernel that lets systemd-nspawn boot a
# container, which has a network of its own with nothing but a loopback interface.
set -euo pipefail
binary=$(realpath "${1:?usage: tests/acceptance/package.sh BINARY}")
cd "$(dirname "$0")/../.."
document=docs/how-to/install-on-debian.md
unit=packaging/debian/credential-keeper.service
keep=/etc/credential-keeper

step() { printf '   package: %s\n' "$*" >&2; }
fail() {
    printf 'package: %s\n' "$*" >&2
    [ ! -e "$work/output" ] || tail -n 30 "$work/output" >&2
    exit 1
}

# $*: the reason.
skip() {
    printf '%s\n' "$*" >"${ACCEPTANCE_SKIPPED:-/dev/stderr}"
    exit 77
}

# The parent of the container's systemd.
container=
work=$(mktemp -d /var/tmp/keeper-package.XXXXXX)
root=$work/root
# A variable of the calling shell can change what a script in the container does.
clean_environment=(env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive)

stop() {
    if [ -n "$container" ]; then
        # SIGTERM asks systemd-nspawn to power the container off.
        kill -TERM "$container" 2>/dev/null || true
        timeout 30 tail --pid="$container" -f /dev/null || kill -KILL "$container" || true
    fi
    rm -rf --one-file-system "$work"
}
trap stop EXIT

[ "$(id -u)" = 0 ] || fail 'permission denied; run this as root, because it boots a container'
missing=()
for tool in debootstrap systemd-nspawn:systemd-container lintian dpkg-shlibdeps:dpkg-dev strip:binutils \
    openssl; do
    command -v "${tool%%:*}" >/dev/null || missing+=("${tool##*:}")
done
if [ ${#missing[@]} -gt 0 ]; then
    apt-get update -q >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}" >&2
fi
script/setup release

# Runs a command in the container. Its output goes to the file that `fail` shows.
run() {
    nsenter --target "$init" --all -- "${clean_environment[@]}" "$@" >"$work/output" 2>&1
}

# Like `run`, and fails if the command fails.
must() { run "$@" || fail "failed: $*"; }

# Fails unless the output of the last command contains a text.
expect() { grep -qF -- "$1" "$work/output" || fail "not in the output: $1"; }

# A property of the service.
property() {
    nsenter --target "$init" --all -- systemctl show --property="$1" --value credential-keeper
}

# Waits for a condition. $1: seconds; the rest: a command of this script.
within() {
    local tries=$(($1 * 5))
    shift
    until "$@"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || fail "timed out: $*"
        sleep 0.2
    done
}

is() { [ "$(property "$1")" = "$2" ]; }
is_not() { [ "$(property "$1")" != "$2" ]; }
must_be() { is "$1" "$2" || fail "$1 is $(property "$1"), not $2"; }
is_on_disk() { [ -e "$root$1" ]; }

# Logs in over HTTP. $1: name; $2: password; $3: the expected status.
log_in() {
    local status
    status=$(nsenter --target "$init" --all -- curl --silent --output /dev/null --write-out '%{http_code}' \
        --user "$1:$2" http://127.0.0.1:8080/api/v1/User/currentPrincipal)
    [ "$status" = "$3" ] || fail "logging in as $1 answered $status, not $3"
}

# Runs the shell lines of a section in the container, as a person would. $1: its heading; $2: the
# document, if it is another one.
follow() {
    local document=${2:-$document}
    step "$1"
    awk -v heading="## $1" '
        /^## / { here = ($0 == heading) }
        here && /^```sh/ { lines = 1; next }
        /^```/ { lines = 0 }
        here && lines' "$document" >"$work/lines"
    [ -s "$work/lines" ] || fail "$document has no shell lines below: $1"
    {
        # Like sudo: as root, or with -u as another user.
        echo 'sudo() {
            if [ "$1" = -u ]; then runuser -u "$2" -- "${@:3}"; else "$@"; fi
        }'
        echo 'set -euo pipefail; [ ! -d /etc/credential-keeper ] || cd /etc/credential-keeper'
        grep -q 'apt install ./' "$work/lines" && echo 'cd /packages/first'
        cat "$work/lines"
    } >"$root/var/tmp/lines.sh"
    must bash /var/tmp/lines.sh
}

step 'build the package twice'
# The shipped binary is stripped.
strip -o "$work/credential-keeper" "$binary"
packaging/build-deb "$work/credential-keeper" "$work/first"
packaging/build-deb "$work/credential-keeper" "$work/again"
package=$(basename "$work"/first/*.deb)
cmp "$work/first/$package" "$work/again/$package" || fail 'two builds of the package differ'
# The next version is the same package with another number.
dpkg-deb --raw-extract "$work/first/$package" "$work/unpacked"
sed -i 's/^Version: .*/Version: 99.0-1/' "$work/unpacked/DEBIAN/control"
mkdir "$work/next"
dpkg-deb --root-owner-group -Znone --build "$work/unpacked" "$work/next" >/dev/null
lintian --allow-root --fail-on error,warning "$work/first/$package" || fail 'lintian found problems'

step 'rate the unit'
systemd-analyze security --offline=true --threshold=15 "$unit" >"$work/output" 2>&1 ||
    fail 'the unit is rated worse than 1.5'

step 'debootstrap'
if [ -n "${ACCEPTANCE_DEBIAN:-}" ]; then
    cp -a "$ACCEPTANCE_DEBIAN" "$root"
else
    debootstrap --variant=minbase --include=systemd-sysv,dbus,procps,postgresql,man-db,curl,softhsm2 \
        bookworm "$root" \
        >"$work/output" 2>&1 || fail 'debootstrap failed'
fi
# Nobody answers the questions of apt.
echo 'APT::Get::Assume-Yes "true";' >"$root/etc/apt/apt.conf.d/90yes"
# The container needs its documents, which some images leave out.
rm -f "$root"/etc/dpkg/dpkg.cfg.d/*
mkdir "$root/packages"
cp -r "$work/first" "$work/next" "$root/packages/"

step 'boot'
systemd-nspawn --quiet --directory="$root" --register=no --keep-unit --private-network \
    --capability=CAP_IPC_LOCK --boot \
    >"$work/console" 2>&1 </dev/null &
container=$!
init=
for _ in $(seq 100); do
    init=$(pgrep --parent "$container" --oldest || true)
    [ -z "$init" ] || break
    sleep 0.1
done
[ -n "$init" ] || skip "systemd-nspawn cannot boot a container: $(tail -n 1 "$work/console")"
has_booted() { run systemctl is-system-running --wait || grep -qE 'running|degraded' "$work/output"; }
within 60 has_booted
must systemctl is-active postgresql@15-main

follow 'Install the package'
expect 'installed, but not configured yet'
must systemctl is-enabled credential-keeper
must_be ActiveState inactive
must systemctl start credential-keeper
must_be ConditionResult no
must_be SubState dead
must stat --format=%a:%U:%G /etc/credential-keeper/keeper.toml /etc/credential-keeper/secrets
[ "$(tr '\n' ' ' <"$work/output")" = '640:root:credential-keeper 700:root:root ' ] || fail 'wrong permissions'
must man --where credential-keeper credential-keeper-user-add
must runuser -u nobody -- credential-keeper --version
must bash -c '. /usr/share/bash-completion/completions/credential-keeper; complete -p credential-keeper'
must systemd-analyze verify credential-keeper.service
[ ! -s "$work/output" ] || fail 'systemd-analyze verify has complaints'

follow 'Create the database'
follow 'Configure the service'
password=$(tail -n 1 "$work/output" | sed 's/.* //')

step 'the service connects to its own database only'
# $1: a database.
connect() {
    run sh -c 'PGPASSWORD=$(cat "$1") psql --host=127.0.0.1 --username=keeper --command="SELECT 1" "$2"' \
        sh "$keep/secrets/database-password" "$1"
}
connect keeper || fail 'the service cannot connect to its database'
for database in postgres template1; do
    ! connect "$database" || fail "the service can connect to the database $database"
    expect 'permission denied for database'
done

step 'serve'
must_be ActiveState active
must_be Type notify
must_be LogRateLimitIntervalUSec 0
main=$(property MainPID)
log_in admin "$password" 200
log_in admin wrong 401
must runuser -u credential-keeper -- cat /etc/credential-keeper/keeper.toml
! run runuser -u credential-keeper -- cat /etc/credential-keeper/secrets/keyring.json ||
    fail 'the service can read the keyring outside its credentials'
must bash -c "printf 'another long passphrase' | credential-keeper credential save --user admin"
log_in admin "$password" 401
password='another long passphrase'
log_in admin "$password" 200

step 'confinement'
must grep -E '^(Seccomp|NoNewPrivs|CapEff):' "/proc/$main/status"
for line in 'Seccomp:	2' 'NoNewPrivs:	1' 'CapEff:	0000000000000000'; do expect "$line"; done
must ps --no-headers -o user:32 -p "$main"
expect credential-keeper
must journalctl --unit=credential-keeper --output=cat
expect '"keeper.core_dumps.off":true'
# A denied setpriority(2) would leave the hashing threads at the priority of the others.
must ps --no-headers -L -o ni -p "$main"
grep -qE '[1-9]' "$work/output" || fail 'the hashing threads have not lowered their priority'

step 'reload'
must systemctl reload credential-keeper
sleep 1
must_be MainPID "$main"
log_in admin "$password" 200

step 'drain'
is_ready() { run credential-keeper health; }
is_draining() { ! is_ready && grep -qF 'status 503' "$work/output"; }
must credential-keeper drain
within 10 is_draining
# It serves until it is stopped.
log_in admin "$password" 200
must credential-keeper drain --undo
within 10 is_ready
must_be MainPID "$main"

step 'watchdog'
# $1: lines of a drop-in.
write_override() {
    run mkdir -p /etc/systemd/system/credential-keeper.service.d
    printf '[Service]\n%s\n' "$1" >"$root/etc/systemd/system/credential-keeper.service.d/test.conf"
    must systemctl daemon-reload
}
# Also restarts the service.
override() {
    write_override "$1"
    must systemctl restart credential-keeper
    main=$(property MainPID)
}
override 'WatchdogSec=2
RestartSec=1'
run kill -STOP "$main"
within 30 is_not MainPID "$main"
within 30 is ActiveState active
must_be NRestarts 1

step 'locked memory'
# Where this machine does not allow LimitMEMLOCK=infinity, the capability takes its place.
override ''
must cat "/proc/$main/limits"
if ! grep -qE '^Max locked memory +unlimited' "$work/output"; then
    override 'CapabilityBoundingSet=CAP_IPC_LOCK
AmbientCapabilities=CAP_IPC_LOCK
PrivateUsers=no'
fi
must grep -E '^(Seccomp|VmLck):' "/proc/$main/status"
expect 'Seccomp:	2'
! grep -qE 'VmLck:\s+0 kB' "$work/output" || fail 'the memory is not locked under the filter of the unit'

step 'a port below 1024'
# The lines of the document.
override 'CapabilityBoundingSet=CAP_NET_BIND_SERVICE
AmbientCapabilities=CAP_NET_BIND_SERVICE
PrivateUsers=no
Environment=KEEPER__HTTP__LISTEN=127.0.0.1:443'
must curl --silent --fail --max-time 60 --output /dev/null http://127.0.0.1:443/openapi.json

must mkdir -p /etc/letsencrypt/renewal-hooks/deploy /etc/letsencrypt/live
follow 'Renew certificates' docs/how-to/serve-tls.md
lineage=/etc/letsencrypt/live/keeper.example
# Does what certbot does: writes a new certificate and its key, and runs the hook.
renew() {
    rm -rf "$work/lineage"
    script/compose-secrets "$work/lineage" keeper.example
    must mkdir -p "$lineage"
    cp "$work/lineage/proxy_certificate" "$root$lineage/fullchain.pem"
    cp "$work/lineage/proxy_key" "$root$lineage/privkey.pem"
    must env RENEWED_LINEAGE="$lineage" /etc/letsencrypt/renewal-hooks/deploy/credential-keeper
}
serves_the_certificate() {
    run curl --silent --fail --max-time 10 --output /dev/null --cacert "$lineage/fullchain.pem" \
        --resolve keeper.example:8080:127.0.0.1 https://keeper.example:8080/openapi.json
}
renew
must stat --format=%n:%a:%U "$keep/tls.crt" "$keep/tls.key"
expect "$keep/tls.crt:444:root"
expect "$keep/tls.key:400:credential-keeper"
override "Environment=KEEPER__HTTP__TLS__CERTIFICATE_FILE=$keep/tls.crt
Environment=KEEPER__HTTP__TLS__KEY_FILE=$keep/tls.key"
within 10 serves_the_certificate
renew
within 10 serves_the_certificate
must_be MainPID "$main"
for file in tls.crt:fullchain.pem tls.key:privkey.pem; do
    cmp "$root$keep/${file%:*}" "$root$lineage/${file#*:}" || fail "the hook did not copy ${file#*:}"
done
must rm "$keep/tls.crt" "$keep/tls.key"

step 'a PKCS#11 library outside /usr/lib'
must mkdir -p /opt/vendor /var/lib/vendor
must cp /usr/lib/softhsm/libsofthsm2.so /opt/vendor/
echo 'directories.tokendir = /var/lib/vendor' >"$root/opt/vendor/softhsm2.conf"
# An AES key of 32 bytes.
printf '%032d' 1 >"$root/opt/vendor/key"
must chmod -R a+rX /opt/vendor
must chown credential-keeper /var/lib/vendor
softhsm=(runuser -u credential-keeper -- env SOFTHSM2_CONF=/opt/vendor/softhsm2.conf softhsm2-util)
must "${softhsm[@]}" --init-token --free --label keeper --pin 271828 --so-pin 141421
must "${softhsm[@]}" --import /opt/vendor/key --aes --force --token keeper --pin 271828 --label keyring --id 01
must sh -c "echo 271828 | install -m 0400 -o credential-keeper /dev/stdin $keep/pin"
token=(SOFTHSM2_CONF=/opt/vendor/softhsm2.conf KEEPER__KEYRING__PKCS11__MODULE=/opt/vendor/libsofthsm2.so
    KEEPER__KEYRING__PKCS11__TOKEN=keeper KEEPER__KEYRING__PKCS11__KEY=keyring
    KEEPER__KEYRING__PKCS11__PIN_FILE="$keep/pin")
must cp -p "$keep/secrets/keyring.json" "$keep/wrapped.json"
must env "${token[@]}" credential-keeper keys wrap --file "$keep/wrapped.json"
# Root has written to the files of the token.
must chown -R credential-keeper /var/lib/vendor
settings="LoadCredential=
LoadCredential=keyring:$keep/wrapped.json
LoadCredential=database-password:$keep/secrets/database-password
Environment=${token[*]}"
write_override "$settings"
! run systemctl restart credential-keeper || fail 'the unit executes code outside /usr/lib'
has_logged() {
    run journalctl --unit=credential-keeper --output=cat --lines=50
    grep -qF -- "$1" "$work/output"
}
within 10 has_logged 'cannot load /opt/vendor/libsofthsm2.so'
must systemctl reset-failed credential-keeper
# The lines of the document, which has no other unit file.
drop_in=$(awk '/^```ini/ { lines = 1; next } /^```/ { lines = 0 } lines && !/^\[/' \
    docs/how-to/keep-the-master-key-outside.md)
override "$drop_in
$settings"
must systemd-analyze verify credential-keeper.service
[ ! -s "$work/output" ] || fail 'systemd-analyze verify has complaints about the drop-in'
log_in admin "$password" 200
must rm -r /opt/vendor /var/lib/vendor "$keep/pin" "$keep/wrapped.json"

rm "$root/etc/systemd/system/credential-keeper.service.d/test.conf"
must systemctl daemon-reload
must systemctl restart credential-keeper

follow 'Change a secret or a setting'
# Requests during a restart wait, and none is refused.
must bash -c '
    systemctl --no-block restart credential-keeper
    for _ in $(seq 40); do
        curl --silent --fail --max-time 60 --output /dev/null http://127.0.0.1:8080/openapi.json || exit 1
        sleep 0.2
    done
    [ "$(systemctl show --property=MainPID --value credential-keeper)" != '"$main"' ]'

must systemctl disable --now credential-keeper.socket
must systemctl restart credential-keeper

# The document has copied the secrets for the group of the service.
step 'an encrypted keyring, and secrets that the service reads itself'
must systemd-creds encrypt --name=keyring "$keep/secrets/keyring.json" "$keep/keyring.encrypted"
# systemd skips a unit whose condition fails, and `systemctl restart` then reports no failure.
must mv "$keep/secrets/keyring.json" /var/tmp/keyring.json
override "LoadCredential=
LoadCredential=database-password:$keep/secrets/database-password
LoadCredentialEncrypted=keyring:$keep/keyring.encrypted
[Unit]
ConditionPathExists="
log_in admin "$password" 200
must sh -c "umask 077 && systemd-creds decrypt --name=keyring $keep/keyring.encrypted /run/keyring.json"
must env KEEPER__KEYRING__FILE=/run/keyring.json credential-keeper user list
must rm /run/keyring.json
override "LoadCredential=
Environment=KEEPER__KEYRING__FILE=$keep/keyring.json
Environment=KEEPER__DATABASE__PASSWORD_FILE=$keep/database-password
[Unit]
ConditionPathExists="
log_in admin "$password" 200
must mv /var/tmp/keyring.json "$keep/secrets/keyring.json"
must cp -p "$keep/keeper.toml" /var/tmp/keeper.toml
sed -i 's|/secrets/|/|' "$root$keep/keeper.toml"
as_service=(runuser -u credential-keeper -- credential-keeper)
must credential-keeper config check
must "${as_service[@]}" config check

step 'rotate the keyring as root, and upgrade, with secrets that the service reads itself'
must credential-keeper rotate-key add
must stat --format=%a:%U:%G "$keep/keyring.json"
expect '440:root:credential-keeper'
must "${as_service[@]}" user list
main=$(property MainPID)
must bash -c 'dpkg --install /packages/next/*.deb'
must_be ActiveState active
is_not MainPID "$main" || fail 'the new version does not run'
log_in admin "$password" 200
must cp -p /var/tmp/keeper.toml "$keep/keeper.toml"
must rm "$keep/keyring.encrypted" "$keep/keyring.json" "$keep/database-password"
override ''

step 'upgrade'
printf '\n# An edit of the administrator.\n' >>"$root/etc/credential-keeper/keeper.toml"
main=$(property MainPID)
must bash -c 'dpkg --install /packages/next/*.deb'
must_be ActiveState active
is_not MainPID "$main" || fail 'the new version does not run'
log_in admin "$password" 200
must grep 'An edit of the administrator' /etc/credential-keeper/keeper.toml

step 'upgrade with a pending migration, with invalid settings, and while stopped'
sql() { must runuser -u postgres -- psql --quiet --no-align --tuples-only keeper --command "$1"; }
# $1: the message.
must_keep_running() {
    main=$(property MainPID)
    must bash -c 'dpkg --install /packages/next/*.deb'
    expect "$1"
    expect 'the previous version keeps running'
    must_be MainPID "$main"
    log_in admin "$password" 200
}
sql 'CREATE TABLE kept AS SELECT * FROM _sqlx_migrations ORDER BY version DESC LIMIT 1'
sql 'DELETE FROM _sqlx_migrations WHERE version IN (SELECT version FROM kept)'
must_keep_running 'migrations are pending'
sql 'INSERT INTO _sqlx_migrations SELECT * FROM kept; DROP TABLE kept'
printf '[unknown]\nsetting = 1\n' >>"$root/etc/credential-keeper/keeper.toml"
must_keep_running 'unknown.setting'
sed -i '/unknown/,$d' "$root/etc/credential-keeper/keeper.toml"
must systemctl stop credential-keeper
must bash -c 'dpkg --install /packages/next/*.deb'
expect 'start it with: systemctl start credential-keeper'
must_be ActiveState inactive
! run credential-keeper drain || fail 'drain found an instance, but the service is stopped'
expect 'no instance runs on this machine'

step 'remove, and install again'
must systemctl start credential-keeper
must dpkg --remove credential-keeper
must_be ActiveState inactive
for kept in keeper.toml secrets/keyring.json secrets/database-password; do
    is_on_disk "/etc/credential-keeper/$kept" || fail "removing the package deleted $kept"
done
must bash -c 'dpkg --install /packages/next/*.deb'
must systemctl start credential-keeper
log_in admin "$password" 200

step 'purge'
cp "$root/etc/credential-keeper/secrets/keyring.json" "$work/keyring"
# As for a service that reads its secrets itself.
must install -m 0440 -g credential-keeper -t "$keep" "$keep/secrets/keyring.json" "$keep/secrets/database-password"
must install -d -m 0750 -g credential-keeper "$keep/keys"
must install -m 0440 -g credential-keeper -t "$keep/keys" "$keep/secrets/keyring.json"
must cp -p "$keep/keys/keyring.json" "$keep/.keyring.json"
logs=/var/log/credential-keeper
must install -d -m 0755 -o credential-keeper -g credential-keeper /var/tmp/logs
must ln -s /var/tmp/logs "$logs"
must install -m 0644 -o credential-keeper /dev/null "$logs/audit.jsonl"
must install -m 0644 /dev/null /var/tmp/target
must ln -s /var/tmp/target "$logs/link"
must chown -h credential-keeper "$logs/link"
must install -m 0644 /dev/null "$logs/of-root"
must dpkg --purge credential-keeper
expect 'kept /etc/credential-keeper/.keyring.json /etc/credential-keeper/keyring.json /etc/credential-keeper/keys'
must find "$keep" "$logs/." '!' -user root -o '!' -group root -o -type f '!' -name of-root -perm /077
[ ! -s "$work/output" ] || fail 'other accounts can get or read these files after a purge'
must stat --format=%n:%a:%U "$logs/of-root" /var/tmp/target
for kept in "$logs/of-root" /var/tmp/target; do expect "$kept:644:root"; done
for kept in keyring.json secrets/keyring.json keys/keyring.json; do
    cmp "$root/etc/credential-keeper/$kept" "$work/keyring" || fail "purging changed $kept"
done
for gone in /etc/credential-keeper/keeper.toml /etc/credential-keeper/secrets/database-password \
    /etc/credential-keeper/database-password /usr/bin/credential-keeper /usr/libexec/credential-keeper; do
    ! is_on_disk "$gone" || fail "purging kept $gone"
done
! run getent passwd credential-keeper || fail 'purging kept the user'
! run systemctl cat credential-keeper || fail 'purging kept the unit'
# Again, and without the account.
rm -r "$root/etc/credential-keeper" "$root$logs"
must bash -c 'dpkg --install /packages/first/*.deb'
must userdel credential-keeper
must dpkg --purge credential-keeper
! is_on_disk /etc/credential-keeper || fail 'purging an installation without secrets kept its folder'

step 'passed'
