/**
 * A program changes the netboot directory while clients request files: no request
 * leads out of it, and replacing a file by rename costs no boot.
 */

import { assert, assertEquals } from "@std/assert";
import { startDaemon } from "../../support/daemon.ts";
import { BASE } from "../../support/expect.ts";
import { type Host, Lab, missing } from "../../support/lab.ts";

const SUITE = "tests of races in the netboot directory";
const lacks = missing(SUITE, "curl", "python3");
const ignore = lacks.length > 0;

const SERVER = "2001:db8:1:2::1";
const MAC = "02:00:5e:00:53:01";
const REQUESTS = 3000;

/** Seconds in which a program changes the directory. */
const CHANGING = 60;

/**
 * Asks for a file many times over one connection after another; the counts of
 * each status and size.
 */
async function askedFor(
  client: Host,
  path: string,
  ...options: string[]
): Promise<Map<string, number>> {
  const { stdout } = await client.run([
    ...["curl", "-s", "--max-time", "60", "-o", "/dev/null", ...options],
    ...["--connect-to", `router.example:6315:[${SERVER}]:6315`],
    ...["-w", "%{http_code} %header{content-length}\n"],
    `http://router.example:6315${path}?[1-${REQUESTS}]`,
  ], { seconds: 120 });
  const counts = new Map<string, number>();
  for (const line of stdout.trim().split("\n")) {
    counts.set(line, (counts.get(line) ?? 0) + 1);
  }
  return counts;
}

function sumOf(counts: Map<string, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}

Deno.test({
  name: "races in the netboot directory",
  ignore,
  fn: async (t) => {
    await using lab = new Lab();
    const { router, client } = await lab.pair();
    await router.ip(`addr add ${SERVER}/64 dev lan nodad`);
    await client.ip("addr add 2001:db8:1:2::9/64 dev eth0 nodad");
    await client.linkLocal("eth0");
    const netboot = `${lab.directory}/netboot`;
    const outside = `${lab.directory}/outside`;
    await Deno.mkdir(`${netboot}/${MAC}/inner`, { recursive: true });
    await Deno.mkdir(outside);
    await Deno.writeTextFile(`${netboot}/${MAC}/inner/boot.efi`, "inside");
    await Deno.writeTextFile(`${outside}/boot.efi`, "a secret that is longer");
    await Deno.symlink(outside, `${netboot}/${MAC}/link`);
    await startDaemon(
      router,
      "--interface=lan",
      `--base-address=${BASE}`,
      `--netboot-dir=${netboot}`,
      "--log-level=info",
    );

    await t.step("a directory that is swapped with a link out", async () => {
      const swapping = router.start([
        ...["python3", `${import.meta.dirname}/../../support/swap_paths.py`],
        ...[String(CHANGING), `${netboot}/${MAC}/inner`],
        `${netboot}/${MAC}/link`,
      ]);
      await swapping.says(/swapping/);
      for (const options of [[], ["-I"]]) {
        const counts = await askedFor(
          client,
          `/mac/${MAC}/inner/boot.efi`,
          ...options,
        );
        assertEquals(sumOf(counts), REQUESTS);
        const seen = [...counts.keys()].toSorted();
        assertEquals(seen, ["200 6", "404 10"], options.join());
      }
      await swapping.stop();
    });

    await t.step("a file that is replaced by rename all the time", async () => {
      const path = `${netboot}/${MAC}/boot.efi`;
      await Deno.writeTextFile(path, "first");
      let isOver = false;
      const writing = (async () => {
        for (let round = 0; !isOver; round++) {
          await Deno.writeTextFile(`${path}.new`, "second".slice(round % 2));
          await Deno.rename(`${path}.new`, path);
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
        return performance.now();
      })();
      for (const options of [[], ["-I"]]) {
        const counts = await askedFor(
          client,
          `/mac/${MAC}/boot.efi`,
          ...options,
        );
        assertEquals(sumOf(counts), REQUESTS);
        assert(
          [...counts.keys()].every((key) => /^200 [56]$/.test(key)),
          JSON.stringify([...counts]),
        );
      }
      isOver = true;
      await writing;
    });
  },
});
