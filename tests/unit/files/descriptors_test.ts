import { assert, assertEquals, assertThrows } from "@std/assert";
import { closeSync } from "node:fs";
import { openDescriptor } from "../../../lib/files/descriptors.ts";
import { mountOf, readMounts } from "../../../lib/files/mounts.ts";
import { NotRegularFileError } from "../../../lib/files/opened_file.ts";
import { command } from "../../support/lab.ts";

Deno.test("a descriptor of node:fs", async (t) => {
  const directory = await Deno.realPath(await Deno.makeTempDir());
  await Deno.writeTextFile(`${directory}/file`, "content");
  await Deno.link(`${directory}/file`, `${directory}/other`);
  await Deno.symlink("file", `${directory}/link`);
  await command(["mkfifo", `${directory}/fifo`]);
  const mounts = readMounts();
  const mount = mountOf(directory, mounts)!;

  await t.step("leads to the file that was opened", async () => {
    using _same = await Deno.open(`${directory}/other`);
    for (const path of ["file", "link"]) {
      const { number, link, path: found, info } = openDescriptor(
        `${directory}/${path}`,
        mount,
        mounts,
      );
      assert(
        // On an old runtime, another name of the same file may be found.
        [`${directory}/file`, `${directory}/other`].includes(found),
        found,
      );
      assertEquals(info.size, 7);
      assertEquals(Deno.readTextFileSync(link), "content");
      closeSync(number);
    }
  });

  await t.step("of the path, if the file is open under several", async () => {
    using _same = await Deno.open(`${directory}/other`);
    const { number, path } = openDescriptor(`${directory}/file`, mount, mounts);
    assertEquals(path, `${directory}/file`);
    closeSync(number);
  });

  await t.step("is that of no FIFO", () => {
    assertThrows(
      () => openDescriptor(`${directory}/fifo`, mount, mounts),
      NotRegularFileError,
    );
  });

  await Deno.remove(directory, { recursive: true });
});
