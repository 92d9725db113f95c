/**
 * Which paths machines boot from, by the template of boot URLs.
 *
 * @module
 */

import {
  renderTemplate,
  type UrlTemplate,
} from "../dhcpv6/reply/url_template.ts";
import { formatMac, type Mac } from "../net/mac.ts";

/** Stands for any value: a private-use character, which no value contains. */
const ANY = "\uE000";

/** Characters of the longest path that is compared; firmware's URLs are shorter. */
const MAX_PATH = 2048;

/**
 * Whether boot instructions lead to a path, with percent escapes decoded.
 *
 * @param mac The machine's MAC; `undefined`: of any machine.
 */
export type IsBootPath = (path: string, mac: Mac | undefined) => boolean;

/**
 * A function that tells whether a template's URL for a machine has a path, with
 * percent escapes decoded. Only the MAC decides, as other values differ from
 * message to message. Without a MAC, the URL of any machine may have it.
 */
export function bootPathsOf(templates: readonly UrlTemplate[]): IsBootPath {
  return (path, mac) =>
    templates.some((template) => leadsTo(template, path, mac));
}

function leadsTo(
  template: UrlTemplate,
  path: string,
  mac: Mac | undefined,
): boolean {
  const url = renderTemplate(template, {
    MAC: mac === undefined ? ANY : formatMac(mac),
    BaseAddress: ANY,
    BootAddress: ANY,
    Payload: ANY,
  });
  const escaped = /^[a-z]+:\/\/[^/?#]*([^?#]*)/.exec(url)?.[1];
  // With two fields, the time grows with the square of the path's length.
  return escaped !== undefined && path.length <= MAX_PATH &&
    patternOf(escaped).test(path);
}

function patternOf(escaped: string): RegExp {
  let path = escaped;
  try {
    path = decodeURIComponent(escaped);
  } catch {
    // The operator's template has a lone percent sign: firmware sends it so.
  }
  const literals = path.split(ANY).map((literal) =>
    literal.replace(/[\\^$.*+?()[\]{}|\/]/g, "\\$&")
  );
  return new RegExp(`^${literals.join(".+")}$`, "s");
}
