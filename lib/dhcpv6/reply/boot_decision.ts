/**
 * Which boot instructions a client gets, and which stage of a boot its message
 * marks. Facts of a packet, a decision over them, and nothing else.
 *
 * @module
 */

import type { IpxeBuild } from "../../boot_files/ipxe_builds.ts";
import { MAX_ARCHITECTURES } from "./architectures.ts";
import { ipxeBuildFor } from "./architectures.ts";
import { OptionCode } from "../wire/constants.ts";
import { type Packet, readUint16 } from "../wire/packet.ts";

/** What a message says of the program that sent it. */
export interface BootFacts {
  /** How its vendor class (option 16) begins. */
  readonly vendor: "PXEClient" | "HTTPClient" | undefined;
  /** Whether its user class (option 15) is `iPXE`. */
  readonly ipxe: boolean;
  /** Architectures (option 61), most preferred first; none: no option. */
  readonly architectures: readonly number[];
  /** Whether it asks for DNS servers and nothing else (option 6). */
  readonly requestsDnsOnly: boolean;
}

/** What a DHCPv6 message tells of a boot. */
export type BootEvent =
  | "firmware_init"
  | "http_boot"
  | "point_pxe_to_ipxe_over_tftp"
  | "point_ipxe_to_http_boot"
  | "os_init";

/** Where a client is sent. */
export type BootInstruction =
  | { readonly kind: "none" }
  /** The template's URL, with HTTPClient's vendor class beside it or not. */
  | { readonly kind: "template"; readonly httpClient: boolean }
  | { readonly kind: "ipxe"; readonly build: IpxeBuild };

/** What is decided for one message. */
export interface BootDecision {
  readonly instruction: BootInstruction;
  readonly event: BootEvent | undefined;
  readonly note: "unsupported_architecture" | undefined;
}

function decision(
  event: BootEvent | undefined,
  instruction: BootInstruction = { kind: "none" },
  note?: "unsupported_architecture",
): BootDecision {
  return { instruction, event, note };
}

const FIRMWARE = decision("firmware_init");
const OPERATING_SYSTEM = decision("os_init");
const NOTHING = decision(undefined);
const IPXE = decision("point_ipxe_to_http_boot", {
  kind: "template",
  httpClient: false,
});
const HTTP = decision("http_boot", { kind: "template", httpClient: true });
const UNSUPPORTED = decision(
  "firmware_init",
  { kind: "none" },
  "unsupported_architecture",
);
const PXE: Record<IpxeBuild, BootDecision> = {
  "x86-64": pxe("x86-64"),
  "arm64": pxe("arm64"),
  "riscv64": pxe("riscv64"),
  "loong64": pxe("loong64"),
};

function pxe(build: IpxeBuild): BootDecision {
  return decision("point_pxe_to_ipxe_over_tftp", { kind: "ipxe", build });
}

/**
 * Decides for a client with these facts.
 *
 * @param facts What its message said.
 * @param instructed Whether this machine gets boot instructions at all.
 * @param builds The iPXE builds that can be served; `undefined`: TFTP is not
 * served, so that PXE is left to others.
 */
export function decideBoot(
  facts: BootFacts,
  instructed: boolean,
  builds: ReadonlySet<IpxeBuild> | undefined,
): BootDecision {
  if (facts.vendor !== undefined) {
    if (!instructed) return FIRMWARE;
    // iPXE says PXEClient as well: its own name is looked at first.
    if (facts.vendor === "PXEClient" && facts.ipxe) return IPXE;
    if (facts.vendor === "HTTPClient") return HTTP;
    if (builds === undefined) return FIRMWARE;
    if (facts.architectures.length === 0) {
      return builds.has("x86-64") ? PXE["x86-64"] : UNSUPPORTED;
    }
    for (const architecture of facts.architectures) {
      const build = ipxeBuildFor(architecture);
      if (build !== undefined && builds.has(build)) return PXE[build];
    }
    return UNSUPPORTED;
  }
  if (facts.architectures.length > 0) return FIRMWARE;
  return facts.requestsDnsOnly ? NOTHING : OPERATING_SYSTEM;
}

const NO_ARCHITECTURES: readonly number[] = [];

const FROM_SYSTEM: BootFacts = {
  vendor: undefined,
  ipxe: false,
  architectures: NO_ARCHITECTURES,
  requestsDnsOnly: false,
};

const FROM_FIRMWARE_FOR_DNS: BootFacts = {
  ...FROM_SYSTEM,
  requestsDnsOnly: true,
};

/** Reads the facts of a packet that was read without a drop reason. */
export function bootFactsOf(packet: Packet): BootFacts {
  const { bytes, options } = packet;
  const vendor = vendorOf(packet);
  const architecture = options.find(OptionCode.ClientArchitecture);
  const asksDnsOnly = requestsOnly(packet, OptionCode.DnsServers);
  if (vendor === undefined && architecture === -1) {
    return asksDnsOnly ? FROM_FIRMWARE_FOR_DNS : FROM_SYSTEM;
  }
  const architectures: number[] = [];
  if (architecture !== -1) {
    const end = options.ends[architecture]!;
    for (
      let at = options.starts[architecture]!;
      at < end && architectures.length < MAX_ARCHITECTURES;
      at += 2
    ) architectures.push(readUint16(bytes, at));
  }
  return {
    vendor,
    ipxe: isFromIpxe(packet),
    architectures,
    requestsDnsOnly: asksDnsOnly,
  };
}

function requestsOnly(packet: Packet, code: number): boolean {
  const index = packet.options.find(OptionCode.OptionRequest);
  if (index === -1) return false;
  const start = packet.options.starts[index]!;
  return packet.options.ends[index]! === start + 2 &&
    readUint16(packet.bytes, start) === code;
}

function vendorOf(packet: Packet): BootFacts["vendor"] {
  const { bytes, options } = packet;
  let index = options.find(OptionCode.VendorClass);
  for (
    ;
    index !== -1;
    index = options.find(OptionCode.VendorClass, index + 1)
  ) {
    // enterprise number, then strings behind their lengths
    const string = options.starts[index]! + 4;
    if (string === options.ends[index]) continue;
    const end = string + 2 + readUint16(bytes, string);
    if (holdsText(bytes, string + 2, end, "PXEClient")) return "PXEClient";
    if (holdsText(bytes, string + 2, end, "HTTPClient")) return "HTTPClient";
  }
  return undefined;
}

function isFromIpxe(packet: Packet): boolean {
  const { bytes, options } = packet;
  const index = options.find(OptionCode.UserClass);
  if (index === -1) return false;
  let at = options.starts[index]!;
  while (at < options.ends[index]!) {
    const end = at + 2 + readUint16(bytes, at);
    if (end - at === 2 + 4 && holdsText(bytes, at + 2, end, "iPXE")) {
      return true;
    }
    at = end;
  }
  return false;
}

/** Whether the octets from `at` to `end` begin with the ASCII `text`. */
function holdsText(
  bytes: Uint8Array,
  at: number,
  end: number,
  text: string,
): boolean {
  if (end - at < text.length) return false;
  for (let index = 0; index < text.length; index++) {
    if (bytes[at + index] !== text.charCodeAt(index)) return false;
  }
  return true;
}
