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
  readonly #onFree: () => void;
  #users = 0;
  #isDropped = false;

  /**
   * @param start Its position in the file.
   * @param onFree Called when its memory is given back.
   */
  constructor(
    bytes: Uint8Array<ArrayBuffer>,
    start: number,
    onFree: () => void,
  ) {
    this.#bytes = bytes;
    this.#start = start;
    this.#onFree = onFree;
  }

  /** Whether a download holds it. */
  get isHeld(): boolean {
    return this.#users > 0;
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
    if (!this.#isDropped || this.#users > 0) return;
    this.#bytes.buffer.transfer(0);
    this.#onFree();
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

  /** Bytes of its chunks, with those that are dropped but held, or being read. */
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
        reserve: (bytes) => this.#reserve(bytes),
        free: (bytes) => this.#bytes -= bytes,
        onUnused: () => this.#files.delete(version),
      });
      this.#files.set(version, file);
    }
    file.enter();
    return file;
  }

  /** Takes memory for a chunk; whether there is so much. */
  #reserve(bytes: number): boolean {
    while (this.#bytes + bytes > this.#maxBytes) {
      if (!this.#dropOne()) return false;
    }
    this.#bytes += bytes;
    return true;
  }

  /**
   * Drops any chunk that no download holds; whether there was one. In a row of
   * downloads that is longer than the memory, the least recently used one would be
   * what the next download needs first.
   */
  #dropOne(): boolean {
    const unheld = [...this.#files.values()].flatMap((file) =>
      file.unheld().map((index) => ({ file, index }))
    );
    const victim = unheld[Math.floor(Math.random() * unheld.length)];
    victim?.file.drop(victim.index);
    return victim !== undefined;
  }
}

/** The memory of all files. */
interface Account {
  /** Takes so many bytes; whether there are as many. */
  reserve(bytes: number): boolean;
  free(bytes: number): void;
  /** The last download of the file has ended. */
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

  /** The indexes of chunks that no download holds. */
  unheld(): number[] {
    return [...this.#chunks].filter(([, chunk]) => !chunk.isHeld)
      .map(([index]) => index);
  }

  /** A download begins. */
  enter(): void {
    this.#downloads++;
  }

  /** A download has ended. */
  leave(): void {
    if (--this.#downloads > 0) return;
    for (const index of this.#chunks.keys()) this.drop(index);
    this.#account.onUnused();
  }

  /** Drops a chunk; its memory is given back when no download holds it. */
  drop(index: number): void {
    const chunk = this.#chunks.get(index);
    this.#chunks.delete(index);
    chunk?.drop();
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
   * be read for others, or there is no memory for it.
   */
  async load(
    position: number,
    read: ReadChunk,
  ): Promise<SharedChunk | undefined> {
    const index = indexOf(position);
    const start = index * SHARED_CHUNK_BYTES;
    const length = Math.min(SHARED_CHUNK_BYTES, this.#size - start);
    let reading = this.#reads.get(index);
    if (reading === undefined) {
      if (!this.#account.reserve(length)) return undefined;
      reading = { waiting: 0, chunk: this.#read(index, start, length, read) };
      this.#reads.set(index, reading);
    }
    reading.waiting++;
    return await reading.chunk;
  }

  async #read(
    index: number,
    start: number,
    length: number,
    read: ReadChunk,
  ): Promise<SharedChunk | undefined> {
    let bytes: Uint8Array<ArrayBuffer> | undefined;
    try {
      bytes = await read(start, length);
    } catch {
      // Each of those that wait finds out for itself.
    }
    const { waiting } = this.#reads.get(index)!;
    this.#reads.delete(index);
    const free = () => this.#account.free(length);
    if (bytes === undefined || bytes.length < length) {
      free();
      return undefined;
    }
    const chunk = new SharedChunk(bytes, start, free);
    for (let count = 0; count < waiting; count++) chunk.hold();
    // All downloads may have ended meanwhile.
    if (this.#downloads === 0) chunk.drop();
    else this.#chunks.set(index, chunk);
    return chunk;
  }
}

function indexOf(position: number): number {
  return Math.floor(position / SHARED_CHUNK_BYTES);
}
