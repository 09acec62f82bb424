"""Finds a free port for a program that cannot choose one: `free_port.py` prints it."""

import random
import socket

# Below the ports that Linux and macOS hand out by themselves (from 32768 and 49152 on), so that no other
# program's connection takes the port before the server has bound it.
PORTS = range(12_000, 32_000)


def free_port() -> int:
    """Returns a port of 127.0.0.1 on which nothing listens."""
    for port in random.sample(PORTS, k=1_000):
        with socket.socket() as trial:
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port between 12000 and 32000")


if __name__ == "__main__":
    print(free_port())
