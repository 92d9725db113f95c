/**
 * A program that sends datagrams and shows what comes back. Runs inside a
 * namespace.
 *
 * Usage: `ask.ts FROM FROM_PORT TO TO_PORT HEX SECONDS` writes the answer's bytes
 * in hexadecimal, or `nothing` after so many seconds. `FROM_PORT` is also where the
 * answer is waited for; `WAIT_PORT` behind it waits at another one.
 *
 * @module
 */

import { decodeHex, encodeHex } from "@std/encoding/hex";

const [from, fromPort, to, toPort, digits, seconds, waitPort] = Deno.args as [
  string,
  string,
  string,
  string,
  string,
  string,
  string?,
];

function bind(port: number): Deno.DatagramConn {
  return Deno.listenDatagram({ transport: "udp", hostname: from, port });
}

const sender = bind(Number(fromPort));
const receiver = waitPort === undefined ? sender : bind(Number(waitPort));
await sender.send(decodeHex(digits), {
  transport: "udp",
  hostname: to,
  port: Number(toPort),
});
setTimeout(() => {
  console.log("nothing");
  Deno.exit(0);
}, 1000 * Number(seconds));
const [answer, server] = await receiver.receive();
console.log(encodeHex(answer), (server as Deno.NetAddr).hostname);
Deno.exit(0);
