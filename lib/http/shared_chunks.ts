/**
 * Chunks of files that several downloads send at the same time. Each is read
 * once for all of them, and handed to the runtime without a copy.
 *
 * @module
 */

import { settledVersion } from "../boot_files/file_version.ts";
import {
  MAX_SHARED_CHUNK_BYTES,
  SHARED_CHUNK_BYTES,
} from "../overload/limits.ts";

/**
 * Milliseconds since the last change of a file after which a further one would
 * show in its status. Before, each download reads for itself.
 */
const SETTLING_TIME = 2000;

/**
 * Reads a chunk, from a start in bytes, into memory of the caller's own.
 *
 * @returns `undefined` if it could not be read for others.
 */
export type ReadChunk = (
  start: number,
  length: number,
) => Promise<Uint8Array<ArrayBuffer> | undefined>;

/** Bytes of a file, which are never written again. */
export class SharedChunk {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #start: number;
  #users = 0;
  #isDropped = false;

  /** @param start Its position in the file. */
  constructor(bytes: Uint8Array<ArrayBuffer>, start: number) {
    this.#bytes = bytes;
    this.#start = start;
  }

  get length(): number {
    return this.#bytes.length;
  }

  /** Whether bytes are in its memory. */
  has({ buffer }: Uint8Array<ArrayBuffer>): boolean {
    return buffer === this.#bytes.buffer;
  }

  /** At most `length` of its bytes, from a position in the file on. */
  from(position: number, length: number): Uint8Array<ArrayBuffer> {
    const offset = position - this.#start;
    return this.#bytes.subarray(offset, offset + length);
  }

  /** Keeps its memory until {@linkcode release}. */
  hold(): void {
    this.#users++;
  }

  /** The runtime has taken what was held. */
  release(): void {
    this.#users--;
    this.#free();
  }

  /** Frees its memory, at once or when the last one has released it. */
  drop(): void {
    this.#isDropped = true;
    this.#free();
  }

  /** See `Download.release`: the garbage collector would be too slow. */
  #free(): void {
    if (this.#isDropped && this.#users === 0) this.#bytes.buffer.transfer(0);
  }
}

/** The chunks of all files that are being sent. */
export class SharedChunks {
  readonly #files = new Map<string, SharedFile>();
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes = MAX_SHARED_CHUNK_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes that it holds. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Adds a download of a file. The caller leaves with {@linkcode SharedFile.leave}.
   *
   * @param info The file's status when it was opened.
   * @returns `undefined` if its status may not show a change of its content.
   */
  join(info: Deno.FileInfo): SharedFile | undefined {
    const version = settledVersion([info], SETTLING_TIME);
    if (version === undefined) return undefined;
    let file = this.#files.get(version);
    if (file === undefined) {
      file = new SharedFile(info.size, {
        hold: (bytes) => this.#hold(bytes),
        onUnused: () => this.#files.delete(version),
      });
      this.#files.set(version, file);
    }
    file.enter();
    return file;
  }

  /** Counts bytes that a file holds from now on, or no longer. */
  #hold(bytes: number): void {
    this.#bytes += bytes;
    while (this.#bytes > this.#maxBytes) this.#dropOne();
  }

  /**
   * Drops any chunk. In a row of downloads that is longer than the memory, the
   * least recently used one would be what the next download needs first.
   */
  #dropOne(): void {
    const holding = [...this.#files.values()].filter((file) => file.chunks > 0);
    holding[Math.floor(Math.random() * holding.length)]!.dropOne();
  }
}

/** What a file tells those who count. */
interface Account {
  hold(bytes: number): void;
  onUnused(): void;
}

/** A read in progress. */
interface Reading {
  readonly chunk: Promise<SharedChunk | undefined>;
  /** Downloads that wait for it. */
  waiting: number;
}

/** One version of a file, and the downloads of it. */
export class SharedFile {
  readonly #size: number;
  readonly #account: Account;
  readonly #chunks = new Map<number, SharedChunk>();
  /** Reads in progress. */
  readonly #reads = new Map<number, Reading>();
  #downloads = 0;

  /** @param size Bytes of the file. */
  constructor(size: number, account: Account) {
    this.#size = size;
    this.#account = account;
  }

  /** Whether more than one download sends the file. */
  get isShared(): boolean {
    return this.#downloads > 1;
  }

  /** How many chunks it holds. */
  get chunks(): number {
    return this.#chunks.size;
  }

  /** A download begins. */
  enter(): void {
    this.#downloads++;
  }

  /** A download has ended. */
  leave(): void {
    if (--this.#downloads > 0) return;
    while (this.#chunks.size > 0) this.dropOne();
    this.#account.onUnused();
  }

  /** Drops any chunk. */
  dropOne(): void {
    const indexes = [...this.#chunks.keys()];
    const index = indexes[Math.floor(Math.random() * indexes.length)]!;
    const chunk = this.#chunks.get(index)!;
    this.#chunks.delete(index);
    this.#account.hold(-chunk.length);
    chunk.drop();
  }

  /** The chunk with a position of the file, if it is there. */
  at(position: number): SharedChunk | undefined {
    return this.#chunks.get(indexOf(position));
  }

  /**
   * The same, once it is read: by this download, unless another one reads it just
   * now.
   *
   * @returns The chunk, which is held for the caller; `undefined` if it could not
   * be read for others.
   */
  load(position: number, read: ReadChunk): Promise<SharedChunk | undefined> {
    const index = indexOf(position);
    let reading = this.#reads.get(index);
    if (reading === undefined) {
      reading = { waiting: 0, chunk: this.#read(index, read) };
      this.#reads.set(index, reading);
    }
    reading.waiting++;
    return reading.chunk;
  }

  async #read(
    index: number,
    read: ReadChunk,
  ): Promise<SharedChunk | undefined> {
    const start = index * SHARED_CHUNK_BYTES;
    const length = Math.min(SHARED_CHUNK_BYTES, this.#size - start);
    let bytes: Uint8Array<ArrayBuffer> | undefined;
    try {
      bytes = await read(start, length);
    } catch {
      // Each of those that wait finds out for itself.
    }
    const { waiting } = this.#reads.get(index)!;
    this.#reads.delete(index);
    if (bytes === undefined || bytes.length < length) return undefined;
    const chunk = new SharedChunk(bytes, start);
    for (let count = 0; count < waiting; count++) chunk.hold();
    this.#add(index, chunk);
    return chunk;
  }

  #add(index: number, chunk: SharedChunk): void {
    // All downloads may have ended meanwhile.
    if (this.#downloads === 0) return chunk.drop();
    this.#chunks.set(index, chunk);
    this.#account.hold(chunk.length);
  }
}

function indexOf(position: number): number {
  return Math.floor(position / SHARED_CHUNK_BYTES);
}
