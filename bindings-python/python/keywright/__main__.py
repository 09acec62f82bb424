"""The program ``keywright``, also as ``python -m keywright``."""

import signal
import sys

from keywright._native import _run_cli


def main() -> int:
    """Runs the program with the arguments of this process, and returns its exit code."""
    # Native code runs until the end, and Python's own handler would wait for it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _run_cli(["keywright", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
