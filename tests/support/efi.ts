/** EFI programs that do nothing. */

/**
 * The beginning of one.
 *
 * @param machine For which processor (PE format, COFF header).
 * @param at Where the PE header is.
 */
export function efiProgram(machine: number, at = 0x80): Uint8Array {
  const bytes = new Uint8Array(at + 6);
  bytes.set([0x4d, 0x5a]);
  const view = new DataView(bytes.buffer);
  view.setUint32(0x3c, at, true);
  bytes.set([0x50, 0x45, 0, 0], at);
  view.setUint16(at + 4, machine, true);
  return bytes;
}
