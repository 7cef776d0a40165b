#!/usr/bin/env python3
"""Answers GET /primary on port 8008 as Patroni's interface does: 200 when the server of this machine is
the primary, 503 otherwise.

    tests/failover/role.py SOCKET_FOLDER

A server that does not answer within 0.4 seconds is not the primary. The tests of promotions run one on each
machine, because they decide themselves when to promote; Patroni has this interface of its own.
"""

import http.server
import subprocess
import sys

QUERY = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--username=keeper", "--dbname=postgres",
         f"--host={sys.argv[1]}", "--command=SELECT pg_is_in_recovery()"]


class Role(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        try:
            answer = subprocess.run(QUERY, capture_output=True, timeout=0.4, check=False).stdout
        except subprocess.TimeoutExpired:
            answer = b""
        self.send_response(200 if answer == b"f\n" and self.path == "/primary" else 503)
        self.end_headers()

    do_OPTIONS = do_GET

    def log_message(self, *_: object) -> None:
        """Logs nothing."""


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """HAProxy ends a check that takes too long."""


Server(("", 8008), Role).serve_forever()
