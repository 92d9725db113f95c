/**
 * Headers that a collector requires, such as those with a token. Their values are
 * secrets: they are in no message and no JSON.
 *
 * @module
 */

/** Bytes of a file with the value of a header. */
const MAX_HEADER_FILE = 64 * 1024;

/** Names that the request itself sets. */
const RESERVED = new Set([
  "connection",
  "content-encoding",
  "content-length",
  "content-type",
  "expect",
  "host",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** A header whose value is given, or is in a file. */
export class CollectorHeader {
  readonly name: string;
  /** Where the value is read from; `undefined`: it was given. */
  readonly file: string | undefined;
  #value: string;

  private constructor(name: string, file: string | undefined, value: string) {
    this.name = name;
    this.file = file;
    this.#value = value;
  }

  /**
   * Parses `NAME=VALUE` or `NAME=@FILE`; the file is not read yet.
   *
   * @returns `undefined` if it is neither.
   */
  static parse(text: string): CollectorHeader | undefined {
    const [, name, at, value] = /^([^=]*)=(@?)(.*)$/s.exec(text) ?? [];
    if (
      name === undefined || value === undefined || value === "" ||
      !/^[!#$%&'*+.^_`|~0-9a-z-]+$/i.test(name) ||
      RESERVED.has(name.toLowerCase())
    ) return undefined;
    if (at === "@") return new CollectorHeader(name, value, "");
    return isValue(value)
      ? new CollectorHeader(name, undefined, value)
      : undefined;
  }

  get value(): string {
    return this.#value;
  }

  /**
   * Reads the file, if there is one.
   *
   * @throws {Error} with the path and the reason, without the value.
   */
  readSync(): void {
    if (this.file === undefined) return;
    try {
      if (Deno.statSync(this.file).size > MAX_HEADER_FILE) throw TOO_LARGE;
      this.#take(Deno.readTextFileSync(this.file));
    } catch (error) {
      throw readError(this.file, error);
    }
  }

  /**
   * Reads the file again, if there is one.
   *
   * @returns Whether the value has changed.
   * @throws {Error} as {@linkcode readSync}; the value stays.
   */
  async reload(): Promise<boolean> {
    if (this.file === undefined) return false;
    const before = this.#value;
    try {
      const { size } = await Deno.stat(this.file);
      if (size > MAX_HEADER_FILE) throw TOO_LARGE;
      this.#take(await Deno.readTextFile(this.file));
    } catch (error) {
      throw readError(this.file, error);
    }
    return this.#value !== before;
  }

  #take(text: string): void {
    const value = text.trim();
    if (value === "" || !isValue(value)) {
      throw new Error("it has no value of a header, which is one line");
    }
    this.#value = value;
  }
}

const TOO_LARGE = new Error(`it is larger than ${MAX_HEADER_FILE} bytes`);

function readError(path: string, error: unknown): Error {
  // Only some errors of the runtime end with the path.
  const reason = (error as Error).message.replace(/: \w+ '.*'$/s, "");
  return new Error(`cannot read ${path}: ${reason}`);
}

/** Whether a text can be sent as the value of a header (RFC 9110 §5.5). */
function isValue(text: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(text);
}
