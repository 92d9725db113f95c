/**
 * The script that iPXE gets before the boot file: it says what it loads, starts it
 * without a command line, and tries again for as long as that fails.
 *
 * @module
 */

import type { IpxeBuild } from "./ipxe_builds.ts";

/** Its name, beside a machine's files. */
export const BOOT_SCRIPT_NAME = "boot.ipxe";

/** What iPXE calls the processors that it is built for. */
const BUILD_ARCHITECTURES: Readonly<Record<IpxeBuild, string>> = {
  "x86-64": "x86_64",
  "arm64": "arm64",
  "riscv64": "riscv64",
  "loong64": "loong64",
};

/** Seconds between the first two attempts; each pause is twice as long. */
const FIRST_PAUSE = 2;

/** The longest pause in seconds: a power of two times the first one. */
const LAST_PAUSE = 32;

/** What iPXE's `errno` is when a server has no such file: HTTP 404, and TFTP. */
const NOT_FOUND = ["2d0c618e", "2d12618e"];

/**
 * The script that loads a URL.
 *
 * @param urls The URL for each processor; at least one.
 */
export function bootScript(urls: ReadonlyMap<IpxeBuild, string>): string {
  const [first = "", ...others] = new Set(urls.values());
  const choices = others.length === 0
    ? []
    : [...urls].map(([build, url]) =>
      `iseq \${buildarch} ${BUILD_ARCHITECTURES[build]} && set url ${
        word(url)
      } ||`
    );
  const notFound = NOT_FOUND.map((code) =>
    `iseq \${code} ${code} && goto absent ||`
  );
  // A command that fails ends a script, unless "||" follows. Without a name, iPXE
  // passes no command line: a unified kernel image has its own.
  return [
    "#!ipxe",
    `set url ${word(first)}`,
    ...choices,
    `set pause:int32 ${FIRST_PAUSE}`,
    "",
    ":load",
    "echo dhcpv6macd: loading ${url}",
    "chain --name= --autofree ${url} && goto ended ||",
    // Each command that fails sets it anew.
    "set code ${errno:hexraw}",
    ...notFound,
    "echo dhcpv6macd: ${url} does not boot",
    "goto wait",
    "",
    ":absent",
    "echo dhcpv6macd: no boot file for this machine at ${url}",
    "goto wait",
    "",
    ":ended",
    "echo dhcpv6macd: ${url} has ended",
    "",
    ":wait",
    "echo dhcpv6macd: trying again in ${pause} seconds",
    "sleep ${pause}",
    `iseq \${pause} ${LAST_PAUSE} || inc pause \${pause}`,
    "goto load",
    "",
  ].join("\n");
}

/** A URL as one word of a script: nothing in it is read as anything else. */
function word(url: string): string {
  return url.replace(
    /[^!#%&()*+,\-./0-9:;=?@A-Z[\]_a-z~]/g,
    (character) =>
      [...new TextEncoder().encode(character)].map((byte) =>
        `%${byte.toString(16).toUpperCase().padStart(2, "0")}`
      ).join(""),
  );
}
