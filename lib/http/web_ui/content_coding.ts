/**
 * The content codings that a client accepts (RFC 9110 §12.5.3).
 *
 * @module
 */

/**
 * Whether an Accept-Encoding header allows gzip. Without a header, or with a
 * weight that is no number, it does not: every client can read a file as it is.
 */
export function acceptsGzip(header: string | null): boolean {
  let acceptsOthers = false;
  for (const item of header?.toLowerCase().split(",") ?? []) {
    const [coding, ...parameters] = item.split(";").map((part) => part.trim());
    const weight = parameters.find((text) => text.startsWith("q="))?.slice(2);
    const isAccepted = Number(weight ?? 1) > 0;
    if (coding === "gzip" || coding === "x-gzip") return isAccepted;
    if (coding === "*") acceptsOthers = isAccepted;
  }
  return acceptsOthers;
}
