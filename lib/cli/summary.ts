/**
 * Lines of a summary for people, each behind a label.
 *
 * @module
 */

import { escapeControls } from "../../assets/shared/escape_controls.js";

/** Characters of a line that are shown: sentences of a daemon are longer. */
const MAX_LINE = 2048;

/** The width of a label. */
const LABEL = 11;

/**
 * A line behind its label, or several. Another server's words may be among them, so
 * that control characters are escaped.
 */
export function labelled(label: string, text: string): string {
  return text.split("\n").map((line, index) =>
    (index === 0 ? label : "").padEnd(LABEL) + shown(line)
  ).join("\n");
}

/** A line without a label. */
export function shown(line: string): string {
  return escapeControls(line, MAX_LINE);
}
