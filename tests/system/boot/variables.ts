/**
 * What firmware remembers, as a person changes it in the firmware's setup: the
 * file of an edk2 variable store (UEFI PI specification, volume 3).
 *
 * @module
 */

import { decodeHex } from "@std/encoding/hex";

/** Bytes of a variable's header, and the offsets of two fields in it. */
const HEADER = 60;
const STATE = 2;
const DATA_SIZE = 40;

/** Where the header of the store begins: behind that of its flash volume. */
const VOLUME_HEADER_LENGTH = 0x30;
const STORE_HEADER = 28;

const START = 0x55aa;
/** In use, neither deleted nor about to be. */
const ADDED = 0x3f;
const DELETED = 0x3c;

/** `EFI_CERT_X509_GUID`, as it is stored. */
const X509 = decodeHex("a159c0a5e494a74a87b5ab155c2bf072");

/** Bytes of the header of an `EFI_SIGNATURE_LIST`, and of a signature's owner. */
const LIST_HEADER = 28;
const OWNER = 16;

/** A variable in the store; `data` is the store's own memory. */
interface Variable {
  readonly name: string;
  /** Where its header begins. */
  readonly at: number;
  readonly data: Uint8Array;
}

/**
 * Lets the firmware start what is signed with a certificate, besides what it
 * starts already.
 *
 * @param certificate X.509, in DER.
 * @throws {Error} if the firmware has no keys yet.
 */
export async function enroll(
  path: string,
  certificate: Uint8Array,
): Promise<void> {
  const store = await Deno.readFile(path);
  const variables = variablesOf(store);
  const old = variables.find(({ name }) => name === "db");
  if (old === undefined) throw new Error(`no keys are enrolled in ${path}`);
  const list = signatureList(certificate);
  const start = old.data.byteOffset - old.at;
  const last = variables.at(-1)!.data;
  const at = last.byteOffset + last.length + 3 & ~3;
  store.copyWithin(at, old.at, old.at + start + old.data.length);
  store.set(list, at + start + old.data.length);
  new DataView(store.buffer).setUint32(
    at + DATA_SIZE,
    old.data.length + list.length,
    true,
  );
  store[old.at + STATE] = DELETED;
  await Deno.writeFile(path, store);
}

/** An `EFI_SIGNATURE_LIST` (UEFI 32.4.1) of one X.509 certificate, in DER. */
export function signatureList(
  certificate: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const list = new Uint8Array(LIST_HEADER + OWNER + certificate.length);
  const view = new DataView(list.buffer);
  list.set(X509);
  view.setUint32(16, list.length, true);
  view.setUint32(24, OWNER + certificate.length, true);
  list.set(certificate, LIST_HEADER + OWNER);
  return list;
}

/**
 * Moves the boot entries whose descriptions begin like these to the front, in
 * this order.
 *
 * @throws {Error} if the firmware has no such entry.
 */
export async function bootFirst(
  path: string,
  ...descriptions: string[]
): Promise<void> {
  const store = await Deno.readFile(path);
  const variables = variablesOf(store);
  const order = variables.find(({ name }) => name === "BootOrder")?.data;
  const first = descriptions.map((description) =>
    variables.find(({ name, data }) =>
      /^Boot[0-9A-F]{4}$/.test(name) &&
      utf16(data.subarray(6)).startsWith(description)
    )?.name.slice("Boot".length)
  );
  if (order === undefined || first.includes(undefined)) {
    throw new Error(
      `not all of ${descriptions.join(", ")} are among ${
        variables.map(({ name }) => name).join(", ")
      }`,
    );
  }
  const view = new DataView(order.buffer, order.byteOffset, order.byteLength);
  const numbers = new Set(first.map((digits) => parseInt(digits!, 16)));
  for (let at = 0; at < order.length; at += 2) {
    numbers.add(view.getUint16(at, true));
  }
  for (const [index, number] of [...numbers].entries()) {
    view.setUint16(2 * index, number, true);
  }
  await Deno.writeFile(path, store);
}

function variablesOf(store: Uint8Array): Variable[] {
  const view = new DataView(store.buffer, store.byteOffset, store.byteLength);
  const found: Variable[] = [];
  let at = view.getUint16(VOLUME_HEADER_LENGTH, true) + STORE_HEADER;
  while (view.getUint16(at, true) === START) {
    const state = store[at + STATE]!;
    const name = at + HEADER;
    const data = name + view.getUint32(at + 36, true);
    const end = data + view.getUint32(at + DATA_SIZE, true);
    if (state === ADDED) {
      found.push({
        name: utf16(store.subarray(name, data)),
        at,
        data: store.subarray(data, end),
      });
    }
    at = end + 3 & ~3;
  }
  return found;
}

/** The text before the first zero. */
function utf16(bytes: Uint8Array): string {
  return new TextDecoder("utf-16le").decode(bytes).split("\0", 1)[0]!;
}
