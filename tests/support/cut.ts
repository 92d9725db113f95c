/**
 * Connections that are cut while both ends are there.
 *
 * @module
 */

import { assert } from "@std/assert";
import type { Host } from "./lab.ts";

const TABLE = "inet cutting";

/**
 * Cuts a program's connections to the daemon: the end that sends next gets a
 * reset.
 * Others are not affected, and new ones neither. Until it is disposed of, the
 * cut ones stay so.
 *
 * @param server The daemon's host.
 * @param client The program's host; that of the daemon, too.
 * @param program What the program is called.
 */
export async function cutConnections(
  server: Host,
  client: Host,
  program: RegExp,
): Promise<AsyncDisposable> {
  const { stdout } = await client.run(["ss", "-tnpH", "dport = :6315"]);
  const ports = stdout.split("\n").flatMap((line) => {
    const port = /:(\d+)\s+\S+:6315\s/.exec(line)?.[1];
    return port !== undefined && program.test(line) ? [port] : [];
  });
  assert(ports.length > 0, stdout);
  await server.run(["nft", "add", "table", ...TABLE.split(" ")]);
  const hook = "{ type filter hook input priority 0 ; }";
  await server.run(["nft", `add chain ${TABLE} in ${hook}`]);
  for (const port of ports) {
    const rule = `tcp sport ${port} reject with tcp reset`;
    await server.run(["nft", `add rule ${TABLE} in ${rule}`]);
  }
  return {
    [Symbol.asyncDispose]: async () => {
      await server.run(["nft", `delete table ${TABLE}`]);
    },
  };
}
