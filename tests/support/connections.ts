/**
 * A program that holds many TCP connections to an HTTP server. Runs inside a
 * namespace.
 *
 * Usage: `connections.ts ADDRESS PORT COUNT KIND [PATH]`. `KIND` says what the
 * connections do: `idle`: nothing; `sending`: a request for `PATH`, a byte of
 * it each second; `reading`: ask for `PATH` and read a byte of it each second;
 * `pipelining`: ask for `PATH` as often as the server takes it and read nothing.
 * `streams`: ask for `PATH` as often as HTTP/2 lets a connection ask at once, and
 * take no byte of any answer. One that is closed is not opened again. It says `held` when it has tried all, and ends at
 * SIGTERM with a line of JSON: how many were open to the end.
 *
 * @module
 */

import { pause } from "./lab.ts";

const [hostname, port, count, kind, path = "/"] = [
  Deno.args[0]!,
  Number(Deno.args[1]),
  Number(Deno.args[2]),
  Deno.args[3]!,
  Deno.args[4],
];

/** Connections that are being opened at once. */
const TOGETHER = 50;

/** Streams of an HTTP/2 connection; the server allows 200. */
const STREAMS = 195;

const request = new TextEncoder().encode(
  `GET ${path} HTTP/1.1\r\nHost: [${hostname}]\r\nX-Filler: ${
    "x".repeat(4000)
  }`,
);

const open = new Set<Deno.TcpConn>();

async function hold(): Promise<void> {
  const connection = await Deno.connect({ hostname, port });
  open.add(connection);
  use(connection).catch(() => {
    open.delete(connection);
  });
}

async function use(connection: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(kind === "reading" ? 1 : 4096);
  if (kind === "reading") {
    await connection.write(request);
    await connection.write(new TextEncoder().encode("\r\n\r\n"));
  }
  if (kind === "sending") void send(connection);
  if (kind === "streams") await connection.write(streams());
  if (kind === "pipelining") return await pipeline(connection);
  while (await connection.read(buffer) !== null) {
    if (kind === "reading") await pause(1000);
  }
  throw new Error("closed");
}

async function send(connection: Deno.TcpConn): Promise<void> {
  for (let at = 0; at < request.length && open.has(connection); at++) {
    await connection.write(request.subarray(at, at + 1)).catch(() => {});
    await pause(1000);
  }
}

/** An HTTP/2 frame (RFC 9113 section 4.1). */
function frame(type: number, flags: number, stream: number, payload: number[]) {
  const { length } = payload;
  return [
    ...[length >> 16, length >> 8 & 255, length & 255, type, flags],
    ...[0, 0, stream >> 8, stream & 255, ...payload],
  ];
}

/** Requests of HTTP/2 without an upgrade, and no window for their answers. */
function streams(): Uint8Array {
  const text = (value: string) => [...new TextEncoder().encode(value)];
  const literal = (index: number, value: string) => [
    index,
    value.length,
    ...text(value),
  ];
  // GET and http are entries of HPACK's static table, as are the names of the
  // path and the authority (RFC 7541 appendix A).
  const head = [
    0x82,
    0x86,
    ...literal(4, path),
    ...literal(1, `[${hostname}]`),
  ];
  const INITIAL_WINDOW_SIZE = 4;
  return Uint8Array.from([
    ...text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ...frame(4, 0, 0, [0, INITIAL_WINDOW_SIZE, 0, 0, 0, 0]),
    ...Array.from(
      { length: STREAMS },
      (_, index) => frame(1, 5, 2 * index + 1, head),
    ).flat(),
  ]);
}

/** The server's send buffer, and what waits for it, are full at some time. */
async function pipeline(connection: Deno.TcpConn): Promise<never> {
  const requests = new TextEncoder().encode(
    `GET ${path} HTTP/1.1\r\nHost: [${hostname}]\r\n\r\n`.repeat(100),
  );
  while (true) {
    for (let at = 0; at < requests.length;) {
      at += await connection.write(requests.subarray(at));
    }
  }
}

Deno.addSignalListener("SIGTERM", () => {
  console.log(JSON.stringify({ open: open.size }));
  setTimeout(() => Deno.exit(0), 100);
});
for (let index = 0; index < count; index += TOGETHER) {
  await Promise.all(
    Array.from({ length: TOGETHER }, () =>
      Promise.race([
        hold().catch(() => {}),
        pause(500),
      ])),
  );
}
console.log("held");
// Connections that wait for nothing do not keep a program running.
setInterval(() => {}, 60_000);
