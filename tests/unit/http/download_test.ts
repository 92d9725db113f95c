import { assert, assertEquals } from "@std/assert";
import { Connections } from "../../../lib/http/connections.ts";
import { Downloads } from "../../../lib/http/download.ts";
import { SendWindows } from "../../../lib/http/send_window.ts";
import { MAX_CHUNK_BYTES } from "../../../lib/overload/limits.ts";
import { BootDirectory } from "../../../lib/boot_files/directory.ts";
import { MAC } from "../../support/http.ts";

/** More than the socket buffers, and no multiple of a chunk. */
const SIZE = 24 * MAX_CHUNK_BYTES + 7;

/** Bytes of which each four are their position. */
function content(): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(SIZE / 4 + 1);
  for (let index = 0; index < words.length; index++) words[index] = index;
  return new Uint8Array(words.buffer, 0, SIZE);
}

/**
 * The buffer of a chunk is detached when the runtime reads the next one.
 * These tests fail if the runtime still needs it then.
 */
Deno.test("a download through Deno.serve", async (t) => {
  await using cleanup = new AsyncDisposableStack();
  let directory: string;
  let server: Deno.HttpServer<Deno.NetAddr>;
  let url: string;

  {
    directory = await Deno.makeTempDir();
    await Deno.mkdir(`${directory}/default`);
    await Deno.writeFile(`${directory}/default/boot.efi`, content());
    const downloads = new Downloads();
    const files = new BootDirectory(directory);
    const connections = new Connections();
    const sendWindows = new SendWindows(connections, Infinity);
    server = Deno.serve(
      { hostname: "::1", port: 0, onListen() {} },
      async (_, info) => {
        const body = await downloads.body(
          (await files.find(MAC, ["boot.efi"]))!,
          { start: 0, end: SIZE },
          downloads.reserve("::1")!,
          { client: "::1", protocol: "http" },
          undefined,
        );
        const { connection } = connections.track(0, false, info);
        return new Response(
          sendWindows.limit(body, connection, info.completed),
        );
      },
    );
    url = `http://[::1]:${server.addr.port}/`;
  }

  cleanup.defer(async () => {
    await server.shutdown();
    await Deno.remove(directory, { recursive: true });
  });

  await t.step(
    "has the bytes of the file, for a fast client",
    async () => {
      assertSame(await (await fetch(url)).bytes());
    },
  );

  await t.step(
    "has the bytes of the file, for slow clients",
    async () => {
      await Promise.all(Array.from({ length: 8 }, async (_, index) => {
        const got = new Uint8Array(SIZE);
        let length = 0;
        for await (const part of (await fetch(url)).body!) {
          got.set(part, length);
          length += part.length;
          if (length % (1 + index) === 0) {
            await new Promise((resolve) => setTimeout(resolve, 1));
          }
        }
        assertEquals(length, SIZE);
        assertSame(got);
      }));
    },
  );
});

function assertSame(got: Uint8Array): void {
  const words = (bytes: Uint8Array) =>
    new BigUint64Array(bytes.slice(0, -7).buffer);
  const [is, should] = [words(got), words(content())];
  assertEquals(got.length, SIZE);
  const at = is.findIndex((word, index) => word !== should[index]);
  assert(at === -1, `it differs at ${8 * at}`);
  assertEquals(got.slice(-7), content().slice(-7));
}
