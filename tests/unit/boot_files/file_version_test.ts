import { assertEquals } from "@std/assert";
import { isSameContent } from "../../../lib/boot_files/file_version.ts";
import { pause } from "../../support/lab.ts";

/** Of stores and reproducible images: it says nothing. */
const PLACEHOLDER = new Date(1000);
const RECENT = new Date(Date.now() - 60_000);

Deno.test("the content of an open file", async (t) => {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/boot.efi`;

  const kept: [string, () => Promise<void>][] = [
    ["another file takes its place", async () => {
      await Deno.writeTextFile(`${directory}/new`, "other");
      await Deno.rename(`${directory}/new`, path);
    }],
    ["it is removed", () => Deno.remove(path)],
    ["it gets a further name", () => Deno.link(path, `${directory}/further`)],
  ];
  const changed: [string, (time: Date) => Promise<void>][] = [
    ["other bytes, and its time again", async (time) => {
      // The runtime reports change times in seconds.
      await pause(1000);
      await Deno.writeTextFile(path, "OTHER");
      await Deno.utime(path, time, time);
    }],
    ["further bytes", () => Deno.writeTextFile(path, "more", { append: true })],
    ["other bytes", () => Deno.writeTextFile(path, "OTHER")],
  ];
  for (const time of [PLACEHOLDER, RECENT]) {
    for (
      const [what, change, isSame] of [
        ...kept.map(([what, change]) => [what, change, true] as const),
        ...changed.map(([what, change]) => [what, change, false] as const),
      ]
    ) {
      // A recorded time that was set again shows no change.
      if (time === RECENT && what.endsWith("its time again")) continue;
      const words = `${what}, with a time of ${time.getUTCFullYear()}`;
      await t.step(words, async () => {
        await Deno.writeTextFile(path, "first");
        await Deno.utime(path, time, time);
        using file = await Deno.open(path);
        const before = await file.stat();
        await pause(20);
        await change(time);
        assertEquals(isSameContent(before, await file.stat()), isSame);
      });
      for await (const { name } of Deno.readDir(directory)) {
        await Deno.remove(`${directory}/${name}`);
      }
    }
  }
  await Deno.remove(directory);
});
