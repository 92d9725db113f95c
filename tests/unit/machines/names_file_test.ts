import { assert, assertEquals } from "@std/assert";
import {
  Names,
  parseNames,
  parseNamesInSlices,
} from "../../../lib/machines/names_file.ts";
import { eventually } from "../../support/lab.ts";

Deno.test("names", async (t) => {
  await t.step("are lines of MAC and name", () => {
    const { names, problems } = parseNames(
      "# rack 3\r\n02:00:00:00:00:01  left  one \n\n020000000002\tzwei\n" +
        "02-00-00-00-00-01 again\nnobody\n02:00 short\n",
    );
    assertEquals([...names], [
      [0x0200_0000_0001, "again"],
      [0x0200_0000_0002, "zwei"],
    ]);
    assertEquals(problems, [
      { line: 6, text: "nobody" },
      { line: 7, text: "02:00 short" },
    ]);
  });

  await t.step("are read in slices, packets between them", async () => {
    const text = Array.from(
      { length: 200_000 },
      (_, index) =>
        `${
          (0x0200_0000_0000 + index).toString(16).padStart(12, "0")
        } m${index}`,
    )
      .join("\n");
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    const { names } = await parseNamesInSlices(text);
    clearInterval(timer);
    assertEquals(names.size, 200_000);
    assertEquals(names.get(0x0200_0000_0007), "m7");
    assert(turns > 5, `${turns} turns of the event loop`);
  });

  await t.step(
    "are read again when the file changes, and stay when it is removed",
    async () => {
      const path = await Deno.makeTempFile();
      const calls: string[] = [];
      const names = new Names(path, {
        namesRead: (count, problems) =>
          calls.push(`${count} ${problems.length}`),
        namesUnreadable: (error) => calls.push(error.name),
      });
      await Deno.writeTextFile(path, "02:00:00:00:00:01 a\n");
      await names.start();
      try {
        assertEquals(names.of(0x0200_0000_0001), "a");
        await Deno.writeTextFile(path, "02:00:00:00:00:01 other\nx\n");
        await eventually(
          "the new name",
          () => names.of(0x0200_0000_0001) === "other",
        );
        await Deno.remove(path);
        await eventually("the error", () => calls.length === 3);
        assertEquals(calls, ["1 0", "1 1", "NotFound"]);
        assertEquals(names.of(0x0200_0000_0001), "other");
      } finally {
        names.stop();
      }
    },
  );
});
