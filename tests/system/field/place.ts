/** The hosts of most field tests: a daemon's host and a client. */

import type { Host, Lab } from "../../support/lab.ts";

/** The address of the daemon's host. */
export const SERVER = "2001:db8:1:2::1";

/** Plugs a client into the daemon's host, which has its address already. */
export async function place(
  lab: Lab,
): Promise<{ router: Host; client: Host }> {
  const { router, client } = await lab.pair();
  await router.ip(`addr add ${SERVER}/64 dev lan nodad`);
  await router.linkLocal("lan");
  await client.linkLocal("eth0");
  return { router, client };
}
