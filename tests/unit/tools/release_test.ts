/** What a public forge runs is there, and a release is what it says. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { parseYaml } from "../../support/yaml.ts";
import manifest from "../../../deno.json" with { type: "json" };

const ROOT = new URL("../../../", import.meta.url);

interface Workflow {
  readonly on: unknown;
  readonly jobs: Record<string, {
    readonly "runs-on": string;
    readonly "timeout-minutes": number;
    readonly needs?: readonly string[];
    readonly steps: readonly {
      readonly run?: string;
      readonly uses?: string;
    }[];
  }>;
}

async function read(path: string): Promise<string> {
  return await Deno.readTextFile(new URL(path, ROOT));
}

async function workflow(name: string): Promise<Workflow> {
  return parseYaml(await read(`.github/workflows/${name}.yml`));
}

/** Runs a script of the repository. */
async function run(script: string, ...args: string[]) {
  const { code, stderr } = await new Deno.Command(new URL(script, ROOT), {
    args,
  }).output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

Deno.test("release", async (t) => {
  for (const name of ["ci", "release"]) {
    await t.step(`workflow ${name} runs scripts that exist`, async () => {
      const { jobs } = await workflow(name);
      const scripts: string[] = [];
      for (
        const [job, { steps, needs = [], ...rest }] of Object.entries(jobs)
      ) {
        assert(rest["timeout-minutes"] > 0, job);
        assert(rest["runs-on"].length > 0, job);
        for (const one of needs) assert(one in jobs, one);
        for (const { run = "", uses } of steps) {
          assert((run === "") !== (uses === undefined), job);
          if (uses !== undefined) assertMatch(uses, /^actions\/[-\w]+@v\d+$/);
          scripts.push(...run.match(/\.ci\/[-\w]+/g) ?? []);
        }
      }
      assert(scripts.length >= 2, `${scripts}`);
      for (const script of scripts) {
        const { mode } = await Deno.stat(new URL(script, ROOT));
        assertEquals(mode! & 0o111, 0o111, script);
      }
    });
  }

  await t.step("the changelog begins with the version", async () => {
    const first = /^## (.*)$/m.exec(await read("CHANGELOG.md"))![1]!;
    assert(
      first === "Unreleased" ||
        first.replace(/ \(\d{4}-\d\d-\d\d\)$/, "") === manifest.version,
      first,
    );
  });

  await t.step("a tag that is not the version is refused", async () => {
    const right = await run(".ci/release", "check", `v${manifest.version}`);
    const isReleased = (await read("CHANGELOG.md"))
      .includes(`\n## ${manifest.version} (`);
    assertEquals(right.code, isReleased ? 0 : 1, right.stderr);
    for (
      const tag of ["v0.0.1", manifest.version, `v${manifest.version}-rc1`]
    ) {
      const { code, stderr } = await run(".ci/release", "check", tag);
      assertEquals(code, 1);
      assertMatch(stderr, /is not v\d+\.\d+\.\d+, the version in deno\.json/);
    }
    assertEquals((await run(".ci/release", "nonsense")).code, 2);
  });
});
