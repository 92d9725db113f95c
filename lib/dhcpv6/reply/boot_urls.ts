/**
 * The boot URLs of kinds of clients, where they are not that of the template.
 *
 * @module
 */

import { IPXE_BUILDS, type IpxeBuild } from "../../boot_files/ipxe_builds.ts";
import type { UrlTemplate } from "./url_template.ts";

/** Kinds that one URL is for, whatever their architecture. */
const SIMPLE_KINDS = ["ipxe", "raspberry-pi", "grub", "loader"] as const;

/** Kinds that each architecture may have a URL of its own for. */
const KINDS_WITH_ARCHITECTURE = ["http", "pxe", "u-boot"] as const;

/** The kind of a boot loader that is neither PXE nor HTTP boot firmware. */
export type LoaderKind = "raspberry-pi" | "u-boot" | "grub" | "loader";

/** The kind of a client that can get a boot URL. */
export type ClientKind = "ipxe" | "http" | "pxe" | LoaderKind;

/** What `--boot-url` names: `http-arm64` is `http` of arm64 only. */
export const BOOT_URL_KINDS: readonly string[] = [
  ...SIMPLE_KINDS,
  ...KINDS_WITH_ARCHITECTURE.flatMap((kind) => [
    kind,
    ...IPXE_BUILDS.map((build) => `${kind}-${build}`),
  ]),
];

/** Templates by what `--boot-url` names. */
export type BootUrls = ReadonlyMap<string, UrlTemplate>;

/**
 * The template for a kind of client.
 *
 * @param builds The processor architectures of its architectures, most preferred
 * first.
 */
export function bootUrlFor(
  urls: BootUrls,
  kind: ClientKind,
  builds: readonly IpxeBuild[],
): UrlTemplate | undefined {
  for (const build of builds) {
    const url = urls.get(`${kind}-${build}`);
    if (url !== undefined) return url;
  }
  return urls.get(kind);
}
