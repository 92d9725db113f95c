/**
 * The path of a TFTP read request: `<mac>/<name>`, or the name alone.
 *
 * @module
 */

import { type Mac, NO_MAC, parseMac } from "../net/mac.ts";

/** The file that a request asks for. */
export interface RequestedFile {
  /** The machine whose file it is. */
  readonly mac: Mac;
  /** The path below the machine's directory; may be empty. */
  readonly name: string;
}

/**
 * A MAC as boot URLs have it, and a name right behind it: shim 16 takes the
 * directory of its own URL without the slash at its end.
 */
const JOINED = /^((?:[0-9a-f]{2}:){5}[0-9a-f]{2})([a-z].*)$/is;

/**
 * Reads the path of a request. Leading slashes are ignored: clients differ in
 * whether they send that of the URL.
 *
 * @param ownMac The MAC that the client's address tells, or `NO_MAC`: the machine
 * whose file is meant if the first name is no MAC.
 * @returns `undefined` if neither tells a MAC.
 */
export function parseRequestPath(
  path: string,
  ownMac: Mac = NO_MAC,
): RequestedFile | undefined {
  const [, whole, first, name = ""] = /^\/*(([^/]*)(?:\/+(.*))?)$/s.exec(path)!;
  const mac = parseMac(first!);
  if (mac !== undefined) return { mac, name };
  const [, joinedMac, joinedName] = JOINED.exec(whole!) ?? [];
  if (joinedMac !== undefined) {
    return { mac: parseMac(joinedMac)!, name: joinedName! };
  }
  return ownMac === NO_MAC || whole === ""
    ? undefined
    : { mac: ownMac, name: whole! };
}
