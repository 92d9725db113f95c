/**
 * Strings of clients as people see them, in the log, in a terminal and on the
 * page.
 *
 * @module
 */

/** Characters of a client's string that are shown, besides the ellipsis. */
export const MAX_SHOWN_CHARACTERS = 128;

/** Controls, line ends, bidirectional and invisible characters, lone surrogates. */
const CONTROL_CHARACTERS = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

/**
 * Makes a string that a client sent safe to show: control characters become
 * `\u{...}`, and the result ends with an ellipsis behind at most
 * `limit` characters.
 *
 * @param {string} text
 */
export function escapeControls(text, limit = MAX_SHOWN_CHARACTERS) {
  let result = "";
  for (const character of text) {
    const next = CONTROL_CHARACTERS.test(character)
      ? `\\u{${character.codePointAt(0)?.toString(16)}}`
      : character;
    if (result.length + next.length > limit) return `${result}…`;
    result += next;
  }
  return result;
}
