/** What docs/ says about the code is there. */

import { assert, assertEquals } from "@std/assert";
import { documents } from "../tools/docs.ts";

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

/** The anchors of a page's headings, as forges make them. */
async function anchorsOf(path: string): Promise<Set<string>> {
  const text = (await read(path)).replace(/^```.*?^```$/gms, "");
  return new Set(
    [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
      heading!.toLowerCase().replace(/[^\w\- ]/g, "").replaceAll(" ", "-")
    ),
  );
}

Deno.test("docs", async (t) => {
  const pages = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "RELEASING.md",
    "SECURITY.md",
  ];
  for await (const { name } of Deno.readDir(new URL("docs/", ROOT))) {
    if (name.endsWith(".md")) pages.push(`docs/${name}`);
  }

  await t.step("README is short", async () => {
    assert((await read("README.md")).length <= 8000);
  });

  await t.step("README leads to every page", async () => {
    const readme = await read("README.md");
    const missing = pages.filter((page) =>
      page !== "README.md" && !readme.includes(`](${page})`)
    );
    assertEquals(missing, []);
  });

  await t.step("all links lead somewhere", async () => {
    const dead: string[] = [];
    for (const page of pages) {
      for (const [, target] of (await read(page)).matchAll(/\]\(([^)]+)\)/g)) {
        if (/^https?:/.test(target!)) continue;
        const [path = "", anchor] = target!.split("#");
        // A path of none is the page itself.
        const file = new URL(path, new URL(page, ROOT));
        const isThere = await exists(file.href) &&
          (anchor === undefined || (await anchorsOf(file.href)).has(anchor));
        if (!isThere) dead.push(`${page}: ${target}`);
      }
    }
    assertEquals(dead, []);
  });

  await t.step("pages that are made from the code are current", async () => {
    for (const [path, content] of await documents()) {
      assert(await read(path) === content, `${path}: run deno task docs`);
    }
  });

  for (const page of pages) {
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
