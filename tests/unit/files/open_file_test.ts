import { assertEquals, assertRejects } from "@std/assert";
import { openFile } from "../../../lib/files/open_file.ts";
import { NotRegularFileError } from "../../../lib/files/opened_file.ts";
import { readFile, readText } from "../../../lib/files/read_file.ts";
import { command, eventually } from "../../support/lab.ts";

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

Deno.test("opening a file", async (t) => {
  const directory = await Deno.realPath(await Deno.makeTempDir());
  await Deno.mkdir(`${directory}/sub`);
  await Deno.writeTextFile(`${directory}/sub/file`, "content");
  await Deno.symlink("sub", `${directory}/link`);
  await Deno.symlink("nothing", `${directory}/broken`);
  await Deno.symlink("loop", `${directory}/loop`);
  await command(["mkfifo", `${directory}/fifo`]);

  await t.step("leads to its bytes, and says where it is", async () => {
    for (const path of ["sub/file", "link/file", "sub/../link/file"]) {
      const { handle, info, path: found } = await openFile(
        `${directory}/${path}`,
      );
      assertEquals(found, `${directory}/sub/file`, path);
      assertEquals(info.size, 7);
      assertEquals(await handle.read(3), bytesOf("con"));
      assertEquals(await handle.read(100), bytesOf("tent"));
      assertEquals(await handle.read(100), undefined);
      await handle.seek(5);
      assertEquals(await handle.read(100), bytesOf("nt"));
      assertEquals((await handle.stat()).size, 7);
      handle.close();
    }
  });

  await t.step("is of regular files only, and waits for no FIFO", async () => {
    for (const path of [`${directory}/fifo`, directory, "/dev/zero"]) {
      await assertRejects(() => openFile(path), NotRegularFileError);
    }
  });

  for (
    const [path, error] of [
      ["none", Deno.errors.NotFound],
      ["broken", Deno.errors.NotFound],
      ["sub/file/x", Deno.errors.NotADirectory],
      ["loop", Deno.errors.FilesystemLoop],
    ] as const
  ) {
    await t.step(`fails for ${path} as in the runtime`, async () => {
      await assertRejects(() => openFile(`${directory}/${path}`), error);
    });
  }

  await t.step("leaves no descriptor open", async () => {
    // Other files' tests run in the same process: only those of this one count.
    const left = () =>
      [...Deno.readDirSync("/proc/self/fd")].filter(({ name }) => {
        try {
          return Deno.readLinkSync(`/proc/self/fd/${name}`)
            .startsWith(directory);
        } catch {
          return false;
        }
      });
    for (let round = 0; round < 20; round++) {
      (await openFile(`${directory}/sub/file`)).handle.close();
      await assertRejects(() => openFile(`${directory}/fifo`), Error);
    }
    await eventually("all are closed", () => left().length === 0);
  });

  await t.step("a file that was removed is still where it was", async () => {
    const path = `${directory}/removed (deleted)`;
    await Deno.writeTextFile(path, "x");
    const opening = openFile(path);
    const opened = await opening;
    assertEquals(opened.path, path);
    opened.handle.close();
  });

  await Deno.remove(directory, { recursive: true });
});

Deno.test("reading a whole file", async (t) => {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/file`;

  await t.step("has a limit in bytes", async () => {
    await Deno.writeTextFile(path, "12345");
    assertEquals(await readText(path, 5), "12345");
    await assertRejects(
      () => readText(path, 4),
      Error,
      "it has more than 4 bytes",
    );
  });

  await t.step("of a file that reports no size", async () => {
    const text = await readText("/proc/self/status", 1024 * 1024);
    assertEquals(text.startsWith("Name:"), true);
    await assertRejects(() => readText("/proc/self/status", 10), Error, "10");
  });

  await t.step("of an empty one", async () => {
    await Deno.writeTextFile(path, "");
    assertEquals(await readFile(path, 10), new Uint8Array(0));
  });

  await Deno.remove(directory, { recursive: true });
});
