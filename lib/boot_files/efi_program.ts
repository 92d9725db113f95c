/**
 * For which processor an EFI program is, by its header.
 *
 * @module
 */

import type { IpxeBuild } from "./ipxe_builds.ts";

/** "MZ", with which such a file begins (PE format, MS-DOS stub). */
const STUB_MAGIC = 0x4d5a;

/** Where the offset of the PE header is. */
const HEADER_OFFSET_AT = 0x3c;

/** "PE" and two zeros. */
const PE_MAGIC = 0x5045_0000;

/** The field Machine of the COFF header. */
const MACHINES: ReadonlyMap<number, IpxeBuild> = new Map([
  [0x8664, "x86-64"],
  [0xaa64, "arm64"],
  [0x5064, "riscv64"],
  [0x6264, "loong64"],
]);

/** Bytes of a file in which its header is. */
export const EFI_HEADER_BYTES = 4096;

/**
 * @param start Of the file, {@linkcode EFI_HEADER_BYTES} or all of it.
 * @returns "other" if it is for another processor; `undefined` if it is no EFI
 * program.
 */
export function efiArchitecture(
  start: Uint8Array,
): IpxeBuild | "other" | undefined {
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  if (view.byteLength < HEADER_OFFSET_AT + 4) return undefined;
  if (view.getUint16(0) !== STUB_MAGIC) return undefined;
  const at = view.getUint32(HEADER_OFFSET_AT, true);
  if (at + 6 > view.byteLength || view.getUint32(at) !== PE_MAGIC) {
    return undefined;
  }
  return MACHINES.get(view.getUint16(at + 4, true)) ?? "other";
}
