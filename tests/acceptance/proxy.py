#!/usr/bin/env python3
"""Sends ambiguous requests through a real nginx in front of the service.

    tests/acceptance/proxy.py URL

URL is that of a running service on loopback. nginx runs with the rules of deploy/nginx.conf, over plain
HTTP and with connections that it uses again. If nginx and the service divided a request differently, the
next client would receive the response to a request that it did not send. So after each request, other
clients ask for the style sheet, and must receive it.
"""

import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

from ports import free_ports

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
STYLE = b"/assets/keeper.css"
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"
# Clients after each request: more than the connections that nginx keeps.
CLIENTS = 6


def post(headers: bytes, body: bytes) -> bytes:
    return (
        b"POST /logout HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        + headers + b"\r\n\r\n" + body
    )


CHUNKS = b"2\r\n{}\r\n0\r\n\r\n"
REQUESTS = {
    "CL.TE": post(b"Content-Length: 4\r\nTransfer-Encoding: chunked", CHUNKS + HIDDEN),
    "TE.CL": post(b"Transfer-Encoding: chunked\r\nContent-Length: 4", CHUNKS + HIDDEN),
    "TE.TE": post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x", CHUNKS + HIDDEN),
    "TE in a list": post(b"Transfer-Encoding: gzip, chunked", CHUNKS + HIDDEN),
    "TE with a vertical tab": post(b"Transfer-Encoding: \x0bchunked\r\nContent-Length: 2", b"{}" + HIDDEN),
    "TE with space before the colon": post(b"Transfer-Encoding : chunked\r\nContent-Length: 2", b"{}" + HIDDEN),
    "TE with an underscore": post(b"Transfer_Encoding: chunked\r\nContent-Length: 2", b"{}"),
    "TE on two lines": post(b"Transfer-Encoding:\r\n chunked\r\nContent-Length: 2", b"{}" + HIDDEN),
    "CL twice": post(b"Content-Length: 2\r\nContent-Length: 44", b"{}" + HIDDEN),
    "CL with plus": post(b"Content-Length: +2", b"{}" + HIDDEN),
    "CL too large for 64 bits": post(b"Content-Length: 18446744073709551618", b"{}" + HIDDEN),
    "GET with a body": b"GET /assets/keeper.css HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
    "chunk size overflow": post(b"Transfer-Encoding: chunked", b"10000000000000002\r\n{}\r\n0\r\n\r\n" + HIDDEN),
    "space after the chunk size": post(b"Transfer-Encoding: chunked", b"2 \r\n{}\r\n0\r\n\r\n"),
    "chunk extension with a bare LF": post(b"Transfer-Encoding: chunked", b"2;a\n{}\r\n0\r\n\r\n" + HIDDEN),
    "a request as a trailer": post(b"Transfer-Encoding: chunked", b"2\r\n{}\r\n0\r\n" + HIDDEN),
    "trailers": post(b"Transfer-Encoding: chunked", b"2\r\n{}\r\n0\r\nContent-Length: 9\r\n\r\n"),
    "bare LF": post(b"Content-Length: 2", b"{}").replace(b"\r\n", b"\n"),
    "bare CR": post(b"X: a\rContent-Length: 44\r\nContent-Length: 2", b"{}"),
    "URL of another host": b"GET http://evil.example/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "upgrade": b"GET /assets/keeper.css HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + HIDDEN,
    "Expect": post(b"Expect: 100-continue\r\nContent-Length: 2", b"{}"),
}


def exchange(port: int, request: bytes, wait: float) -> bytes:
    """Sends a request; everything that is received until the end, or in this time."""
    received = b""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.settimeout(wait)
        try:
            client.sendall(request)
            while part := client.recv(65536):
                received += part
        except (TimeoutError, ConnectionError):
            pass
    return received


def configuration(folder: pathlib.Path, upstream: str, port: int) -> str:
    """deploy/nginx.conf, over plain HTTP, on another port, and with connections that are used again."""
    text = (REPOSITORY / "deploy/nginx.conf").read_text()
    text = text.replace("/tmp/", f"{folder}/").replace("/dev/stderr", f"{folder}/error.log")
    text = re.sub(r"listen \d+ ssl;", f"listen 127.0.0.1:{port};", text)
    text = re.sub(r"^.*(ssl_|resolver|set \$service).*\n", "", text, flags=re.MULTILINE)
    text = text.replace("proxy_pass $service;", "proxy_pass http://keeper;")
    return text.replace("    server {", f"    upstream keeper {{ server {upstream}; keepalive 4; }}\n    server {{", 1)


def main(url: str) -> int:
    upstream = url.removeprefix("http://").split("/")[0]
    port = next(free_ports())
    style = b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % STYLE
    failures = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "nginx.conf").write_text("daemon off;\n" + configuration(folder, upstream, port))
        nginx = subprocess.Popen(["nginx", "-p", name, "-e", f"{name}/error.log", "-c", f"{name}/nginx.conf"])
        try:
            for _ in range(100):
                if nginx.poll() is not None:
                    print((folder / "error.log").read_text(), file=sys.stderr)
                    return 1
                try:
                    expected = exchange(port, style, 5)
                    break
                except ConnectionRefusedError:
                    time.sleep(0.1)
            assert expected.startswith(b"HTTP/1.1 200") and expected.count(b"HTTP/1.1 ") == 1, expected
            for label, request in REQUESTS.items():
                answers = exchange(port, request, 1)
                statuses = re.findall(rb"HTTP/1\.1 (\d+)", answers)
                others = [exchange(port, style, 5) for _ in range(CLIENTS)]
                wrong = [other for other in others if not other.startswith(b"HTTP/1.1 200")]
                failures += bool(wrong)
                print(f"{label}: {b' '.join(statuses).decode()}{', and others got ' + repr(wrong[0][:40]) if wrong else ''}")
        finally:
            nginx.terminate()
            nginx.wait()
    print(f"{len(REQUESTS) - failures} passed, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
