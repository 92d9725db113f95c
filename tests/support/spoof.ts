/**
 * A program that sends datagrams in the name of others. Runs inside a
 * namespace.
 *
 * Usage: `spoof.ts LINK MAC FROM PORTS TO TO_PORT HEX COUNT RATE`: `COUNT`
 * datagrams with the payload `HEX` to `[TO]:TO_PORT`, whose MAC is `MAC`, at
 * `RATE` a second. `FROM` is an address, or a prefix such as `2001:db8::/64`:
 * each datagram then comes from another address in it, which no host has; or an
 * address and a number, as in `2001:db8::dead:0*50`: so many addresses from that one on take
 * turns. `PORTS` ports from 10000 on take turns to be the sender's. It says
 * `done` at the end.
 *
 * @module
 */

import { decodeHex } from "@std/encoding/hex";
import { frameOf, FrameSender, IP_AT, seal, UDP_AT } from "./frames.ts";

const FIRST_PORT = 10_000;

const [interfaceName, mac, from, ports, to, toPort, digits, count, rate] = Deno
  .args as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ];
const [address, length] = from.split("/");
const [first, turns] = address!.split("*");
const frame = frameOf({
  mac: decodeHex(mac.replaceAll(":", "")),
  from: first!,
  fromPort: FIRST_PORT,
  to,
  toPort: Number(toPort),
}, decodeHex(digits));
frame.set([2, 0, 0, 0, 0xba, 0xd0], 6);
const view = new DataView(frame.buffer);
const sender = new FrameSender(interfaceName);
const started = performance.now();
for (let index = 0; index < Number(count); index++) {
  if (length !== undefined) {
    crypto.getRandomValues(frame.subarray(IP_AT + 16, IP_AT + 24));
  }
  if (turns !== undefined) {
    view.setUint16(IP_AT + 22, index % Number(turns));
  }
  view.setUint16(UDP_AT, FIRST_PORT + index % Number(ports));
  seal(frame);
  sender.send(frame);
  const early = started + 1000 * index / Number(rate) - performance.now();
  if (early > 1) await new Promise((resolve) => setTimeout(resolve, early));
}
console.log("done");
Deno.exit(0);
