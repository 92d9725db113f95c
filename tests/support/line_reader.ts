/**
 * Reads lines as Go's `bufio.Scanner` does with its default limit, as many readers
 * of event streams are built.
 *
 * @module
 */

/** `bufio.MaxScanTokenSize`: bytes of a line together with its line feed. */
const MAX_TOKEN_BYTES = 64 * 1024;

/**
 * The lines of some bytes. What follows the last line feed is left out.
 *
 * @throws {Error} `token too long`, as the scanner stops with.
 */
export function scanLines(bytes: Uint8Array): string[] {
  const lines: string[] = [];
  const decoder = new TextDecoder("utf-8", { fatal: true });
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(10, start);
    const length = (end < 0 ? bytes.length : end + 1) - start;
    if (length > MAX_TOKEN_BYTES) {
      throw new Error(
        `token too long: line ${lines.length + 1} has ${length} bytes`,
      );
    }
    if (end < 0) break;
    lines.push(decoder.decode(bytes.subarray(start, end)));
    start = end + 1;
  }
  return lines;
}

/** The events of a stream, their `data` lines joined by line feeds. */
export function scanEvents(bytes: Uint8Array): string[] {
  const events: string[] = [];
  let data: string[] = [];
  for (const line of scanLines(bytes)) {
    if (line.startsWith("data: ")) data.push(line.slice("data: ".length));
    else if (line === "" && data.length > 0) {
      events.push(data.join("\n"));
      data = [];
    }
  }
  return events;
}
