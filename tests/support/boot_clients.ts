/**
 * What kinds of clients say of themselves in their messages.
 *
 * @module
 */

import type { Option } from "../../lib/dhcpv6/wire/packet.ts";
import { ascii, numbers, opt, oro } from "./dhcpv6.ts";

/** The vendor class, option 16, of Intel. */
function vendor(text: string): Option {
  return opt(16, "00000157" + numbers(2, text.length) + ascii(text));
}

/** Options of firmware: its vendor class, and its architecture (option 61). */
function firmware(
  name: "PXEClient" | "HTTPClient" | "U-Boot",
  architecture: number,
): Option[] {
  const padded = String(architecture).padStart(5, "0");
  return [
    vendor(`${name}:Arch:${padded}:UNDI:003000`),
    opt(61, numbers(2, architecture)),
    oro(59, 60, 23),
  ];
}

/** By kind, as `explain` calls them. */
const CLIENTS: Readonly<Record<string, readonly Option[]>> = {
  "pxe-x86-64": firmware("PXEClient", 7),
  "pxe-arm64": firmware("PXEClient", 11),
  "pxe-riscv64": firmware("PXEClient", 27),
  "pxe-loong64": firmware("PXEClient", 39),
  "ipxe": [
    ...firmware("PXEClient", 7),
    opt(15, numbers(2, 4) + ascii("iPXE")),
  ],
  "http-x86-64": firmware("HTTPClient", 16),
  "http-arm64": firmware("HTTPClient", 19),
  "http-riscv64": firmware("HTTPClient", 28),
  "http-loong64": firmware("HTTPClient", 40),
  "u-boot-x86-64": firmware("U-Boot", 7),
  "u-boot-arm64": firmware("U-Boot", 22),
  "u-boot-riscv64": firmware("U-Boot", 27),
  "u-boot-loong64": firmware("U-Boot", 39),
  "raspberry-pi": [oro(59, 60), opt(61, numbers(2, 41))],
  "grub": [oro(59, 23)],
  "loader": [oro(59, 23, 24)],
  "system": [oro(23, 24, 31)],
};

/** The options by which a client of a kind is known. */
export function optionsOf(kind: string): readonly Option[] {
  return CLIENTS[kind]!;
}
