/**
 * A switch with a router, machines and somebody who floods it.
 *
 * @module
 */

import { eventually, type Host, Lab, type Program } from "../../support/lab.ts";
import { requestsAnswered } from "../../support/metrics.ts";

/** The router's address on the link, beside its link-local one. */
export const SERVER = "2001:db8:1:2::1";

/** Hosts on one switch: each machine's interface is `eth0`, the router's `lan`. */
export interface Switched {
  readonly lab: Lab;
  readonly network: Host;
  readonly router: Host;
  readonly attacker: Host;
  /** Has an address of its own making, and asks for no other. */
  readonly visitor: Host;
  readonly machines: readonly Host[];
}

/**
 * Plugs in a router, an attacker, a visitor and so many machines. The switch
 * lets them talk to the router only, so that a flood is no load for the others.
 */
export async function plugIn(lab: Lab, count: number): Promise<Switched> {
  const router = await lab.host("router");
  const attacker = await lab.host("attacker");
  const visitor = await lab.host("visitor");
  const machines: Host[] = [];
  for (let index = 0; index < count; index++) {
    machines.push(await lab.host(`m${index}`));
  }
  const network = await lab.network("switch");
  await lab.plug(network, 0, router, "lan");
  await router.ip(`addr add ${SERVER}/64 dev lan nodad`);
  await lab.plug(network, 1, attacker, "eth0");
  await attacker.ip("addr add 2001:db8:1:2::bad/64 dev eth0 nodad");
  await lab.plug(network, 2, visitor, "eth0");
  await visitor.ip("addr add 2001:db8:1:2::77/64 dev eth0 nodad");
  for (const [index, machine] of machines.entries()) {
    await lab.plug(network, 3 + index, machine, "eth0");
  }
  for (let port = 1; port < 3 + machines.length; port++) {
    await network.ip(`link set p${port} type bridge_slave isolated on`);
  }
  for (const host of [attacker, visitor, ...machines]) {
    await host.linkLocal("eth0");
  }
  await router.linkLocal("lan");
  return { lab, network, router, attacker, visitor, machines };
}

/**
 * Starts perfdhcp with so many machines, of which so many a second get their
 * addresses. By itself it would ask from a global address, and get no answer.
 */
export async function startMachines(
  host: Host,
  machines: number,
  rate: number,
): Promise<Program> {
  const from = await host.linkLocal("eth0");
  return host.start(
    `perfdhcp -6 -l ${from} -R ${machines} -r ${rate} -W 0 ff02::1:2`
      .split(" "),
  );
}

/** Lets the visitor have an address once, as all do who have been on the link. */
export async function getToKnow({ router, visitor }: Switched): Promise<void> {
  const exchange = await startMachines(visitor, 1, 1);
  await eventually(
    "the visitor has an address",
    async () => await requestsAnswered(router) > 0,
  );
  await exchange.stop();
}

/** The command that runs one of the lab's programs. */
export function labProgram(name: string, ...args: string[]): string[] {
  return [
    ...Deno.env.get("TEST_DENO")!.split("\n"),
    `${import.meta.dirname}/../../support/${name}`,
    ...args,
  ];
}
