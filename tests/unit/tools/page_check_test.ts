import { assertEquals } from "@std/assert";
import { pageCheck } from "../../../tools/page_check.ts";

const ROOT = new URL("../../../", import.meta.url).pathname;

/** The folders of scripts. */
const FOLDERS = ["assets/page", "assets/shared"];

/** What no script may do, with the code of the compiler's error. */
const MISTAKES = [
  ["location.hash = 1;", "TS2322"],
  ["(function (text) {});", "TS7006"],
  ["[location][0].hash;", "TS2532"],
  ["Deno.exit();", "TS2304"],
] as const;

async function compilerOptions(name: string): Promise<Record<string, unknown>> {
  return JSON.parse(await Deno.readTextFile(ROOT + name)).compilerOptions;
}

/** The scripts below `assets/`; makes their folders below `root`. */
async function scripts(root: string): Promise<string[]> {
  const paths: string[] = [];
  for (const folder of FOLDERS) {
    await Deno.mkdir(`${root}/${folder}`, { recursive: true });
    for await (const { name } of Deno.readDir(ROOT + folder)) {
      if (name.endsWith(".js")) paths.push(`${folder}/${name}`);
    }
  }
  return paths;
}

Deno.test("the check of the page's scripts", async (t) => {
  await t.step("finds every mistake in every script", async () => {
    const root = await Deno.makeTempDir();
    try {
      for (const name of ["lib", "tools"]) {
        await Deno.symlink(ROOT + name, `${root}/${name}`);
      }
      const expected: string[] = [];
      for (const path of await scripts(root)) {
        const source = await Deno.readTextFile(ROOT + path);
        const lines = source.split("\n").length;
        await Deno.writeTextFile(
          `${root}/${path}`,
          source + MISTAKES.map(([code]) => `${code}\n`).join(""),
        );
        for (const [index, [, error]] of MISTAKES.entries()) {
          expected.push(`${path}:${lines + index} ${error}`);
        }
      }
      const { code, stderr } = await new Deno.Command(Deno.execPath(), {
        args: pageCheck(root),
        env: { NO_COLOR: "1" },
      }).output();
      const found = new TextDecoder().decode(stderr).matchAll(
        /(TS\d+) \[ERROR\][^]*?at file:.*\/(assets\/[^:]+:\d+):\d+$/gm,
      );
      assertEquals(
        Array.from(found, ([, error, place]) => `${place} ${error}`).toSorted(),
        expected.toSorted(),
      );
      assertEquals(code, 1);
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  });

  await t.step("is as strict as that of the daemon", async () => {
    const page = await compilerOptions("tools/page_check.json");
    const { lib: _, checkJs, ...others } = page;
    assertEquals(checkJs, true);
    assertEquals(others, await compilerOptions("deno.json"));
  });
});
