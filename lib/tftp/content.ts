/**
 * What a transfer sends: bytes in memory, or a file that is read in pieces.
 *
 * @module
 */

import { MIN_TFTP_PIECE } from "../overload/limits.ts";

/** An open file. */
export interface FileSource {
  /** Bytes. */
  readonly size: number;
  /**
   * Reads `length` bytes from `start` on, which are in the file.
   *
   * @throws {Error} if it cannot be read, or has changed since it was opened.
   */
  read(start: number, length: number): Promise<Uint8Array>;
  close(): void;
}

/** The bytes of a transfer. */
export interface Content {
  /** How many there are. */
  readonly size: number;
  /** Whether a range is in memory. */
  has(start: number, end: number): boolean;
  /**
   * Gets a range into memory.
   *
   * @throws {Error} if it cannot be read.
   */
  load(start: number, end: number): Promise<void>;
  /** Writes a range that is in memory to `target`, from `at` on. */
  copy(start: number, end: number, target: Uint8Array, at: number): void;
  /** Closes the file, if there is one. */
  close(): void;
}

/** Bytes in memory; they must not change. */
export class MemoryContent implements Content {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get size(): number {
    return this.#bytes.length;
  }

  has(): boolean {
    return true;
  }

  load(): Promise<void> {
    return Promise.resolve();
  }

  copy(start: number, end: number, target: Uint8Array, at: number): void {
    target.set(this.#bytes.subarray(start, end), at);
  }

  close(): void {}
}

/** A part of a file in memory. */
interface Piece {
  /** Its number, from 0. */
  readonly index: number;
  readonly bytes: Uint8Array;
}

/**
 * A file, of which two neighbouring pieces are in memory. A piece is as long as a
 * window, so that what may have to be sent again is in two of them.
 */
export class FileContent implements Content {
  readonly #source: FileSource;
  readonly #pieceSize: number;
  /** By the lowest bit of their number. */
  readonly #pieces: (Piece | undefined)[] = [undefined, undefined];

  /** @param windowSize The bytes of a window. */
  constructor(source: FileSource, windowSize: number) {
    this.#source = source;
    this.#pieceSize = Math.max(MIN_TFTP_PIECE, windowSize);
  }

  get size(): number {
    return this.#source.size;
  }

  has(start: number, end: number): boolean {
    for (let at = start; at < end; at = this.#endOfPiece(at)) {
      if (this.#pieceAt(at) === undefined) return false;
    }
    return true;
  }

  async load(start: number, end: number): Promise<void> {
    for (let at = start; at < end; at = this.#endOfPiece(at)) {
      if (this.#pieceAt(at) !== undefined) continue;
      const index = Math.floor(at / this.#pieceSize);
      const from = index * this.#pieceSize;
      const length = Math.min(this.#pieceSize, this.size - from);
      const bytes = await this.#source.read(from, length);
      this.#pieces[index & 1] = { index, bytes };
    }
  }

  copy(start: number, end: number, target: Uint8Array, at: number): void {
    for (let from = start; from < end;) {
      const until = Math.min(end, this.#endOfPiece(from));
      const { index, bytes } = this.#pieceAt(from)!;
      const offset = index * this.#pieceSize;
      target.set(
        bytes.subarray(from - offset, until - offset),
        at + from - start,
      );
      from = until;
    }
  }

  close(): void {
    this.#source.close();
  }

  #endOfPiece(at: number): number {
    return (Math.floor(at / this.#pieceSize) + 1) * this.#pieceSize;
  }

  #pieceAt(at: number): Piece | undefined {
    const index = Math.floor(at / this.#pieceSize);
    const piece = this.#pieces[index & 1];
    return piece?.index === index ? piece : undefined;
  }
}
