/**
 * Suggestions for mistyped words.
 *
 * @module
 */

/** Characters from which a part of a word suggests that word. */
const MIN_PART = 3;

/**
 * The word that a mistyped one most probably stands for; `undefined` if none is
 * close. Upper case, dashes and underscores do not count.
 */
export function closest(
  text: string,
  words: readonly string[],
): string | undefined {
  const typed = normal(text);
  if (typed === "") return undefined;
  let best: string | undefined;
  let bestScore = Infinity;
  for (const word of words) {
    const score = scoreOf(typed, normal(word));
    if (score < bestScore) [best, bestScore] = [word, score];
  }
  return best;
}

/** `; did you mean WORD?`, or nothing if no word is close. */
export function suggestion(
  text: string,
  words: readonly string[],
  prefix = "",
): string {
  const word = closest(text, words);
  return word === undefined ? "" : `; did you mean ${prefix}${word}?`;
}

function normal(word: string): string {
  return word.toLowerCase().replace(/[-_]/g, "");
}

/** How far a word is from what was typed; infinite if it is not meant. */
function scoreOf(typed: string, word: string): number {
  const distance = editDistance(typed, word);
  const longest = Math.max(typed.length, word.length);
  if (distance <= Math.max(1, Math.floor(longest / 4))) return distance;
  // Of several words with the same beginning, or the same part, the shortest.
  if (typed.length >= 2 && word.startsWith(typed)) return 100 + word.length;
  if (typed.length >= MIN_PART && word.includes(typed)) {
    return 1000 + word.length;
  }
  if (word.length > MIN_PART && typed.startsWith(word)) {
    return 10_000 - word.length;
  }
  return Infinity;
}

/**
 * Insertions, deletions, substitutions and transpositions of neighbors between
 * two words (optimal string alignment).
 */
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      let best = Math.min(
        previous[j]! + 1,
        row[j - 1]! + 1,
        previous[j - 1]! + (isSame ? 0 : 1),
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, beforePrevious[j - 2]! + 1);
      }
      row.push(best);
    }
    [beforePrevious, previous] = [previous, row];
  }
  return previous[b.length]!;
}
