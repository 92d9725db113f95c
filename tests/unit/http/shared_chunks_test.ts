import { assert, assertEquals } from "@std/assert";
import type { BootFile } from "../../../lib/boot_files/directory.ts";
import type { FileHandle } from "../../../lib/files/opened_file.ts";
import type { BodySource } from "../../../lib/http/body_source.ts";
import type { Protocol } from "../../../lib/http/host_check.ts";
import type { ByteRange } from "../../../lib/http/conditional_request.ts";
import { Downloads } from "../../../lib/http/download.ts";
import { SharedChunks } from "../../../lib/http/shared_chunks.ts";
import { SHARED_CHUNK_BYTES } from "../../../lib/overload/limits.ts";
import { joined } from "../../../lib/net/bytes.ts";
import { fc } from "../../support/fast_check.ts";

const SIZE = 2 * SHARED_CHUNK_BYTES + 1000;
const HOUR = 3_600_000;

/** A file that is replaced in place, and counts who reads it. */
class ChangingFile {
  version = 0;
  reads = 0;
  readonly #failing: boolean;
  readonly #modified: number;
  readonly #size: number;

  constructor(
    { failing = false, modified = Date.now() - HOUR, size = SIZE }: {
      failing?: boolean;
      modified?: number;
      size?: number;
    } = {},
  ) {
    this.#failing = failing;
    this.#modified = modified;
    this.#size = size;
  }

  info(): Deno.FileInfo {
    const time = new Date(this.#modified + 1000 * this.version);
    return { dev: 1, ino: 1, size: this.#size, mtime: time, ctime: time } as
      & Deno.FileInfo
      & { size: number };
  }

  bytes(start: number, length: number): Uint8Array<ArrayBuffer> {
    const end = Math.min(this.#size, start + length);
    const bytes = new Uint8Array(Math.max(0, end - start));
    for (let index = 0; index < bytes.length; index++) {
      bytes[index] = (this.version * 7 + (start + index) * 31) % 251;
    }
    return bytes;
  }

  open(): BootFile {
    let position = 0;
    let reads = 0;
    let isClosed = false;
    const handle: FileHandle = {
      fileSystem: undefined,
      read: async (length) => {
        assert(!isClosed);
        this.reads++;
        await Promise.resolve();
        // The first time it gets less than it asks for.
        const isCut = this.#failing && reads++ === 0;
        const bytes = this.bytes(position, isCut ? 1 : length);
        position += bytes.length;
        return bytes.length === 0 ? undefined : bytes;
      },
      seek: (to) => {
        position = to;
        return Promise.resolve();
      },
      stat: () =>
        isClosed
          ? Promise.reject(new Deno.errors.BadResource())
          : Promise.resolve(this.info()),
      close: () => isClosed = true,
    };
    return {
      handle,
      path: "/boot.efi",
      size: this.#size,
      info: this.info(),
      etag: "",
      modified: undefined,
      type: "",
    };
  }
}

/** A client that takes a chunk at each call of `pull`. */
class Client {
  readonly #received: Uint8Array[] = [];
  error: unknown;
  isComplete = false;
  readonly #source: BodySource;
  #last: Uint8Array<ArrayBuffer> | undefined;

  constructor(source: BodySource) {
    this.#source = source;
  }

  /** What it has received so far. */
  get received(): Uint8Array {
    return joined(this.#received);
  }

  get isOver(): boolean {
    return this.isComplete || this.error !== undefined;
  }

  async pull(): Promise<void> {
    if (this.isOver) return;
    this.#release();
    await this.#source.pull({
      enqueue: (chunk) => this.#take(chunk),
      last: (chunk) => {
        this.#take(chunk);
        this.isComplete = true;
        this.#source.onSent?.();
      },
      close: () => this.isComplete = true,
      error: (error) => this.error = error,
    });
    if (this.isOver) this.#release();
  }

  leave(): void {
    if (this.isOver) return;
    this.#source.cancel("left");
    this.#release();
    this.error = "left";
  }

  #take(chunk: Uint8Array<ArrayBuffer>): void {
    assert(!this.isOver, "it has left");
    this.#received.push(chunk.slice());
    this.#last = chunk;
  }

  #release(): void {
    if (this.#last !== undefined) this.#source.release?.(this.#last);
    this.#last = undefined;
  }
}

async function download(
  downloads: Downloads,
  file: ChangingFile,
  index: number,
  range = { start: 0, end: SIZE },
  protocol: Protocol = "http",
): Promise<Client> {
  const client = `::${index}`;
  const unit = downloads.reserve(client)!;
  const to = { client, protocol };
  return new Client(
    await downloads.body(file.open(), range, unit, to, undefined),
  );
}

/** Faster than a comparison that tells all differences. */
function assertSame(is: Uint8Array, should: Uint8Array): void {
  assertEquals(is.length, should.length);
  assertEquals(is.findIndex((byte, index) => byte !== should[index]), -1);
}

/** Begins the downloads of so many clients. */
function downloadsOf(
  downloads: Downloads,
  file: ChangingFile,
  count: number,
  range?: ByteRange,
): Promise<Client[]> {
  return Promise.all(
    Array.from(
      { length: count },
      (_, index) => download(downloads, file, index, range),
    ),
  );
}

/** All clients take a chunk at a time until all of them have ended. */
async function finish(clients: readonly Client[]): Promise<void> {
  while (clients.some((client) => !client.isOver)) {
    await Promise.all(clients.map((client) => client.pull()));
  }
}

Deno.test("downloads of one file", async (t) => {
  await t.step("read it once together", async () => {
    const file = new ChangingFile();
    const downloads = new Downloads();
    const clients = await downloadsOf(downloads, file, 8);
    await finish(clients);
    for (const { received } of clients) {
      assertSame(received, file.bytes(0, SIZE));
    }
    assertEquals(file.reads, Math.ceil(SIZE / SHARED_CHUNK_BYTES));
    assertEquals(downloads.sharedBytes, 0);
  });

  await t.step("read it each for itself if it was just written", async () => {
    const file = new ChangingFile({ modified: Date.now() });
    const downloads = new Downloads();
    const clients = await downloadsOf(downloads, file, 2);
    for (const client of clients) while (!client.isOver) await client.pull();
    assert(file.reads >= 2 * Math.ceil(SIZE / SHARED_CHUNK_BYTES));
  });

  await t.step("go on when one cannot read for the others", async () => {
    const file = new ChangingFile({ failing: true });
    const downloads = new Downloads();
    const clients = await downloadsOf(downloads, file, 3);
    await finish(clients);
    for (const { received } of clients) {
      assertSame(received, file.bytes(0, SIZE));
    }
  });

  await t.step("do not go on with chunks of before a change", async () => {
    const size = 12 * SHARED_CHUNK_BYTES;
    const file = new ChangingFile({ size });
    const downloads = new Downloads();
    // With many downloads, what one reads for itself is not checked each time.
    for (let count = 0; count < 60; count++) {
      downloads.reserve(`fe80::${count}`);
    }
    const ahead = await download(downloads, file, 1, {
      start: 7 * SHARED_CHUNK_BYTES,
      end: size,
    });
    const client = await download(downloads, file, 2, { start: 0, end: size });
    while (ahead.received.length < 4.9 * SHARED_CHUNK_BYTES) await ahead.pull();
    while (client.received.length < 5 * SHARED_CHUNK_BYTES) await client.pull();
    file.version++;
    while (!client.isOver) await client.pull();
    assertEquals(String(client.error), "Error: the file has changed");
    assert(!client.isComplete);
    ahead.leave();
  });

  await t.step("keep nothing when clients leave as they wait", async () => {
    const size = 8 * SHARED_CHUNK_BYTES;
    const file = new ChangingFile({ size });
    const downloads = new Downloads();
    const range = { start: 0, end: size };
    const clients = await downloadsOf(downloads, file, 40, range);
    for (let round = 0; round < 6; round++) {
      await Promise.all(clients.map((client) => client.pull()));
    }
    // Together these are more bytes than may be sent before others get a turn.
    const pulls = clients.map((client) => client.pull());
    const [last, ...others] = clients;
    for (const client of others) client.leave();
    await Promise.all(pulls);
    while (!last!.isOver) await last!.pull();
    assertEquals([downloads.active, downloads.sharedBytes], [0, 0]);
  });

  await t.step("are of one version, or broken off", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            what: fc.constantFrom(
              "begin",
              "pull",
              "pull",
              "pull all",
              "leave",
              "write",
            ),
            who: fc.nat(5),
            start: fc.constantFrom(0, 0, 1, SHARED_CHUNK_BYTES, SIZE - 1),
          }),
          { minLength: 5, maxLength: 60 },
        ),
        fc.boolean(),
        async (steps, failing) => {
          const file = new ChangingFile({ failing });
          const downloads = new Downloads();
          const clients: {
            readonly client: Client;
            readonly expected: Uint8Array;
          }[] = [];
          const begin = async (start: number) => {
            const expected = file.bytes(start, SIZE);
            const range = { start, end: SIZE };
            const index = clients.length;
            clients.push({
              // Over TLS in smaller pieces.
              client: await download(
                downloads,
                file,
                index,
                range,
                index % 2 === 0 ? "http" : "https",
              ),
              expected,
            });
          };
          for (const { what, who, start } of steps) {
            const client = clients[who % Math.max(1, clients.length)]?.client;
            if (what === "begin") await begin(start);
            else if (what === "write") file.version++;
            else if (what === "leave") client?.leave();
            else if (what === "pull") await client?.pull();
            else await Promise.all(clients.map(({ client }) => client.pull()));
          }
          for (const { client } of clients) {
            while (!client.isOver) await client.pull();
          }
          for (const { client, expected } of clients) {
            if (client.isComplete) assertSame(client.received, expected);
          }
          assertEquals(downloads.sharedBytes, 0);
          assertEquals(downloads.active, 0);
        },
      ),
      { numRuns: 60 },
    );
  });
});

Deno.test("shared chunks take no more memory than they may", async (t) => {
  const limit = 2 * SHARED_CHUNK_BYTES;
  const info = {
    ...new ChangingFile().info(),
    size: 100 * SHARED_CHUNK_BYTES,
  };
  const read = (_: number, length: number) =>
    Promise.resolve(new Uint8Array(length).fill(7));
  const positionOf = (index: number) => index * SHARED_CHUNK_BYTES + 5;

  await t.step("when they are sent one after the other", async () => {
    const shared = new SharedChunks(limit);
    const file = shared.join(info)!;
    for (let index = 0; index < 100; index++) {
      const chunk = (await file.load(positionOf(index), read))!;
      assert(shared.bytes <= limit);
      assertEquals(chunk.from(positionOf(index), 3), Uint8Array.of(7, 7, 7));
      chunk.release();
    }
    file.leave();
    assertEquals(shared.bytes, 0);
  });

  await t.step("when downloads stand still in many places", async () => {
    const shared = new SharedChunks(limit);
    const file = shared.join(info)!;
    const held = [
      (await file.load(positionOf(0), read))!,
      (await file.load(positionOf(1), read))!,
    ];
    assertEquals(await file.load(positionOf(2), read), undefined);
    assertEquals(shared.bytes, limit);
    // What is held does not change, also when the file is given up.
    file.leave();
    assertEquals(shared.bytes, limit);
    assertEquals(held[1]!.from(positionOf(1), 3), Uint8Array.of(7, 7, 7));
    for (const chunk of held) chunk.release();
    assertEquals(shared.bytes, 0);
  });

  await t.step("when a read fails, or ends after its downloads", async () => {
    const shared = new SharedChunks(limit);
    const file = shared.join(info)!;
    const failing = () => Promise.reject(new Error("no"));
    assertEquals(await file.load(0, failing), undefined);
    assertEquals(shared.bytes, 0);
    const late = file.load(0, read);
    file.leave();
    const chunk = (await late)!;
    assertEquals(chunk.from(0, 1), Uint8Array.of(7));
    chunk.release();
    assertEquals(shared.bytes, 0);
  });
});
