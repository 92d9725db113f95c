/**
 * Whether a machine is there: computed from when it was last heard whenever
 * someone asks, so that no machine needs a timer.
 *
 * @module
 */

/**
 * `released`: it has released or declined its address, and sent nothing since.
 * `offline`: it has sent nothing for the valid lifetime of its address.
 */
export const PRESENCES = ["online", "released", "offline"] as const;
export type Presence = typeof PRESENCES[number];

/**
 * The presence of a machine.
 *
 * @param silence Milliseconds since it was last heard.
 * @param lifetime Milliseconds of the valid lifetime.
 */
export function presenceOf(
  isReleased: boolean,
  silence: number,
  lifetime: number,
): Presence {
  if (isReleased) return "released";
  return silence > lifetime ? "offline" : "online";
}
