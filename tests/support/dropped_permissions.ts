/**
 * A program that drops the daemon's permissions, and then tries what it may do.
 * Writes the names of what succeeds as JSON.
 *
 * @module
 */

import { dropPermissions } from "../../lib/cli/permissions.ts";

const ATTEMPTS: Readonly<Record<string, () => unknown>> = {
  "read a file": () => Deno.readTextFileSync(import.meta.filename!),
  "list interfaces": () => Deno.networkInterfaces(),
  "read the host name": () => Deno.hostname(),
  "listen": () =>
    Deno.listenDatagram({ transport: "udp", hostname: "::1", port: 0 }).close(),
  "read /proc": () => Deno.readTextFileSync("/proc/self/status"),
  "read a device": () => Deno.openSync("/dev/tty1"),
  "write a file": () => Deno.writeTextFileSync("/tmp/dropped", ""),
  "open for writing": () =>
    Deno.openSync(import.meta.filename!, { write: true }),
  "remove a file": () => Deno.removeSync("/tmp/dropped"),
  "start a program": () => new Deno.Command("true").outputSync(),
  "load a library": () => Deno.dlopen("libc.so.6", {}),
  "read the environment": () => Deno.env.get("HOME"),
  "list the environment": () => Deno.env.toObject(),
  // Not a literal: the runtime would load it before the program begins.
  "import": () => import(["https:", "", "[::1]:1", "x.ts"].join("/")),
};

dropPermissions();
const done: string[] = [];
for (const [name, attempt] of Object.entries(ATTEMPTS)) {
  try {
    await attempt();
    done.push(name);
  } catch (error) {
    // That of an import is wrapped.
    const { message } = error as Error;
    if (!/^Requires .* access/.test(message)) done.push(`${name}: ${message}`);
  }
}
console.log(JSON.stringify(done));
