"""Fetches a file after a connection from the same port was reset.

Usage: same_port.py ADDRESS PORT PATH BYTES

The first connection reads BYTES of the response and is reset, the next one reads
all of it. Prints how many bytes that are.
"""

import socket
import struct
import sys

address, port, path, first = sys.argv[1:5]
request = f"GET {path} HTTP/1.1\r\nHost: [{address}]\r\nConnection: close\r\n\r\n"


def ask(own):
    one = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.settimeout(20)
    one.bind(("::", own))
    one.connect((address, int(port)))
    one.sendall(request.encode())
    return one


connection = ask(0)
own = connection.getsockname()[1]
received = 0
while received < int(first):
    received += len(connection.recv(1 << 16))
# A reset in place of the usual end.
connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
connection.close()
connection = ask(own)
received = 0
while part := connection.recv(1 << 20):
    received += len(part)
print(received)
