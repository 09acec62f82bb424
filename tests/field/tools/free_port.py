"""A free port for a program that has to be told its port: `free_port.py` prints one."""

import random
import socket

# Below the ports that Linux and macOS hand out by themselves (from 32768 and 49152 on), so that no other
# program's connection takes the port before the server has bound it.
PORTS = range(12_000, 32_000)


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on."""
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
