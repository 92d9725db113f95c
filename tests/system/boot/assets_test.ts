/** The binary under test is one of this tree: the other tests compare with its assets. */

import { assertEquals } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import {
  IPXE_BUILDS,
  ipxeFileName,
} from "../../../lib/boot_files/ipxe_builds.ts";
import { compiledIn } from "../../support/ipxe.ts";
import { missing } from "../../support/lab.ts";
import { BootNetwork, ROUTER } from "./network.ts";

const ignore = missing(
  "the comparison with the assets",
  ...["curl", "tcpdump", "tshark"],
).length > 0;

const SCRIPT = new URL("../../../assets/ipxe/autoexec.ipxe", import.meta.url);

Deno.test("the binary under test", { ignore }, async (t) => {
  await using network = await BootNetwork.create();
  await network.daemon();
  const { router, lab } = network;
  const files: [string, Uint8Array][] = [
    ["autoexec.ipxe", await Deno.readFile(SCRIPT)],
  ];
  for (const build of IPXE_BUILDS) {
    files.push([ipxeFileName(build), await compiledIn(build)]);
  }
  for (const [name, asset] of files) {
    await t.step(`has this tree's ${name}`, async () => {
      const path = `${lab.directory}/served`;
      await router.run([
        ...["curl", "-sS", "--max-time", "60", "-o", path],
        `tftp://[${ROUTER}]/52:54:00:12:34:40/${name}`,
      ]);
      assertEquals(
        await sha256(await Deno.readFile(path)),
        await sha256(asset),
        "it has another one than assets/ipxe: build it again",
      );
    });
  }
});

async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes.slice());
  return encodeHex(digest);
}
