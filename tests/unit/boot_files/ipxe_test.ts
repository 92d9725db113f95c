import { assert, assertEquals } from "@std/assert";
import {
  IPXE_FILE_KEYS,
  type IpxeFileKey,
  IpxeFiles,
} from "../../../lib/boot_files/ipxe.ts";
import { parseRequestPath } from "../../../lib/tftp/request_path.ts";
import { FakeClock } from "../../support/clock.ts";
import { fc } from "../../support/fast_check.ts";
import { MAC, MAC_TEXT } from "../../support/http.ts";
import { eventually, pause } from "../../support/lab.ts";

const SECRET = "SECRET, which no client may get";

Deno.test("TFTP path attacks", async (t) => {
  await using cleanup = new AsyncDisposableStack();
  const paths = [
    `${MAC_TEXT}/../../etc/passwd`,
    `${MAC_TEXT}/../secret.txt`,
    `${MAC_TEXT}/..\\..\\secret.txt`,
    `${MAC_TEXT}/%2e%2e/secret.txt`,
    `${MAC_TEXT}//etc/passwd`,
    `${MAC_TEXT}/./././ipxe.efi`,
    `${MAC_TEXT}/autoexec.ipxe/../../secret.txt`,
    `${MAC_TEXT}/../../secret-arm64.efi`,
    `${MAC_TEXT}/`,
    `${MAC_TEXT}`,
    `////${MAC_TEXT}////x`,
    `${MAC_TEXT}/script`,
    `${MAC_TEXT}/__proto__`,
    `${MAC_TEXT}/${"a".repeat(10_000)}`,
    `${MAC_TEXT}/${"../".repeat(100)}secret.txt`,
    `${MAC_TEXT}/a\nb`,
    `${MAC_TEXT}/secret.txt`,
    `${MAC_TEXT}/boot.efi`,
    `../${MAC_TEXT}/ipxe.efi`,
    `/../${MAC_TEXT}/ipxe.efi`,
    `./${MAC_TEXT}/ipxe.efi`,
    `${MAC_TEXT}%2f..%2fsecret.txt`,
    `${MAC_TEXT}\\..\\secret.txt`,
    "../../secret.txt",
    "..",
    ".",
    "/etc/passwd",
    "secret.txt",
    "",
    "////",
    "a".repeat(10_000),
  ];
  let root: string;
  let files: IpxeFiles;
  const served = new Set<string>();

  {
    root = await Deno.makeTempDir();
    await Deno.writeTextFile(`${root}/secret.txt`, SECRET);
    await Deno.writeTextFile(`${root}/secret-arm64.efi`, SECRET);
    await Deno.mkdir(`${root}/ipxe`);
    const given = new Map<IpxeFileKey, string>();
    for (const key of IPXE_FILE_KEYS) {
      const path = `${root}/ipxe/${key}`;
      given.set(key, path);
      served.add(`file for ${key}`);
      await Deno.writeTextFile(path, `file for ${key}`);
    }
    files = new IpxeFiles(given);
  }

  cleanup.defer(async () => {
    await Deno.remove(root, { recursive: true });
  });

  for (const path of paths) {
    const name = path.length > 60
      ? `${path.slice(0, 40)}... (${path.length})`
      : path;
    await t.step(JSON.stringify(name), async () => {
      const file = parseRequestPath(path);
      if (!path.replace(/^\/+/, "").startsWith(MAC_TEXT)) {
        assertEquals(file, undefined);
      }
      if (file === undefined) return;
      assertEquals(file.mac, MAC);
      const key = files.keyFor(file.name);
      assertEquals(
        key !== undefined,
        /\.efi$|(?:^|\/)autoexec\.ipxe$/.test(file.name),
      );
      if (key === undefined) return;
      const content = new TextDecoder().decode(await files.read(key));
      assert(served.has(content), content);
    });
  }

  await t.step("are read once for all who ask at the same time", async () => {
    const fresh = new IpxeFiles(new Map([["arm64", `${root}/ipxe/arm64`]]));
    const [first, second] = await Promise.all([
      fresh.read("arm64"),
      fresh.read("arm64"),
    ]);
    assert(first === second);
    assertEquals(new TextDecoder().decode(first), "file for arm64");
  });

  await t.step(
    "are read again when others of the same size and time are there",
    async () => {
      const path = `${root}/replaced.efi`;
      const time = new Date(1_700_000_000_000);
      const write = async (name: string, text: string) => {
        await Deno.writeTextFile(name, text);
        await Deno.utime(name, time, time);
      };
      await write(path, "first");
      const fresh = new IpxeFiles(new Map([["arm64", path]]));
      const text = async () =>
        new TextDecoder().decode(await fresh.read("arm64"));
      assertEquals(await text(), "first");
      await write(`${path}.new`, "other");
      await Deno.rename(`${path}.new`, path);
      assertEquals(await text(), "other");
    },
  );

  await t.step(
    "are one or the other while they are replaced, and never both",
    async () => {
      const path = `${root}/busy.efi`;
      const size = 4 * 1024 * 1024;
      const contents = [1, 2].map((byte) => new Uint8Array(size).fill(byte));
      await Deno.writeFile(path, contents[0]!);
      const fresh = () => new IpxeFiles(new Map([["arm64", path]]));
      let isOver = false;
      // In place, as who copies a file does: a piece at a time.
      const writing = (async () => {
        for (let round = 1; !isOver; round++) {
          using file = await Deno.open(path, { write: true });
          const content = contents[round % 2]!;
          for (let at = 0; at < size;) {
            at += await file.write(content.subarray(at, at + 256 * 1024));
          }
        }
      })();
      const seen = new Set<string>();
      const look = async (at: number) => {
        await pause(20 * at);
        const bytes = await fresh().read("arm64");
        if (bytes === undefined) return;
        assertEquals(bytes.length, size);
        seen.add(bytes[0] === bytes.at(-1) ? "whole" : "mixed");
      };
      await Promise.all(Array.from({ length: 20 }, (_, at) => look(at)));
      isOver = true;
      await writing;
      assertEquals(await fresh().read("arm64") === undefined, false);
      assertEquals(seen.has("mixed"), false);
    },
  );

  await t.step(
    "are whole when their writer halts in the middle",
    async () => {
      const path = `${root}/halting.efi`;
      using clock = new FakeClock();
      const append = async (text: string) => {
        await Deno.writeTextFile(path, text, { append: true });
        await Deno.utime(path, new Date(), new Date());
      };
      await append("first half, ");
      const content = new IpxeFiles(new Map([["arm64", path]])).read("arm64");
      // One waits for the writer, one is the limit of the request.
      const waits = () => clock.pending.length === 2;
      await eventually("it waits for the second half", waits);
      await clock.advance(199);
      await append("second half");
      await clock.advance(1);
      await eventually("it waits for a third", waits);
      await clock.advance(200);
      const text = new TextDecoder().decode(await content);
      assertEquals(text, "first half, second half");
    },
  );

  await t.step("of any make lead to iPXE or its script", async () => {
    const piece = fc.constantFrom(
      ...["..", "/", ".", "\\", "%2e", "secret.txt", "autoexec.ipxe", "-arm64"],
      ...[".efi", "-riscv64.efi", MAC_TEXT, "script", "\n", "\0"],
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { maxLength: 8 }),
        async (pieces) => {
          const file = parseRequestPath(`${MAC_TEXT}/${pieces.join("")}`);
          const key = files.keyFor(file!.name);
          if (key === undefined) return;
          const content = new TextDecoder().decode(await files.read(key));
          assert(served.has(content), content);
        },
      ),
      { numRuns: 1000 },
    );
  });
});
