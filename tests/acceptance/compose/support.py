"""Commands, requests and containers for checks.py."""

import base64
import contextlib
import http.client
import json
import os
import re
import secrets
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

HOST = "keeper.example"
SAVE = "/api/v1/Agents/User/SaveCredential"
PRINCIPAL = "/api/v1/User/currentPrincipal"
SERVICES = ("database", "keeper", "proxy")
ADMIN = "admin"
USER = "paul"
USER_ID = 278
OTHER_ID = 279
START_SECONDS = 120


def note(text):
    print(text, file=sys.stderr, flush=True)


def fail(text):
    sys.exit(f"failed: {text}")


def expect(condition, text):
    if not condition:
        fail(text)


def attempt(*command, given=None, environment=None):
    """Runs a command; returns its exit code and what it printed."""
    return subprocess.run(
        command, input=given, text=True, capture_output=True, timeout=600, check=False,
        env={**os.environ, **(environment or {})},
    )


def run(*command, allowed=(0,), **options):
    """Runs a command that must succeed; returns its standard output."""
    done = attempt(*command, **options)
    if done.returncode not in allowed:
        fail(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


def wait(seconds, condition, *arguments):
    """Waits until a function of the arguments is true."""
    deadline = time.monotonic() + seconds
    while not condition(*arguments):
        name = condition.__name__.replace("_", " ")
        expect(time.monotonic() < deadline, f"timed out after {seconds} s waiting for {name} {arguments}")
        time.sleep(0.2)


# The documents.

def document_lines():
    text = Path("docs/how-to/deploy.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return {line.strip() for block in blocks for line in block.splitlines()}


def documented(line, given=None, **replacements):
    """Runs a command line of docs/how-to/deploy.md, with some of its words replaced."""
    expect(line in document_lines(), f"docs/how-to/deploy.md does not have the line: {line}")
    for word, replacement in replacements.items():
        line = line.replace(word, replacement)
    return run("bash", "-euo", "pipefail", "-c", line, given=given)


def compose(*arguments, **options):
    return run("docker", "compose", *arguments, **options)


# The service, through the proxy.

def peer(connection):
    """The certificate of the other end."""
    return ssl.DER_cert_to_PEM_cert(connection.getpeercert(True)).strip()


class Connection:
    """A TLS connection to the proxy. Trusts the certificate in `secrets`, or one of those given."""

    def __init__(self, pinned=None):
        self.pinned = pinned
        context = ssl.create_default_context(cafile=None if pinned else "secrets/proxy_certificate")
        if pinned:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        self.connection = http.client.HTTPSConnection(HOST, 8443, timeout=30, context=context)

    def connect(self):
        self.connection.connect()
        if self.pinned and peer(self.connection.sock) not in self.pinned:
            raise OSError("another certificate")

    def call(self, method, path, user, password, body=None, headers=None):
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json", **(headers or {})}
        if self.connection.sock is None:
            self.connect()
        self.connection.request(method, path, body and json.dumps(body), headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read().decode()

    def close(self):
        self.connection.close()


def call(*arguments, **options):
    with contextlib.closing(Connection()) as connection:
        return connection.call(*arguments, **options)


class Passwords:
    """The passwords that the checks use; `used` has all of them."""

    def __init__(self):
        self.admin = self.user = None
        self.used = []

    def new(self):
        self.used.append(f"long enough {secrets.token_hex(8)}")
        return self.used[-1]


PASSWORDS = Passwords()


def save():
    """Saves a new password over TLS; the new one logs in, and the old one does not."""
    old, new = PASSWORDS.user, PASSWORDS.new()
    body = {"UserId": USER_ID, "Credential": {"Type": {}, "Value": new}}
    answer = call("POST", SAVE, ADMIN, PASSWORDS.admin, body)
    expect(answer == (200, "true"), f"a save answers {answer}")
    PASSWORDS.user = new
    check_login()
    if old:
        expect(call("GET", PRINCIPAL, USER, old)[0] == 401, "the old password still logs in")


def check_login():
    status, body = call("GET", PRINCIPAL, USER, PASSWORDS.user)
    expect(status == 200, f"the saved password answers {status}: {body}")


def is_serving():
    with contextlib.suppress(OSError, http.client.HTTPException):
        return call("GET", PRINCIPAL, USER, PASSWORDS.user)[0] == 200
    return False


class Load:
    """Logins and saves without pause, on new and on kept connections; remembers each failure."""

    def __init__(self, pinned=None):
        self.pinned = pinned
        # One for all saves: of 65,536 new ones, the filter of common passwords refuses about one.
        self.password = PASSWORDS.new()
        self.answers = 0
        self.failures = []
        self.is_done = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(is_kept,)) for is_kept in (True, False)]

    def work(self, is_kept):
        connection = Connection(self.pinned)
        while not self.is_done.is_set():
            try:
                body = {"UserId": OTHER_ID, "Credential": {"Value": self.password}}
                for request in (("GET", PRINCIPAL), ("POST", SAVE)):
                    answer = connection.call(*request, ADMIN, PASSWORDS.admin, body)
                    self.answers += 1
                    if answer[0] != 200:
                        self.failures.append((*request, *answer))
                    if not is_kept:
                        connection.close()
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as error:
                # nginx closes kept connections at a reload; clients then repeat the request.
                if not is_kept:
                    self.failures.append(repr(error))
                connection.close()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        time.sleep(1)
        return self

    def __exit__(self, *exception):
        time.sleep(1)
        self.is_done.set()
        for thread in self.threads:
            thread.join()

    def expect_no_failure(self, during):
        expect(not self.failures, f"requests failed during {during}: {self.failures[:5]}")
        expect(self.answers > 20, f"only {self.answers} answers during {during}")
        note(f"   {self.answers} answers, no failed request")


# Containers.

# A removed container takes its log with it, so logs are collected after each check.
COLLECTED_LOGS = []


def in_container(service, *command):
    return attempt("docker", "compose", "exec", "-T", service, *command)


def container(service):
    return compose("ps", "--quiet", service).strip()


def inspect(service):
    return json.loads(run("docker", "inspect", container(service)))[0]


def is_healthy(service):
    name = compose("ps", "--quiet", service).strip()
    if not name:
        return False
    state = json.loads(run("docker", "inspect", name))[0]["State"]
    return state["Status"] == "running" and state["Health"]["Status"] == "healthy"


def wait_until_healthy():
    for service in SERVICES:
        wait(START_SECONDS, is_healthy, service)
    wait(START_SECONDS, is_serving)


def logs():
    return compose("logs", "--no-color", "--no-log-prefix")


def process_status(service):
    """The lines of /proc/PID/status of the main process of a container."""
    text = Path(f"/proc/{inspect(service)['State']['Pid']}/status").read_text()
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def cgroup_value(service, first, second):
    """A limit as the kernel has it: the first file for version 1 of control groups, the second for version 2."""
    pid = inspect(service)["State"]["Pid"]
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        controller = first.split(".")[0]
        if controller in controllers.split(","):
            return int(Path(f"/sys/fs/cgroup/{controller}{path}/{first}").read_text())
    return int(Path(f"/sys/fs/cgroup{path}/{second}").read_text())


