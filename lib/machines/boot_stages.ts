/**
 * The stages of a machine's boot, and the table of transitions between them.
 *
 * @module
 */

import type { TransferDetail } from "./transfer_progress.ts";

/**
 * The events of a machine: first the stages in the order of a boot, then the
 * events that are not stages. The code of an event is its index here.
 */
export const EVENTS = [
  "init",
  "firmware_init",
  "http_boot",
  "point_pxe_to_ipxe_over_tftp",
  "serve_ipxe_over_tftp",
  "served_ipxe_over_tftp",
  "point_ipxe_to_http_boot",
  "point_loader_to_boot_file",
  "http_fetch_uki",
  "os_init",
  "jump_to",
  "unsupported_architecture",
  "address_declined",
  "boot_refused",
  "released",
] as const;
export type EventName = typeof EVENTS[number];

/** Events that leave a machine in its stage. */
export const NOTES = [
  "unsupported_architecture",
  "address_declined",
  "boot_refused",
  "released",
] as const;
export type Note = typeof NOTES[number];

/** Whether an event is a note. */
export function isNote(event: string): event is Note {
  return (NOTES as readonly string[]).includes(event);
}

/** A stage of a boot. */
export type Stage = Exclude<EventName, Note | "jump_to">;

/** The stages that precede each stage. Every machine starts with `init`. */
const PREDECESSORS: Record<Stage, readonly Stage[]> = {
  init: [],
  firmware_init: ["init"],
  http_boot: ["init", "firmware_init"],
  point_pxe_to_ipxe_over_tftp: ["init", "firmware_init"],
  serve_ipxe_over_tftp: ["point_pxe_to_ipxe_over_tftp"],
  served_ipxe_over_tftp: ["serve_ipxe_over_tftp"],
  point_ipxe_to_http_boot: ["served_ipxe_over_tftp"],
  point_loader_to_boot_file: ["init", "firmware_init"],
  http_fetch_uki: [
    "http_boot",
    "point_ipxe_to_http_boot",
    "point_loader_to_boot_file",
  ],
  os_init: ["http_fetch_uki", "point_loader_to_boot_file"],
};

/** The stages in the order of a boot. */
export const STAGES = Object.keys(PREDECESSORS) as readonly Stage[];

/**
 * How a machine comes to a stage: by the next `step` of a boot, by a `repeat` of
 * its stage, or by a `jump` over stages that were not seen.
 */
export type Transition = "step" | "repeat" | "jump";

/** How a machine in `stage` comes to the stage `event`. */
export function transition(stage: Stage, event: Stage): Transition {
  if (stage === event) return "repeat";
  return PREDECESSORS[event].includes(stage) ? "step" : "jump";
}

const CODES = new Map(EVENTS.map((name, code) => [name, code]));

/** The code of an event, for columns of numbers. */
export function codeOf(event: EventName): number {
  return CODES.get(event)!;
}

/**
 * How important an event is to an operator. A repeated event without news is the
 * least, as is the progress of a transfer: a machine that renews its address
 * repeats it all day, and a large file is reported every 5 MiB.
 *
 * @param transfer The state of the transfer that the event reports, if any.
 */
export function severityOf(
  event: EventName,
  isRepeat: boolean,
  transfer: TransferDetail["state"] | undefined,
): "warning" | "info" | "debug" {
  if (event === "released") return "info";
  if (isNote(event)) return "warning";
  const hasEnded = transfer === "complete" || transfer === "error";
  return !isRepeat || hasEnded ? "info" : "debug";
}
