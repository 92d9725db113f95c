/** Expectations of the suites with real clients. */

import { addressOf, formatIpv6, parseIpv6 } from "../../lib/net/ipv6.ts";
import { parseMac } from "../../lib/net/mac.ts";
import { eventually, type Host } from "./lab.ts";

/** The base address of most suites. */
export const BASE = "2001:db8:1:2::";

/** The address that an interface gets from this base address. */
export async function derived(
  host: Host,
  interfaceName: string,
  base = BASE,
): Promise<string> {
  const mac = parseMac(await host.mac(interfaceName))!;
  return formatIpv6(addressOf(parseIpv6(base)!, mac));
}

/** Whether an interface has an address now. */
export async function hasAddress(
  host: Host,
  interfaceName: string,
  address: string,
): Promise<boolean> {
  return (await host.addresses(interfaceName)).includes(address);
}

/** Waits until an interface has an address. */
export async function getsAddress(
  host: Host,
  interfaceName: string,
  address: string,
  seconds?: number,
): Promise<void> {
  await eventually(
    `${interfaceName} has ${address}`,
    () => hasAddress(host, interfaceName, address),
    seconds,
  );
}
