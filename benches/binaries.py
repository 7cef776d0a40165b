#!/usr/bin/env python3
"""Compares two builds of the service: hashing, Bearer saves, Basic logins that compute a hash, cheap
requests and imports of ready hashes, alternating in one run.

    benches/binaries.py BINARY OTHER [ROUNDS]

Runs `dev` of each binary with a database of its own. Prints the medians of each, and of the ratios of
OTHER to BINARY in each round with their quartiles: of the processor time of the service and of
PostgreSQL for each request, which a busy machine hardly changes, and of the throughput.
"""

import base64
import concurrent.futures
import contextlib
import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

SAVE = ("POST", "/api/v1/Agents/User/SaveCredential", "bearer", 208)
LOGIN = ("GET", "/api/v1/User/currentPrincipal", "basic", 208)
READ = ("GET", "/api/v1/User/currentPrincipal", "bearer", 2000)
CONNECTIONS = 16
IMPORTED = 20_000
# Valid in form only.
HASH = "$2b$12$abcdefghijklmnopqrstuubAvJmxpQuyV3jn7x.SUSPxe.DearCPe"


def processor_seconds(process, with_ended=False):
    """The processor time of a process, and of those that it started and that ended."""
    with open(f"/proc/{process}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return sum(int(field) for field in fields[11:15 if with_ended else 13]) / os.sysconf("SC_CLK_TCK")


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def write_users(file, users):
    with open(file, "w") as lines:
        for name, credentials in users:
            lines.write(json.dumps({"login_name": name, "credentials": credentials}) + "\n")
    return file


def descendants(process):
    """The processes that a process started, and those that they started."""
    parents = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as stat:
                parents[int(entry)] = int(stat.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            pass
    found = [process]
    for parent in found:
        found.extend(child for child, of in parents.items() if of == parent)
    return found[1:]


class Service:
    """A running `dev`."""

    def __init__(self, binary, folder):
        self.log = open(folder + ".log", "w+")
        # Each login computes a hash, and waits for it on a busy machine.
        environment = {
            **os.environ, "KEEPER__LOG__FORMAT": "json", "KEEPER__HASHING__MAXIMUM_VERIFIED": "0",
            "KEEPER__HASHING__DEADLINE_SECONDS": "60", "KEEPER__HTTP__ANSWER_TIMEOUT_SECONDS": "90",
        }
        self.binary, self.folder = binary, folder
        self.process = subprocess.Popen(
            [binary, "dev", "--data", folder, "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE, stderr=self.log, text=True, env=environment,
        )
        self.address = self.process.stdout.readline().split("//")[1].strip()
        self.authorization = "Basic " + encoded("tje0:Tje0")
        token = self.call(self.connect(), "POST", "/api/v1/Agents/User/GetAccessToken", "{}")
        self.authorization = "Bearer " + json.loads(token)
        # Concurrent logins of one user would share a hash.
        secrets = [(f"load{number}", [{"value": f"value {number}"}]) for number in range(CONNECTIONS)]
        self.run_import(write_users(folder + ".jsonl", secrets))

    def connect(self):
        return http.client.HTTPConnection(self.address)

    def call(self, connection, method, path, body=None, authorization=None):
        headers = {
            "Authorization": authorization or self.authorization, "Content-Type": "application/json",
        }
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == 200, (answer.status, text)
        return text

    def database_seconds(self):
        seconds = 0
        for process in descendants(self.process.pid):
            # One that ends meanwhile counts with its parent.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                seconds += processor_seconds(process, True)
        return seconds

    def measure(self, method, path, scheme, count):
        """Processor milliseconds of the service and of PostgreSQL for each request, and requests in a
        second."""
        body = '{"UserId": 278, "Credential": {"Value": "a long value"}}' if method == "POST" else None

        def work(number):
            connection = self.connect()
            name = f"load{number}:value {number}"
            authorization = "Basic " + encoded(name) if scheme == "basic" else None
            for _ in range(count // CONNECTIONS):
                self.call(connection, method, path, body, authorization)

        before, start = self.seconds(), time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(work, range(CONNECTIONS)))
        elapsed, after = time.monotonic() - start, self.seconds()
        done = count // CONNECTIONS * CONNECTIONS
        costs = [(end - begin) / done * 1000 for begin, end in zip(before, after)]
        return *costs, done / elapsed

    def seconds(self):
        return processor_seconds(self.process.pid), self.database_seconds()

    def run_import(self, file):
        """Imports a file; returns the processor seconds of the command."""
        with open(f"{self.folder}/postgres/files/postmaster.pid") as lines:
            socket = lines.read().splitlines()[4]
        environment = {
            **os.environ,
            "KEEPER__DATABASE__URL":
                "postgres://keeper@localhost/postgres?sslmode=disable&host="
                + urllib.parse.quote(socket, ""),
            "KEEPER__KEYRING__FILE": f"{self.folder}/keyring.json",
            "KEEPER__PASSWORDS__POLICY": "none",
        }
        process = subprocess.Popen(
            [self.binary, "import", file], stdout=subprocess.DEVNULL, stderr=self.log, env=environment,
        )
        _, status, usage = os.wait4(process.pid, 0)
        assert status == 0, f"the import failed: see {self.log.name}"
        return usage.ru_utime + usage.ru_stime

    def measure_import(self, file):
        """Processor milliseconds of the command and of PostgreSQL for 1,000 users, and users in a
        second."""
        before, start = self.database_seconds(), time.monotonic()
        cost = self.run_import(file)
        elapsed, database = time.monotonic() - start, self.database_seconds() - before
        thousands = IMPORTED / 1000
        return cost * 1000 / thousands, database * 1000 / thousands, IMPORTED / elapsed

    def hashes_per_second(self):
        self.log.seek(0)
        started = next(line for line in self.log if '"started"' in line)
        fields = json.loads(started)
        # The second name is that of builds before the log had stable names.
        return fields.get("keeper.hashing.per_second") or fields["hashing.per_second"]

    def memory_mib(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        self.log.close()


def main():
    binaries = sys.argv[1:3]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 10
    results = {}

    def note(name, which, value):
        results.setdefault(name, ([], []))[which].append(value)

    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        for number in range(max(rounds // 2, 1)):
            services = []
            for which, binary in enumerate(binaries):
                services.append(Service(binary, f"{folder}/{which}"))
                note("hashes/s at start", which, services[which].hashes_per_second())
                note("MiB at start", which, services[which].memory_mib())
            for turn in range(2):
                order = (0, 1) if (number + turn) % 2 == 0 else (1, 0)
                for name, request in (("save", SAVE), ("login", LOGIN), ("read", READ)):
                    for which in order:
                        cost, database, rate = services[which].measure(*request)
                        note(f"processor ms for a {name}", which, cost)
                        note(f"PostgreSQL ms for a {name}", which, database)
                        note(f"{name}s/s", which, rate)
                names = (f"user{turn}x{number}" for number in range(IMPORTED))
                file = write_users(f"{folder}/users.jsonl", ((name, [{"hash": HASH}]) for name in names))
                for which in order:
                    cost, database, rate = services[which].measure_import(file)
                    note("processor ms, 1,000 imported", which, cost)
                    note("PostgreSQL ms, 1,000 imported", which, database)
                    note("imported users/s", which, rate)
            for service in services:
                service.stop()
    for name, (one, other) in results.items():
        ratios = sorted(b / a for a, b in zip(one, other))
        low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
        print(
            f"{name:30} {statistics.median(one):10.3f} {statistics.median(other):10.3f}"
            f"   ratio {statistics.median(ratios):.3f} ({low:.3f} to {high:.3f})"
        )


if __name__ == "__main__":
    main()
