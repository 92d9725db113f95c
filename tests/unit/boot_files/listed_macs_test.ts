import { assertEquals, assertMatch } from "@std/assert";
import {
  type DirectoryReader,
  ListedMacs,
  type MacListing,
  readMacDirectories,
} from "../../../lib/boot_files/listed_macs.ts";
import { parseMac } from "../../../lib/net/mac.ts";
import { FakeClock } from "../../support/clock.ts";
import { eventually, pause } from "../../support/lab.ts";
import {
  MAC,
  MAC_TEXT,
  OTHER_MAC,
  OTHER_MAC_TEXT,
} from "../../support/http.ts";

/** Milliseconds between two polls. */
const POLL_INTERVAL = 250;

/** A reader whose calls end when the test says so. */
class HeldReader implements DirectoryReader {
  calls = 0;
  readonly #waiting: ((version: string | Error) => void)[] = [];

  constructor(public listing: MacListing) {}

  version(): Promise<string> {
    this.calls++;
    return new Promise((resolve, reject) =>
      this.#waiting.push((result) =>
        typeof result === "string" ? resolve(result) : reject(result)
      )
    );
  }

  macs(): Promise<MacListing> {
    return Promise.resolve(this.listing);
  }

  /** Ends the oldest call. */
  async end(result: string | Error): Promise<void> {
    this.#waiting.shift()!(result);
    await pause(0);
  }
}

function listing(...macs: number[]): MacListing {
  return { macs: new Set(macs), omitted: 0 };
}

/** A list without polling, for which `refresh` is called by the test. */
async function readOnce(directory: string): Promise<ListedMacs> {
  const list = new ListedMacs(directory);
  await list.refresh();
  return list;
}

Deno.test("listed MACs of a directory", async (t) => {
  const root = await Deno.makeTempDir();
  const directory = `${root}/netboot`;
  await Deno.mkdir(`${directory}/${MAC_TEXT}`, { recursive: true });

  await t.step("are those that have a directory at that moment", async () => {
    const other = `${directory}/${OTHER_MAC_TEXT}`;
    const list = await readOnce(directory);
    assertEquals(list.isListed(MAC), true);
    assertEquals(list.isListed(OTHER_MAC), false);
    await Deno.mkdir(other);
    await list.refresh();
    assertEquals(list.isListed(OTHER_MAC), true);
    await Deno.remove(other);
    await list.refresh();
    assertEquals(list.isListed(OTHER_MAC), false);
    await Deno.writeTextFile(other, "no directory");
    await list.refresh();
    assertEquals(list.isListed(OTHER_MAC), false);
    await Deno.remove(other);
    assertEquals(list.problem, undefined);
  });

  await t.step("are found in every notation", async () => {
    const names = [
      "02-00-5E-00-53-10",
      "0200.5e00.5311",
      "02005e005312",
      "02:00:5E:00:53:13",
    ];
    for (const name of names) await Deno.mkdir(`${directory}/${name}`);
    await Deno.mkdir(`${directory}/default`);
    const list = await readOnce(directory);
    for (const name of names) {
      assertEquals(list.isListed(parseMac(name)!), true, name);
    }
    const { macs } = await readMacDirectories(directory);
    assertEquals(macs.size, 1 + names.length);
  });

  await t.step(
    "may be symbolic links to directories, not to files",
    async () => {
      const link = `${directory}/02:00:5e:00:53:20`;
      const mac = parseMac("02:00:5e:00:53:20")!;
      const list = await readOnce(directory);
      for (
        const [target, isListed] of [
          ["default", true],
          ["../file", false],
          ["nothing", false],
        ] as const
      ) {
        await Deno.writeTextFile(`${root}/file`, "");
        await Deno.symlink(target, link);
        await list.refresh();
        assertEquals(list.isListed(mac), isListed, target);
        await Deno.remove(link);
      }
    },
  );

  await t.step(
    "of a link to the directory, none while it is absent",
    async () => {
      const late = `${root}/late`;
      const list = await readOnce(late);
      assertEquals(list.isListed(MAC), false);
      assertMatch(list.problem!, /not a directory/);
      await Deno.symlink(directory, late);
      await list.refresh();
      assertEquals(list.isListed(MAC), true);
      assertEquals(list.problem, undefined);
      await Deno.remove(late);
      await list.refresh();
      assertEquals(list.isListed(MAC), false);
    },
  );

  await t.step("are bounded", async () => {
    const { macs, omitted } = await readMacDirectories(directory, 2);
    assertEquals([macs.size, omitted], [2, 3]);
  });

  await t.step("are polled, until the list is stopped", async () => {
    const other = `${directory}/${OTHER_MAC_TEXT}`;
    const list = new ListedMacs(directory);
    await list.start();
    assertEquals(list.isListed(MAC), true);
    await Deno.mkdir(other);
    await eventually("it is listed", () => list.isListed(OTHER_MAC));
    list.stop();
    await list.refresh(); // ends a scan in flight
    await Deno.remove(other);
    await pause(2 * POLL_INTERVAL);
    assertEquals(list.isListed(OTHER_MAC), true);
  });

  await Deno.remove(root, { recursive: true });
});

Deno.test("scans for listed MACs", async (t) => {
  await t.step("that never end are waited for 1 s, and only one", async () => {
    const reader = new HeldReader(listing(MAC));
    const list = new ListedMacs("/netboot", reader);
    using clock = new FakeClock();
    let isStarted = false;
    const started = list.start().then(() => isStarted = true);
    await clock.advance(999);
    assertEquals(isStarted, false);
    await clock.advance(1);
    await started;
    await clock.advance(1500);
    assertEquals(reader.calls, 1, "scans in flight");
    assertEquals(list.isListed(MAC), false);
    assertMatch(list.problem!, /reading \/netboot has not ended after 2 s/);
    list.stop();
  });

  await t.step("that end late still count", async () => {
    const reader = new HeldReader(listing(MAC));
    const list = new ListedMacs("/netboot", reader);
    const refreshed = list.refresh();
    assertEquals(list.isListed(MAC), false);
    await reader.end("1");
    await refreshed;
    assertEquals(list.isListed(MAC), true);
    assertEquals(list.problem, undefined);
  });

  await t.step("that hang or fail leave the last known set", async () => {
    const reader = new HeldReader(listing(MAC));
    const list = new ListedMacs("/netboot", reader);
    const first = list.refresh();
    await reader.end("1");
    await first;
    reader.listing = listing(OTHER_MAC);

    const failing = list.refresh();
    await reader.end(new Error("Input/output error (os error 5)"));
    await failing;
    assertEquals(list.isListed(MAC), true);
    assertMatch(list.problem!, /^cannot read \/netboot: Input\/output error/);

    const hanging = list.refresh();
    assertEquals(list.refresh(), hanging, "no second scan");
    assertEquals(list.isListed(MAC), true);
    assertEquals(reader.calls, 3);

    await reader.end("1");
    await hanging;
    assertEquals(list.isListed(MAC), false, "read again after a failure");
    assertEquals(list.isListed(OTHER_MAC), true);
    assertEquals(list.problem, undefined);
  });

  await t.step("read only what has changed", async () => {
    const reader = new HeldReader(listing(MAC));
    const list = new ListedMacs("/netboot", reader);
    for (
      const [version, next, isOtherListed] of [
        ["1", listing(MAC), false],
        ["1", listing(OTHER_MAC), false],
        ["2", listing(OTHER_MAC), true],
      ] as const
    ) {
      reader.listing = next;
      const refreshed = list.refresh();
      await reader.end(version);
      await refreshed;
      assertEquals(list.isListed(OTHER_MAC), isOtherListed, version);
    }
  });

  await t.step("read what has not changed after some seconds", async () => {
    const reader = new HeldReader(listing(MAC));
    const list = new ListedMacs("/netboot", reader);
    const refreshed = list.refresh();
    await reader.end("1");
    await refreshed;
    reader.listing = listing(OTHER_MAC);
    using clock = new FakeClock();
    await clock.advance(3000);
    const again = list.refresh();
    await reader.end("1");
    await again;
    assertEquals(list.isListed(OTHER_MAC), true);
  });

  await t.step("say how many MACs are above the limit", async () => {
    const list = new ListedMacs("/netboot", {
      version: () => Promise.resolve("1"),
      macs: () => Promise.resolve({ macs: new Set([MAC]), omitted: 3 }),
    });
    await list.refresh();
    assertEquals(list.isListed(MAC), true);
    assertMatch(list.problem!, /3 directories of machines more than the 1/);
  });
});
