/**
 * Protobuf's wire format, as far as OTLP needs it: messages are written by tables
 * of their fields, and answers are read field by field.
 *
 * @module
 */

/** How a field is written. Those that end in `s` are packed lists of numbers. */
type FieldType =
  | "string"
  | "bool"
  | "enum"
  | "int64"
  | "fixed64"
  | "sfixed64"
  | "double"
  | "fixed64s"
  | "doubles";

/** A field of a message. */
interface Field {
  readonly name: string;
  readonly number: number;
  readonly type: FieldType | MessageType;
  /** Whether a list is one field, and not a field for each of its values. */
  readonly isPacked: boolean;
}

/** The fields of a message, in the order in which they are written. */
export type MessageType = readonly Field[];

/**
 * Describes a message by the numbers and types of its fields. A list of messages
 * or strings is a repeated field.
 */
export function messageType(
  fields: Readonly<Record<string, readonly [number, FieldType | MessageType]>>,
): MessageType {
  return Object.entries(fields).map(([name, [number, type]]) => ({
    name,
    number,
    type,
    isPacked: type === "fixed64s" || type === "doubles",
  }));
}

/** Wire types. */
const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

/** Bytes of a varint of 64 bits. */
const MAX_VARINT_BYTES = 10;

const encoder = new TextEncoder();

/**
 * Writes messages from their end to their beginning: the length of a nested
 * message is known when it has been written.
 */
export class MessageEncoder {
  #bytes = new Uint8Array(4096);
  #view = new DataView(this.#bytes.buffer);
  /** Where what is written begins. */
  #start = this.#bytes.length;

  /** A message in protobuf. */
  encode(type: MessageType, value: object): Uint8Array<ArrayBuffer> {
    this.#start = this.#bytes.length;
    this.#message(type, value);
    return this.#bytes.slice(this.#start);
  }

  get #length(): number {
    return this.#bytes.length - this.#start;
  }

  #message(type: MessageType, value: object): void {
    const values = value as Readonly<Record<string, unknown>>;
    for (let index = type.length - 1; index >= 0; index--) {
      const field = type[index]!;
      const content = values[field.name];
      if (content === undefined) continue;
      if (!Array.isArray(content) || field.isPacked) {
        this.#field(field, content);
        continue;
      }
      for (let at = content.length - 1; at >= 0; at--) {
        this.#field(field, content[at]);
      }
    }
  }

  /** Values are what protobuf's JSON has: 64-bit integers are strings. */
  #field({ number, type }: Field, value: unknown): void {
    const end = this.#length;
    if (typeof type === "object") {
      this.#message(type, value as object);
      return this.#delimit(number, end);
    }
    switch (type) {
      case "string":
        this.#string(value as string);
        return this.#delimit(number, end);
      case "bool":
        this.#varint(value === true ? 1 : 0);
        return this.#tag(number, VARINT);
      case "enum":
        this.#varint(value as number);
        return this.#tag(number, VARINT);
      case "int64":
        this.#int64(value as string);
        return this.#tag(number, VARINT);
      case "fixed64":
      case "sfixed64":
        this.#fixed64(value as string);
        return this.#tag(number, FIXED64);
      case "double":
        this.#double(value as number | string);
        return this.#tag(number, FIXED64);
      case "fixed64s":
        (value as string[]).toReversed().forEach((one) => this.#fixed64(one));
        return this.#delimit(number, end);
      case "doubles":
        (value as number[]).toReversed().forEach((one) => this.#double(one));
        return this.#delimit(number, end);
    }
  }

  /** Begins a field of all bytes since the length was `end`. */
  #delimit(number: number, end: number): void {
    this.#varint(this.#length - end);
    this.#tag(number, LENGTH_DELIMITED);
  }

  #tag(number: number, wireType: number): void {
    this.#varint(number << 3 | wireType);
  }

  /** @param value A whole number from 0 to `Number.MAX_SAFE_INTEGER`. */
  #varint(value: number): void {
    let count = 1;
    for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) count++;
    this.#reserve(count);
    let rest = value;
    for (let at = this.#start; at < this.#start + count; at++) {
      this.#bytes[at] = rest > 127 ? rest % 128 | 128 : rest;
      rest = Math.floor(rest / 128);
    }
  }

  #int64(text: string): void {
    const value = Number(text);
    if (value >= 0 && Number.isSafeInteger(value)) return this.#varint(value);
    // Negative numbers take all ten bytes.
    const bytes: number[] = [];
    let rest = BigInt.asUintN(64, BigInt(text));
    for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
    bytes.push(Number(rest));
    this.#put(bytes);
  }

  #fixed64(text: string): void {
    this.#reserve(8);
    this.#view.setBigUint64(
      this.#start,
      BigInt.asUintN(64, BigInt(text)),
      true,
    );
  }

  #double(value: number | string): void {
    this.#reserve(8);
    this.#view.setFloat64(this.#start, Number(value), true);
  }

  /** Most texts are short and ASCII: these are not encoded apart. */
  #string(text: string): void {
    this.#reserve(text.length);
    const bytes = this.#bytes;
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (code > 127) {
        this.#start += text.length;
        return this.#put(encoder.encode(text));
      }
      bytes[this.#start + index] = code;
    }
  }

  #put(bytes: ArrayLike<number>): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#start);
  }

  #reserve(count: number): void {
    if (this.#start < count) {
      const { length } = this.#bytes;
      const larger = new Uint8Array(2 * length + count);
      larger.set(this.#bytes, larger.length - length);
      this.#start += larger.length - length;
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#start -= count;
  }
}

/** A field with a length, such as a nested message: the bytes before its content. */
export function fieldHeader(
  number: number,
  length: number,
): Uint8Array<ArrayBuffer> {
  const bytes: number[] = [];
  for (let value of [number << 3 | LENGTH_DELIMITED, length]) {
    for (; value > 127; value = Math.floor(value / 128)) {
      bytes.push(value % 128 | 128);
    }
    bytes.push(value);
  }
  return new Uint8Array(bytes);
}

/** The fields of a message by their numbers; the last one of each number counts. */
export type ReadFields = ReadonlyMap<number, bigint | Uint8Array>;

/** Reads a message; `undefined` if it is malformed. */
export function readMessage(bytes: Uint8Array): ReadFields | undefined {
  const fields = new Map<number, bigint | Uint8Array>();
  let at = 0;
  const varint = (): bigint | undefined => {
    let value = 0n;
    for (let index = 0; index < MAX_VARINT_BYTES; index++) {
      const byte = bytes[at++];
      if (byte === undefined) return undefined;
      value |= BigInt(byte & 127) << BigInt(7 * index);
      if (byte < 128) return BigInt.asUintN(64, value);
    }
    return undefined;
  };
  while (at < bytes.length) {
    const tag = varint();
    if (tag === undefined || tag >> 3n === 0n) return undefined;
    const number = Number(tag >> 3n);
    const wireType = Number(tag & 7n);
    if (wireType === VARINT) {
      const value = varint();
      if (value === undefined) return undefined;
      fields.set(number, value);
      continue;
    }
    const length = wireType === FIXED64
      ? 8
      : wireType === FIXED32
      ? 4
      : wireType === LENGTH_DELIMITED
      ? Number(varint() ?? Infinity)
      : Infinity;
    if (length > bytes.length - at) return undefined;
    fields.set(number, bytes.subarray(at, at + length));
    at += length;
  }
  return fields;
}
