import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { COMMIT_FILE, commitOf } from "../../../tools/commit.ts";
import manifest from "../../../deno.json" with { type: "json" };
import { launchAs } from "../../support/daemon.ts";
import { command, eventually, Lab, missing } from "../../support/lab.ts";
import { BINARY, missingBinary, readCarried, ROOT } from "./binary.ts";
import { EmptyRoot, NOBODY } from "./empty_root.ts";
import { boots, fillNetboot, makeLink, OPTIONS } from "./machine.ts";

const lacks = [
  ...missing(
    "tests of the binary",
    "strace",
    "setpriv",
    "capsh",
    "ldd",
    "dhclient",
    "curl",
    "tcpdump",
    "tshark",
  ),
  ...missingBinary("tests of the binary"),
];
const ignore = lacks.length > 0;

/** Milliseconds from the command to its answer; on a quiet machine, 70. */
const START = 1500;

/** CAP_NET_BIND_SERVICE, as /proc shows a set of capabilities. */
const ONLY_BIND_SERVICE = "0000000000000400";

/** System calls that look at files, and those of which a thread is made. */
const HARMLESS = [
  ..."access faccessat2 open openat readlink readlinkat stat lstat newfstatat"
    .split(" "),
  ..."statfs statx getcwd clone clone3 execve exit exit_group".split(" "),
];

/** A line of strace: who, the system call, what it was given. */
const CALL = /^\d+ +(\w+)\((.*)$/;

async function filesBelow(directory: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    const path = `${directory}/${name}`;
    paths.push(...isDirectory ? await filesBelow(path) : [path]);
  }
  return paths;
}

Deno.test({
  name: "the binary",
  ignore,
  fn: async (t) => {
    await t.step(
      "carries the program and its assets, nothing else",
      async () => {
        const { files } = readCarried(BINARY);
        const code = files.filter((path) =>
          !path.startsWith("assets/") && path !== COMMIT_FILE
        );
        assertEquals(
          code.filter((path) =>
            !/^(main\.ts|deno\.json|lib\/[\w/]+\.ts)$/.test(path)
          ),
          [],
        );
        for (const path of ["main.ts", "deno.json", "lib/daemon/daemon.ts"]) {
          assert(code.includes(path), path);
        }
        const assets = await filesBelow(`${ROOT}/assets`);
        assertEquals(
          files.filter((path) => path.startsWith("assets/")).toSorted(),
          assets.map((path) => path.slice(ROOT.length + 1)).toSorted(),
        );
      },
    );

    await t.step("starts with all permissions, and never asks for one", () => {
      const { permissions, hasCodeCache } = readCarried(BINARY);
      assertEquals(hasCodeCache, false);
      const { allow_import: _, ...others } = permissions; // what it imports is inside
      assertEquals(
        Object.fromEntries(
          Object.entries(others).filter(([, value]) => value !== null),
        ),
        // An empty list is no limit.
        {
          allow_env: [],
          allow_ffi: [],
          allow_net: [],
          allow_read: [],
          allow_run: [],
          allow_sys: [],
          allow_write: [],
          prompt: false,
        },
      );
    });

    await t.step("--version names the version and the commit", async () => {
      const { stdout } = await command([BINARY, "--version"]);
      const commit = commitOf(ROOT);
      assertEquals(
        stdout,
        `dhcpv6macd ${manifest.version}${
          commit === undefined ? "" : ` (${commit})`
        }\n`,
        "it is not of this tree: run deno task build again",
      );
    });

    await t.step("starts at once", async () => {
      // What else the machine does makes some of them slow, not the fastest.
      let fastest = Infinity;
      for (let round = 0; round < 10; round++) {
        const begin = performance.now();
        await command([BINARY, "--version"]);
        fastest = Math.min(fastest, performance.now() - begin);
      }
      console.log(`started in ${Math.round(fastest)} ms`);
      assertLess(fastest, START);
    });

    await t.step("check finds nothing in the way", async () => {
      await using lab = new Lab();
      const { router } = await makeLink(lab);
      const { code, stdout } = await router.run([BINARY, "check", ...OPTIONS]);
      assertEquals(code, 0);
      assertMatch(stdout, /^DHCPv6: \[ff02::1:2%lan\]:547$/m);
    });

    await t.step(
      "serves from an empty read-only root, as nobody with one capability",
      async () => {
        await using lab = new Lab();
        const { router, client } = await makeLink(lab);
        const root = await EmptyRoot.make(lab, BINARY);
        await fillNetboot(`${root.directory}/netboot`);
        const daemon = await launchAs(
          root.command(),
          router,
          ...OPTIONS,
          "--netboot-dir=/netboot",
        );
        await daemon.logs("serving");
        const { stdout } = await router.run([
          "ss",
          "-tlnpH",
          "sport = :6315",
        ]);
        const pid = /\bpid=(\d+)/.exec(stdout)?.[1];
        const status = await Deno.readTextFile(`/proc/${pid}/status`);
        const field = (name: string) =>
          new RegExp(`^${name}:\\s+(\\S+)`, "m").exec(status)![1];
        assertEquals(field("Uid"), String(NOBODY));
        assertEquals(field("Gid"), String(NOBODY));
        for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) {
          assertEquals(field(set), ONLY_BIND_SERVICE, set);
        }
        assertEquals(await Deno.readLink(`/proc/${pid}/root`), root.directory);
        await boots(client);
        assertEquals(await daemon.stop(), 0);
        assertEquals(daemon.log.filter(({ level }) => level === "error"), []);
      },
    );

    await t.step(
      "opens no file for writing and starts no process",
      async () => {
        await using lab = new Lab();
        const { router, client } = await makeLink(lab);
        const netboot = await fillNetboot(`${lab.directory}/netboot`);
        const trace = `${lab.directory}/trace`;
        const daemon = await launchAs(
          [
            "strace",
            "--daemonize", // signals are for the daemon, not for strace
            "--follow-forks",
            "--trace=file,process",
            `--output=${trace}`,
            BINARY,
          ],
          router,
          ...OPTIONS,
          `--netboot-dir=${netboot}`,
        );
        await daemon.logs("serving");
        await boots(client);
        assertEquals(await daemon.stop(), 0);
        const lines = await eventually("the trace ends", async () => {
          const text = await Deno.readTextFile(trace);
          return /^\d+ +\+\+\+ exited with 0 \+\+\+\n$/m.test(text) &&
            text.split("\n");
        });
        const calls = lines.map((line) => CALL.exec(line)).filter((call) =>
          call !== null
        );
        const lineOf = (call: RegExpExecArray) => call[0];
        const named = (name: string) =>
          calls.filter((call) => call[1] === name);
        assert(
          named("openat").some((call) => call[2]!.includes("default/boot.efi")),
          "the trace shows what was served",
        );
        assertEquals(
          calls.filter((call) => !HARMLESS.includes(call[1]!)).map(lineOf),
          [],
        );
        assertEquals(
          calls.map(lineOf).filter((line) =>
            /O_(WRONLY|RDWR|CREAT|TRUNC|APPEND|TMPFILE)/.test(line)
          ),
          [],
        );
        // Anybody could have put something there for it.
        assertEquals(
          calls.map((call) => /"(\/[^"]*)"/.exec(call[2]!)?.[1] ?? "").filter(
            (path) =>
              /^\/(tmp|var|home|root)\//.test(path) &&
              ![lab.directory, ROOT].some((own) => path.startsWith(own)),
          ),
          [],
        );
        assertEquals(named("execve").length, 1);
        assertEquals(
          [...named("clone"), ...named("clone3")].map(lineOf).filter((line) =>
            !line.includes("CLONE_THREAD")
          ),
          [],
        );
      },
    );
  },
});
