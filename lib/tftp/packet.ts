/**
 * TFTP packets (RFC 1350), with options (RFC 2347).
 *
 * @module
 */

/** The first 2 bytes of a packet (RFC 1350 §5, RFC 2347 §3). */
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
 * Bytes read of a client's packet during a transfer. An ACK has 4, and the message
 * of a longer ERROR is cut off.
 */
export const MAX_CLIENT_PACKET_SIZE = 1024;

/** A read or write request. */
export interface Request {
  readonly opcode:
    | typeof Opcode.ReadRequest
    | typeof Opcode.WriteRequest;
  readonly fileName: string;
  readonly mode: "netascii" | "octet";
  /** The requested options, names in lower case; the first of equal names. */
  readonly options: ReadonlyMap<string, string>;
}

/** The opcode of a packet; `undefined` if it is too short to have one. */
export function opcodeOf(bytes: Uint8Array): number | undefined {
  return bytes.length < 2 ? undefined : bytes[0]! << 8 | bytes[1]!;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const latin1 = new TextDecoder("latin1");

/** The text of bytes that are UTF-8, as names of files are, else of single bytes. */
function decodeText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    return latin1.decode(bytes);
  }
}

/**
 * Decodes a read or write request. `undefined` for any other packet, for one that
 * does not end with a zero byte, for an odd number of option strings, and for a
 * mode other than octet and netascii.
 */
export function decodeRequest(bytes: Uint8Array): Request | undefined {
  const opcode = opcodeOf(bytes);
  if (opcode !== Opcode.ReadRequest && opcode !== Opcode.WriteRequest) {
    return undefined;
  }
  if (bytes.at(-1) !== 0) return undefined;
  const strings = decodeText(bytes.subarray(2, -1)).split("\0");
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

function encodeStrings(
  opcode: number,
  ...strings: readonly string[]
): Uint8Array {
  const bytes = new TextEncoder().encode(`\0\0${strings.join("\0")}\0`);
  bytes[1] = opcode;
  return bytes;
}

/** Encodes a request. */
export function encodeRequest(request: Request): Uint8Array {
  return encodeStrings(
    request.opcode,
    request.fileName,
    request.mode,
    ...[...request.options].flat(),
  );
}

/** Encodes an OACK. @param options At least one. */
export function encodeOptionAcknowledgment(
  options: ReadonlyMap<string, string>,
): Uint8Array {
  return encodeStrings(Opcode.OptionAcknowledgment, ...[...options].flat());
}

/** Encodes an ERROR. @param code See {@linkcode ErrorCode}. */
export function encodeError(code: number, message: string): Uint8Array {
  const bytes = new TextEncoder().encode(`\0\0\0\0${message}\0`);
  bytes[1] = Opcode.Error;
  bytes[3] = code;
  return bytes;
}

/** The code and the message of an ERROR, which may be cut off. */
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
