/**
 * Puts an answer together in one buffer.
 *
 * @module
 */

import { OPTION_HEADER } from "./constants.ts";
import type { OptionTable } from "./packet.ts";

/**
 * Writes numbers and octets one behind the other. What would stand beyond the
 * buffer is not written, but counted: `at` tells how long the whole would be.
 */
export class Writer {
  /** Where the next octet goes. */
  at = 0;
  /** The buffer. */
  bytes: Uint8Array = new Uint8Array(0);

  /** Begins at the start of `bytes`. */
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

  /** Writes the octets of `from` from `start` to `end`. */
  copy(from: Uint8Array, start = 0, end = from.length): void {
    // Most copies are a dozen octets: a loop costs less than a view.
    for (let index = start; index < end; index++) {
      this.bytes[this.at++] = from[index]!;
    }
  }

  /** Writes the characters of the ASCII `text`. */
  ascii(text: string): void {
    for (let index = 0; index < text.length; index++) {
      this.bytes[this.at++] = text.charCodeAt(index);
    }
  }

  /** Copies the option at `index` of `options` with its header; none at -1. */
  copyOption(bytes: Uint8Array, options: OptionTable, index: number): void {
    if (index === -1) return;
    this.copy(
      bytes,
      options.starts[index]! - OPTION_HEADER,
      options.ends[index],
    );
  }

  /** Begins an option whose length is not known yet: pass what it returns to {@linkcode end}. */
  begin(code: number): number {
    this.uint16(code);
    this.at += 2;
    return this.at;
  }

  /** Ends the option whose data began at `start`. */
  end(start: number): void {
    const length = this.at - start;
    this.bytes[start - 2] = length >>> 8;
    this.bytes[start - 1] = length;
  }
}
