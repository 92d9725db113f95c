import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  compilesNpmBase,
  KNOWN_RANGE,
  NEWEST,
  NPM_BASE_COMPILER,
  OLDEST,
  RECOMMENDED,
  sanitizerFlags,
  supportOf,
} from "../../../tools/deno_versions.ts";

const ROOT = new URL("../../../", import.meta.url);

async function read(path: string): Promise<string> {
  return await Deno.readTextFile(new URL(path, ROOT));
}

/** The versions in `npx --yes deno@VERSION` commands of a text. */
function npxVersions(text: string): string[] {
  return [...text.matchAll(/npx --yes deno@([0-9.]+)/g)].map(([, version]) =>
    version!
  );
}

/** What `deno test --help` prints. */
async function testHelp(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "--help"],
    env: { NO_COLOR: "1" },
  }).output();
  return new TextDecoder().decode(stdout);
}

Deno.test("Deno versions", async (t) => {
  for (
    const [version, support] of [
      ["1.46.3", "too old"],
      ["2.5.7", "too old"],
      ["2.6.7", "too old"],
      ["2.6.8", "known"],
      ["2.6.10", "known"],
      ["2.10.0", "newer"],
      ["2.9.6", "known"],
      ["2.9.99", "known"],
      ["2.9.0-rc.1", "known"],
      ["3.0.0", "newer"],
    ] as const
  ) {
    await t.step(`${version} is ${support}`, () => {
      assertEquals(supportOf(version), support);
    });
  }

  await t.step("the running Deno is in the known range", () => {
    assertEquals(supportOf(Deno.version.deno), "known");
  });

  await t.step("only Deno 2.6 compiles with the base runtime from npm", () => {
    for (const version of ["2.6.8", "2.6.10", NPM_BASE_COMPILER]) {
      assert(compilesNpmBase(version), version);
    }
    for (const version of ["2.5.7", "2.7.14", "2.9.6", "2.60.0"]) {
      assert(!compilesNpmBase(version), version);
    }
  });

  await t.step(
    "sanitizer flags are those that the running Deno has",
    async () => {
      const flags = ["--sanitize-ops", "--sanitize-resources"];
      const help = await testHelp();
      assertEquals(
        sanitizerFlags(Deno.version.deno),
        flags.filter((flag) => help.includes(flag)),
      );
      assertEquals(sanitizerFlags("2.7.14"), []);
      assertEquals(sanitizerFlags("2.8.0"), flags);
      assertEquals(sanitizerFlags("2.10.0"), flags);
    },
  );
});

Deno.test("the documented Deno versions", async (t) => {
  await t.step("README names the known range", async () => {
    const text = (await read("README.md")).replaceAll(/\s+/g, " ");
    assert(text.includes(`versions ${KNOWN_RANGE} are known to work`));
    const install = (await read("docs/install.md")).replaceAll(/\s+/g, " ");
    assert(install.includes(`downloads Deno ${NPM_BASE_COMPILER} from npm`));
  });

  await t.step("every npx command has the recommended version", async () => {
    const versions = npxVersions(
      await read("README.md") + await read("docs/install.md"),
    );
    assert(versions.length > 0);
    assertEquals([...new Set(versions)], [RECOMMENDED]);
    assertEquals(supportOf(RECOMMENDED), "known");
    assert(RECOMMENDED.startsWith(`${NEWEST}.`));
  });

  await t.step(
    "the gate runs the recommended and the oldest version",
    async () => {
      assertEquals(
        new Set(npxVersions(await read(".ci/gate"))),
        new Set([RECOMMENDED, OLDEST]),
      );
      const release = await read(".ci/release");
      assertEquals(npxVersions(release), [RECOMMENDED]);
      assert(release.includes(`/release/v${RECOMMENDED}/`));
    },
  );

  await t.step("the Nix package refuses what is too old", async () => {
    const text = await read("tools/packaging/nix/package.nix");
    assertMatch(text, /versionAtLeast deno\.version "([0-9.]+)"/);
    assertEquals(
      /versionAtLeast deno\.version "([0-9.]+)"/.exec(text)![1],
      OLDEST,
    );
    assert(text.includes(`(${KNOWN_RANGE} are known to work)`));
  });
});
