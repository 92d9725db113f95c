/**
 * The multicast groups that an interface has joined, which Linux reports in
 * `/proc`. An interface that loses its IPv6 state for a moment leaves all groups,
 * such as one whose MTU falls below 1,280 bytes, or that visits another network
 * namespace. The sockets that had joined get no notice of it.
 *
 * @module
 */

import { parseIpv6 } from "./ipv6.ts";
import { ProcFile } from "./proc_file.ts";

/** `/proc/net` is hidden from a service with `ProcSubset=pid`. */
const file = new ProcFile("/proc/self/net/igmp6");

/**
 * Whether an interface is a member of a group.
 *
 * @param text The lines of `igmp6`: index and name of the interface, the group in
 * hexadecimal digits, the number of members, flags and timer.
 * @param index The kernel's index of the interface.
 * @returns `undefined` if the text is empty: the kernel does not report groups.
 */
export function isMember(
  text: string,
  index: number,
  group: string,
): boolean | undefined {
  if (text === "") return undefined;
  const digits = Array.from(
    parseIpv6(group)!,
    (byte) => byte.toString(16).padStart(2, "0"),
  ).join("");
  return text.split("\n").some((line) => {
    const [at, , address] = line.trim().split(/\s+/);
    return Number(at) === index && address === digits;
  });
}

/** What the kernel says of groups. Tests replace it. */
export const multicastGroups = {
  /** Whether an interface is a member of all groups; `true` if that is not known. */
  areJoined(index: number, groups: readonly string[]): boolean {
    const text = file.read();
    return groups.every((group) => isMember(text, index, group) ?? true);
  },
};
