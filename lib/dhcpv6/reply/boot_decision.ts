/**
 * Decides which boot instruction a client gets, and which boot stage its message
 * shows: facts from a packet, and a decision from the facts.
 *
 * @module
 */

import type { IpxeBuild } from "../../boot_files/ipxe_builds.ts";
import { MAX_ARCHITECTURES } from "./architectures.ts";
import { ipxeBuildFor } from "./architectures.ts";
import { OptionCode } from "../wire/constants.ts";
import { type Packet, readUint16 } from "../wire/packet.ts";

/** Facts about the program that sent a message. */
export interface BootFacts {
  /** The beginning of its vendor class (option 16). */
  readonly vendor: "PXEClient" | "HTTPClient" | undefined;
  /** Whether a user class (option 15) begins with `iPXE`. */
  readonly ipxe: boolean;
  /** Architectures (option 61), most preferred first; empty without the option. */
  readonly architectures: readonly number[];
  /** Whether it requests DNS servers and no other option (option 6). */
  readonly requestsDnsOnly: boolean;
}

/** Boot stages that DHCPv6 messages show. */
export type BootEvent =
  | "firmware_init"
  | "http_boot"
  | "point_pxe_to_ipxe_over_tftp"
  | "point_ipxe_to_http_boot"
  | "os_init";

/** The boot URL that a client gets. */
export type BootInstruction =
  | { readonly kind: "none" }
  /** The template's URL; `httpClient`: with the vendor class HTTPClient. */
  | { readonly kind: "template"; readonly httpClient: boolean }
  | { readonly kind: "ipxe"; readonly build: IpxeBuild };

/** The decision about one message. */
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
 * Decides about a message with these facts.
 *
 * @param facts The facts.
 * @param isBootAllowed Whether the boot policy lets the client boot.
 * @param builds The iPXE builds that TFTP serves; `undefined` if the daemon does
 * not serve TFTP and another server answers PXE clients.
 */
export function decideBoot(
  facts: BootFacts,
  isBootAllowed: boolean,
  builds: ReadonlySet<IpxeBuild> | undefined,
): BootDecision {
  if (facts.vendor !== undefined) {
    if (!isBootAllowed) return FIRMWARE;
    // iPXE sends the vendor class PXEClient as well, so its user class decides.
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

/** The facts from a packet that was read without a drop reason. */
export function bootFactsOf(packet: Packet): BootFacts {
  const { bytes, options } = packet;
  const vendor = vendorOf(packet);
  const architecture = options.find(OptionCode.ClientArchitecture);
  const requestsDnsOnly = requestsOnly(packet, OptionCode.DnsServers);
  if (vendor === undefined && architecture === -1) {
    return requestsDnsOnly ? FROM_FIRMWARE_FOR_DNS : FROM_SYSTEM;
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
    requestsDnsOnly,
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
    // An enterprise number of 4 bytes, then strings with their lengths.
    const at = options.starts[index]! + 4;
    const end = options.ends[index]!;
    if (matchesString(bytes, at, end, isPxeClient)) return "PXEClient";
    if (matchesString(bytes, at, end, isHttpClient)) return "HTTPClient";
  }
  return undefined;
}

/** Says something about the string from `at` to `end`. */
type StringTest = (bytes: Uint8Array, at: number, end: number) => boolean;

const isPxeClient: StringTest = (bytes, at, end) =>
  startsWithText(bytes, at, end, "PXEClient");

const isHttpClient: StringTest = (bytes, at, end) =>
  startsWithText(bytes, at, end, "HTTPClient");

/** iPXE's user class may have a suffix: a script can set it. */
const isIpxe: StringTest = (bytes, at, end) =>
  startsWithText(bytes, at, end, "iPXE");

/**
 * The length of the string whose 16-bit length is at `at`. Some clients write that
 * in the wrong byte order, or too high: the string ends with the option at the
 * latest.
 */
function stringLength(bytes: Uint8Array, at: number, end: number): number {
  const room = end - at - 2;
  const length = readUint16(bytes, at);
  if (length <= room) return length;
  const swapped = bytes[at + 1]! << 8 | bytes[at]!;
  return Math.min(swapped, room);
}

/**
 * Tests the string at `at` of a user or vendor class that extends to `end`. If
 * that is shorter than the string's length says, the client may have written the
 * string without a length.
 */
function matchesString(
  bytes: Uint8Array,
  at: number,
  end: number,
  test: StringTest,
): boolean {
  if (end - at < 2) return false;
  const string = at + 2;
  if (test(bytes, string, string + stringLength(bytes, at, end))) return true;
  return string + readUint16(bytes, at) > end && test(bytes, at, end);
}

function isFromIpxe(packet: Packet): boolean {
  const { bytes, options } = packet;
  let index = options.find(OptionCode.UserClass);
  for (; index !== -1; index = options.find(OptionCode.UserClass, index + 1)) {
    const end = options.ends[index]!;
    let at = options.starts[index]!;
    while (end - at >= 2) {
      if (matchesString(bytes, at, end, isIpxe)) return true;
      at += 2 + stringLength(bytes, at, end);
    }
  }
  return false;
}

/** Whether the bytes from `at` to `end` begin with the ASCII `text`. */
function startsWithText(
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
