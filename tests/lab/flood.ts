/**
 * A program that floods a link with Solicits of machines that are not there,
 * each with a MAC of its own, as Ethernet frames. Runs inside a namespace.
 *
 * Usage: `flood.ts LINK SOURCES COUNT RATE`: `COUNT` Solicits, and more until
 * SIGTERM, at `RATE` a second (0: as fast as the link takes them). `SOURCES`
 * says where they come from: `spoofed`: each from the link-local address that
 * its MAC makes, which nobody has; an address: all from there. It says `flooding`
 * when it begins, and writes one line of JSON at the end.
 *
 * @module
 */

import { MessageType, OptionCode } from "../../lib/dhcpv6/codes.ts";
import { linkLayerDuid } from "../../lib/dhcpv6/duid.ts";
import { encode } from "../../lib/dhcpv6/message.ts";
import { parseIpv6 } from "../../lib/net/ipv6.ts";

const [link, sources, count, rate] = [
  Deno.args[0]!,
  Deno.args[1]!,
  Number(Deno.args[2]),
  Number(Deno.args[3]),
];

const AF_PACKET = 17;
const SOCK_RAW = 3;

// No socket of the runtime sends frames, nor from other addresses than its own.
const libc = Deno.dlopen("libc.so.6", {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  if_nametoindex: { parameters: ["buffer"], result: "u32" },
}).symbols;

function openLink(): number {
  const index = libc.if_nametoindex(new TextEncoder().encode(`${link}\0`));
  const address = new Uint8Array(20); // struct sockaddr_ll
  new DataView(address.buffer).setUint16(0, AF_PACKET, true);
  new DataView(address.buffer).setUint32(4, index, true);
  const socket = libc.socket(AF_PACKET, SOCK_RAW, 0);
  if (libc.bind(socket, address, address.length) !== 0) {
    throw new Error(`${link} cannot be sent to`);
  }
  return socket;
}

const ETHERNET = 14;
const IPV6 = 40;
const UDP = 8;
const IP_AT = ETHERNET;
const UDP_AT = IP_AT + IPV6;
const DHCP_AT = UDP_AT + UDP;

const message = encode({
  type: MessageType.Solicit,
  transactionId: 0,
  options: [
    { code: OptionCode.ClientId, data: linkLayerDuid(0) },
    { code: OptionCode.IaNa, data: new Uint8Array(12) },
    { code: OptionCode.ElapsedTime, data: new Uint8Array(2) },
    { code: OptionCode.OptionRequest, data: Uint8Array.of(0, 23, 0, 24) },
  ],
});
/** Where the MAC is in the message: behind two headers and a DUID's types. */
const DUID_MAC_AT = DHCP_AT + 4 + 4 + 4;

const frame = new Uint8Array(DHCP_AT + message.length);
const view = new DataView(frame.buffer);
frame.set([0x33, 0x33, 0, 1, 0, 2]);
view.setUint16(12, 0x86dd);
view.setUint8(IP_AT, 0x60);
view.setUint16(IP_AT + 4, UDP + message.length);
view.setUint8(IP_AT + 6, 17); // UDP
view.setUint8(IP_AT + 7, 1); // hop limit
const isSpoofed = sources === "spoofed";
frame.set(parseIpv6(isSpoofed ? "fe80::" : sources)!, IP_AT + 8);
frame.set(parseIpv6("ff02::1:2")!, IP_AT + 24);
view.setUint16(UDP_AT, 546);
view.setUint16(UDP_AT + 2, 547);
view.setUint16(UDP_AT + 4, UDP + message.length);
frame.set(message, DHCP_AT);

/** The checksum of UDP over IPv6 (RFC 8200 §8.1). */
function checksum(): number {
  let sum = 17 + UDP + message.length;
  for (let at = IP_AT + 8; at < frame.length; at += 2) {
    sum += frame[at]! << 8 | (frame[at + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff || 0xffff;
}

const random = new Uint32Array(2 * 4096);
const mac = new Uint8Array(6);
const macView = new DataView(mac.buffer);

/** Makes the frame that of another machine. */
function become(index: number): void {
  const at = 2 * (index % 4096);
  if (at === 0) crypto.getRandomValues(random);
  macView.setUint16(0, 0x0600 | random[at]! & 0xff);
  macView.setUint32(2, random[at + 1]!);
  frame.set(mac, 6);
  frame.set(mac, DUID_MAC_AT);
  if (isSpoofed) {
    const address = IP_AT + 16;
    frame[address] = mac[0]! ^ 2;
    frame.set(mac.subarray(1, 3), address + 1);
    view.setUint16(address + 3, 0xfffe);
    frame.set(mac.subarray(3), address + 5);
  }
  view.setUint32(DHCP_AT, random[at]! >>> 8);
  view.setUint8(DHCP_AT, MessageType.Solicit);
  view.setUint16(UDP_AT + 6, 0);
  view.setUint16(UDP_AT + 6, checksum());
}

let isEnough = false;
Deno.addSignalListener("SIGTERM", () => isEnough = true);

const socket = openLink();
const started = performance.now();
let sent = 0;
console.log("flooding");
for (let index = 0; index < count || !isEnough; index++) {
  become(index);
  if (libc.send(socket, frame, BigInt(frame.length), 0) > 0) sent++;
  if (index % 64 !== 0) continue;
  const early = rate === 0
    ? 0
    : started + 1000 * index / rate - performance.now();
  // Signals are heard between two turns only.
  if (early > 1 || index % 8192 === 0) {
    await new Promise((resolve) => setTimeout(resolve, early));
  }
}
const seconds = (performance.now() - started) / 1000;
console.log(JSON.stringify({ sent, seconds }));
Deno.exit(0);
