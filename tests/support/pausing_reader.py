"""Reads a part of a response over HTTP, nothing for some time, then the rest.

Usage: pausing_reader.py ADDRESS PORT PATH BYTES SECONDS

Says `paused`, and at the end how many bytes have come in all.
"""

import socket
import sys
import time

address, port, path, first, seconds = sys.argv[1:6]
connection = socket.create_connection((address, int(port)), 60)
connection.sendall(
    f"GET {path} HTTP/1.1\r\nHost: [{address}]\r\nConnection: close\r\n\r\n".encode()
)
received = 0
while received < int(first):
    received += len(connection.recv(1 << 16))
print("paused", flush=True)
time.sleep(float(seconds))
try:
    while part := connection.recv(1 << 20):
        received += len(part)
except ConnectionError:
    pass
print(received)
