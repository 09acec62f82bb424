"""Runs an app that serves one set-up in a process of its own: ``each.py COMMAND...``, which is given the file of the set-up."""

import subprocess
import sys

while path := sys.stdin.readline().strip():
    with subprocess.Popen([*sys.argv[1:], path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as app:
        print(app.stdout.readline().strip(), flush=True)
        sys.stdin.readline()
        app.stdin.close()
        app.wait()
    print("closed", flush=True)
