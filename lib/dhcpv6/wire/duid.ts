/**
 * DHCP Unique Identifiers (RFC 8415 §11).
 *
 * @module
 */

import { type Mac, NO_MAC, readMac, writeMac } from "../../net/mac.ts";
import {
  DuidType,
  HARDWARE_TYPE_ETHERNET,
  MAX_DUID,
  MIN_DUID,
} from "./constants.ts";
import { readUint16 } from "./packet.ts";

/** Bytes of a DUID-LL with an Ethernet address: type, hardware type, MAC. */
const DUID_LL_LENGTH = 10;

/** Bytes of a DUID-LLT with an Ethernet address: 4 of time precede the MAC. */
const DUID_LLT_LENGTH = 14;

/**
 * The MAC in the DUID-LLT or DUID-LL from `start` to `end` (exclusive);
 * {@linkcode NO_MAC} for every other DUID.
 */
export function macOfDuid(bytes: Uint8Array, start: number, end: number): Mac {
  const length = end - start;
  if (length < DUID_LL_LENGTH) return NO_MAC;
  if (readUint16(bytes, start + 2) !== HARDWARE_TYPE_ETHERNET) return NO_MAC;
  const type = readUint16(bytes, start);
  if (type === DuidType.LinkLayer && length === DUID_LL_LENGTH) {
    return readMac(bytes, start + 4);
  }
  if (type === DuidType.LinkLayerTime && length === DUID_LLT_LENGTH) {
    return readMac(bytes, start + 8);
  }
  return NO_MAC;
}

/** The DUID-LL (RFC 8415 §11.4) of an Ethernet interface. */
export function linkLayerDuid(mac: Mac): Uint8Array {
  const duid = new Uint8Array(DUID_LL_LENGTH);
  duid[1] = DuidType.LinkLayer;
  duid[3] = HARDWARE_TYPE_ETHERNET;
  writeMac(duid, 4, mac);
  return duid;
}

const DUID_NOTATIONS = [
  /^([0-9a-f]{2})+$/i,
  /^[0-9a-f]{1,2}(:[0-9a-f]{1,2})*$/i,
  /^[0-9a-f]{1,2}(-[0-9a-f]{1,2})*$/i,
];

/**
 * Parses a DUID: hexadecimal digits, also with a colon or dash between bytes.
 * `undefined` if it is none, or does not have 3 to 130 bytes (RFC 8415 §11.1).
 */
export function parseDuid(text: string): Uint8Array | undefined {
  if (!DUID_NOTATIONS.some((notation) => notation.test(text))) {
    return undefined;
  }
  const bytes = text.match(/[0-9a-f]{1,2}/gi)!;
  return bytes.length < MIN_DUID || bytes.length > MAX_DUID
    ? undefined
    : Uint8Array.from(bytes, (digits) => parseInt(digits, 16));
}
