/**
 * What is seen of a machine's boot: on its console, in the daemon's log, and in
 * the packets.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { messageName } from "../../../lib/dhcpv6/wire/constants.ts";
import { addressOf, formatIpv6, parseIpv6 } from "../../../lib/net/ipv6.ts";
import { parseMac } from "../../../lib/net/mac.ts";
import { BASE } from "../../support/expect.ts";
import { Machine, type MachineOptions } from "./machine.ts";
import type { BootDaemon, BootNetwork } from "./network.ts";
import { OS_ADDRESS } from "./linux.ts";
import { bootFirst } from "./variables.ts";
import type { Host } from "../../support/lab.ts";

/**
 * Seconds from power-on that a machine gets for all of its boot. It takes less
 * than a minute, where nothing else needs the processor that it is emulated on.
 */
export const PATIENCE = 600;

/**
 * What firmware remembers that boots by HTTP over IPv6 when PXE over IPv6 has no
 * boot URL. From the factory it would try HTTP over IPv4 before, for a minute. PXE
 * comes first: firmware before May 2025 begins HTTP boot before it has a link-local
 * address, and gives up at once.
 *
 * @returns The file, for `variables` of {@linkcode MachineOptions}.
 */
export async function variablesForHttp(
  host: Host,
  options: MachineOptions,
): Promise<string> {
  const fresh = await Machine.start(host, options);
  await fresh.shows(/>>Start PXE over IPv6/, PATIENCE);
  await fresh.program.stop();
  await bootFirst(fresh.variables, "UEFI PXEv6", "UEFI HTTPv6");
  return fresh.variables;
}

/** The address that a machine shall have in all stages. */
export function derived(mac: string): string {
  return formatIpv6(addressOf(parseIpv6(BASE)!, parseMac(mac)!));
}

/** Those of `names` that are in `wanted`, each where it was first seen. */
function inOrder(names: string[], wanted: readonly string[]): string[] {
  return [...new Set(names)].filter((name) => wanted.includes(name));
}

/**
 * Asserts that a machine went through these stages, in this order, and that
 * the daemon had nothing to complain of but `complaints`.
 */
export function assertStages(
  daemon: BootDaemon,
  { mac }: Machine,
  expected: readonly string[],
  complaints: readonly string[] = [],
): void {
  const names = daemon.stages(mac).map(({ name }) => name);
  assertEquals(inOrder(names, expected), expected);
  assertEquals(
    daemon.complaints.filter(({ event }) => !complaints.includes(event)),
    [],
  );
}

/** Waits until the system on a machine tells its address. */
async function osAddress(
  machine: Machine,
  daemon: BootDaemon,
): Promise<string> {
  try {
    const [, address] = await machine.shows(
      new RegExp(`${OS_ADDRESS} (.*?) ?END`),
      PATIENCE,
    );
    return address!;
  } catch (error) {
    throw new Error(
      `${(error as Error).message}\n${
        JSON.stringify(daemon.stages(machine.mac))
      }`,
    );
  }
}

/**
 * Waits until the system on a machine has its address, which it shall have in all
 * stages, prints when what happened, and returns the messages.
 */
export async function assertSystem(
  title: string,
  network: BootNetwork,
  daemon: BootDaemon,
  machine: Machine,
): Promise<Message[]> {
  const address = await osAddress(machine, daemon);
  const messages = await printTimeline(
    title,
    network,
    daemon,
    machine,
    `the system has ${address}`,
  );
  assertEquals(address, derived(machine.mac));
  return messages;
}

/** Asserts that a machine's console shows these, one after the other. */
export function assertConsole(machine: Machine, ...wanted: string[]): void {
  const console = machine.console();
  let at = 0;
  for (const text of wanted) {
    const found = console.indexOf(text, at);
    assert(found !== -1, `no "${text}" on the console:\n${console}`);
    at = found + text.length;
  }
}

/** A DHCPv6 message to or from a machine. */
export interface Message {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly name: string;
  readonly iaid: string;
  /** What it gives, or asks for again. */
  readonly address: string;
}

/**
 * Ends the capture, prints when what happened, in seconds from power-on, and
 * returns the messages.
 */
export async function printTimeline(
  title: string,
  network: BootNetwork,
  daemon: BootDaemon,
  { mac, poweredOn }: Machine,
  end?: string,
): Promise<Message[]> {
  const moments: [number, string][] = daemon.stages(mac)
    .map(({ name, time }) => [time, name]);
  if (end !== undefined) moments.push([Date.now(), end]);
  const packets = await network.capture.read(
    `dhcpv6 && eth.addr == ${mac}`,
    "frame.time_epoch",
    "dhcpv6.msgtype",
    "dhcpv6.iaid",
    "dhcpv6.iaaddr.ip",
  );
  const messages = packets.map(([time, type, iaid, address]) => ({
    time: 1000 * Number(time),
    name: messageName(Number(type)),
    iaid: iaid ?? "",
    address: address ?? "",
  }));
  for (const { time, name, iaid, address } of messages) {
    moments.push([time, `    ${name} ${iaid} ${address}`]);
  }
  const lines = moments.toSorted(([a], [b]) => a - b).map(([time, what]) =>
    `${((time - poweredOn) / 1000).toFixed(2).padStart(8)} s  ${what}`
  );
  console.error([`${title}, from power-on:`, ...lines].join("\n"));
  return messages;
}
