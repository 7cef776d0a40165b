#!/usr/bin/env bash
# Searches a real Active Directory domain controller (Samba) through the service. $1: the binary.
#
# Everything runs in a network namespace of its own, so that the controller can use its fixed ports.
# Needs root. If this system permits no namespace, writes the reason to $ACCEPTANCE_SKIPPED and exits
# with 77.
set -euo pipefail

fail() { printf 'samba: %s\n' "$*" >&2; exit 1; }

if [ -z "${SAMBA_INSIDE:-}" ]; then
    unshare --net --uts true 2>/dev/null || {
        echo 'this system permits no network namespace' >"$ACCEPTANCE_SKIPPED"
        exit 77
    }
    exec env SAMBA_INSIDE=1 unshare --net --uts "$0" "$@"
fi

binary=$1
folder=$(mktemp -d)
controller=
service=
cleanup() {
    local process
    for process in $service $controller; do
        kill "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
    done
    rm -rf "$folder"
}
trap cleanup EXIT
ip link set lo up

# The domain.
password='Acceptance-Test-1!'
settings=$folder/dc/etc/smb.conf
samba-tool domain provision --realm=EXAMPLE.TEST --domain=EXAMPLE --server-role=dc --dns-backend=NONE \
    --host-name=dc1 --host-ip=127.0.0.1 --adminpass="$password" --targetdir="$folder/dc" \
    --option='interfaces=lo' --option='bind interfaces only=yes' >"$folder/provision" 2>&1 ||
    fail "the domain was not provisioned: $(tail -n 3 "$folder/provision")"
openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=authority \
    -keyout "$folder/ca.key" -out "$folder/ca.pem" 2>/dev/null
openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout "$folder/server.key" 2>/dev/null |
    openssl x509 -req -days 1 -CA "$folder/ca.pem" -CAkey "$folder/ca.key" -CAcreateserial \
        -extfile <(echo subjectAltName=DNS:localhost) -out "$folder/server.pem" 2>/dev/null
chmod 600 "$folder/server.key"
samba --interactive --no-process-group --configfile="$settings" --model=single \
    --option="tls certfile=$folder/server.pem" --option="tls keyfile=$folder/server.key" \
    --option="tls cafile=$folder/ca.pem" --option='server services=ldap,cldap,kdc,rpc' \
    >"$folder/log" 2>&1 &
controller=$!
for _ in $(seq 300); do
    (exec 3<>/dev/tcp/127.0.0.1/636) 2>/dev/null && break
    kill -0 "$controller" 2>/dev/null || fail "the controller ended: $(tail -n 3 "$folder/log")"
    sleep 0.1
done

# Users and groups: North is in Sales, and Sales is the primary group of per.
tool() { samba-tool "$@" --configfile="$settings" >>"$folder/tool" 2>&1 || fail "$*: $(tail -n 3 "$folder/tool")"; }
for user in keeper ola kari per gone; do tool user add "$user" "$password"; done
for group in Sales North; do tool group add "$group"; done
tool user disable gone
tool group addmembers North kari
tool group addmembers Sales North,ola,per,gone
tool user setprimarygroup per Sales

# The service.
printf '%s' "$password" >"$folder/password"
chmod 400 "$folder/password"
start() {
    local ready
    exec {output}< <(exec env KEEPER__LOG__FORMAT=json KEEPER__DIRECTORY__URL="$1" \
        KEEPER__DIRECTORY__CA_FILE="$folder/ca.pem" KEEPER__DIRECTORY__DOMAIN=EXAMPLE \
        KEEPER__DIRECTORY__BIND_DN=keeper@example.test \
        KEEPER__DIRECTORY__PASSWORD_FILE="$folder/password" \
        KEEPER__DIRECTORY__USER_BASE_DN=DC=example,DC=test \
        KEEPER__DIRECTORY__GROUP_BASE_DN=DC=example,DC=test KEEPER__DIRECTORY__PAGE_SIZE=2 \
        KEEPER__DIRECTORY__VERIFY_PASSWORDS=true \
        "$binary" dev --data "$folder/data" --listen 127.0.0.1:0 2>>"$folder/service")
    service=$!
    read -r -t 120 -u "$output" ready url && [ "$ready" = ready ] ||
        fail "the service did not start: $(tail -n 3 "$folder/service")"
}
stop() {
    kill -INT "$service"
    while kill -0 "$service" 2>/dev/null; do sleep 0.1; done
    service=
}
call() {
    curl --silent --show-error --user tje0:Tje0 --json "$2" "$url/api/v1/Agents/User/$1"
}
# $1: a password of the user that was saved.
log_in() {
    curl --silent --output /dev/null --write-out '%{http_code}' --user "demo:$1" \
        "$url/api/v1/User/currentPrincipal"
}
# $1: what is checked; $2: the expected text; $3: the found one.
check() {
    [ "$2" = "$3" ] || fail "$1: expected $2, found $3; $(tail -n 3 "$folder/service")"
    printf 'samba: %s\n' "$1" >&2
}
in_group() {
    call GetCredentialUsersInGroup "$(jq -nc --arg name "$1" '{Type: "ActiveDirectory", GroupName: $name}')" |
        jq -c '[.Users[].DisplayValue]'
}
search() { jq -nc --arg text "$1" '{Type: "ActiveDirectory", SearchString: $text}'; }

sid_of() {
    samba-tool user show "$1" --attributes=objectSid --configfile="$settings" 2>/dev/null |
        sed -n 's/^objectSid: //p'
}
for server in ldaps://localhost ldap://localhost; do
    start "$server"
    found=$(call FindCredentialUsers "$(search ol)")
    check "$server: the SID is that of the controller" "$(sid_of ola)" "$(jq -r '.Users[0].Value' <<<"$found")"
    check "$server: a user has the name of the domain" '["EXAMPLE\\ola"]' "$(jq -c '[.Users[].DisplayValue]' <<<"$found")"
    sales=$(call FindCredentialsGroups "$(search sale)" | jq -r '.[0].Name')
    check "$server: a group is found" 'CN=Sales,CN=Users,DC=example,DC=test' "$sales"
    check "$server: nested and primary groups, without disabled users" \
        '["EXAMPLE\\kari","EXAMPLE\\ola","EXAMPLE\\per"]' "$(in_group "$sales")"
    check "$server: special characters are escaped" '[]' \
        "$(call FindCredentialUsers "$(search '*)(objectClass=*')" | jq -c .Users)"
    all=$(call FindCredentialUsers "$(search '')" | jq -c '[.Users[].DisplayValue | select(test("(ola|kari|\\\\per)$"))]')
    check "$server: all pages of the whole domain, past its references" \
        '["EXAMPLE\\kari","EXAMPLE\\ola","EXAMPLE\\per"]' "$all"
    saved=$(call SaveCredential "$(jq -c '{UserId: 278, Credential: {Type: {Type: "ActiveDirectory"},
        Value: .Users[0].Value, DisplayValue: .Users[0].DisplayValue}}' <<<"$found")")
    check "$server: the chosen user is saved" true "$saved"
    # demo, the user 278, has a password here, too.
    check "$server: the controller verifies a password by a bind" 200 "$(log_in "$password")"
    check "$server: the controller refuses a password" 401 "$(log_in wrong)"
    grep -q 'the directory refused the password' "$folder/service" || fail 'the log has no reason'
    stop
done
echo 'wrong' >"$folder/wrong"
chmod 400 "$folder/wrong"
cp -p "$folder/wrong" "$folder/new" && mv -f "$folder/new" "$folder/password"
start ldaps://localhost
check 'a wrong password is unavailable' directory_unavailable "$(call FindCredentialUsers "$(search ol)" | jq -r .Code)"
grep -q '"keeper.alarm":true' "$folder/service" || fail 'a wrong password raised no alarm'
stop
