/** The TLS proxy for firmware with old TLS, as docs/dns.md describes it. */

import type { Host, Program } from "./lab.ts";

const PAGE = new URL("../../docs/dns.md", import.meta.url);

/** The address that the recipe has for the router. */
const ADDRESS = "2001:db8:123:4567::1";

/** The port that the recipe has. */
export const PROXY_PORT = 8443;

/**
 * Starts it.
 *
 * @param files Directory that has `router.pem` and `router.key`.
 * @param address The router's address.
 */
export async function startTlsProxy(
  host: Host,
  files: string,
  address: string,
): Promise<Program> {
  const page = await Deno.readTextFile(PAGE);
  const block = /^```\n(server \{.*?)^```$/ms.exec(
    page.split("### Firmware with old TLS")[1]!,
  )![1]!;
  const { lab } = host;
  await host.run([
    ...["openssl", "dhparam", "-dsaparam"],
    ...["-out", `${files}/dhparam.pem`, "2048"],
  ]);
  const recipe = block.replaceAll("/etc/ssl/", `${files}/`)
    .replaceAll(ADDRESS, address);
  const conf = await lab.file(
    "nginx.conf",
    `daemon off; pid ${lab.directory}/nginx.pid; error_log stderr; user root;
events {}
http { access_log off; ${recipe} }
`,
  );
  return host.start(["nginx", "-c", conf]);
}
