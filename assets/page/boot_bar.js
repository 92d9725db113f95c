/**
 * The bar that shows a boot: a piece for each stage, as long as the stage took.
 *
 * @module
 */

import {
  FIRST_STAGE,
  LAST_STAGE,
  stageNames,
  stagesAhead,
} from "../shared/boot_stages.js";
import { stagesOf } from "../shared/boots.js";
import { formatDuration } from "../shared/format.js";
import { element, write } from "./elements.js";

/** @import { Boot } from "../shared/boots.js" */
/** @import { Progress, UsualDurations } from "./progress.js" */

/**
 * A piece of the bar. Its length is in ms.
 *
 * @typedef {{className: string, length: number, name: string, text: string}} Piece
 */

/** An empty bar. */
export function bootBar(className = "") {
  const bar = element("div", `bar ${className}`);
  bar.setAttribute("role", "img");
  return bar;
}

/**
 * The pieces of a boot: its stages so far, the rest of the current one, and those
 * ahead with their usual duration.
 *
 * @param {Boot} boot
 * @param {{now: number, end?: number | undefined, usual?: Pick<UsualDurations, "of">, kind?: Progress["kind"]}} about
 *   `end`: when the next boot began, for a boot that is over.
 */
export function piecesOf(boot, { now, end, usual, kind = "booting" }) {
  const stages = stagesOf(boot);
  /** @type {Piece[]} */
  const pieces = [];
  for (const { event, at, end: own } of stages) {
    if (event === FIRST_STAGE) continue;
    const { short, hue } = stageNames(event);
    const isLast = own === undefined;
    if (event === LAST_STAGE) {
      pieces.push({ className: "up", length: 0, name: short, text: "" });
      continue;
    }
    const until = isLast ? end ?? now : own;
    const length = Math.max(0, until - at);
    const state = !isLast
      ? ""
      : end !== undefined
      ? " broken"
      : kind === "stuck"
      ? " stuck"
      : " now";
    pieces.push({
      className: hue + state,
      length,
      name: short,
      text: formatDuration(length, isLast && end === undefined),
    });
    const expected = usual?.of(event);
    if (state === " now" && expected !== undefined && expected > length) {
      pieces.push({
        className: `${hue} rest`,
        length: expected - length,
        name: "",
        text: "",
      });
    }
  }
  const last = stages[stages.length - 1];
  if (end === undefined && last !== undefined && last.event !== LAST_STAGE) {
    for (const event of stagesAhead(stages.map(({ event }) => event))) {
      const { short, hue } = stageNames(event);
      const length = event === LAST_STAGE ? 0 : usual?.of(event) ?? 0;
      pieces.push({
        className: `${hue} ahead`,
        length,
        name: short,
        text: length === 0 ? "" : formatDuration(length),
      });
    }
  }
  return limited(pieces);
}

/**
 * Limits a stage that has lasted for days, so that the others stay visible.
 *
 * @param {Piece[]} pieces
 */
function limited(pieces) {
  const waits = / (stuck|broken|now)$/;
  let others = 0;
  for (const { className, length } of pieces) {
    if (!waits.test(className)) others += length;
  }
  for (const piece of pieces) {
    if (waits.test(piece.className) && others > 0) {
      piece.length = Math.min(piece.length, 2 * others);
    }
  }
  return pieces;
}

/**
 * Updates a bar to show pieces.
 *
 * @param {HTMLElement} bar
 * @param {readonly Piece[]} pieces
 */
export function drawBoot(bar, pieces) {
  while (bar.children.length > pieces.length) bar.lastElementChild?.remove();
  for (const [index, { className, length, name, text }] of pieces.entries()) {
    let piece = /** @type {HTMLElement | undefined} */ (bar.children[index]);
    if (piece === undefined) {
      piece = element(
        "span",
        "",
        element("i"),
        element("b", "label", element("span"), element("small")),
      );
      bar.append(piece);
    }
    const wanted = `piece ${className}`;
    if (piece.className !== wanted) piece.className = wanted;
    const grow = String(Math.round(length));
    if (piece.style.flexGrow !== grow) piece.style.flexGrow = grow;
    const label = /** @type {Element} */ (piece.lastElementChild);
    write(/** @type {Element} */ (label.firstElementChild), name);
    write(/** @type {Element} */ (label.lastElementChild), text);
  }
}

/**
 * A boot in words, for screen readers.
 *
 * @param {Boot} boot
 */
export function describeBoot(boot) {
  const stages = stagesOf(boot).filter(({ event }) => event !== FIRST_STAGE);
  if (stages.length === 0) return "No boot seen";
  return `Boot: ${
    stages.map(({ event, at, end }) =>
      stageNames(event).short +
      (end === undefined ? "" : ` ${formatDuration(end - at)}`)
    ).join(", ")
  }`;
}
