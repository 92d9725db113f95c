/**
 * Escapes text from the network before people read it.
 *
 * @module
 */

/** Characters of a string that a client sent which are shown to people. */
export const MAX_LOGGED_CHARACTERS = 128;

/** Controls, line ends, bidirectional and invisible characters, half pairs. */
const CONTROL_CHARACTERS = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

/**
 * A string that a client sent, fit to be shown: what would act instead of being
 * seen is escaped, and no more than {@linkcode MAX_LOGGED_CHARACTERS} characters
 * are left.
 */
export function escapeControls(text: string): string {
  let result = "";
  for (const character of text) {
    const next = CONTROL_CHARACTERS.test(character)
      ? `\\u{${character.codePointAt(0)!.toString(16)}}`
      : character;
    if (result.length + next.length > MAX_LOGGED_CHARACTERS) {
      return `${result}…`;
    }
    result += next;
  }
  return result;
}
