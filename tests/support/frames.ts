/**
 * Ethernet frames of UDP over IPv6, from any address. No socket of the runtime
 * sends frames, nor from other addresses than its own.
 *
 * @module
 */

import { parseIpv6 } from "../../lib/net/ipv6.ts";

const AF_PACKET = 17;
const SOCK_RAW = 3;

/** Where the headers begin, and the payload. */
export const IP_AT = 14;
export const UDP_AT = IP_AT + 40;
export const PAYLOAD_AT = UDP_AT + 8;

/** Sends frames into a link. */
export class FrameSender {
  readonly #libc = Deno.dlopen("libc.so.6", {
    socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
    bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
    send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
    if_nametoindex: { parameters: ["buffer"], result: "u32" },
  }).symbols;
  readonly #socket: number;

  /** @throws {Error} if there is no such interface, or it may not be used. */
  constructor(interfaceName: string) {
    const name = new TextEncoder().encode(`${interfaceName}\0`);
    const address = new Uint8Array(20); // struct sockaddr_ll
    const view = new DataView(address.buffer);
    view.setUint16(0, AF_PACKET, true);
    view.setUint32(4, this.#libc.if_nametoindex(name), true);
    this.#socket = this.#libc.socket(AF_PACKET, SOCK_RAW, 0);
    if (this.#libc.bind(this.#socket, address, address.length) !== 0) {
      throw new Error(`${interfaceName} cannot be sent to`);
    }
  }

  /** Sends a frame; whether the link has taken it. */
  send(frame: Uint8Array<ArrayBuffer>): boolean {
    return this.#libc.send(this.#socket, frame, BigInt(frame.length), 0) > 0;
  }
}

/** A frame's addresses and ports; `mac`: whom it goes to. */
export interface FrameHeaders {
  readonly mac: Uint8Array;
  readonly from: string;
  readonly fromPort: number;
  readonly to: string;
  readonly toPort: number;
}

/** A frame around a payload, but for its sender's MAC and checksum. */
export function frameOf(
  { mac, from, fromPort, to, toPort }: FrameHeaders,
  payload: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(PAYLOAD_AT + payload.length);
  const view = new DataView(frame.buffer);
  frame.set(mac);
  view.setUint16(12, 0x86dd);
  view.setUint8(IP_AT, 0x60);
  view.setUint16(IP_AT + 4, 8 + payload.length);
  view.setUint8(IP_AT + 6, 17); // UDP
  view.setUint8(IP_AT + 7, 64); // hop limit
  frame.set(parseIpv6(from)!, IP_AT + 8);
  frame.set(parseIpv6(to)!, IP_AT + 24);
  view.setUint16(UDP_AT, fromPort);
  view.setUint16(UDP_AT + 2, toPort);
  view.setUint16(UDP_AT + 4, 8 + payload.length);
  frame.set(payload, PAYLOAD_AT);
  return frame;
}

/** Writes the checksum of UDP over IPv6 (RFC 8200 §8.1). */
export function seal(frame: Uint8Array<ArrayBuffer>): void {
  const view = new DataView(frame.buffer);
  view.setUint16(UDP_AT + 6, 0);
  let sum = 17 + frame.length - UDP_AT;
  for (let at = IP_AT + 8; at < frame.length; at += 2) {
    sum += frame[at]! << 8 | (frame[at + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(UDP_AT + 6, ~sum & 0xffff || 0xffff);
}
