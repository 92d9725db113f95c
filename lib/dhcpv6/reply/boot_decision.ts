/**
 * Decides which boot instruction a client gets, and which boot stage its message
 * shows: facts from a packet, and a decision from the facts.
 *
 * @module
 */

import {
  type IpxeBuild,
  SHIM_BUILDS,
  type ShimBuild,
} from "../../boot_files/ipxe_builds.ts";
import {
  architectureName,
  ipxeBuildFor,
  MAX_ARCHITECTURES,
  processorOf,
  RASPBERRY_PI,
} from "./architectures.ts";
import { bootUrlFor, type BootUrls, type LoaderKind } from "./boot_urls.ts";
import { IA_HEADER, MessageType, OptionCode } from "../wire/constants.ts";
import {
  listsCode,
  type Packet,
  readUint16,
  readUint32,
} from "../wire/packet.ts";
import type { UrlTemplate } from "./url_template.ts";

/** Facts about the program that sent a message. */
export interface BootFacts {
  /** The beginning of its vendor class (option 16). */
  readonly vendor: "PXEClient" | "HTTPClient" | "U-Boot" | undefined;
  /** Whether a user class (option 15) begins with `iPXE`. */
  readonly ipxe: boolean;
  /** Architectures (option 61), most preferred first; empty without the option. */
  readonly architectures: readonly number[];
  /** Whether it requests a boot file URL (option 59). */
  readonly requestsBootFile: boolean;
  /** Whether it requests that and DNS servers, and nothing else. */
  readonly requestsBootFileAndDnsOnly: boolean;
  /**
   * Whether firmware, a boot loader or a system may have sent it: it requests DNS
   * servers and no other option (option 6), or is a Solicit like GRUB's, whose
   * Request tells more.
   */
  readonly isAmbiguous: boolean;
}

/** Boot stages that DHCPv6 messages show. */
export type BootEvent =
  | "firmware_init"
  | "http_boot"
  | "point_pxe_to_ipxe_over_tftp"
  | "point_ipxe_to_http_boot"
  | "point_loader_to_boot_file"
  | "os_init";

/** The boot URL that a client gets. */
export type BootInstruction =
  | { readonly kind: "none" }
  /** That of a template; `httpClient`: with the vendor class HTTPClient. */
  | {
    readonly kind: "url";
    readonly template: UrlTemplate;
    readonly httpClient: boolean;
  }
  | { readonly kind: "ipxe"; readonly build: IpxeBuild }
  /** That of a shim, which loads the iPXE next to it. */
  | { readonly kind: "shim"; readonly build: ShimBuild }
  /** That of the script which loads the template's URL. */
  | { readonly kind: "script"; readonly location: ScriptLocation }
  /** The root of TFTP: a loader asks there for files by their names. */
  | { readonly kind: "tftp_root" };

/** Where iPXE loads the daemon's script from. */
export type ScriptLocation =
  | { readonly protocol: "tftp" }
  | { readonly protocol: "http"; readonly port: number };

/** What an operator should know about a client that gets no URL. */
export type BootNote = "unsupported_architecture" | "no_boot_url";

/** The decision about one message. */
export interface BootDecision {
  readonly instruction: BootInstruction;
  readonly event: BootEvent | undefined;
  readonly note: BootNote | undefined;
  /** What is missing a URL, for the note `no_boot_url`. */
  readonly loader?: LoaderKind;
}

/** What boot instructions there are. */
export interface BootChoices {
  /** The URL for all; `undefined`: only for what `urls` names. */
  readonly template: UrlTemplate | undefined;
  readonly urls: BootUrls;
  /**
   * The iPXE builds that TFTP serves; `undefined` if the daemon does not serve
   * TFTP and another server answers PXE clients.
   */
  readonly builds: ReadonlySet<IpxeBuild> | undefined;
  /** The shims that PXE clients get first, where TFTP is served. */
  readonly shims: ReadonlySet<ShimBuild>;
  /** Whether TFTP serves files of machines. */
  readonly hasFiles: boolean;
  /** `undefined`: iPXE gets the template's URL itself. */
  readonly script: ScriptLocation | undefined;
}

function decision(
  event: BootEvent | undefined,
  instruction: BootInstruction = NONE,
  note?: BootNote,
): BootDecision {
  return { instruction, event, note };
}

const NONE: BootInstruction = { kind: "none" };
const FIRMWARE = decision("firmware_init");
const OPERATING_SYSTEM = decision("os_init");
const NOTHING = decision(undefined);
const UNSUPPORTED = decision(
  "firmware_init",
  NONE,
  "unsupported_architecture",
);
const PXE: Record<IpxeBuild, BootDecision> = {
  "x86-64": pxe("x86-64"),
  "arm64": pxe("arm64"),
  "riscv64": pxe("riscv64"),
  "loong64": pxe("loong64"),
};

const SHIM: Record<ShimBuild, BootDecision> = {
  "x86-64": viaShim("x86-64"),
  "arm64": viaShim("arm64"),
};

function pxe(build: IpxeBuild): BootDecision {
  return decision("point_pxe_to_ipxe_over_tftp", { kind: "ipxe", build });
}

function viaShim(build: ShimBuild): BootDecision {
  return decision("point_pxe_to_ipxe_over_tftp", { kind: "shim", build });
}

/** The decision to let PXE firmware load what there is for a processor. */
function decidePxe(
  build: IpxeBuild,
  { builds, shims }: BootChoices,
): BootDecision | undefined {
  const shim = SHIM_BUILDS.find((one) => one === build && shims.has(one));
  if (shim !== undefined) return SHIM[shim];
  return builds?.has(build) ? PXE[build] : undefined;
}

/** The decision to send a client to a template's URL, if there is one. */
function pointTo(
  event: BootEvent,
  template: UrlTemplate | undefined,
  httpClient = false,
): BootDecision | undefined {
  return template && decision(event, { kind: "url", template, httpClient });
}

/**
 * Decides about a message with these facts.
 *
 * @param choices What there is to choose from, if the boot policy lets the client
 * boot.
 */
export function decideBoot(
  facts: BootFacts,
  choices: BootChoices | undefined,
): BootDecision {
  const loader = loaderOf(facts);
  if (loader !== undefined) {
    return choices === undefined
      ? FIRMWARE
      : decideLoader(loader, facts, choices);
  }
  if (facts.vendor === "PXEClient" || facts.vendor === "HTTPClient") {
    return choices === undefined ? FIRMWARE : decideFirmware(facts, choices);
  }
  if (facts.architectures.length > 0) return FIRMWARE;
  return facts.isAmbiguous ? NOTHING : OPERATING_SYSTEM;
}

/** The kind of a boot loader; `undefined` for all else. */
function loaderOf(facts: BootFacts): LoaderKind | undefined {
  const { vendor, architectures, requestsBootFile } = facts;
  if (vendor === "PXEClient" || vendor === "HTTPClient" || !requestsBootFile) {
    return undefined;
  }
  if (vendor === "U-Boot") return "u-boot";
  if (architectures.includes(RASPBERRY_PI)) return "raspberry-pi";
  return architectures.length === 0 && facts.requestsBootFileAndDnsOnly
    ? "grub"
    : "loader";
}

function decideLoader(
  loader: LoaderKind,
  { architectures }: BootFacts,
  { template, urls, builds, hasFiles }: BootChoices,
): BootDecision {
  const url = bootUrlFor(urls, loader, processorsOf(architectures));
  const pointed = pointTo("point_loader_to_boot_file", url);
  if (pointed !== undefined) return pointed;
  const isTftpServed = builds !== undefined && hasFiles;
  return loader === "raspberry-pi" && template !== undefined && isTftpServed
    ? decision("point_loader_to_boot_file", { kind: "tftp_root" })
    : { ...decision("firmware_init", NONE, "no_boot_url"), loader };
}

function decideFirmware(
  { vendor, ipxe, architectures }: BootFacts,
  choices: BootChoices,
): BootDecision {
  const { template, urls, builds, script: location } = choices;
  const processors = processorsOf(architectures);
  // iPXE sends the vendor class PXEClient as well, so its user class decides.
  if (vendor === "PXEClient" && ipxe) {
    const event = "point_ipxe_to_http_boot";
    const url = bootUrlFor(urls, "ipxe", processors);
    if (url === undefined && template !== undefined && location !== undefined) {
      return decision(event, { kind: "script", location });
    }
    return pointTo(event, url ?? template) ?? FIRMWARE;
  }
  if (vendor === "HTTPClient") {
    const url = bootUrlFor(urls, "http", processors) ?? template;
    return pointTo("http_boot", url, true) ?? FIRMWARE;
  }
  const url = bootUrlFor(urls, "pxe", processors);
  const pointed = pointTo("point_loader_to_boot_file", url);
  if (pointed !== undefined) return pointed;
  if (template === undefined || builds === undefined) return FIRMWARE;
  if (architectures.length === 0) {
    return decidePxe("x86-64", choices) ?? UNSUPPORTED;
  }
  for (const architecture of architectures) {
    const build = ipxeBuildFor(architecture);
    const decided = build && decidePxe(build, choices);
    if (decided !== undefined) return decided;
  }
  return UNSUPPORTED;
}

function processorsOf(architectures: readonly number[]): IpxeBuild[] {
  return architectures.map(processorOf).filter((one) => one !== undefined);
}

const NO_ARCHITECTURES: readonly number[] = [];

const FROM_SYSTEM: BootFacts = {
  vendor: undefined,
  ipxe: false,
  architectures: NO_ARCHITECTURES,
  requestsBootFile: false,
  requestsBootFileAndDnsOnly: false,
  isAmbiguous: false,
};

const AMBIGUOUS: BootFacts = { ...FROM_SYSTEM, isAmbiguous: true };

/** The facts from a packet that was read without a drop reason. */
export function bootFactsOf(packet: Packet): BootFacts {
  const { bytes, options } = packet;
  const vendor = vendorOf(packet);
  const architecture = options.find(OptionCode.ClientArchitecture);
  const isAmbiguous = requestsOnly(packet, OptionCode.DnsServers) ||
    isBareSolicit(packet);
  const requestsBootFile = requests(packet, OptionCode.BootFileUrl);
  if (vendor === undefined && architecture === -1 && !requestsBootFile) {
    return isAmbiguous ? AMBIGUOUS : FROM_SYSTEM;
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
    requestsBootFile,
    requestsBootFileAndDnsOnly: requestsBootFile &&
      requestsOnly(packet, OptionCode.BootFileUrl, OptionCode.DnsServers),
    isAmbiguous,
  };
}

/**
 * Whether it is a Solicit like GRUB's (2.06): Client Identifier, elapsed time, and
 * an IA_NA with IAID 0 and nothing in it.
 */
function isBareSolicit({ type, bytes, options }: Packet): boolean {
  if (type !== MessageType.Solicit || options.count !== 3) return false;
  const index = options.find(OptionCode.IaNa);
  if (index === -1 || options.find(OptionCode.ElapsedTime) === -1) return false;
  const start = options.starts[index]!;
  return options.ends[index]! - start === IA_HEADER &&
    readUint32(bytes, start) === 0;
}

/** Whether option 6 has a code. */
function requests({ bytes, options }: Packet, code: number): boolean {
  const index = options.find(OptionCode.OptionRequest);
  return index !== -1 &&
    listsCode(bytes, options.starts[index]!, options.ends[index]!, code);
}

/**
 * A client's own words about itself, for people: its first vendor class, and the
 * architectures.
 */
export function describeLoader(
  packet: Packet,
  loader: LoaderKind,
  { architectures }: BootFacts,
): string {
  const { bytes, options } = packet;
  const index = options.find(OptionCode.VendorClass);
  const start = index === -1 ? 0 : options.starts[index]! + 4 + 2;
  const text = index === -1
    ? "no vendor class"
    : `vendor class ${
      new TextDecoder().decode(bytes.subarray(start, options.ends[index]!))
    }`;
  const names = architectures.map((architecture) =>
    `${architecture} (${architectureName(architecture)})`
  );
  return [
    loader,
    names.length === 0 ? "no architecture" : `architecture ${names.join(", ")}`,
    text,
  ].join(", ");
}

/** Whether option 6 has one code, or two, and no other. */
function requestsOnly(packet: Packet, code: number, other = code): boolean {
  const { bytes, options } = packet;
  const index = options.find(OptionCode.OptionRequest);
  if (index === -1) return false;
  const start = options.starts[index]!;
  const end = options.ends[index]!;
  return end - start === (other === code ? 2 : 4) &&
    listsCode(bytes, start, end, code) && listsCode(bytes, start, end, other);
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
    if (matchesString(bytes, at, end, isUBoot)) return "U-Boot";
  }
  return undefined;
}

/** Says something about the string from `at` to `end`. */
type StringTest = (bytes: Uint8Array, at: number, end: number) => boolean;

const isPxeClient: StringTest = (bytes, at, end) =>
  startsWithText(bytes, at, end, "PXEClient");

const isHttpClient: StringTest = (bytes, at, end) =>
  startsWithText(bytes, at, end, "HTTPClient");

const isUBoot: StringTest = (bytes, at, end) =>
  startsWithText(bytes, at, end, "U-Boot");

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
