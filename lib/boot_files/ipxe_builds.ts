/**
 * The iPXE builds that can be compiled in.
 *
 * @module
 */

/** The builds, by the name of their processor. */
export const IPXE_BUILDS = ["x86-64", "arm64", "riscv64", "loong64"] as const;

/** An iPXE build. */
export type IpxeBuild = typeof IPXE_BUILDS[number];

/** The file name under which firmware is told to fetch a build. */
export function ipxeFileName(build: IpxeBuild): string {
  return build === "x86-64" ? "ipxe.efi" : `ipxe-${build}.efi`;
}
