import { assertEquals, assertMatch } from "@std/assert";
import { commitOf } from "../../../tools/commit.ts";
import { launchAs } from "../../support/daemon.ts";
import { command, Lab, missing } from "../../support/lab.ts";
import { ROOT } from "./binary.ts";
import { boots, fillNetboot, makeLink, OPTIONS } from "./machine.ts";

const lacks = missing(
  "the build in a fresh clone",
  "git",
  "npm",
  "npx",
  "tar",
  "dhclient",
  "curl",
  "tcpdump",
  "tshark",
);
const ignore = lacks.length > 0;

/** The Deno that people without one are told to use. */
const DENO = /npx --yes (deno@[0-9.]+)/.exec(
  Deno.readTextFileSync(`${ROOT}/README.md`),
)![1]!;

/** Seconds for all downloads: Deno, the base runtime, iPXE. */
const PATIENCE = 600;

/** What of the environment says how this machine reaches the network. */
const NETWORK = /^(PATH|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|.*_proxy)$/i;

/** Clones the tree, together with what is not committed yet. */
async function clone(to: string): Promise<void> {
  await command(["git", "clone", "--quiet", ROOT, to]);
  const { stdout } = await command(
    ["git", "-C", ROOT, "ls-files", "-z", "--modified", "--others"].concat(
      "--exclude-standard",
    ),
  );
  for (const path of stdout.split("\0").filter((path) => path !== "")) {
    const target = `${to}/${path}`;
    await Deno.mkdir(target.replace(/\/[^/]*$/, ""), { recursive: true });
    // Gone here, it is gone there.
    await Deno.copyFile(`${ROOT}/${path}`, target).catch(() =>
      Deno.remove(target)
    );
  }
}

Deno.test({
  name: "a fresh clone, with npm alone",
  ignore,
  fn: async (t) => {
    await t.step("is built, and the binary serves a real client", async () => {
      await using lab = new Lab();
      const tree = `${lab.directory}/clone`;
      await clone(tree);
      const empty = (name: string) => {
        Deno.mkdirSync(`${lab.directory}/${name}`);
        return `${lab.directory}/${name}`;
      };
      const build = await new Deno.Command("npx", {
        args: ["--yes", DENO, "task", "build", "--base", "npm"],
        cwd: tree,
        clearEnv: true,
        env: {
          ...Object.fromEntries(
            Object.entries(Deno.env.toObject()).filter(([name]) =>
              NETWORK.test(name)
            ),
          ),
          HOME: empty("home"),
          DENO_DIR: empty("deno"),
        },
        stdin: "null",
        signal: AbortSignal.timeout(1000 * PATIENCE),
      }).output();
      const said = new TextDecoder().decode(build.stderr);
      assertEquals(build.code, 0, said);
      assertMatch(said, /^tools\/build\.ts: .* npm: for tests/m);

      const binary = `${tree}/dist/dhcpv6macd`;
      const { stdout } = await command([binary, "--version"]);
      assertMatch(stdout, /^dhcpv6macd \S+ \(\S+\)\n$/);
      assertEquals(/\((.*)\)/.exec(stdout)![1], commitOf(tree));

      const { router, client } = await makeLink(lab);
      const netboot = await fillNetboot(`${lab.directory}/netboot`);
      const daemon = await launchAs(
        [binary],
        router,
        ...OPTIONS,
        `--netboot-dir=${netboot}`,
      );
      await daemon.logs("serving");
      await boots(client);
      assertEquals(await daemon.stop(), 0);
    });
  },
});
