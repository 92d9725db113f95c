/**
 * The iPXE builds, one for each processor architecture.
 *
 * @module
 */

/** The builds, by the name of their architecture. */
export const IPXE_BUILDS = ["x86-64", "arm64", "riscv64", "loong64"] as const;

/** The name of a build. */
export type IpxeBuild = typeof IPXE_BUILDS[number];

/** The file name of a build in the boot file URL that firmware gets. */
export function ipxeFileName(build: IpxeBuild): string {
  return build === "x86-64" ? "ipxe.efi" : `ipxe-${build}.efi`;
}
