/**
 * A program that asks for addresses as machines do in the stages of a boot.
 * Runs inside a namespace.
 *
 * Usage: `solicits.ts LINK STAGE FIRST_MAC COUNT [INTERVAL]` sends a Solicit of
 * `COUNT` machines, whose MACs follow each other, one every `INTERVAL`
 * milliseconds. `STAGE` is one of {@linkcode OPTIONS}. It ends when all of them are
 * answered. Those that are not ask again, as machines do.
 *
 * @module
 */

import { MessageType, OptionCode } from "../../../lib/dhcpv6/wire/constants.ts";
import { linkLayerDuid } from "../../../lib/dhcpv6/wire/duid.ts";
import {
  decode,
  isRelayMessage,
  type Option,
} from "../../../lib/dhcpv6/wire/packet.ts";
import { parseMac } from "../../../lib/net/mac.ts";
import { pause } from "../../support/lab.ts";
import { ascii, iaNa, message, numbers, opt } from "../../support/dhcpv6.ts";

/** Machines that wait for an answer at once: so many fit the daemon's socket. */
const BURST = 50;

/** Milliseconds after which machines without an answer ask again. */
const RETRANSMISSION = 3000;

function text(value: string): string {
  return numbers(2, value.length) + ascii(value);
}

function vendor(name: string): Option {
  return opt(OptionCode.VendorClass, numbers(4, 343) + text(name));
}

const X86_64 = opt(OptionCode.ClientArchitecture, numbers(2, 7));

/** What a machine says of itself besides its name, in each stage. */
const OPTIONS: Record<string, readonly Option[]> = {
  firmware: [X86_64],
  http: [X86_64, vendor("HTTPClient:Arch:00016")],
  pxe: [X86_64, vendor("PXEClient:Arch:00007")],
  ipxe: [
    X86_64,
    vendor("PXEClient:Arch:00007"),
    opt(OptionCode.UserClass, text("iPXE")),
  ],
  system: [],
};

const [interfaceName, stage, first, count, interval = "0"] = Deno.args as [
  string,
  string,
  string,
  string,
  string?,
];
const options = OPTIONS[stage]!;
const socket = Deno.listenDatagram({
  transport: "udp",
  hostname: "::",
  port: 546,
});
/** The machines that have asked and have no answer, by their IAIDs. */
const waiting = new Set<number>();

async function ask(index: number): Promise<void> {
  const solicit = message(
    MessageType.Solicit,
    {
      code: OptionCode.ClientId,
      data: linkLayerDuid(parseMac(first)! + index),
    },
    iaNa(index),
    ...options,
  );
  await socket.send(solicit, {
    transport: "udp",
    hostname: `ff02::1:2%${interfaceName}`,
    port: 547,
  });
}

/** Waits until at most so many machines wait. */
async function atMost(left: number): Promise<void> {
  for (let askedAt = performance.now(); waiting.size > left;) {
    await pause(5);
    if (performance.now() - askedAt < RETRANSMISSION) continue;
    askedAt = performance.now();
    for (const index of waiting) await ask(index);
  }
}

void (async () => {
  for await (const [bytes] of socket) {
    const answer = decode(bytes);
    if (typeof answer === "string" || isRelayMessage(answer)) continue;
    const ia = answer.options.find(({ code }) => code === OptionCode.IaNa);
    if (ia === undefined) continue;
    waiting.delete(
      new DataView(ia.data.buffer, ia.data.byteOffset).getUint32(0),
    );
  }
})();
for (let index = 0; index < Number(count); index++) {
  waiting.add(index);
  await ask(index);
  await atMost(BURST);
  if (Number(interval) > 0) await pause(Number(interval));
}
await atMost(0);
Deno.exit(0);
