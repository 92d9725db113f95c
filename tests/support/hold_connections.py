"""Opens connections to an HTTP server and holds them.

Usage: hold_connections.py ADDRESS PORT KIND COUNT RATE SOURCES [PATH]

KIND is what a connection does: `silent` nothing; `half` sends the beginning of
a request; `preface` that of HTTP/2; `hello` that of a TLS handshake; `unread`
asks for PATH and reads nothing; `large` does so with a large receive buffer;
`twice` does so too and asks for it once more;
`ranges` asks for what is behind another byte of it each time;
`pipelined` asks for it again and again, as long as the socket takes it, and
reads nothing; `streams` asks for it 190 times at once
over HTTP/2, and takes no byte of the responses; `overflow` asks for it 40 times
over HTTP/2, and 0.1 s later lets more come than a window may have; `trickle` asks for it and reads
100 bytes a second; `closing` asks for it and lets the server close it; `header`
sends a header that does not end, `frames` frames of
HTTP/2 that ask for nothing, and `body` a request over HTTP/2 with empty frames
behind it, all of them as fast as they are taken. COUNT connections are held, and RATE new ones opened a second, at most,
also in the place of those that were closed. They come from the addresses
SOURCES, separated by commas. Says `held` when COUNT were opened, or after five
seconds, and ends at SIGTERM with a line of JSON.
"""

import errno
import json
import select
import signal
import socket
import sys
import time

address, port, kind, count, rate, sources = sys.argv[1:7]
path = sys.argv[7] if len(sys.argv) > 7 else "/"
port, count, rate, sources = int(port), int(count), int(rate), sources.split(",")

head = f"GET {path} HTTP/1.1\r\nHost: [{address}]\r\n"


def frame(kind, flags, stream, payload):
    """A frame of HTTP/2 (RFC 9113 section 4.1)."""
    return (
        len(payload).to_bytes(3, "big")
        + bytes([kind, flags])
        + stream.to_bytes(4, "big")
        + payload
    )


def field(name, value):
    """A field that no table has (RFC 7541 section 6.2.2)."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


fields = b"".join(
    field(name.encode(), value.encode())
    for name, value in {
        ":method": "GET",
        ":scheme": "http",
        ":authority": f"[{address}]:{port}",
        ":path": path,
    }.items()
)
# SETTINGS_INITIAL_WINDOW_SIZE is 0.
no_window = frame(4, 0, 0, bytes([0, 4, 0, 0, 0, 0]))
preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + no_window
SENT = {
    "silent": b"",
    "half": head.encode(),
    "preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "unread": (head + "\r\n").encode(),
    "large": (head + "\r\n").encode(),
    "twice": (head + "\r\n").encode() * 2,
    "ranges": head.encode(),
    "closing": (head + "Connection: close\r\n\r\n").encode(),
    "pipelined": (head + "\r\n").encode() * 100,
    "header": head.encode() + b"X: ",
    "frames": preface,
    "body": preface + frame(1, 4, 1, fields),
    "streams": preface
    + b"".join(frame(1, 5, 1 + 2 * index, fields) for index in range(190)),
    "overflow": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"")
    + b"".join(frame(1, 5, 1 + 2 * index, fields) for index in range(40)),
    "trickle": (head + "\r\n").encode(),
}[kind]

# What is sent LATER_AFTER seconds later: WINDOW_UPDATE (RFC 9113 section 6.9.1).
LATER_AFTER = 0.1
LATER = {
    "overflow": b"".join(
        frame(8, 0, 1 + 2 * index, (2**31 - 1).to_bytes(4, "big"))
        for index in range(40)
    ),
}.get(kind, b"")

# What is sent again and again after that.
REPEATED = {
    "pipelined": SENT,
    "header": b"x" * 65536,
    # PRIORITY (RFC 9113 section 6.3), and DATA.
    "frames": frame(2, 0, 1, bytes([0, 0, 0, 0, 1])) * 1000,
    "body": frame(0, 0, 1, b"") * 1000,
}.get(kind, b"")

# What is waited for once something was sent; of others, the end.
AWAITED = {"overflow": 0, "unread": 0, "twice": 0, "large": 0, "ranges": 0, "trickle": 0}
if REPEATED:
    AWAITED[kind] = select.EPOLLOUT

# Bytes that the kernel takes for a reader that reads nothing.
RECEIVE_BUFFER = 1000000 if kind in ("large", "twice", "overflow") else 4096

is_ended = False


def end(*_):
    global is_ended
    is_ended = True


signal.signal(signal.SIGTERM, end)
poll = select.epoll()
held, connecting, failures = {}, set(), {}
# What is left of what is sent again and again.
rests = {}
# When something is sent later.
later = {}
opened, closed, ranges = 0, 0, 0
began = time.monotonic()
has_said = False
next_reading = began


def drop(fd):
    global closed
    closed += 1
    connecting.discard(fd)
    rests.pop(fd, None)
    later.pop(fd, None)
    held.pop(fd).close()


while not is_ended:
    now = time.monotonic()
    due = min(count - len(held), int((now - began) * rate) - opened, 500)
    for _ in range(max(due, 0)):
        one = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        one.bind((sources[opened % len(sources)], 0))
        opened += 1
        error = one.connect_ex((address, port))
        if error not in (0, errno.EINPROGRESS):
            failures[error] = failures.get(error, 0) + 1
            one.close()
            continue
        held[one.fileno()] = one
        connecting.add(one.fileno())
        poll.register(one.fileno(), select.EPOLLOUT | select.EPOLLHUP)
    for fd, events in poll.poll(0.01):
        if events & (select.EPOLLHUP | select.EPOLLERR):
            drop(fd)
        elif fd in connecting:
            connecting.discard(fd)
            rest = b""
            if kind == "ranges":
                ranges += 1
                rest = b"Range: bytes=%d-\r\n\r\n" % (ranges * 300000)
            try:
                held[fd].send(SENT + rest)
            except OSError:
                drop(fd)
                continue
            if LATER:
                later[fd] = now + LATER_AFTER
            poll.modify(fd, select.EPOLLHUP | AWAITED.get(kind, select.EPOLLIN))
        elif REPEATED:
            rest = rests.get(fd) or REPEATED
            try:
                rests[fd] = rest[held[fd].send(rest):]
            except BlockingIOError:
                pass
            except OSError:
                drop(fd)
        else:
            try:
                if held[fd].recv(4096) == b"":
                    drop(fd)
            except OSError:
                drop(fd)
    for fd in [fd for fd, due in later.items() if now > due]:
        del later[fd]
        try:
            held[fd].send(LATER)
        except OSError:
            drop(fd)
    if kind == "trickle" and now > next_reading:
        next_reading = now + 1
        for fd in [fd for fd in held if fd not in connecting]:
            try:
                held[fd].recv(100)
            except BlockingIOError:
                pass
            except OSError:
                drop(fd)
    if not has_said and (opened >= count or now > began + 5):
        has_said = True
        print("held", flush=True)

print(json.dumps({"opened": opened, "closed": closed, "held": len(held), "failures": failures}))
