#!/usr/bin/env python3
"""Compares two builds of the service: hashing, Bearer saves and cheap requests, alternating in one run.

    benches/binaries.py BINARY OTHER [ROUNDS]

Runs `dev` of each binary with a database of its own. Prints the medians of each and the ratio of OTHER
to BINARY: of the processor time of the service for each request, which a busy machine hardly changes,
and of the throughput.
"""

import base64
import concurrent.futures
import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time

SAVE = ("POST", "/api/v1/Agents/User/SaveCredential", 200)
READ = ("GET", "/api/v1/User/currentPrincipal", 2000)
CONNECTIONS = 16


class Service:
    """A running `dev`."""

    def __init__(self, binary, folder):
        self.log = open(folder + ".log", "w+")
        environment = {**os.environ, "KEEPER__LOG__FORMAT": "json"}
        self.process = subprocess.Popen(
            [binary, "dev", "--data", folder, "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE, stderr=self.log, text=True, env=environment,
        )
        self.address = self.process.stdout.readline().split("//")[1].strip()
        basic = base64.b64encode(b"tje0:Tje0").decode()
        self.headers = {"Authorization": "Basic " + basic, "Content-Type": "application/json"}
        token = self.call(self.connect(), "POST", "/api/v1/Agents/User/GetAccessToken", "{}")
        self.headers["Authorization"] = "Bearer " + json.loads(token)

    def connect(self):
        return http.client.HTTPConnection(self.address)

    def call(self, connection, method, path, body=None):
        connection.request(method, path, body, self.headers)
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == 200, (answer.status, text)
        return text

    def processor_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def measure(self, method, path, count):
        """Processor milliseconds for each request, and requests in a second."""
        body = '{"UserId": 278, "Credential": {"Value": "a long value"}}' if method == "POST" else None

        def work(_):
            connection = self.connect()
            for _ in range(count // CONNECTIONS):
                self.call(connection, method, path, body)

        before, start = self.processor_seconds(), time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(work, range(CONNECTIONS)))
        done = count // CONNECTIONS * CONNECTIONS
        return (self.processor_seconds() - before) / done * 1000, done / (time.monotonic() - start)

    def hashes_per_second(self):
        self.log.seek(0)
        started = next(line for line in self.log if '"started"' in line)
        return json.loads(started)["hashing.per_second"]

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
                for which in (0, 1) if (number + turn) % 2 == 0 else (1, 0):
                    for name, request in (("save", SAVE), ("read", READ)):
                        cost, rate = services[which].measure(*request)
                        note(f"processor ms for a {name}", which, cost)
                        note(f"{name}s/s", which, rate)
            for service in services:
                service.stop()
    for name, (one, other) in results.items():
        ratio = statistics.median(b / a for a, b in zip(one, other))
        print(f"{name:28} {statistics.median(one):10.3f} {statistics.median(other):10.3f}   ratio {ratio:.3f}")


if __name__ == "__main__":
    main()
