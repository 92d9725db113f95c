/**
 * The path of a TFTP read request: `<mac>/<name>`.
 *
 * @module
 */

import { type Mac, parseMac } from "../net/mac.ts";

/** The file that a request asks for. */
export interface RequestedFile {
  readonly mac: Mac;
  /** The rest of the path; empty if the path is a MAC only. */
  readonly name: string;
}

/**
 * Reads the path of a request, `<mac>/<name>`. Leading slashes are ignored:
 * clients differ in whether they send that of the URL. `undefined` if the first
 * name is not a MAC.
 */
export function parseRequestPath(path: string): RequestedFile | undefined {
  const match = /^\/*([^/]+)(?:\/+(.*))?$/s.exec(path);
  if (match === null) return undefined;
  const [, first, name = ""] = match;
  const mac = parseMac(first!);
  return mac === undefined ? undefined : { mac, name };
}
