/**
 * TFTP packets (RFC 1350), with options (RFC 2347).
 *
 * @module
 */

/** What the first two octets say (RFC 1350 §5, RFC 2347 §3). */
export const Opcode = {
  ReadRequest: 1,
  WriteRequest: 2,
  Data: 3,
  Acknowledgment: 4,
  Error: 5,
  OptionAcknowledgment: 6,
} as const;

/** Error codes (RFC 1350 appendix, RFC 2347 §4). */
export const ErrorCode = {
  NotDefined: 0,
  FileNotFound: 1,
  AccessViolation: 2,
  DiskFull: 3,
  IllegalOperation: 4,
  UnknownTransferId: 5,
  OptionRefused: 8,
} as const;

/** Bytes of a DATA packet before its data. */
export const DATA_HEADER_SIZE = 4;

/** Bytes of the longest request (RFC 2347 §3). */
export const MAX_REQUEST_SIZE = 512;

/**
 * Bytes read of a client's packet during a transfer: ACK has 4, and of an ERROR
 * the text is the only part of no fixed length.
 */
export const MAX_CLIENT_PACKET_SIZE = 1024;

/** A read or write request. */
export interface Request {
  readonly opcode:
    | typeof Opcode.ReadRequest
    | typeof Opcode.WriteRequest;
  readonly fileName: string;
  readonly mode: "netascii" | "octet";
  /** Options as asked, names in lower case; of two alike the first. */
  readonly options: ReadonlyMap<string, string>;
}

/** The opcode of a packet; `undefined` if it is too short to have one. */
export function opcodeOf(bytes: Uint8Array): number | undefined {
  return bytes.length < 2 ? undefined : bytes[0]! << 8 | bytes[1]!;
}

/**
 * Reads a read or write request; `undefined` if the octets are none: not ended
 * by a zero, an odd number of option strings, or a mode that is neither octet
 * nor netascii.
 */
export function decodeRequest(bytes: Uint8Array): Request | undefined {
  const opcode = opcodeOf(bytes);
  if (opcode !== Opcode.ReadRequest && opcode !== Opcode.WriteRequest) {
    return undefined;
  }
  if (bytes.at(-1) !== 0) return undefined;
  const strings = new TextDecoder("latin1").decode(bytes.subarray(2, -1))
    .split("\0");
  const [fileName, modeText, ...rest] = strings;
  const mode = modeText?.toLowerCase();
  if (
    fileName === undefined || (mode !== "octet" && mode !== "netascii") ||
    rest.length % 2 !== 0
  ) return undefined;
  const options = new Map<string, string>();
  for (let index = 0; index < rest.length; index += 2) {
    const name = rest[index]!.toLowerCase();
    if (!options.has(name)) options.set(name, rest[index + 1]!);
  }
  return { opcode, fileName, mode, options };
}

function joined(opcode: number, ...strings: readonly string[]): Uint8Array {
  const bytes = new TextEncoder().encode(`\0\0${strings.join("\0")}\0`);
  bytes[1] = opcode;
  return bytes;
}

/** A request, as clients send it. */
export function encodeRequest(request: Request): Uint8Array {
  return joined(
    request.opcode,
    request.fileName,
    request.mode,
    ...[...request.options].flat(),
  );
}

/** An OACK; at least one option. */
export function encodeOptionAcknowledgment(
  options: ReadonlyMap<string, string>,
): Uint8Array {
  return joined(Opcode.OptionAcknowledgment, ...[...options].flat());
}

/** An ERROR with a sentence for people. */
export function encodeError(code: number, message: string): Uint8Array {
  const bytes = new TextEncoder().encode(`\0\0\0\0${message}\0`);
  bytes[1] = Opcode.Error;
  bytes[3] = code;
  return bytes;
}

/** The code and the sentence of an ERROR. */
export function decodeError(
  bytes: Uint8Array,
): { code: number; message: string } {
  const text = bytes.subarray(4);
  const end = text.indexOf(0);
  return {
    code: (bytes[2] ?? 0) << 8 | (bytes[3] ?? 0),
    message: new TextDecoder().decode(
      end === -1 ? text : text.subarray(0, end),
    ),
  };
}
