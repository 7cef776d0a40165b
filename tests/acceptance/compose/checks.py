#!/usr/bin/env python3
"""Checks the deployment of docker-compose.yml in containers.

Runs in a copy of the repository, as an account that is not root, with a Docker engine of its own (see
engine). Commands of the documents are run as printed there: `documented` fails if docs/how-to/deploy.md
does not have them.
"""

import contextlib
import http.client
import json
import os
import re
import resource
import shutil
import signal
import time
from pathlib import Path

from support import (
    ADMIN, COLLECTED_LOGS, HOST, OTHER_ID, PASSWORDS, PRINCIPAL, SAVE, SERVICES, START_SECONDS, USER, USER_ID,
    Connection, Load, attempt, call, cgroup_value, check_login, compose, container, documented, expect,
    in_container, inspect, logs, note, peer, process_status, run, save, wait, wait_until_healthy,
)

# The checks, in the order in which they run.

def it_starts_as_documented():
    # Both follow from this machine, and the document describes both variables.
    settings = []
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
    if limit != resource.RLIM_INFINITY:
        settings.append(f"KEEPER_MEMLOCK={limit}\n")
        note(f"   this system does not allow memlock to be raised: KEEPER_MEMLOCK={limit}")
    settings.append("KEEPER_BINARY_STAGE=prebuilt\n")
    Path(".env").write_text("".join(settings))
    started = documented("script/compose-up keeper.example", **{"keeper.example": f"{HOST} 2>&1"})
    expect(f"ready at https://{HOST}:8443;" in started, f"another URL:\n{started[-1000:]}")
    expect("is not valid for" not in started, f"the certificate has another name:\n{started[-1000:]}")
    output = documented("docker compose run --rm keeper user add NAME --administrator --generate", NAME=ADMIN)
    PASSWORDS.admin = output.strip().splitlines()[-1].split()[-1]
    PASSWORDS.used.append(PASSWORDS.admin)
    PASSWORDS.user = PASSWORDS.new()
    compose("run", "--rm", "-T", "keeper", "user", "add", USER, "--id", str(USER_ID), given=PASSWORDS.user)
    compose("run", "--rm", "-T", "keeper", "user", "add", "eva", "--id", str(OTHER_ID), given=PASSWORDS.new())
    check_login()
    if limit != resource.RLIM_INFINITY:
        refused = attempt("docker", "run", "--rm", "--ulimit", "memlock=-1", "credential-keeper:local", "--version")
        expect("error setting rlimit type 8" in refused.stderr, f"the documented error is now: {refused.stderr}")


def the_lines_of_a_client_save_over_tls():
    """The vendor's sample and its XML and form, with curl, which verifies the certificate."""
    curl = ("curl", "--silent", "--show-error", "--cacert", "secrets/proxy_certificate", "--config", "-")
    url = f"https://{HOST}:8443{SAVE}"
    samples = [
        ("application/json; charset=utf-8", '{"UserId": 278, "Credential": {"Type": {}, "Value": "%s", "DisplayValue": "aut"}}'),
        ("application/xml", "<SaveCredentialRequest><UserId>278</UserId><Credential><Value>%s</Value></Credential></SaveCredentialRequest>"),
        ("application/x-www-form-urlencoded", "UserId=278&Credential[Type][Type]=CRM5/PASSWORD&Credential.Value=%s"),
    ]
    for media_type, body in samples:
        new = PASSWORDS.new()
        config = f'user = "{ADMIN}:{PASSWORDS.admin}"\nurl = "{url}"\ndata = {json.dumps(body % new)}\n'
        config += f'header = "Content-Type: {media_type}"\nheader = "Accept: application/json"\nfail\n'
        expect(run(*curl, given=config).strip() == "true", f"a save as {media_type}")
        PASSWORDS.user = new
        check_login()


def doctor_finds_no_fault():
    for command in (
        "docker compose run --rm keeper doctor",
        "docker compose exec keeper credential-keeper doctor",
    ):
        findings = documented(command)
        expect("FAIL" not in findings and "pass" in findings, f"{command}:\n{findings}")


def other_hosts_and_plain_http_are_rejected():
    answer = call("GET", PRINCIPAL, USER, PASSWORDS.user, headers={"Host": "other.example"})
    expect(answer[0] == 421, f"another host answers {answer}")
    plain = http.client.HTTPConnection(HOST, 8443, timeout=10)
    plain.request("GET", PRINCIPAL)
    expect(plain.getresponse().status == 400, "the port of the proxy speaks plain HTTP")
    published = [service for service in SERVICES if inspect(service)["NetworkSettings"]["Ports"].get("8443/tcp")]
    expect(published == ["proxy"], f"published ports: {published}")


def containers_are_hardened():
    for service in SERVICES:
        status = process_status(service)
        expect(status["Uid"].split() == [str(os.getuid())] * 4, f"{service} runs as {status['Uid']}")
        sets = {name: int(value, 16) for name, value in status.items() if name.startswith("Cap")}
        expect(len(sets) == 5 and not any(sets.values()), f"{service} has capabilities: {sets}")
        expect(status["NoNewPrivs"] == "1", f"{service} can gain privileges")
        host = inspect(service)["HostConfig"]
        expect(host["ReadonlyRootfs"], f"{service} can write its root")
        expect(host["LogConfig"]["Config"]["max-size"], f"{service} has no limit on its log")
    for service in ("database", "proxy"):
        done = in_container(service, "touch", "/etc/written")
        expect("Read-only file system" in done.stderr, f"{service}: {done.stderr}")
    for shell in ("sh", "bash", "/bin/sh"):
        expect(in_container("keeper", shell).returncode != 0, f"the image of the service has {shell}")


def limits_are_in_force():
    for service in SERVICES:
        host = inspect(service)["HostConfig"]
        memory = cgroup_value(service, "memory.limit_in_bytes", "memory.max")
        expect(memory == host["Memory"] > 0, f"{service}: the memory limit is {memory}")
        pids = cgroup_value(service, "pids.max", "pids.max")
        expect(pids == host["PidsLimit"] > 0, f"{service}: the limit on processes is {pids}")
        expect(host["MemorySwap"] == memory, f"{service} may swap")
    line = next(line for line in logs().splitlines() if "keeper.memory.ceiling_kib" in line)
    ceiling = int(re.search(r'"keeper.memory.ceiling_kib":(\d+)', line)[1]) * 1024
    limit = inspect("keeper")["HostConfig"]["Memory"]
    expect(ceiling < limit, f"keeper.memory.ceiling_kib is {ceiling}, and the limit {limit}")
    note(f"   keeper: ceiling {ceiling >> 20} MiB of {limit >> 20} MiB, "
         f"{process_status('keeper')['Threads']} threads")
    processes = "for i in $(seq 400); do sleep 30 & done; wait"
    done = in_container("database", "timeout", "4", "bash", "-c", processes)
    expect("Resource temporarily unavailable" in done.stderr, f"400 processes: {done.stderr[-500:]}")
    done = in_container("proxy", "bash", "-c", "head -c 1G /dev/zero | tail >/dev/null")
    expect(done.returncode == 137, f"an allocation of 1 GiB ended with {done.returncode}")
    wait_until_healthy()
    save()


def it_survives_restarts():
    for service in SERVICES:
        compose("restart", service)
        wait_until_healthy()
        save()


def it_survives_crashes():
    """Kills the main processes as a crash does; the engine starts them again."""
    for killed in (["database"], ["keeper"], ["proxy"], list(SERVICES)):
        pids = {service: inspect(service)["State"]["Pid"] for service in killed}
        for pid in pids.values():
            os.kill(pid, signal.SIGKILL)
        for service, pid in pids.items():
            wait(START_SECONDS, lambda name, pid: inspect(name)["State"]["Pid"] not in (0, pid), service, pid)
        wait_until_healthy()
        check_login()
        save()
    run("docker", "kill", container("keeper"))
    documented("script/compose-up")
    wait_until_healthy()
    save()


def a_database_password_rotates():
    secret = Path("secrets/keeper_password")
    old = secret.read_text()
    with Load() as load:
        documented("script/compose-rotate password keeper")
        time.sleep(3)
    load.expect_no_failure("the rotation of the database password")
    expect(secret.read_text() != old, "the password is the same")
    expect(secret.stat().st_mode & 0o777 == 0o400, "the permissions of the password changed")
    compose("restart", "keeper")
    wait_until_healthy()
    for role in ("keeper_owner", "postgres"):
        run("script/compose-rotate", "password", role)
    # The command leaves the standard input to the loop.
    secrets = [Path("secrets", name) for name in ("keeper_password", "auditor_password")]
    before = [secret.read_text() for secret in secrets]
    printed = run("bash", "-euo", "pipefail", "-c", """
        printf 'keeper\\nkeeper_auditor\\n' |
            while read -r role; do script/compose-rotate password "$role"; done""")
    expect(not printed, f"a rotation printed to stdout: {printed}")
    kept = [secret.name for secret, text in zip(secrets, before) if secret.read_text() == text]
    expect(not kept, f"a loop did not rotate {kept}")
    compose("run", "--rm", "-T", "migrate")
    save()


def an_interrupted_rotation_keeps_a_password_that_works():
    secret = Path("secrets/keeper_password")
    old = secret.read_text()
    compose("stop", "database")
    failed = attempt("script/compose-rotate", "password", "keeper")
    compose("start", "database")
    wait_until_healthy()
    expect(failed.returncode == 1 and "does not answer" in failed.stderr, f"without a database: {failed.stderr}")
    expect(secret.read_text() == old, "a rotation without a database wrote the password")
    # psql sets the password, and the engine says that it was killed.
    Path("interrupted").mkdir()
    engine = Path("interrupted/docker")
    engine.write_text(f"""#!/bin/sh
{shutil.which("docker")} "$@" || exit
case "$*" in *" psql "*"--username=postgres") exit 137;; esac
""")
    engine.chmod(0o755)
    path = f"{engine.parent.resolve()}:{os.environ['PATH']}"
    failed = attempt("env", f"PATH={path}", "script/compose-rotate", "password", "keeper")
    expect(failed.returncode == 1 and "psql ended early" in failed.stderr, f"a killed psql: {failed.stderr}")
    shutil.rmtree(engine.parent)
    save()
    compose("restart", "keeper")
    wait_until_healthy()
    save()
    run("script/compose-rotate", "password", "keeper")
    save()


def a_certificate_rotates():
    old = Path("secrets/proxy_certificate").read_text().strip()
    run("script/compose-secrets", "new", HOST)
    new = Path("new/proxy_certificate").read_text().strip()
    run("script/compose-secrets", "third", HOST)
    third = Path("third/proxy_certificate").read_text().strip()

    def served():
        with contextlib.closing(Connection([old, new, third])) as connection:
            connection.connect()
            return peer(connection.connection.sock)

    expect(served() == old, "the proxy serves another certificate")
    with Load([old, new]) as load:
        documented("script/compose-rotate certificate CERTIFICATE KEY",
                   CERTIFICATE="new/proxy_certificate", KEY="new/proxy_key")
        wait(10, lambda: served() == new)
    load.expect_no_failure("the rotation of the certificate")
    current = Path("secrets/proxy_certificate").read_text()
    expect(current.strip() == new, "secrets/ has another certificate")
    # A key that does not match, and files that do not exist, change nothing.
    for certificate, key, error in (
        ("third/proxy_certificate", "new/proxy_key", "does not match"),
        ("third/proxy_certificate", "missing", "cannot read the key"),
        ("missing", "missing", "cannot read the certificate"),
    ):
        failed = attempt("script/compose-rotate", "certificate", certificate, key)
        expect(failed.returncode == 1 and error in failed.stderr, f"{certificate}, {key}: {failed.stderr}")
        expect(Path("secrets/proxy_certificate").read_text() == current, f"{certificate}, {key} changed secrets/")
    # The files are named from another folder.
    run("bash", "-euc", "cd third; ../script/compose-rotate certificate proxy_certificate proxy_key")
    wait(10, lambda: served() == third)
    expect(not list(Path("secrets").glob("old.*")), "a rotation left a copy of a key")
    save()


def the_keyring_rotates():
    def keys():
        lines = compose("run", "--rm", "-T", "keeper", "keys", "list").splitlines()
        return {words[0]: words[1] for words in map(str.split, lines) if len(words) > 1}

    def only(state):
        [key] = [key for key, of_key in keys().items() if of_key == state]
        return key

    old = only("writing")
    left = Path("secrets/keyring.json.new")
    left.write_text("complete")
    run("script/compose-rotate", "keyring", "add", allowed=(1,))
    expect(left.read_text() == "complete", "a rotation overwrote what an interrupted one left")
    left.unlink()
    with Load() as load:
        documented("script/compose-rotate keyring add")
        new = only("readable")
        documented('script/compose-rotate keyring use "$NEW"', **{'"$NEW"': new})
        save()
        documented("docker compose run --rm keeper rotate-key reseal")
        documented('script/compose-rotate keyring retire "$OLD"', **{'"$OLD"': old})
        save()
    load.expect_no_failure("the rotation of the keyring")
    expect(only("writing") == new and only("retired") == old, f"keys: {keys()}")
    documented("docker compose run --rm keeper audit verify")


def an_upgrade_keeps_the_data():
    before = inspect("keeper")
    # Bytes behind its end make another file of the same program.
    with open("target/dist/credential-keeper", "ab") as binary:
        binary.write(b"upgrade")
    # As git does, write another file in place of the old one.
    configuration = Path("deploy/roles.sh").read_text() + "# upgrade\n"
    Path("roles").write_text(configuration)
    Path("roles").chmod(0o755)
    Path("roles").replace("deploy/roles.sh")
    started = time.monotonic()
    with Load() as load:
        documented("script/compose-up")
    statuses = {failure[2] if isinstance(failure, tuple) else failure for failure in load.failures}
    expect(statuses <= {502, 503, 504}, f"failed requests: {statuses}")
    note(f"   {len(load.failures)} of {load.answers} requests failed in {time.monotonic() - started:.0f} s")
    after = inspect("keeper")
    expect(after["Image"] != before["Image"], "the container has the image of before")
    mounted = in_container("database", "cat", "/docker-entrypoint-initdb.d/roles.sh").stdout
    expect(mounted == configuration, "the container has the file of before")
    check_login()
    expect(call("GET", PRINCIPAL, USER, PASSWORDS.user, headers={"Host": "other.example"})[0] == 421,
           "the second start forgot the host names")
    save()


def images_are_pinned():
    documented("script/compose-pin")
    documented("script/compose-up")
    pinned = re.findall(r'^KEEPER_\w+_IMAGE="(.*)"$', Path(".env").read_text(), re.MULTILINE)
    expect(len(pinned) == 3, f".env pins {pinned}")
    for image in pinned:
        expect(re.fullmatch(r".*:[\w-]+@sha256:[0-9a-f]{64}", image), f"{image} is no digest")
    for service in ("database", "proxy"):
        expect(inspect(service)["Config"]["Image"] in pinned, f"the image of {service} is not pinned")
    # A second run finds the same images.
    before = sorted(Path(".env").read_text().splitlines())
    run("script/compose-pin")
    expect(sorted(Path(".env").read_text().splitlines()) == before, "a second run changed .env")
    save()


def it_keeps_its_data_when_removed_and_started():
    COLLECTED_LOGS.append(logs())
    documented("docker compose down")
    expect(not container("keeper"), "a container is left")
    for name in ("database_certificate", "database_key"):
        Path("secrets", name).unlink()
    documented("script/compose-up")
    check_login()
    save()
    documented("docker compose run --rm keeper audit verify")
    documented("docker compose run --rm auditor")
    doctor_finds_no_fault()


def it_runs_with_docker_compose_1():
    """Debian 12 has docker-compose 1.29, and no plugin."""
    # The client of Debian 12 needs no plugin to build.
    plain = {"DOCKER_CONFIG": "/nonexistent", "PATH": f"/usr/bin:{os.environ['PATH']}"}
    has_plugin = attempt("docker", "compose", "version", environment=plain).returncode == 0
    if has_plugin or not shutil.which("docker-compose"):
        note("   not run: docker-compose 1.29 not found, or a plugin for every account")
        return
    COLLECTED_LOGS.append(logs())
    documented("docker compose down")
    run("script/compose-up", environment=plain)
    expect("credential-keeper_keeper_1" in run("docker", "ps", "--format", "{{.Names}}"), "the plugin was used")
    save()
    findings = run("docker-compose", "run", "--rm", "-T", "keeper", "doctor")
    expect("FAIL" not in findings, findings)
    run("docker-compose", "down")
    run("script/compose-up")


def logs_have_no_secret():
    texts = list(PASSWORDS.used)
    for path in Path("secrets").iterdir():
        if path.name.endswith("_certificate"):
            continue
        text = path.read_text()
        if path.suffix == ".json":
            texts += [word for word in re.findall(r'"([^"]{24,})"', text)]
        else:
            texts += [line for line in text.splitlines() if len(line) > 20 and "PRIVATE KEY" not in line]
    expect(len(texts) > 10, "no secrets to look for")
    found = "".join(COLLECTED_LOGS)
    expect(len(found) > 10_000, f"only {len(found)} bytes of logs")
    leaked = [text[:4] + "…" for text in texts if text in found]
    expect(not leaked, f"the logs have secrets: {leaked}")
    note(f"   {len(found.splitlines())} lines")


# The codes of requests that are refused while these checks stop the database or the service.
CODES_OF_AN_OUTAGE = {"database_unavailable", "outcome_unknown", "overloaded", "shutting_down"}


def is_error(line):
    return '"log.level":"error"' in line or "panicked" in line


def is_of_an_outage(line):
    """True for the error of a request that a stopped container explains; a panic is none."""
    return "panicked" not in line and json.loads(line).get("error.code") in CODES_OF_AN_OUTAGE


def logs_have_only_errors_of_the_outages():
    # The logs were collected several times.
    errors = {line for text in COLLECTED_LOGS for line in text.splitlines() if is_error(line)}
    unexpected = sorted(line for line in errors if not is_of_an_outage(line))
    expect(not unexpected, f"{len(unexpected)} unexpected errors, such as\n" + "\n".join(unexpected[:5]))
    note(f"   {len(errors)} errors of requests during the outages")


CHECKS = [
    it_starts_as_documented,
    the_lines_of_a_client_save_over_tls,
    doctor_finds_no_fault,
    other_hosts_and_plain_http_are_rejected,
    containers_are_hardened,
    limits_are_in_force,
    it_survives_restarts,
    it_survives_crashes,
    a_database_password_rotates,
    an_interrupted_rotation_keeps_a_password_that_works,
    a_certificate_rotates,
    the_keyring_rotates,
    an_upgrade_keeps_the_data,
    images_are_pinned,
    it_keeps_its_data_when_removed_and_started,
    it_runs_with_docker_compose_1,
    logs_have_no_secret,
    logs_have_only_errors_of_the_outages,
]


def main():
    for check in CHECKS:
        started = time.monotonic()
        name = check.__name__.replace("_", " ")
        note(f"-- {name}")
        check()
        COLLECTED_LOGS.append(logs())
        note(f"   {time.monotonic() - started:.0f} s")
    compose("down", "--volumes")


if __name__ == "__main__":
    main()
