/**
 * Host names of machines, made of the names that people give them.
 *
 * @module
 */

/** Characters of a label (RFC 1035 section 2.3.4). */
const MAX_LABEL = 63;

/** Characters of a name as text without its final dot. */
const MAX_NAME = 253;

/**
 * The host name of a machine, in lower case and without a final dot: other
 * characters than letters, digits, hyphens and dots become hyphens, and other
 * letters than a to z what IDNA makes of them (RFC 5890). A name that ends with a
 * dot or with the domain is complete; the domain follows others.
 *
 * @param domain In lower case, without a final dot.
 * @returns `undefined` if the name makes no host name.
 */
export function hostNameFor(
  name: string,
  domain?: string,
): string | undefined {
  const text = name.trim().normalize("NFC").toLowerCase();
  const labels = text.replace(/\.$/, "").split(".").map(labelOf);
  if (labels.includes(undefined)) return undefined;
  const host = labels.join(".");
  const isComplete = text.endsWith(".") || domain === undefined ||
    isInDomain(host, domain);
  const full = isComplete ? host : `${host}.${domain}`;
  // Resolvers take a name whose last label is a number for an IPv4 address.
  return full.length > MAX_NAME || /(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)$/.test(full)
    ? undefined
    : full;
}

/**
 * Whether a host name is in a domain, or the domain itself.
 *
 * @param host In lower case, without a final dot; the domain likewise.
 */
export function isInDomain(host: string, domain: string): boolean {
  return host === domain || host.endsWith(`.${domain}`);
}

function labelOf(text: string): string | undefined {
  const label = text
    // Of ASCII, without the letters and digits.
    // deno-lint-ignore no-control-regex
    .replace(/[\x00-\x2f\x3a-\x60\x7b-\x7f]+/g, "-")
    .replace(/^-+|-+$/g, "");
  const ascii = /^[a-z0-9-]*$/.test(label) ? label : idnaOf(label);
  return ascii === undefined || ascii === "" || ascii.length > MAX_LABEL
    ? undefined
    : ascii;
}

function idnaOf(label: string): string | undefined {
  const url = `http://${label}/`;
  if (!URL.canParse(url)) return undefined;
  const { hostname } = new URL(url);
  return /^[a-z0-9-]+$/.test(hostname) ? hostname : undefined;
}
