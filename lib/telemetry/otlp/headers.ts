/**
 * Headers that a collector requires, such as those with a token. Their values are
 * secrets: they are in no message and no JSON.
 *
 * @module
 */

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
   * Parses `NAME=VALUE` or `NAME=@FILE`. The content of the file is given to
   * {@linkcode take} before the header is used.
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
   * Takes the content of its file as its value.
   *
   * @returns Whether the value has changed.
   * @throws {Error} without the content, if that is no value.
   */
  take(content: string): boolean {
    const value = content.trim();
    if (value === "" || !isValue(value)) {
      throw new Error(
        `${this.file} has no value of a header, which is one line`,
      );
    }
    const hasChanged = value !== this.#value;
    this.#value = value;
    return hasChanged;
  }
}

/** Whether a text can be sent as the value of a header (RFC 9110 §5.5). */
function isValue(text: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(text);
}
