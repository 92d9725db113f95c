/**
 * A file in `/proc` that is read again and again.
 *
 * @module
 */

/** Opened once: opening it for each reading would take longer. */
export class ProcFile {
  readonly #file: Deno.FsFile | undefined;
  #buffer = new Uint8Array(4096);

  /** @param path May be absent, or not readable; it is empty then. */
  constructor(path: string) {
    this.#file = open(path);
  }

  /** Its text now. */
  read(): string {
    const file = this.#file;
    if (file === undefined) return "";
    file.seekSync(0, Deno.SeekMode.Start);
    let length = 0;
    for (;;) {
      const count = file.readSync(this.#buffer.subarray(length));
      if (count === null) break;
      length += count;
      if (length < this.#buffer.length) continue;
      const longer = new Uint8Array(2 * this.#buffer.length);
      longer.set(this.#buffer);
      this.#buffer = longer;
    }
    return new TextDecoder().decode(this.#buffer.subarray(0, length));
  }
}

function open(path: string): Deno.FsFile | undefined {
  try {
    return Deno.openSync(path);
  } catch {
    return undefined; // Not Linux, no /proc, or no permission.
  }
}
