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

import { MessageType, OptionCode } from "../../lib/dhcpv6/wire/constants.ts";
import { linkLayerDuid } from "../../lib/dhcpv6/wire/duid.ts";
import { encode } from "../../lib/dhcpv6/wire/packet.ts";
import { frameOf, FrameSender, IP_AT, PAYLOAD_AT, seal } from "./frames.ts";

const [interfaceName, sources, count, rate] = [
  Deno.args[0]!,
  Deno.args[1]!,
  Number(Deno.args[2]),
  Number(Deno.args[3]),
];

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
const DUID_MAC_AT = PAYLOAD_AT + 4 + 4 + 4;

const isSpoofed = sources === "spoofed";
const frame = frameOf({
  mac: Uint8Array.of(0x33, 0x33, 0, 1, 0, 2),
  from: isSpoofed ? "fe80::" : sources,
  fromPort: 546,
  to: "ff02::1:2",
  toPort: 547,
}, message);
const view = new DataView(frame.buffer);

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
  view.setUint32(PAYLOAD_AT, random[at]! >>> 8);
  view.setUint8(PAYLOAD_AT, MessageType.Solicit);
  seal(frame);
}

let isEnough = false;
Deno.addSignalListener("SIGTERM", () => isEnough = true);

const sender = new FrameSender(interfaceName);
const started = performance.now();
let sent = 0;
console.log("flooding");
for (let index = 0; index < count || !isEnough; index++) {
  become(index);
  if (sender.send(frame)) sent++;
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
