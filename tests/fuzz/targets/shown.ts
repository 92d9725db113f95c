/** Strings of clients, as people see them in the log and on the page. */

import {
  escapeControls,
  MAX_SHOWN_CHARACTERS,
} from "../../../assets/shared/escape_controls.js";
import { escapeHtml } from "../../../lib/http/web_ui/html.ts";
import type { Random } from "../random.ts";
import { Invariant, type Target } from "../target.ts";
import { isShowable } from "./text.ts";

const acts = new Invariant("nothing that is shown acts");
const isShort = new Invariant("nothing that is shown is long");
const isWhole = new Invariant("what can be shown is shown unchanged");
const isText = new Invariant("what is shown is text in HTML");

/** UTF-16, so that lone surrogates occur as well. */
function utf16(text: string): Uint8Array {
  return Uint8Array.from(
    [...Array(text.length).keys()].flatMap((index) => {
      const unit = text.charCodeAt(index);
      return [unit >> 8, unit];
    }),
  );
}

const WORDS = [
  "\x1b[2J",
  "\r\n",
  "\u202e",
  "\u2066",
  "\u200b",
  "\u2028",
  "\ud83d",
  "\udda7",
  "🖧",
  "\u{e0041}",
  "\ufeff",
  "<script>",
  "&amp;",
  "\x7f",
  "\x9b",
  "x".repeat(126),
  "\\u{202e}",
].map(utf16);

/** Fuzzes what is shown. */
export class ShownTarget implements Target {
  readonly name = "shown";
  readonly weight = 40;
  readonly maxLength = 600;
  readonly invariants = [acts, isShort, isWhole, isText];
  readonly seeds = [...WORDS, utf16("boot.efi"), utf16("")];
  readonly words = WORDS;

  make(random: Random): Uint8Array {
    return random.once(2)
      ? random.octets(random.below(80))
      : utf16("x".repeat(random.below(140)));
  }

  run(input: Uint8Array): string {
    const units: number[] = [];
    for (let at = 0; at + 1 < input.length; at += 2) {
      units.push(input[at]! << 8 | input[at + 1]!);
    }
    const text = String.fromCharCode(...units);
    const line = escapeControls(text);
    acts.holds(isShowable(line) && line.isWellFormed(), () => line);
    isShort.holds(line.length <= MAX_SHOWN_CHARACTERS + 1, () => line);
    const isPlain = isShowable(text);
    isWhole.holds(
      !isPlain || text.length > MAX_SHOWN_CHARACTERS || line === text,
      () => line,
    );
    isText.holds(!/[<>"']/.test(escapeHtml(line)), () => escapeHtml(line));
    return `${isPlain} ${line.endsWith("…")} ${
      [...new Set(line.match(/\\u\{[0-9a-f]{1,2}/g))].length
    }`;
  }
}
