/**
 * A program that prints how many of its own connections the kernel has announced.
 *
 * @module
 */

import { tcpSockets } from "../../lib/net/tcp_sockets.ts";

const sockets = tcpSockets!;
const listener = Deno.listen({ hostname: "::1", port: 0 });
const { port } = listener.addr;
let descriptor = 0;
while (!sockets.isListening(descriptor)) descriptor++;

let announced = 0;
let connected = 0;

async function connect(): Promise<void> {
  (await Deno.connect({ hostname: "::1", port })).close();
  (await listener.accept()).close();
  connected++;
  await new Promise((resolve) => setTimeout(resolve, 50));
  console.log(`${announced} of ${connected}`);
}

if (!sockets.announce(descriptor, true)) console.log("not without a callback");
sockets.onAnnounced(() => announced++);
sockets.announce(descriptor, true);
await connect();
await connect();
sockets.announce(descriptor, false);
await connect();
sockets.announce(descriptor, true);
await connect();
Deno.exit();
