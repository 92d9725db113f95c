/**
 * Bodies of file responses: read in chunks, counted, and aborted when the file
 * changes.
 *
 * @module
 */

import { isSameContent } from "../boot_files/file_version.ts";
import { fileWork } from "../files/file_work.ts";
import {
  MAX_CHUNK_BYTES,
  MAX_DOWNLOADS,
  MAX_DOWNLOADS_PER_CLIENT,
  MAX_FILE_BYTES_PER_POLL,
  MAX_TOTAL_CHUNK_BYTES,
  MIN_CHUNK_BYTES,
} from "../overload/limits.ts";
import type { TransferReport } from "../machines/transfer_progress.ts";
import { ClientQuota } from "../overload/quota.ts";
import { ByteBudget } from "../overload/scheduler.ts";
import type { BodySink, BodySource } from "./body_source.ts";
import type { ByteRange } from "./conditional_request.ts";
import { TOO_SLOW } from "./send_window.ts";
import type { BootFile } from "../boot_files/directory.ts";

/**
 * Bytes after which a download checks whether its file has changed; for as many at
 * its beginning it does so after each chunk.
 */
const FILE_CHECK_INTERVAL_BYTES = 1024 * 1024;

/** All downloads in progress, and the memory and time that they share. */
export class Downloads {
  /** Bytes handed to the runtime so far. */
  sentBytes = 0;
  /** Of downloads in progress. */
  readonly quota: ClientQuota;

  readonly #byteBudget = new ByteBudget(MAX_FILE_BYTES_PER_POLL);

  /** @param load The share of the file descriptors in use, 0 to 1. */
  constructor(load?: () => number) {
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
    const share = Math.floor(MAX_TOTAL_CHUNK_BYTES / Math.max(1, this.active));
    return Math.max(MIN_CHUNK_BYTES, Math.min(MAX_CHUNK_BYTES, share));
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
   * @param report Called after each chunk, and at the end. A range that ends
   * before the file does is complete when it is sent.
   */
  async body(
    file: BootFile,
    range: ByteRange,
    unit: Disposable,
    client: string,
    report: TransferReport | undefined,
  ): Promise<BodySource> {
    try {
      if (range.start > 0) {
        await file.handle.seek(range.start);
      }
      return new Download(this, {
        file,
        client,
        unit,
        size: range.end - range.start,
        report,
        byteBudget: this.#byteBudget,
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
  /** Its share of the quota of downloads; disposed of at the end. */
  readonly unit: Disposable;
  /** Bytes to send. */
  readonly size: number;
  readonly report: TransferReport | undefined;
  readonly byteBudget: ByteBudget;
}

/** One download. */
class Download implements BodySource {
  readonly #downloads: Downloads;
  readonly #options: DownloadOptions;
  #sentBytes = 0;
  /** Bytes sent when the file was last checked. */
  #checkedAt = 0;
  #isOver = false;

  constructor(downloads: Downloads, options: DownloadOptions) {
    this.#downloads = downloads;
    this.#options = options;
  }

  /** Sends the next chunk. */
  async pull(sink: BodySink): Promise<void> {
    const { size, byteBudget, report } = this.#options;
    // Small at first: many clients may ask and not read.
    const length = Math.min(
      this.#downloads.chunkSize,
      Math.max(MIN_CHUNK_BYTES, this.#sentBytes),
      size - this.#sentBytes,
    );
    await byteBudget.acquire(length);
    try {
      const chunk = await this.#read(length);
      if (chunk === undefined) return;
      this.#sentBytes += chunk.length;
      this.#downloads.sentBytes += chunk.length;
      if (this.#sentBytes === size) return sink.last(chunk);
      sink.enqueue(chunk);
      report?.sending(this.#sentBytes);
    } catch (error) {
      this.#end((error as Error).message);
      sink.error(error);
    }
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
  release({ buffer }: Uint8Array<ArrayBuffer>): void {
    buffer.transfer(0);
  }

  /**
   * Reads a chunk of up to `length` bytes; `undefined` if the client has closed
   * the connection meanwhile.
   *
   * @throws {Error} if the file has changed.
   */
  #read(length: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const { client, file } = this.#options;
    const read = () => this.#readNow(length);
    return fileWork.run(client, file.path, read, {
      fileSystem: file.handle.fileSystem,
      isPatient: true,
    });
  }

  async #readNow(
    length: number,
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (this.#isOver) return undefined;
    const { file: { handle, info }, size } = this.#options;
    const chunk = length === 0 ? new Uint8Array() : await handle.read(length);
    if (this.#isOver) return undefined;
    // The check comes after the read, and always after the last one: what is
    // sent completely was read before any change.
    const position = this.#sentBytes + (chunk?.length ?? 0);
    const isCheckDue = position === size ||
      position <= FILE_CHECK_INTERVAL_BYTES ||
      position - this.#checkedAt >= FILE_CHECK_INTERVAL_BYTES;
    if (
      chunk === undefined ||
      isCheckDue && !isSameContent(info, await handle.stat())
    ) {
      throw new Error("the file has changed");
    }
    if (isCheckDue) this.#checkedAt = position;
    return this.#isOver ? undefined : chunk;
  }

  /** @param error Why it has failed; `undefined` if it is complete. */
  #end(error?: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { file, unit, report } = this.#options;
    unit[Symbol.dispose]();
    file.handle.close();
    if (error === undefined) report?.complete(this.#sentBytes);
    else report?.fail(this.#sentBytes, error);
  }
}
