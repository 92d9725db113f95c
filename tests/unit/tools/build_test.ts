import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { checkBaseRuntime } from "../../../tools/base_runtime.ts";
import { COMMIT_FILE, commitOf, writeCommit } from "../../../tools/commit.ts";

const ROOT = `${import.meta.dirname}/../../..`;
const TOOL = `${ROOT}/tools/build.ts`;

async function build(env: Record<string, string>, ...args: string[]) {
  const [program, ...rest] = Deno.env.get("TEST_DENO")!.split("\n");
  const { code, stderr } = await new Deno.Command(program!, {
    args: [...rest, TOOL, ...args],
    env: { DENORT_BIN: "", ...env },
  }).output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

const TARGETS =
  "x86_64-unknown-linux-gnu, aarch64-unknown-linux-gnu, x86_64-apple-darwin, aarch64-apple-darwin";

Deno.test("build tool", async (t) => {
  for (
    const [args, env, sentence] of [
      [
        ["--static"],
        {},
        "unknown argument --static; there are --target, --base, --libraries, --output and --commit",
      ],
      [
        ["--target=x86_64-unknown-linux-musl"],
        {},
        `x86_64-unknown-linux-musl is no target: Deno has no base runtime for musl (denoland/deno#3711); the package for musl brings another C library, see docs/install.md`,
      ],
      [
        ["--target=sparc-unknown-linux-gnu"],
        {},
        `sparc-unknown-linux-gnu is no target; the targets are ${TARGETS}`,
      ],
      [
        ["--libraries=/usr/lib/dhcpv6macd"],
        {},
        `--libraries changes the base runtime, which has to be a file: set DENORT_BIN to the denort of Deno ${Deno.version.deno}`,
      ],
      [["--base=mine"], {}, "--base is npm or not given, not mine"],
      [
        ["--base=npm"],
        { DENORT_BIN: "/none" },
        "--base npm and DENORT_BIN contradict: give one",
      ],
      [
        [],
        { DENORT_BIN: "/none" },
        "DENORT_BIN cannot be read: No such file or directory (os error 2): open '/none'",
      ],
    ] as [string[], Record<string, string>, string][]
  ) {
    await t.step(
      `${args.join(" ") || "DENORT_BIN"}: one line, exit code 1`,
      async () => {
        assertEquals(await build(env, ...args), {
          code: 1,
          stderr: `tools/build.ts: ${sentence}\n`,
        });
      },
    );
  }

  await t.step("takes npm's base runtime for no other machine", async () => {
    const { code, stderr } = await build(
      {},
      "--base=npm",
      "--target=aarch64-apple-darwin",
    );
    assertEquals(code, 1);
    assertMatch(
      stderr,
      /--base npm has a base runtime for x86_64-unknown-linux-gnu only, .*: set DENORT_BIN/,
    );
  });
});

Deno.test("base runtime", async (t) => {
  const HEADERS = {
    "x86_64-unknown-linux-gnu": "7f454c4602010100000000000000000003003e00",
    "aarch64-unknown-linux-gnu": "7f454c460201010000000000000000000300b700",
    "x86_64-apple-darwin": "cffaedfe07000001030000000200000011000000",
    "aarch64-apple-darwin": "cffaedfe0c000001000000000200000011000000",
  } as const;

  /** The targets that a file with these bytes is accepted for. */
  async function targetsOf(hex: string): Promise<string[]> {
    const path = await Deno.makeTempFile();
    await Deno.writeFile(path, Uint8Array.fromHex(hex));
    const targets: string[] = [];
    for (const target of Object.keys(HEADERS) as (keyof typeof HEADERS)[]) {
      await checkBaseRuntime(path, target).then(
        () => targets.push(target),
        (error) => assertMatch(error.message, /: a denort for \S+ is needed$/),
      );
    }
    await Deno.remove(path);
    return targets;
  }

  for (const [target, header] of Object.entries(HEADERS)) {
    await t.step(`for ${target} is for no other target`, async () => {
      assertEquals(await targetsOf(header), [target]);
    });
  }

  for (const hex of ["", "7f45", "23212f62696e2f7368"]) {
    await t.step(`"${hex}" is for no target`, async () => {
      assertEquals(await targetsOf(hex), []);
    });
  }
});

let hasGit = true;
try {
  new Deno.Command("git", { args: ["--version"] }).outputSync();
} catch {
  hasGit = false;
  console.error("\n*** NOT RUN: tests of commits need git ***\n");
}
const ignoreWithGit = !hasGit;

Deno.test("commit", async (t) => {
  async function git(directory: string, ...args: string[]): Promise<void> {
    const { success } = await new Deno.Command("git", {
      args: [
        ...["-C", directory, "-c", "user.name=n", "-c", "user.email=n@e"],
        ...args,
      ],
      stdout: "null",
      stderr: "null",
    }).output();
    assertEquals(success, true, args.join(" "));
  }

  await t.step({
    name: "is a checkout's own, and says when files have changed",
    ignore: ignoreWithGit,
    fn: async () => {
      const directory = await Deno.makeTempDir();
      await git(directory, "init");
      await Deno.writeTextFile(`${directory}/file`, "1");
      await git(directory, "add", "file");
      await git(directory, "commit", "-m", "first");
      await git(directory, "tag", "v1");
      const commit = commitOf(directory)!;
      assertMatch(commit, /^[0-9a-f]{12}$/);
      await Deno.writeTextFile(`${directory}/file`, "2");
      assertEquals(commitOf(directory), `${commit}-dirty`);

      // What was unpacked there is no checkout.
      await Deno.mkdir(`${directory}/unpacked`);
      assertEquals(commitOf(`${directory}/unpacked`), undefined);
      await Deno.remove(directory, { recursive: true });
    },
  });

  await t.step("is unknown where git knows nothing", async () => {
    const directory = await Deno.makeTempDir();
    assertEquals(commitOf(directory), undefined);
    await Deno.remove(directory);
  });

  await t.step("is in its file for as long as it is needed", async () => {
    const root = await Deno.makeTempDir();
    const path = `${root}/${COMMIT_FILE}`;
    await Deno.mkdir(`${root}/lib/telemetry`, { recursive: true });
    {
      using _first = writeCommit(root, "0123456789ab");
      using _second = writeCommit(root, "0123456789ab-dirty");
      assertEquals(
        JSON.parse(await Deno.readTextFile(path)),
        "0123456789ab-dirty",
      );
      // What is unknown now must not be said by an old file.
      using _none = writeCommit(root, undefined);
      await assertRejects(() => Deno.stat(path), Deno.errors.NotFound);
    }
    {
      using _file = writeCommit(root, "0123456789ab");
    }
    assertEquals(
      await Array.fromAsync(Deno.readDir(`${root}/lib/telemetry`)),
      [],
    );
    await Deno.remove(root, { recursive: true });
  });

  for (const commit of ["0123456789ab-dirty", undefined]) {
    await t.step(`${commit}: the program names it`, async () => {
      const root = await Deno.makeTempDir();
      const copy = "lib/telemetry/commit.ts";
      await Deno.mkdir(`${root}/lib/telemetry`, { recursive: true });
      await Deno.copyFile(`${ROOT}/${copy}`, `${root}/${copy}`);
      using _file = writeCommit(root, commit);
      assertEquals((await import(`${root}/${copy}`)).COMMIT, commit);
      await Deno.remove(root, { recursive: true });
    });
  }
});
