/**
 * Bodies of file responses: read in chunks, counted, and aborted when the file
 * changes.
 *
 * @module
 */

import { isSameContent } from "../boot_files/file_version.ts";
import { fileWork } from "../files/file_work.ts";
import {
  FEW_DOWNLOADS,
  MAX_CHUNK_BYTES,
  MAX_DOWNLOADS,
  MAX_DOWNLOADS_PER_CLIENT,
  MAX_FILE_BYTES_PER_POLL,
  MAX_PIECES_BYTES,
  MAX_TLS_PIECE_BYTES,
  MAX_TOTAL_CHUNK_BYTES,
  MAX_UNREAD_BYTES,
  MIN_CHUNK_BYTES,
  SHARED_CHUNK_BYTES,
} from "../overload/limits.ts";
import type { TransferReport } from "../machines/transfer_progress.ts";
import { ClientQuota } from "../overload/quota.ts";
import { ByteBudget } from "../overload/scheduler.ts";
import type { BodySink, BodySource } from "./body_source.ts";
import type { ByteRange } from "./conditional_request.ts";
import type { Protocol } from "./host_check.ts";
import { DIVIDED_SHARE, TOO_SLOW } from "./send_window.ts";
import {
  type SharedChunk,
  SharedChunks,
  type SharedFile,
} from "./shared_chunks.ts";
import type { BootFile } from "../boot_files/directory.ts";

/**
 * Bytes after which a download checks whether its file has changed; for as many at
 * its beginning it does so after each chunk.
 */
const FILE_CHECK_INTERVAL_BYTES = 1024 * 1024;

/** Why a download is broken off whose bytes would be of two files. */
const CHANGED = "the file has changed";

/** All downloads in progress, and the memory and time that they share. */
export class Downloads {
  /** Bytes handed to the runtime so far. */
  sentBytes = 0;
  /** Of downloads in progress. */
  readonly quota: ClientQuota;

  readonly #byteBudget = new ByteBudget(MAX_FILE_BYTES_PER_POLL);
  readonly #sharedChunks = new SharedChunks();
  readonly #mayShare: boolean;

  /**
   * @param load The share of the file descriptors in use, 0 to 1.
   * @param mayShare Whether {@linkcode BodySource.release} is called: else the
   * memory of shared chunks would not be given back.
   */
  constructor(load?: () => number, mayShare = true) {
    this.#mayShare = mayShare;
    this.quota = new ClientQuota({
      total: MAX_DOWNLOADS,
      perClient: MAX_DOWNLOADS_PER_CLIENT,
      load,
    });
  }

  /** Downloads in progress. */
  get active(): number {
    return this.quota.used;
  }

  /** Bytes that one download reads at once; fewer the more downloads there are. */
  get chunkSize(): number {
    return this.#shareOf(MAX_TOTAL_CHUNK_BYTES, MAX_CHUNK_BYTES);
  }

  /** Bytes of chunks that several downloads share. */
  get sharedBytes(): number {
    return this.#sharedChunks.bytes;
  }

  /**
   * Bytes that one download sends at once of a chunk that it shares: more than its
   * part while others have read theirs.
   */
  sharedPieceSize(protocol: Protocol, sink: BodySink): number {
    const isSmall = protocol === "https" && this.active > FEW_DOWNLOADS;
    const most = this.#shareOf(
      MAX_PIECES_BYTES,
      isSmall ? MAX_TLS_PIECE_BYTES : SHARED_CHUNK_BYTES,
    );
    const part = this.#shareOf(DIVIDED_SHARE * MAX_UNREAD_BYTES, most);
    return part === most ? most : Math.max(part, sink.roomFor?.(most) ?? most);
  }

  /** The part of one download in bytes for all of them. */
  #shareOf(total: number, most: number): number {
    const share = Math.floor(total / Math.max(1, this.active));
    return Math.max(MIN_CHUNK_BYTES, Math.min(most, share));
  }

  /**
   * Takes a place for a download before its file is opened: opening may wait, and
   * those that wait must not be without a bound.
   *
   * @param client The client's address.
   * @returns `undefined` if there are too many downloads.
   */
  reserve(client: string): Disposable | undefined {
    return this.quota.acquire(client);
  }

  /**
   * Makes a range of an open file a body. The file is closed and the place given
   * up at the end, and if this fails.
   *
   * @param unit The place.
   * @param client The client's address.
   * @param protocol That of its connection.
   * @param report Called after each chunk, and at the end.
   */
  async body(
    file: BootFile,
    range: ByteRange,
    unit: Disposable,
    { client, protocol }: { client: string; protocol: Protocol },
    report: TransferReport | undefined,
  ): Promise<BodySource> {
    try {
      if (range.start > 0) {
        await file.handle.seek(range.start);
      }
      return new Download(this, {
        file,
        client,
        protocol,
        unit,
        range,
        report,
        byteBudget: this.#byteBudget,
        shared: this.#mayShare ? this.#sharedChunks.join(file.info) : undefined,
      });
    } catch (error) {
      unit[Symbol.dispose]();
      file.handle.close();
      throw error;
    }
  }
}

/** What a {@linkcode Download} sends, and what it takes while it does. */
interface DownloadOptions {
  /** At the first byte to send; closed at the end. */
  readonly file: BootFile;
  /** The client's address. */
  readonly client: string;
  readonly protocol: Protocol;
  /** Its share of the quota of downloads; disposed of at the end. */
  readonly unit: Disposable;
  /** The bytes to send. */
  readonly range: ByteRange;
  readonly report: TransferReport | undefined;
  readonly byteBudget: ByteBudget;
  /** What it shares with other downloads of the file; left at the end. */
  readonly shared: SharedFile | undefined;
}

/** One download. */
class Download implements BodySource {
  readonly #downloads: Downloads;
  readonly #options: DownloadOptions;
  readonly #size: number;
  #sentBytes = 0;
  /** Where the file is read next. */
  #position: number;
  /** Bytes sent when the file was last checked. */
  #checkedAt = 0;
  /** The chunk that the last bytes are of, until the runtime has taken them. */
  #held: SharedChunk | undefined;
  #isOver = false;

  constructor(downloads: Downloads, options: DownloadOptions) {
    const { range: { start, end } } = options;
    this.#downloads = downloads;
    this.#options = options;
    this.#size = end - start;
    this.#position = start;
  }

  /** Sends the next chunk. */
  pull(sink: BodySink): Promise<void> | void {
    const { byteBudget, protocol, shared } = this.#options;
    const isShared = this.#size > 0 && (shared?.isShared ?? false);
    // Small at first: many clients may ask and not read.
    const length = Math.min(
      isShared
        ? this.#downloads.sharedPieceSize(protocol, sink)
        : this.#downloads.chunkSize,
      Math.max(MIN_CHUNK_BYTES, this.#sentBytes),
      this.#size - this.#sentBytes,
    );
    const waiting = byteBudget.acquire(length);
    const next = () => {
      // The client may have left meanwhile.
      if (this.#isOver) return;
      const chunk = isShared ? shared?.at(this.#next) : undefined;
      if (chunk === undefined || this.#hasUnchecked) {
        return this.#readAndSend(sink, length, isShared);
      }
      chunk.hold();
      this.#sendOf(sink, chunk, length);
    };
    return waiting === undefined ? next() : waiting.then(next);
  }

  /** The position in the file of the byte to send next. */
  get #next(): number {
    return this.#options.range.start + this.#sentBytes;
  }

  /** Whether the file may have changed before bytes were read that are sent. */
  get #hasUnchecked(): boolean {
    return this.#checkedAt < this.#sentBytes;
  }

  async #readAndSend(
    sink: BodySink,
    length: number,
    isShared: boolean,
  ): Promise<void> {
    try {
      if (isShared && await this.#sendShared(sink, length)) return;
      const most = Math.min(length, this.#downloads.chunkSize);
      const chunk = await this.#inTurn(() => this.#read(most));
      if (chunk !== undefined && !this.#isOver) this.#send(sink, chunk);
    } catch (error) {
      this.#end((error as Error).message);
      sink.error(error);
    }
  }

  /**
   * Sends bytes of a chunk that is read for all downloads of the file; whether
   * there was one, or the client has closed the connection.
   *
   * @throws {Error} if the file has changed.
   */
  async #sendShared(sink: BodySink, length: number): Promise<boolean> {
    const { shared } = this.#options;
    if (this.#hasUnchecked) {
      await this.#inTurn(() => this.#check(this.#sentBytes));
    }
    const chunk = await shared!.load(
      this.#next,
      (start, length) => this.#inTurn(() => this.#readAt(start, length)),
    );
    if (chunk === undefined) return this.#isOver;
    if (this.#isOver) chunk.release();
    else this.#sendOf(sink, chunk, length);
    return true;
  }

  /** Sends bytes of a chunk that is held. */
  #sendOf(sink: BodySink, chunk: SharedChunk, length: number): void {
    this.#held = chunk;
    const piece = chunk.from(this.#next, length);
    // It was checked when it was read.
    this.#checkedAt = this.#sentBytes + piece.length;
    this.#send(sink, piece);
  }

  #send(sink: BodySink, piece: Uint8Array<ArrayBuffer>): void {
    this.#sentBytes += piece.length;
    this.#downloads.sentBytes += piece.length;
    if (this.#sentBytes === this.#size) return sink.last(piece);
    sink.enqueue(piece);
    this.#options.report?.sending(this.#sentBytes);
  }

  /** The client has nearly all of it, and the runtime the rest. */
  onSent(): void {
    this.#end();
  }

  /** The connection is closed, by the client or because it does not read. */
  cancel(reason: unknown): void {
    this.#end(reason === TOO_SLOW ? TOO_SLOW : "the client has left");
  }

  /**
   * Frees the memory of a chunk that the runtime has taken.
   *
   * Workaround: with the garbage collector freeing the chunks, downloads of 1 GB/s
   * spend more time in it than in sending (Deno 2.6.8). The runtime's server holds
   * on to the bytes that it has taken until they are sent, even when their buffer
   * is detached here. tests/unit/http/download_test.ts fails if a server no longer
   * does. A chunk that was not taken is empty afterwards: the response is
   * incomplete then, never mixed.
   */
  release(chunk: Uint8Array<ArrayBuffer>): void {
    if (this.#held?.has(chunk)) this.#held.release();
    else chunk.buffer.transfer(0);
    this.#held = undefined;
  }

  /** Runs an operation on the file when it is its turn. */
  #inTurn<T>(operation: () => Promise<T>): Promise<T> {
    const { client, file } = this.#options;
    return fileWork.run(client, file.path, operation, {
      fileSystem: file.handle.fileSystem,
      isPatient: true,
    });
  }

  /**
   * Reads a chunk of up to `length` bytes; `undefined` if the client has closed
   * the connection meanwhile.
   *
   * @throws {Error} if the file has changed.
   */
  async #read(length: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (this.#isOver) return undefined;
    const chunk = length === 0
      ? new Uint8Array()
      : await this.#readBytes(this.#next, length);
    if (this.#isOver) return undefined;
    // The check comes after the read, and always after the last one: what is
    // sent completely was read before any change.
    const sentBytes = this.#sentBytes + (chunk?.length ?? 0);
    const isCheckDue = sentBytes === this.#size ||
      sentBytes <= FILE_CHECK_INTERVAL_BYTES ||
      sentBytes - this.#checkedAt >= FILE_CHECK_INTERVAL_BYTES;
    if (chunk === undefined) throw new Error(CHANGED);
    if (isCheckDue) await this.#check(sentBytes);
    return chunk;
  }

  /** Reads bytes for all downloads of the file. */
  async #readAt(
    start: number,
    length: number,
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (this.#isOver) return undefined;
    const { handle, info } = this.#options.file;
    const bytes = await this.#readBytes(start, length);
    return isSameContent(info, await handle.stat()) ? bytes : undefined;
  }

  async #readBytes(
    start: number,
    length: number,
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const { handle } = this.#options.file;
    if (start !== this.#position) await handle.seek(start);
    const bytes = await handle.read(length);
    this.#position = start + (bytes?.length ?? 0);
    return bytes;
  }

  /**
   * Checks that the file has not changed since it was opened.
   *
   * @param sentBytes Bytes that are sent when it is so.
   * @throws {Error} if it has changed.
   */
  async #check(sentBytes: number): Promise<void> {
    const { handle, info } = this.#options.file;
    if (!isSameContent(info, await handle.stat())) throw new Error(CHANGED);
    this.#checkedAt = sentBytes;
  }

  /** @param error Why it has failed; `undefined` if it is complete. */
  #end(error?: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { file, unit, report, shared } = this.#options;
    unit[Symbol.dispose]();
    shared?.leave();
    file.handle.close();
    if (error === undefined) report?.complete(this.#sentBytes);
    else report?.fail(this.#sentBytes, error);
  }
}
