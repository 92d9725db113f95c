/** What a machine asks of a daemon, over the network. */

import { assertEquals } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { BASE, derived, getsAddress } from "../../support/expect.ts";
import { dhclient } from "../../support/dhcp_clients.ts";
import { compiledIn } from "../../support/ipxe.ts";
import type { Host, Lab } from "../../support/lab.ts";
import { ROOT } from "./binary.ts";

/** The router's address. */
export const ROUTER = `${BASE}1`;

/** What the daemon of such a link is started with. */
export const OPTIONS = [
  "--interface=lan",
  `--base-address=${BASE}`,
  `--http-boot-url-template=http://[{{.BootAddress}}]:6315/mac/{{.MAC}}/boot.efi`,
];

/** What machines find in the netboot directory. */
export const BOOT_FILE = "the system\n";

/** Fills a directory with what machines boot. */
export async function fillNetboot(directory: string): Promise<string> {
  await Deno.mkdir(`${directory}/default`, { recursive: true });
  await Deno.writeTextFile(`${directory}/default/boot.efi`, BOOT_FILE);
  return directory;
}

/** A link `lan` with a router and a client that has no address yet. */
export async function makeLink(lab: Lab): Promise<{
  router: Host;
  client: Host;
}> {
  const { router, client } = await lab.pair();
  await router.ip(`addr add ${ROUTER}/64 dev lan nodad`);
  await router.linkLocal("lan");
  await client.linkLocal("eth0");
  // What router advertisements would tell it.
  await client.ip(`-6 route add ${BASE}/64 dev eth0`);
  return { router, client };
}

/**
 * Has a client get its address from a real DHCPv6 client, iPXE and its script by
 * TFTP, and its system by HTTP.
 */
export async function boots(client: Host): Promise<void> {
  const memory = await Deno.makeTempDir({ dir: client.lab.directory });
  const program = await dhclient.start(client, "eth0", memory);
  await getsAddress(client, "eth0", await derived(client, "eth0"));
  await program.stop();
  const mac = await client.mac("eth0");
  const ipxe = `${memory}/ipxe.efi`;
  await fetched(client, `tftp://[${ROUTER}]/${mac}/ipxe.efi`, ipxe);
  assertEquals(
    encodeHex(await Deno.readFile(ipxe)),
    encodeHex(await compiledIn("x86-64")),
  );
  assertEquals(
    await fetched(client, `tftp://[${ROUTER}]/${mac}/autoexec.ipxe`),
    await Deno.readTextFile(`${ROOT}/assets/ipxe/autoexec.ipxe`),
  );
  assertEquals(
    await fetched(client, `http://[${ROUTER}]:6315/mac/${mac}/boot.efi`),
    BOOT_FILE,
  );
}

async function fetched(client: Host, url: string, to = "-"): Promise<string> {
  const { stdout } = await client.run([
    "curl",
    "--fail",
    "--silent",
    "--show-error",
    "--globoff",
    "--max-time",
    "50",
    "--output",
    to,
    url,
  ]);
  return stdout;
}
