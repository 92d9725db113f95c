/**
 * A program that stands between TFTP clients and a server like a bad network:
 * it loses, doubles, delays and reorders datagrams. It does what the kernel's
 * netem does, for kernels that were built without it.
 *
 * Usage: `bad_network.ts LISTEN SERVER FIRST_ADDRESS COUNT`: each client that
 * sends to `[LISTEN]:69` is seen by `[SERVER]:69` at an address of its own, one
 * of the `COUNT` from `FIRST_ADDRESS` on.
 *
 * @module
 */

import { formatIpv6, parseIpv6 } from "../../lib/net/ipv6.ts";

const LOSS = 0.1;
const DUPLICATION = 0.05;
/** Milliseconds that a datagram takes, and how much more a late one does. */
const DELAY = 2;
const LATENESS = 6;

const [listen, server, first, countText] = Deno.args as [
  string,
  string,
  string,
  string,
];
const count = Number(countText);
const counts = { passed: 0, lost: 0, doubled: 0 };

/** Sends a datagram, or not, or twice, some time later. */
function pass(
  socket: Deno.DatagramConn,
  bytes: Uint8Array,
  to: Deno.NetAddr,
): void {
  if (Math.random() < LOSS) {
    counts.lost++;
    return;
  }
  const copies = Math.random() < DUPLICATION ? 2 : 1;
  counts.doubled += copies - 1;
  for (let copy = 0; copy < copies; copy++) {
    counts.passed++;
    // A datagram that is late is overtaken by those behind it.
    const delay = DELAY + (Math.random() < 0.25 ? LATENESS : 0);
    setTimeout(() => socket.send(bytes, to).catch(() => {}), delay);
  }
}

function bind(hostname: string, port = 0): Deno.DatagramConn {
  return Deno.listenDatagram({ transport: "udp", hostname, port });
}

function addressNumber(index: number): string {
  const bytes = parseIpv6(first)!;
  bytes[15]! += index;
  return formatIpv6(bytes);
}

/** Joins a client and the server: a socket towards each. */
function join(
  client: Deno.NetAddr,
  index: number,
): (bytes: Uint8Array) => void {
  const near = bind(listen);
  const far = bind(addressNumber(index % count));
  let peer: Deno.NetAddr = { transport: "udp", hostname: server, port: 69 };
  (async () => {
    for await (const [bytes, from] of far) {
      peer = from as Deno.NetAddr;
      pass(near, bytes.slice(), client);
    }
  })();
  (async () => {
    for await (const [bytes] of near) pass(far, bytes.slice(), peer);
  })();
  return (bytes) => pass(far, bytes, { ...peer, port: 69 });
}

const joined = new Map<string, (bytes: Uint8Array) => void>();
Deno.addSignalListener("SIGTERM", () => {
  console.log(JSON.stringify(counts));
  Deno.exit(0);
});
const front = bind(listen, 69);
console.log("listening");
for await (const [bytes, from] of front) {
  const client = from as Deno.NetAddr;
  const key = `${client.hostname} ${client.port}`;
  let send = joined.get(key);
  if (send === undefined) {
    send = join(client, joined.size);
    joined.set(key, send);
  }
  send(bytes.slice());
}
