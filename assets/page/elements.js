/**
 * Pieces of the page that its views share.
 *
 * @module
 */

import {
  escapeControls,
  formatDuration,
  LAST_STAGE,
  stageNamed,
  stagesAhead,
  stagesOf,
  transferText,
} from "./timeline.js";

/** @import { Boot, Progress } from "./timeline.js" */
/** @import { UsualDurations } from "./machines.js" */
/** @import { TransferDetail } from "../../lib/machines/transfer_progress.ts" */

/**
 * A piece of a timeline. Its length is in ms.
 *
 * @typedef {{className: string, length: number, name: string, text: string}} Piece
 */

/**
 * An element with a class and children; text is text, never markup.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} className
 * @param {...(Node | string)} children
 */
export function element(tag, className = "", ...children) {
  const made = document.createElement(tag);
  if (className !== "") made.className = className;
  made.append(...children);
  return made;
}

/**
 * An element that the server has put into the page.
 *
 * @param {string} id
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`cannot find #${id}`);
  return found;
}

/**
 * Changes an element's text, if it is another one.
 *
 * @param {Node} node
 * @param {string} text
 */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Tells people who hear the page something, now and then.
 *
 * @param {string} text
 */
export function say(text) {
  write(byId("said"), text);
}

/**
 * A text that is copied when it is pressed.
 *
 * @param {string} className
 * @param {string} text
 */
export function copyable(className, text) {
  const button = element("button", `copy ${className}`, text);
  button.type = "button";
  button.title = "Copy";
  button.addEventListener("click", (event) => {
    copy(button.textContent);
    say(`Copied ${button.textContent}`);
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 1200);
    // Who points does not want the focus to stay, which holds the list still.
    if (event.detail > 0) button.blur();
  });
  return button;
}

/**
 * Copies text. Over plain HTTP there is no clipboard to write to, so it is
 * selected and copied as by hand.
 *
 * @param {string} text
 */
function copy(text) {
  const focused = document.activeElement;
  const field = element("textarea", "unseen");
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
  if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
}

/** An empty timeline. */
export function timeline(className = "") {
  const bar = element("div", `bar ${className}`);
  bar.setAttribute("role", "img");
  return bar;
}

/**
 * The pieces of a boot's timeline: those behind, the one that goes on, and
 * those ahead with their usual length.
 *
 * @param {Boot} boot
 * @param {{now: number, end?: number | undefined, usual?: Pick<UsualDurations, "of">, kind?: Progress["kind"]}} about
 *   `end`: when the next boot began, for one that is past.
 */
export function piecesOf(boot, { now, end, usual, kind = "booting" }) {
  const stages = stagesOf(boot);
  /** @type {Piece[]} */
  const pieces = [];
  for (const { event, at, end: own } of stages) {
    if (event === "init") continue;
    const { short, hue } = stageNamed(event);
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
      const { short, hue } = stageNamed(event);
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
 * A stage that has gone on for days leaves room to see the others.
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
 * Draws a timeline, over what was drawn before.
 *
 * @param {HTMLElement} bar
 * @param {readonly Piece[]} pieces
 */
export function draw(bar, pieces) {
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
 * A timeline in words.
 *
 * @param {Boot} boot
 */
export function spoken(boot) {
  const stages = stagesOf(boot).filter(({ event }) => event !== "init");
  if (stages.length === 0) return "No boot was seen";
  return `Boot: ${
    stages.map(({ event, at, end }) =>
      stageNamed(event).short +
      (end === undefined ? "" : ` ${formatDuration(end - at)}`)
    ).join(", ")
  }`;
}

/** What shows how far a machine is now: words, a transfer, how long. */
export class NowView {
  #words = element("strong", "words");
  #badge = element("span", "badge", "Stuck");
  #time = element("span", "time");
  #file = element("span", "file");
  #bar = element("progress");
  #note = element("span", "note");
  /** The elements, in their order. */
  parts = [
    this.#words,
    " ",
    this.#badge,
    this.#time,
    this.#bar,
    this.#file,
    this.#note,
  ];

  /**
   * @param {Progress} progress
   * @param {TransferDetail | null} detail
   * @param {string} note
   */
  show({ words, elapsed, usual, kind }, detail, note) {
    write(this.#words, words);
    write(
      this.#time,
      `for ${formatDuration(elapsed, true)}` +
        (usual === undefined ? "" : `, usually ${formatDuration(usual)}`),
    );
    const isGoing = detail !== null &&
      (detail.state === "init" || detail.state === "sending");
    this.#bar.hidden = !isGoing;
    if (isGoing) {
      this.#bar.max = Math.max(1, detail.total_bytes);
      this.#bar.value = detail.sent_bytes;
      this.#bar.setAttribute(
        "aria-label",
        `${words}: ${escapeControls(detail.file_name)}`,
      );
    }
    const isTold = isGoing || detail?.state === "error";
    this.#file.hidden = !isTold;
    if (isTold) {
      const share = isGoing && detail.total_bytes > 0
        ? `${Math.floor(100 * detail.sent_bytes / detail.total_bytes)} %, `
        : "";
      write(this.#file, share + transferText(detail));
    }
    this.#note.hidden = note === "";
    write(this.#note, note);
    this.#badge.hidden = kind !== "stuck";
  }
}
