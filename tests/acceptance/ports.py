"""Finds ports for programs that must be told which port to listen on. Prints as many as asked for.

They are below the range from which the kernel assigns ports to client connections, so that no
connection takes one before the program listens on it (see tests/api/support/ports.rs).
"""

import os
import socket
import sys

FIRST = 20_000
NUMBER = 12_000


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports():
    """Each port that is free when it is asked for."""
    start = os.getpid() * 7
    ports = (FIRST + (start + step) % NUMBER for step in range(NUMBER))
    return (port for port in ports if is_free(port))


if __name__ == "__main__":
    ports = free_ports()
    print(*(next(ports) for _ in range(int(sys.argv[1]))))
