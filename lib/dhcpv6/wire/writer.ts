/**
 * Writes a reply into a buffer.
 *
 * @module
 */

import type { OptionTable } from "./packet.ts";

/**
 * Writes numbers and bytes in sequence. It drops bytes beyond the end of the
 * buffer, but counts them: `at` is the length that the whole would have.
 */
export class Writer {
  /** The offset of the next byte. */
  at = 0;
  /** The buffer. */
  bytes: Uint8Array = new Uint8Array(0);

  /** Begins to write at the start of `bytes`. */
  reset(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.at = 0;
  }

  /** Writes an unsigned 8-bit number. */
  uint8(value: number): void {
    this.bytes[this.at++] = value;
  }

  /** Writes an unsigned 16-bit number. */
  uint16(value: number): void {
    this.bytes[this.at++] = value >>> 8;
    this.bytes[this.at++] = value;
  }

  /** Writes an unsigned 32-bit number. */
  uint32(value: number): void {
    this.bytes[this.at++] = value >>> 24;
    this.bytes[this.at++] = value >>> 16;
    this.bytes[this.at++] = value >>> 8;
    this.bytes[this.at++] = value;
  }

  /** Writes the bytes of `from` from `start` to `end` (exclusive). */
  copy(from: Uint8Array, start = 0, end = from.length): void {
    // Most copies are of some 12 bytes: a loop is faster than subarray and set.
    const { bytes } = this;
    let { at } = this;
    for (let index = start; index < end; index++) bytes[at++] = from[index]!;
    this.at = at;
  }

  /** Writes `text`, which is ASCII. */
  ascii(text: string): void {
    const { bytes } = this;
    let { at } = this;
    for (let index = 0; index < text.length; index++) {
      bytes[at++] = text.charCodeAt(index);
    }
    this.at = at;
  }

  /** Copies the option at `index` of `options`, with a header; none at -1. */
  copyOption(bytes: Uint8Array, options: OptionTable, index: number): void {
    if (index === -1) return;
    const start = options.starts[index]!;
    const end = options.ends[index]!;
    // Not the header of the packet: the table may end a list before half a code.
    this.uint16(options.codes[index]!);
    this.uint16(end - start);
    this.copy(bytes, start, end);
  }

  /** Begins an option of unknown length; returns the argument of {@linkcode end}. */
  begin(code: number): number {
    this.uint16(code);
    this.at += 2;
    return this.at;
  }

  /** Ends the option whose data begins at `start`: sets its length. */
  end(start: number): void {
    const length = this.at - start;
    this.bytes[start - 2] = length >>> 8;
    this.bytes[start - 1] = length;
  }
}
