/** What is compiled in, for comparison. */

import { gunzipSync } from "node:zlib";
import type { IpxeBuild } from "../../lib/boot_files/ipxe_builds.ts";
import { packedBuild } from "../../lib/boot_files/ipxe.ts";

/** A build of iPXE as machines should get it. */
export async function compiledIn(build: IpxeBuild): Promise<Uint8Array> {
  return gunzipSync(await Deno.readFile(packedBuild(build)));
}
