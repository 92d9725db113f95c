/**
 * The stages of a boot in words: the same in `watch` and on the page.
 *
 * @module
 */

import { escapeControls } from "./escape_controls.js";
import { formatRefusal, refusalIn, transferIn } from "./format.js";

/** @import { EventDetail } from "./format.js" */

/**
 * A stage's names: `short` for a timeline, `words` for what the machine does in
 * it, and the class of its color.
 *
 * @typedef {{short: string, words: string, hue: string}} StageNames
 */

/** The first event of every machine. */
export const FIRST_STAGE = "init";

/** The last stage: the machine has booted. */
export const LAST_STAGE = "os_init";

/** The event before one that skips steps or begins another boot. */
export const JUMP = "jump_to";

/** @param {string} short @param {string} words @param {string} hue */
function names(short, words, hue) {
  return { short, words, hue };
}

/**
 * The stages, in the order of a boot.
 *
 * @type {ReadonlyMap<string, StageNames>}
 */
export const STAGES = new Map([
  [FIRST_STAGE, names("Seen", "Seen for the first time", "none")],
  ["firmware_init", names("Firmware", "Firmware is running", "firmware")],
  ["http_boot", names("HTTP boot", "Firmware has its boot URL", "firmware")],
  [
    "point_pxe_to_ipxe_over_tftp",
    names("PXE", "Firmware has the URL of iPXE", "firmware"),
  ],
  ["serve_ipxe_over_tftp", names("TFTP", "Loading iPXE", "load")],
  ["served_ipxe_over_tftp", names("iPXE start", "Starting iPXE", "ipxe")],
  ["point_ipxe_to_http_boot", names("iPXE", "iPXE has its boot URL", "ipxe")],
  [
    "point_loader_to_boot_file",
    names("Loader", "The boot loader has its boot URL", "firmware"),
  ],
  ["http_fetch_uki", names("System", "Loading the system", "system")],
  [LAST_STAGE, names("Up", "System is up", "up")],
]);

/** The note about a refused request. */
export const REFUSAL = "boot_refused";

/** Events that change no stage. */
const NOTES = new Map([
  ["unsupported_architecture", "No iPXE for its architecture"],
  ["address_declined", "Its address is in use by another machine"],
  [REFUSAL, "Boot refused"],
  ["released", "Released its address"],
]);

/** Stages in which a boot can begin. */
const FIRST_IN_BOOT = new Set([
  "firmware_init",
  "http_boot",
  "point_pxe_to_ipxe_over_tftp",
  "point_loader_to_boot_file",
]);

/** The ways to boot. */
const PATHS = [
  ["firmware_init", "http_boot", "http_fetch_uki", LAST_STAGE],
  [
    "firmware_init",
    "point_pxe_to_ipxe_over_tftp",
    "serve_ipxe_over_tftp",
    "served_ipxe_over_tftp",
    "point_ipxe_to_http_boot",
    "http_fetch_uki",
    LAST_STAGE,
  ],
  // What a boot loader loads may have any name.
  ["firmware_init", "point_loader_to_boot_file", LAST_STAGE],
];

/**
 * Whether an event says that a machine has given up its address.
 *
 * @param {string} event
 */
export function isRelease(event) {
  return event === "released" || event === "address_declined";
}

/**
 * Whether an event changes no stage.
 *
 * @param {string} event
 */
export function isNote(event) {
  return NOTES.has(event);
}

/**
 * Whether an event changes the stage of a machine.
 *
 * @param {string} event
 */
export function isStage(event) {
  return event !== JUMP && !isNote(event);
}

/**
 * The names of a stage. A stage of a later daemon is called by its event name.
 *
 * @param {string} event
 * @returns {StageNames}
 */
export function stageNames(event) {
  const known = STAGES.get(event);
  if (known !== undefined) return known;
  const text = escapeControls(event);
  return names(text, text, "ipxe");
}

/**
 * What a machine does in a stage.
 *
 * @param {string} event
 * @param {EventDetail | null | undefined} detail The file that it loads in this
 *   stage, if it does.
 */
export function stageWords(event, detail) {
  const { words } = stageNames(event);
  const transfer = transferIn(detail);
  if (transfer?.state === "error") return `${words} failed`;
  return event === "http_fetch_uki" && transfer?.state === "complete"
    ? "Starting the system"
    : words;
}

/**
 * What a note says; `undefined` if the event is no note.
 *
 * @param {string} event
 * @param {EventDetail | null} [detail] What it is about: a refused request.
 */
export function noteText(event, detail) {
  const text = NOTES.get(event);
  const refusal = refusalIn(detail);
  return text === undefined || refusal === null
    ? text
    : `${text}: ${formatRefusal(refusal)}`;
}

/**
 * Whether an event that follows a {@linkcode JUMP} begins another boot.
 *
 * @param {string | undefined} stage The machine's stage before it.
 * @param {string} event
 */
export function beginsBoot(stage, event) {
  if (stage === undefined || stage === FIRST_STAGE) return false;
  return FIRST_IN_BOOT.has(event) || stage === LAST_STAGE;
}

/**
 * The stages that a machine is expected to reach yet. There are none until its
 * stages tell which way it boots.
 *
 * @param {readonly string[]} stages Those of its boot so far, in order.
 */
export function stagesAhead(stages) {
  const stage = stages[stages.length - 1] ?? "";
  const path =
    PATHS.find((path) =>
      path.includes(stage) && stages.some((one) => path.indexOf(one) > 0)
    ) ?? [];
  return path.slice(path.indexOf(stage) + 1);
}
