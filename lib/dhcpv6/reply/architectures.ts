/**
 * Client architectures (RFC 5970 §3.3; the registry is RFC 4578's).
 *
 * @module
 */

import type { IpxeBuild } from "../../boot_files/ipxe_builds.ts";

/** Architectures of one client that are told to the boot server. */
export const MAX_ARCHITECTURES = 8;

/** What boot servers call the architectures, by their number. */
const NAMES: readonly string[] = [
  "Intel x86PC",
  "NEC/PC98",
  "EFI Itanium",
  "DEC Alpha",
  "Arc x86",
  "Intel Lean Client",
  "EFI IA32",
  "EFI x86-64",
  "EFI Xscale",
  "EFI BC",
  "EFI ARM32",
  "EFI ARM64",
  "PowerPC Open Firmware",
  "PowerPC ePAPR",
  "POWER OPAL v3",
  "EFI x86 boot from HTTP",
  "EFI x86-64 boot from HTTP",
  "EFI BC boot from HTTP",
  "EFI ARM32 boot from HTTP",
  "EFI ARM64 boot from HTTP",
  "Intel x86PC boot from HTTP",
  "U-Boot ARM32",
  "U-Boot ARM64",
  "U-boot ARM32 boot from HTTP",
  "U-Boot ARM64 boot from HTTP",
  "EFI RISC-V 32-bit",
  "EFI RISC-V 32-bit boot from HTTP",
  "EFI RISC-V 64-bit",
  "EFI RISC-V 64-bit boot from HTTP",
  "EFI RISC-V 128-bit",
  "EFI RISC-V 128-bit boot from HTTP",
  "s390 Basic",
  "s390 Extended",
  "EFI MIPS32",
  "EFI MIPS64",
  "EFI Sunway 32-bit",
  "EFI Sunway 64-bit",
];

/** The name of an architecture, `unknown` for numbers that have none. */
export function architectureName(architecture: number): string {
  return NAMES[architecture] ?? "unknown";
}

/** The architecture whose name is the longest. */
export const LONGEST_ARCHITECTURE_NAME = NAMES.reduce(
  (longest, name, index) =>
    name.length > NAMES[longest]!.length ? index : longest,
  0,
);

/**
 * The build for firmware that announces `architecture` for PXE; `undefined`
 * where iPXE has none. Numbers 7 and 9 both are x86-64: the registry had them
 * the wrong way around for years, and firmware followed either.
 */
export function ipxeBuildFor(architecture: number): IpxeBuild | undefined {
  switch (architecture) {
    case 7:
    case 9:
      return "x86-64";
    case 11:
      return "arm64";
    case 27:
      return "riscv64";
    case 39:
      return "loong64";
    default:
      return undefined;
  }
}
