/**
 * The kinds of clients that ask for addresses, by what they say of themselves:
 * for people who want to know which boot URLs a machine gets.
 *
 * @module
 */

import { RASPBERRY_PI } from "./architectures.ts";
import type { BootFacts } from "./boot_decision.ts";

/** A kind of client. */
export interface KnownClient {
  /** For programs. */
  readonly kind: string;
  /** For people. */
  readonly words: string;
  readonly facts: BootFacts;
}

const SYSTEM: BootFacts = {
  vendor: undefined,
  ipxe: false,
  architectures: [],
  requestsBootFile: false,
  requestsBootFileAndDnsOnly: false,
  isAmbiguous: false,
};

function client(
  kind: string,
  words: string,
  vendor: BootFacts["vendor"],
  architecture?: number,
  facts: Partial<BootFacts> = {},
): KnownClient {
  const architectures = architecture === undefined ? [] : [architecture];
  return {
    kind,
    words,
    facts: {
      ...SYSTEM,
      vendor,
      architectures,
      requestsBootFile: true,
      ...facts,
    },
  };
}

/** The kinds, firmware first. The numbers are those of RFC 5970 section 3.3. */
export const KNOWN_CLIENTS: readonly KnownClient[] = [
  client("pxe-x86-64", "PXE, x86-64", "PXEClient", 7),
  client("pxe-arm64", "PXE, arm64", "PXEClient", 11),
  client("pxe-riscv64", "PXE, riscv64", "PXEClient", 27),
  client("pxe-loong64", "PXE, loong64", "PXEClient", 39),
  client("ipxe", "iPXE", "PXEClient", 7, { ipxe: true }),
  client("http-x86-64", "HTTP boot, x86-64", "HTTPClient", 16),
  client("http-arm64", "HTTP boot, arm64", "HTTPClient", 19),
  client("http-riscv64", "HTTP boot, riscv64", "HTTPClient", 28),
  client("http-loong64", "HTTP boot, loong64", "HTTPClient", 40),
  client("u-boot-x86-64", "U-Boot, x86-64", "U-Boot", 7),
  client("u-boot-arm64", "U-Boot, arm64", "U-Boot", 22),
  client("u-boot-riscv64", "U-Boot, riscv64", "U-Boot", 27),
  client("u-boot-loong64", "U-Boot, loong64", "U-Boot", 39),
  client("raspberry-pi", "Raspberry Pi", undefined, RASPBERRY_PI),
  client("grub", "GRUB", undefined, undefined, {
    requestsBootFileAndDnsOnly: true,
  }),
  client("loader", "other boot loaders", undefined),
  { kind: "system", words: "operating system", facts: SYSTEM },
];
