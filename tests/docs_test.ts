/** What docs/ says about the code is there. */

import { assert, assertEquals } from "@std/assert";

const ROOT = new URL("../", import.meta.url);

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(new URL(path, ROOT)).then(() => true, () => false);
}

async function read(path: string): Promise<string> {
  return await Deno.readTextFile(new URL(path, ROOT));
}

async function* filesBelow(folder: string): AsyncGenerator<string> {
  for await (
    const { name, isDirectory } of Deno.readDir(new URL(folder, ROOT))
  ) {
    if (isDirectory) yield* filesBelow(`${folder}${name}/`);
    else if (/\.(ts|js)$/.test(name)) yield `${folder}${name}`;
  }
}

Deno.test("docs", async (t) => {
  for (
    const page of [
      "docs/architecture.md",
      "docs/deno-workarounds.md",
      "docs/firewall.md",
      "docs/from-the-original.md",
      "docs/hardening.md",
    ]
  ) {
    await t.step(`${page} names files and folders that exist`, async () => {
      const text = await read(page);
      const paths = text.matchAll(
        /`((?:lib|tests|tools|assets|docs)\/[\w./-]*\w)/g,
      );
      const missing: string[] = [];
      for (const [, path] of paths) {
        if (!await exists(path!)) missing.push(path!);
      }
      assertEquals(missing, []);
    });
  }

  await t.step(
    "docs/architecture.md names files of lib that exist",
    async () => {
      const text = await read("docs/architecture.md");
      const missing: string[] = [];
      for (
        const [, path] of text.matchAll(/`([a-z0-9_]+(?:\/[a-z0-9_]+)*\.ts)`/g)
      ) {
        if (path === "main.ts" || path!.startsWith("lib/")) continue;
        if (path!.startsWith("tests/")) continue;
        const found = await exists(`lib/${path}`) ||
          await exists(`lib/dhcpv6/server/${path}`) ||
          await exists(`lib/dhcpv6/reply/${path}`);
        if (!found) missing.push(path!);
      }
      assertEquals(missing, []);
    },
  );

  await t.step("docs/deno-workarounds.md quotes tests that exist", async () => {
    const rows = (await read("docs/deno-workarounds.md")).split("\n");
    let quoted = 0;
    for (const row of rows) {
      const [, path, name] = /`(tests\/[^`]+_test\.ts)`, "([^"]+)"/.exec(row) ??
        [];
      if (path === undefined) continue;
      quoted++;
      const source = (await read(path)).replace(/\s+/g, " ");
      assert(source.includes(name!), `${path} has no test "${name}"`);
    }
    assert(quoted >= 7, `${quoted} quoted tests`);
  });

  await t.step("every workaround in lib has a row", async () => {
    const page = await read("docs/deno-workarounds.md");
    const missing: string[] = [];
    for await (const path of filesBelow("lib/")) {
      if (!/^\s*(\*|\/\/) Workaround:/m.test(await read(path))) continue;
      if (!page.includes(path)) missing.push(path);
    }
    assertEquals(missing, []);
  });
});
