/**
 * The body of a file response: read in pieces, counted, and broken off when the
 * file changes under it.
 *
 * @module
 */

import { fileVersion } from "../boot_files/file_version.ts";
import {
  MAX_DOWNLOADS,
  MAX_DOWNLOADS_PER_CLIENT,
  MAX_FILE_BYTES_PER_POLL,
  MAX_FILE_CHUNK,
  MAX_FILE_CHUNKS,
  MIN_FILE_CHUNK,
} from "../overload/limits.ts";
import type { TransferReport } from "../machines/transfer_progress.ts";
import { ClientQuota } from "../overload/quota.ts";
import { ByteBudget } from "../overload/scheduler.ts";
import type { ByteRange } from "./conditional_request.ts";
import type { BootFile } from "../boot_files/directory.ts";

/** Octets after which a download looks whether its file has changed. */
const FILE_CHECK_INTERVAL_BYTES = 1024 * 1024;

/** All downloads that go on: the more there are, the less each reads at once. */
export class Downloads {
  /** Octets handed on since the start. */
  sentBytes = 0;
  /** Of those who have one. */
  readonly quota: ClientQuota;

  readonly #byteBudget = new ByteBudget(MAX_FILE_BYTES_PER_POLL);

  /** @param hasCapacity Whether one more file can be opened now. */
  constructor(hasCapacity?: () => boolean) {
    this.quota = new ClientQuota({
      total: MAX_DOWNLOADS,
      perClient: MAX_DOWNLOADS_PER_CLIENT,
      hasCapacity,
    });
  }

  /** How many go on. */
  get active(): number {
    return this.quota.used;
  }

  /** Octets that one of them may read now. */
  get chunkSize(): number {
    const share = Math.floor(MAX_FILE_CHUNKS / Math.max(1, this.active));
    return Math.max(MIN_FILE_CHUNK, Math.min(MAX_FILE_CHUNK, share));
  }

  /**
   * The octets of a file in a range, as a body. A chunk of it can be used until
   * the next one is asked for. `undefined` if too many downloads go on.
   *
   * @param report Told after each piece, and at the end. A range that ends
   * before the file does is complete when it is sent.
   * @throws {Deno.errors.NotFound} if it is gone, or is another file by now.
   */
  async open(
    file: BootFile,
    range: ByteRange,
    client: string,
    report: TransferReport | undefined,
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>> | undefined> {
    // Before anything is waited for: others ask meanwhile.
    const unit = this.quota.acquire(client);
    if (unit === undefined) return undefined;
    let handle: Deno.FsFile;
    try {
      handle = await openAt(file, range.start);
    } catch (error) {
      unit[Symbol.dispose]();
      throw error;
    }
    const size = range.end - range.start;
    let sentBytes = 0;
    let checkedAt = 0;
    let isOver = false;
    const end = (error?: string) => {
      if (isOver) return;
      isOver = true;
      unit[Symbol.dispose]();
      handle.close();
      if (error === undefined) report?.complete(sentBytes);
      else report?.fail(sentBytes, error);
    };
    let handedOn: ArrayBuffer | undefined;
    return new ReadableStream({
      pull: async (controller) => {
        detachBuffer(handedOn);
        handedOn = undefined;
        const length = Math.min(this.chunkSize, size - sentBytes);
        await this.#byteBudget.acquire(length);
        try {
          if (isOver) return;
          const chunk = new Uint8Array(length);
          const read = length === 0 ? 0 : await handle.read(chunk);
          if (isOver) return;
          // Looked at after reading, and always after the last of it: what is
          // sent to its end was read before a change, and is whole.
          const readBytes = sentBytes + (read ?? 0);
          const isDue = readBytes === size ||
            readBytes - checkedAt >= FILE_CHECK_INTERVAL_BYTES;
          if (read === null || isDue && !await isUnchanged(handle, file)) {
            throw new Error("the file has changed");
          }
          if (isDue) checkedAt = readBytes;
          if (isOver) return;
          if (read > 0) {
            handedOn = chunk.buffer;
            controller.enqueue(chunk.subarray(0, read));
          }
          sentBytes += read;
          this.sentBytes += read;
          if (sentBytes === size) {
            controller.close();
            end();
          } else report?.sending(sentBytes);
        } catch (error) {
          end((error as Error).message);
          controller.error(error);
        }
      },
      cancel: () => end("the client has left"),
    }, { highWaterMark: 0 });
  }
}

/**
 * Parts with memory that somebody else has by now. The runtime's server holds
 * on to the octets that it has taken for as long as it needs them, whatever
 * becomes of the buffer here; left to the garbage collector, a gigabyte a second
 * of them takes more time than the downloads themselves. Whoever has not taken
 * them finds none: a response is broken then, never mixed.
 */
function detachBuffer(memory: ArrayBuffer | undefined): void {
  memory?.transfer(0);
}

/** Opens a file at an offset, if it is still the same. */
async function openAt(file: BootFile, start: number): Promise<Deno.FsFile> {
  const handle = await Deno.open(file.path);
  try {
    if (!await isUnchanged(handle, file)) {
      throw new Deno.errors.NotFound(file.path);
    }
    if (start > 0) await handle.seek(start, Deno.SeekMode.Start);
    return handle;
  } catch (error) {
    handle.close();
    throw error;
  }
}

async function isUnchanged(
  handle: Deno.FsFile,
  file: BootFile,
): Promise<boolean> {
  return fileVersion(await handle.stat()) === file.version;
}
