/**
 * A program that asks for addresses as machines do in the stages of a boot.
 * Runs inside a namespace.
 *
 * Usage: `solicits.ts LINK STAGE FIRST_MAC COUNT [INTERVAL]` sends a Solicit of
 * `COUNT` machines, whose MACs follow each other, one every `INTERVAL`
 * milliseconds. `STAGE` is one of {@linkcode OPTIONS}.
 *
 * @module
 */

import { MessageType, OptionCode } from "../../../lib/dhcpv6/wire/constants.ts";
import { linkLayerDuid } from "../../../lib/dhcpv6/wire/duid.ts";
import type { Option } from "../../../lib/dhcpv6/wire/packet.ts";
import { parseMac } from "../../../lib/net/mac.ts";
import { pause } from "../../support/lab.ts";
import { ascii, iaNa, message, numbers, opt } from "../../support/dhcpv6.ts";

/** Solicits sent at once: what fits the daemon's socket until it reads them. */
const BURST = 50;

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
for (let index = 0; index < Number(count); index++) {
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
  if (Number(interval) > 0) await pause(Number(interval));
  else if (index % BURST === BURST - 1) await pause(10);
}
socket.close();
