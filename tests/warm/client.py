"""Stands for a command: hands everything over to the server of `server.py`, and ends as the command ends."""

import array
import json
import os
import signal
import socket
import sys

SOCKET = "@SOCKET@"
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main():
    command = os.path.basename(sys.argv[0])
    request = {"command": command, "program": sys.argv[0], "arguments": sys.argv[1:], "folder": os.getcwd(),
               "environment": dict(os.environ)}  # fmt: skip
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(SOCKET)
    for number in PASSED_ON:
        signal.signal(number, lambda number, _: connection.sendall(bytes([number])))
    files = array.array("i", [0, 1, 2])
    connection.sendmsg([json.dumps(request).encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
    answer = connection.recv(4)
    code = os.waitstatus_to_exitcode(int.from_bytes(answer, "big")) if answer else 1
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


main()
