import { assertEquals, assertRejects } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { lookInThread, openInThread } from "../../../lib/files/file_threads.ts";
import { FileStalledError } from "../../../lib/files/operation_places.ts";
import { mountOf, readMounts } from "../../../lib/files/mounts.ts";
import {
  type FileHandle,
  NotRegularFileError,
} from "../../../lib/files/opened_file.ts";
import {
  FILE_THREAD_IDLE_TIME,
  MAX_FILE_THREADS,
} from "../../../lib/overload/limits.ts";
import { command } from "../../support/lab.ts";

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

Deno.test("a thread for a file system", async (t) => {
  using time = new FakeTime();
  const directory = await Deno.realPath(await Deno.makeTempDir());
  const path = `${directory}/file`;
  await Deno.writeTextFile(path, "content");
  await Deno.symlink("file", `${directory}/link`);
  await command(["mkfifo", `${directory}/fifo`]);
  const { id } = mountOf(directory, readMounts())!;

  await t.step("opens, reads and tells the status", async () => {
    const { handle, info, path: found } = await openInThread(
      `${directory}/link`,
      id,
    );
    assertEquals(found, path);
    assertEquals(info.size, 7);
    assertEquals(await handle.read(4), bytesOf("cont"));
    assertEquals(await handle.read(4), bytesOf("ent"));
    assertEquals(await handle.read(4), undefined);
    await handle.seek(6);
    assertEquals(await handle.read(4), bytesOf("t"));
    await Deno.writeTextFile(path, "content and more");
    assertEquals((await handle.stat()).size, 16);
    assertEquals((await handle.stat()).mtime instanceof Date, true);
    handle.close();
    await Deno.writeTextFile(path, "content");
  });

  await t.step("fails as the runtime does", async () => {
    for (
      const [name, error] of [
        ["none", Deno.errors.NotFound],
        ["file/x", Deno.errors.NotADirectory],
        ["fifo", NotRegularFileError],
        ["", NotRegularFileError],
      ] as const
    ) {
      await assertRejects(
        () => openInThread(`${directory}/${name}`, id),
        error,
      );
    }
  });

  await t.step("tells the status of a path", async () => {
    assertEquals((await lookInThread(`${directory}/link`, id)).size, 7);
    assertEquals((await lookInThread(directory, id)).isDirectory, true);
    await assertRejects(
      () => lookInThread(`${directory}/none`, id),
      Deno.errors.NotFound,
    );
  });

  await t.step("of a file system that is no longer mounted", async () => {
    await assertRejects(
      () => openInThread(path, 999_999),
      Deno.errors.NotFound,
      "no longer mounted",
    );
  });

  await t.step("all at work: there is no other one", async () => {
    const handles: FileHandle[] = [];
    // The mounts of this machine do: what is read is what the path leads to.
    const ids = readMounts().map(({ id }) => id);
    const open = async (id: number) =>
      handles.push((await openInThread(path, id)).handle);
    for (const id of ids.slice(0, MAX_FILE_THREADS)) await open(id);
    await assertRejects(() => open(ids[MAX_FILE_THREADS]!), FileStalledError);
    await open(ids[0]!);
    // One that has nothing open makes place.
    handles[3]!.close();
    while (handles.length < MAX_FILE_THREADS + 2) {
      // Lets the other threads answer.
      await handles[0]!.stat();
      await open(ids[MAX_FILE_THREADS]!).catch((error) => {
        if (!(error instanceof FileStalledError)) throw error;
      });
    }
    handles.splice(3, 1);
    for (const handle of handles) handle.close();
    await openInThread(path, ids[0]!).then(({ handle }) => handle.close());
  });

  await t.step("ends when it has had nothing to do for a minute", async () => {
    await time.tickAsync(FILE_THREAD_IDLE_TIME);
    // The sanitizers fail if a worker is left.
  });

  await Deno.remove(directory, { recursive: true });
});
