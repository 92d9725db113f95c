/**
 * The iPXE builds, one for each processor architecture, and the shims that load
 * them under UEFI Secure Boot.
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

/** The architectures that shims are signed for. */
export const SHIM_BUILDS = ["x86-64", "arm64"] as const;

/** One of them. */
export type ShimBuild = typeof SHIM_BUILDS[number];

/** The UEFI suffixes of these architectures. */
const SHIM_SUFFIXES: Record<ShimBuild, string> = {
  "x86-64": "x64",
  "arm64": "aa64",
};

/**
 * The file name of a shim in the boot file URL that firmware gets. iPXE's own shim
 * loads what is called like itself without `-shim` and what follows, which is
 * {@linkcode ipxeFileName}.
 */
export function shimFileName(build: ShimBuild): string {
  const ipxe = ipxeFileName(build).replace(/\.efi$/, "");
  return `${ipxe}-shim${SHIM_SUFFIXES[build]}.efi`;
}

/** The shim that a file name means; `undefined` if it is another one's name. */
export function shimNamed(name: string): ShimBuild | undefined {
  return SHIM_BUILDS.find((build) =>
    name.endsWith(`shim${SHIM_SUFFIXES[build]}.efi`)
  );
}
