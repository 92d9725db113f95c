/**
 * The stages of a machine's boot, and which may follow which: one table.
 *
 * @module
 */

/**
 * What can be told of a machine: first the stages in the order of a boot, then
 * what is no stage. An event's code is its index here.
 */
export const EVENTS = [
  "init",
  "firmware_init",
  "http_boot",
  "point_pxe_to_ipxe_over_tftp",
  "serve_ipxe_over_tftp",
  "served_ipxe_over_tftp",
  "point_ipxe_to_http_boot",
  "http_fetch_uki",
  "os_init",
  "jump_to",
  "unsupported_architecture",
  "address_declined",
] as const;
export type EventName = typeof EVENTS[number];

/** What happens without being a stage: the machine stays where it is. */
export const NOTES = ["unsupported_architecture", "address_declined"] as const;
export type Note = typeof NOTES[number];

/** Whether an event leaves a machine in its stage. */
export function isNote(event: string): event is Note {
  return (NOTES as readonly string[]).includes(event);
}

/** A stage of a boot. */
export type Stage = Exclude<EventName, Note | "jump_to">;

/** The stages that may come before each; `init` is where every machine starts. */
const BEFORE: Record<Stage, readonly Stage[]> = {
  init: [],
  firmware_init: ["init"],
  http_boot: ["init", "firmware_init"],
  point_pxe_to_ipxe_over_tftp: ["init", "firmware_init"],
  serve_ipxe_over_tftp: ["point_pxe_to_ipxe_over_tftp"],
  served_ipxe_over_tftp: ["serve_ipxe_over_tftp"],
  point_ipxe_to_http_boot: ["served_ipxe_over_tftp"],
  http_fetch_uki: ["http_boot", "point_ipxe_to_http_boot"],
  os_init: ["http_fetch_uki"],
};

/** The stages in the order of a boot. */
export const STAGES = Object.keys(BEFORE) as readonly Stage[];

/**
 * What an event is to a machine in a stage: the next `step`, a `repeat` of the
 * stage it is in, or a `jump` that leaves out what should have come before.
 */
export type Transition = "step" | "repeat" | "jump";

/** What `event` is to a machine in `stage`. */
export function transition(stage: Stage, event: Stage): Transition {
  if (stage === event) return "repeat";
  return BEFORE[event].includes(stage) ? "step" : "jump";
}

const CODES = new Map(EVENTS.map((name, code) => [name, code]));

/** The code of an event, for where many of them are remembered. */
export function codeOf(event: EventName): number {
  return CODES.get(event)!;
}
