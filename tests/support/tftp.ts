/**
 * Packets of TFTP clients.
 *
 * @module
 */

import { encodeRequest, Opcode } from "../../lib/tftp/packet.ts";

/** Asks for a file of a machine, in blocks of so many bytes. */
export function readRequest(name: string, blockSize: number): Uint8Array {
  return encodeRequest({
    opcode: Opcode.ReadRequest,
    fileName: `020000000012/${name}`,
    mode: "octet",
    options: new Map([["blksize", String(blockSize)]]),
  });
}

/** Acknowledges one of the first 255 blocks, or with 0 the options. */
export function acknowledge(block: number): Uint8Array {
  return Uint8Array.of(0, Opcode.Acknowledgment, 0, block);
}
