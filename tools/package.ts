/**
 * Makes packages of the daemon in `dist/packages`, without root:
 *
 * - `dhcpv6macd_VERSION_amd64.deb` for Debian and its derivatives,
 * - `dhcpv6macd-VERSION-x86_64-linux.tar.gz` for other systems with glibc,
 * - `dhcpv6macd-VERSION-x86_64-linux-musl.tar.gz` for Alpine, OpenWrt and others
 *   that have another C library: it brings its own,
 * - `SHA256SUMS` of them.
 *
 * Usage: `deno task package [--base npm] [--target TARGET]`, see tools/build.ts.
 * Needs dpkg-deb, GNU tar and patchelf. The package for musl needs a base runtime
 * that is a file, of DENORT_BIN or `--base npm`, and this machine's C library.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { encodeHex } from "@std/encoding/hex";
import { gzipSync } from "node:zlib";
import manifest from "../deno.json" with { type: "json" };
import {
  LIBRARIES,
  librariesOf,
  type Library,
  LibraryError,
} from "./c_library.ts";

const ROOT = await Deno.realPath(`${import.meta.dirname}/..`);
const PACKAGING = `${ROOT}/tools/packaging`;
const OUT = `${ROOT}/dist/packages`;

/** A package cannot be made; the message says why. */
class PackageError extends Error {}

/** A file of a package: where it is, and what it is made of. */
interface Entry {
  /** Below the root of the package. */
  readonly path: string;
  readonly content: string | Uint8Array | { readonly copyOf: string };
  readonly mode?: number;
}

/** Names of processors in Debian, by what Deno calls them. */
const DEBIAN_ARCHITECTURES: Readonly<Record<string, string>> = {
  x86_64: "amd64",
  aarch64: "arm64",
};

function say(text: string): void {
  console.error(`tools/package.ts: ${text}`);
}

async function run(command: string, ...args: string[]): Promise<string> {
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command(command, { args, stdin: "null" }).output();
  } catch (error) {
    throw new PackageError(`${command}: ${(error as Error).message}`);
  }
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (output.success) return text(output.stdout);
  throw new PackageError(
    `${[command, ...args].join(" ")}: ${text(output.stderr).trim()}`,
  );
}

/** The time of the files: that of the commit, so that two builds are the same. */
async function timeOf(): Promise<number> {
  const given = Deno.env.get("SOURCE_DATE_EPOCH");
  if (given !== undefined) return Number(given);
  try {
    return Number(await run("git", "-C", ROOT, "log", "-1", "--format=%ct"));
  } catch {
    return 0;
  }
}

/** Writes a package's files below a directory. */
async function writeTree(
  directory: string,
  entries: readonly Entry[],
  seconds: number,
): Promise<void> {
  for (const { path, content, mode = 0o644 } of entries) {
    const target = `${directory}/${path}`;
    await Deno.mkdir(target.replace(/\/[^/]*$/, ""), { recursive: true });
    if (typeof content === "string") await Deno.writeTextFile(target, content);
    else if (content instanceof Uint8Array) {
      await Deno.writeFile(target, content);
    } else await Deno.copyFile(content.copyOf, target);
    await Deno.chmod(target, mode);
    await Deno.utime(target, seconds, seconds);
  }
  for (const name of await run("find", directory, "-type", "d").then(lines)) {
    await Deno.chmod(name, 0o755);
  }
}

function lines(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

/** As small as it can be, which Debian's policy wants. */
function gzip(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(gzipSync(bytes, { level: 9 }));
}

/** A unit whose program is elsewhere. */
async function unit(name: string, program: string): Promise<string> {
  const text = await Deno.readTextFile(`${PACKAGING}/systemd/${name}`);
  return text.replaceAll("/usr/local/bin/dhcpv6macd", program);
}

const UNITS = ["dhcpv6macd.service", "dhcpv6macd@.service"];

/** Manual page and completions, where shells look for them below `share`. */
async function shared(share: string, zsh: string): Promise<Entry[]> {
  const completions = {
    "bash-completion/completions/dhcpv6macd": "dhcpv6macd.bash",
    [`${zsh}/_dhcpv6macd`]: "_dhcpv6macd",
    "fish/vendor_completions.d/dhcpv6macd.fish": "dhcpv6macd.fish",
  };
  return [
    {
      path: `${share}/man/man8/dhcpv6macd.8.gz`,
      content: gzip(await Deno.readFile(`${PACKAGING}/man/dhcpv6macd.8`)),
    },
    ...Object.entries(completions).map(([path, name]) => ({
      path: `${share}/${path}`,
      content: { copyOf: `${PACKAGING}/completions/${name}` },
    })),
  ];
}

function program(path: string, copyOf: string): Entry {
  return { path, content: { copyOf }, mode: 0o755 };
}

/** A tarball of a directory's content. */
async function tarball(
  name: string,
  entries: readonly Entry[],
  seconds: number,
): Promise<string> {
  await using tree = await temporaryDirectory();
  await writeTree(tree.path, entries, seconds);
  const path = `${OUT}/${name}.tar.gz`;
  await run(
    "tar",
    ...["--create", "--gzip", "--file", path, "--directory", tree.path],
    ...["--owner=0", "--group=0", "--numeric-owner"],
    // Files only: the mode of a directory that exists is not changed.
    ...[`--mtime=@${seconds}`, "--format=gnu"],
    ...entries.map(({ path }) => path).toSorted(),
  );
  return path;
}

async function temporaryDirectory() {
  const path = await Deno.makeTempDir();
  return {
    path,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

async function deb(
  binary: string,
  architecture: string,
  seconds: number,
): Promise<string> {
  const version = manifest.version;
  const template = (name: string) =>
    Deno.readTextFile(`${PACKAGING}/deb/${name}`);
  const maintainer = /^Maintainer: (.*)$/m.exec(await template("control"))![1];
  const changelog = `dhcpv6macd (${version}) unstable; urgency=medium

  * See CHANGELOG.md of the source.

 -- ${maintainer}  ${
    new Date(1000 * seconds).toUTCString().replace("GMT", "+0000")
  }
`;
  const entries: Entry[] = [
    program("usr/bin/dhcpv6macd", binary),
    ...await shared("usr/share", "zsh/vendor-completions"),
    ...await Promise.all(UNITS.map(async (name) => ({
      path: `usr/lib/systemd/system/${name}`,
      content: await unit(name, "/usr/bin/dhcpv6macd"),
    }))),
    {
      path: "etc/dhcpv6macd.conf",
      content: { copyOf: `${PACKAGING}/dhcpv6macd.conf` },
    },
    {
      path: "usr/share/doc/dhcpv6macd/copyright",
      content: { copyOf: `${PACKAGING}/deb/copyright` },
    },
    {
      path: "usr/share/doc/dhcpv6macd/changelog.gz",
      content: gzip(new TextEncoder().encode(changelog)),
    },
    {
      path: "usr/share/lintian/overrides/dhcpv6macd",
      content: { copyOf: `${PACKAGING}/deb/lintian-overrides` },
    },
  ];
  await using tree = await temporaryDirectory();
  await writeTree(tree.path, entries, seconds);
  const size = lines(await run("du", "-sk", tree.path))[0]!.split("\t")[0]!;
  const sums = await run(
    "sh",
    "-c",
    'cd "$0" && find usr -type f -print0 | sort -z | xargs -0 md5sum',
    tree.path,
  );
  const control = (await template("control"))
    .replace("@VERSION@", version)
    .replace("@ARCHITECTURE@", architecture)
    .replace("@SIZE@", size);
  await writeTree(`${tree.path}/DEBIAN`, [
    { path: "control", content: control },
    { path: "conffiles", content: "/etc/dhcpv6macd.conf\n" },
    { path: "md5sums", content: sums },
    ...["postinst", "prerm", "postrm"].map((name) => ({
      path: name,
      content: { copyOf: `${PACKAGING}/deb/${name}` },
      mode: 0o755,
    })),
  ], seconds);
  const path = `${OUT}/dhcpv6macd_${version}_${architecture}.deb`;
  Deno.env.set("SOURCE_DATE_EPOCH", String(seconds));
  await run(
    "dpkg-deb",
    ...["--root-owner-group", "-Zxz", "-z1", "--build", tree.path, path],
  );
  return path;
}

/** The package for systems whose own C library is another one. */
async function muslTarball(
  processor: string,
  args: readonly string[],
  seconds: number,
): Promise<string> {
  const binary = `${ROOT}/dist/dhcpv6macd-with-libraries`;
  await build([...args, "--libraries", LIBRARIES, "--output", binary]);
  const document = "usr/share/doc/dhcpv6macd";
  const libraries = await librariesOf(binary);
  return await tarball(
    `dhcpv6macd-${manifest.version}-${processor}-linux-musl`,
    [
      program("usr/bin/dhcpv6macd", binary),
      ...libraries.map(({ name, path }) => ({
        path: `${LIBRARIES.slice(1)}/${name}`,
        content: { copyOf: path },
        mode: 0o755,
      })),
      { path: `${document}/LICENSE`, content: { copyOf: `${ROOT}/LICENSE` } },
      {
        path: `${document}/libraries/README`,
        content: LIBRARY_NOTICE + await packagesOf(libraries),
      },
      ...LICENSES.map((name) => ({
        path: `${document}/libraries/${name}`,
        content: { copyOf: `/usr/share/common-licenses/${name}` },
      })),
      ...["openrc", "procd"].map((name) => ({
        path: `usr/share/dhcpv6macd/${name}/dhcpv6macd`,
        content: { copyOf: `${PACKAGING}/${name}/dhcpv6macd` },
        mode: 0o755,
      })),
      {
        path: "usr/share/dhcpv6macd/dhcpv6macd.conf",
        content: { copyOf: `${PACKAGING}/dhcpv6macd.conf` },
      },
    ],
    seconds,
  );
}

/** The licenses of the libraries, where Debian has their texts. */
const LICENSES = ["LGPL-2.1", "GPL-3"];

const LIBRARY_NOTICE = `\
The files in ${LIBRARIES} are unmodified files of the GNU C library
(LGPL-2.1-or-later) and of GCC's support library (GPL-3.0-or-later with the GCC
runtime library exception). They are from these packages of Debian, where their
source is:

`;

/** The packages that libraries are from, with their versions. */
async function packagesOf(libraries: readonly Library[]): Promise<string> {
  const owners = new Set<string>();
  for (const { path } of libraries) {
    const real = await Deno.realPath(path);
    // Where /lib is a link to /usr/lib, packages may name either.
    const found = await run("dpkg", "--search", real)
      .catch(() => run("dpkg", "--search", real.replace(/^\/usr/, "")));
    owners.add(found.split(": ")[0]!);
  }
  return await run(
    ...["dpkg-query", "--show", ...owners] as [string, ...string[]],
  );
}

/** Runs tools/build.ts with the packages that this tool has. */
async function build(args: readonly string[]): Promise<void> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--config", `${ROOT}/deno.json`, "build", ...args],
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).output();
  if (!success) throw new PackageError("deno task build failed");
}

async function writeSums(paths: readonly string[]): Promise<void> {
  const sums = await Promise.all(paths.map(async (path) => {
    const digest = await crypto.subtle.digest(
      "SHA-256",
      await Deno.readFile(path),
    );
    return `${encodeHex(digest)}  ${path.replace(/.*\//, "")}\n`;
  }));
  await Deno.writeTextFile(`${OUT}/SHA256SUMS`, sums.join(""));
}

function readOptions(): {
  target: string;
  args: string[];
  isBaseFile: boolean;
} {
  const given = parseArgs(Deno.args, {
    string: ["target", "base"],
    unknown: (arg: string) => {
      throw new PackageError(
        `unknown argument ${arg}; there are --target and --base`,
      );
    },
  }) as { target?: string; base?: string };
  const { target, base } = given;
  return {
    target: target ?? Deno.build.target,
    args: [
      ...target === undefined ? [] : ["--target", target],
      ...base === undefined ? [] : ["--base", base],
    ],
    isBaseFile: base !== undefined || (Deno.env.get("DENORT_BIN") ?? "") !== "",
  };
}

async function main(): Promise<void> {
  const { target, args, isBaseFile } = readOptions();
  const isForeign = target !== Deno.build.target;
  const [processor = ""] = target.split("-");
  const architecture = DEBIAN_ARCHITECTURES[processor];
  if (architecture === undefined || !target.endsWith("-unknown-linux-gnu")) {
    throw new PackageError(`there are packages for Linux only, not ${target}`);
  }
  await Deno.mkdir(OUT, { recursive: true });
  const seconds = await timeOf();
  const binary = `${ROOT}/dist/dhcpv6macd${isForeign ? `-${target}` : ""}`;
  await build([...args, "--output", binary]);
  const paths = [
    await tarball(`dhcpv6macd-${manifest.version}-${processor}-linux`, [
      program("bin/dhcpv6macd", binary),
      ...await shared("share", "zsh/site-functions"),
      ...await Promise.all(UNITS.map(async (name) => ({
        path: `lib/systemd/system/${name}`,
        content: await unit(name, "/usr/local/bin/dhcpv6macd"),
      }))),
      {
        path: "share/doc/dhcpv6macd/dhcpv6macd.conf",
        content: { copyOf: `${PACKAGING}/dhcpv6macd.conf` },
      },
      {
        path: "share/doc/dhcpv6macd/LICENSE",
        content: { copyOf: `${ROOT}/LICENSE` },
      },
    ], seconds),
    await deb(binary, architecture, seconds),
  ];
  if (isForeign) {
    say(
      `no package for musl: the C library of this machine is not for ${target}`,
    );
  } else if (!isBaseFile) {
    say(
      "no package for musl: it needs a base runtime that is a file, of DENORT_BIN",
    );
  } else paths.push(await muslTarball(processor, args, seconds));
  await writeSums(paths);
  for (const path of paths) say(path);
}

try {
  await main();
} catch (error) {
  const isExpected = error instanceof PackageError ||
    error instanceof LibraryError;
  if (!isExpected) throw error;
  say(error.message);
  Deno.exit(1);
}
