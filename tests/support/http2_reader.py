"""Reads a file over HTTP/2 without TLS.

Usage: http2_reader.py ADDRESS PORT PATH steps|frames

steps: lets 4 KiB more come at a time, of the stream and of the connection, each
by a frame of its own. frames: lets 2 GiB come at once, and sends an empty DATA
frame for each 2,700 bytes that have come. Prints how many bytes of the file have
come.
"""

import socket
import struct
import sys

address, port, path, kind = sys.argv[1:5]
STREAM = 1
STEP = 4096
READ_PER_FRAME = 2700
DATA, HEADERS, SETTINGS, WINDOW_UPDATE = 0, 1, 4, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
INITIAL_WINDOW_SIZE = 4
MAX_WINDOW = 2**31 - 1
USUAL_WINDOW = 65535


def frame(type_, flags, stream, payload=b""):
    head = struct.pack("!I", len(payload))[1:] + bytes([type_, flags])
    return head + struct.pack("!I", stream) + payload


def literal(index, value):
    return bytes([index, len(value)]) + value.encode()


def update(stream, size):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack("!I", size))


connection = socket.create_connection((address, int(port)), 60)
connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
window = MAX_WINDOW if kind == "frames" else USUAL_WINDOW
# GET, http, a path and an authority, by HPACK's static table.
head = b"\x82\x86" + literal(4, path) + literal(1, f"[{address}]")
connection.sendall(
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    + frame(SETTINGS, 0, 0, struct.pack("!HI", INITIAL_WINDOW_SIZE, window))
    + (update(0, window - USUAL_WINDOW) if window > USUAL_WINDOW else b"")
    + frame(HEADERS, END_HEADERS | (0 if kind == "frames" else END_STREAM), STREAM, head)
)
buffer = bytearray()
received = let_in = sent = 0
ended = False
try:
    while not ended and (part := connection.recv(1 << 18)):
        buffer += part
        at = 0
        while len(buffer) - at >= 9:
            length = int.from_bytes(buffer[at : at + 3], "big")
            if len(buffer) - at < 9 + length:
                break
            type_, flags = buffer[at + 3], buffer[at + 4]
            at += 9 + length
            if type_ == SETTINGS and not flags & ACK:
                connection.sendall(frame(SETTINGS, ACK, 0))
            if type_ == DATA:
                received += length
                ended = bool(flags & END_STREAM)
        del buffer[:at]
        if kind == "steps":
            while received - let_in >= STEP and not ended:
                connection.sendall(update(STREAM, STEP))
                connection.sendall(update(0, STEP))
                let_in += STEP
        elif (due := received // READ_PER_FRAME - sent) >= 50:
            connection.sendall(frame(DATA, 0, STREAM) * due)
            sent += due
except ConnectionError:
    pass
print(received)
