/**
 * Client architectures (RFC 5970 §3.3), with numbers from the IANA registry that
 * RFC 4578 began.
 *
 * @module
 */

import type { IpxeBuild } from "../../boot_files/ipxe_builds.ts";

/** Architectures of one client that the boot payload contains at most. */
export const MAX_ARCHITECTURES = 8;

/** The names of the architectures in the boot payload, by number. */
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
  "EFI LoongArch 32-bit",
  "EFI LoongArch 32-bit boot from HTTP",
  "EFI LoongArch 64-bit",
  "EFI LoongArch 64-bit boot from HTTP",
  "ARM RPiBoot",
];

/** Raspberry Pi: its boot ROM sends no class. */
export const RASPBERRY_PI = 41;

/** The name of an architecture; `unknown` for unassigned numbers. */
export function architectureName(architecture: number): string {
  return NAMES[architecture] ?? "unknown";
}

/** The number of the architecture with the longest name. */
export const LONGEST_ARCHITECTURE_NAME = NAMES.reduce(
  (longest, name, index) =>
    name.length > NAMES[longest]!.length ? index : longest,
  0,
);

/**
 * The iPXE build for PXE firmware of `architecture`; `undefined` if there is none.
 * Both 7 and 9 are x86-64: RFC 4578 and the registry had swapped them, and
 * firmware uses either number.
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

/**
 * The processor of `architecture`, by the name of its iPXE build, for PXE, HTTP
 * boot and U-Boot alike; `undefined` for others.
 */
export function processorOf(architecture: number): IpxeBuild | undefined {
  switch (architecture) {
    case 16:
      return "x86-64";
    case 19:
    case 22:
    case 24:
      return "arm64";
    case 28:
      return "riscv64";
    case 40:
      return "loong64";
    default:
      return ipxeBuildFor(architecture);
  }
}
