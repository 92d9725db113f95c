/**
 * Single files out of Debian's archive, from the mirror that this machine's own
 * apt is set up with.
 *
 * @module
 */

import { encodeHex } from "@std/encoding/hex";

/** A package in Debian's archive, at one version for good. */
export interface ArchivedPackage {
  /** Below the mirror's root. */
  readonly path: string;
  /** Of the package, in hexadecimal. */
  readonly sha256: string;
}

/** A busybox that has udhcpc6 and needs no library. */
export const BUSYBOX: ArchivedPackage = {
  path: "pool/main/b/busybox/busybox-static_1.37.0-6+b9_amd64.deb",
  sha256: "598a3fd92bdafc34cd81196b2952ad36e910e47a4ecf162f8ce5e8e262598e53",
};

/** A database that takes metrics over OTLP. Debian's Prometheus does not. */
export const VICTORIA_METRICS: ArchivedPackage = {
  path: "pool/main/v/victoriametrics/victoria-metrics_1.112.0+ds1-2_amd64.deb",
  sha256: "1d3717f1a8ab5bf690271095dd286730f6fb0761cc8c09c0fc8f529c9838f346",
};

/** Firmware of machines with riscv64. Debian 12 has none. */
export const RISCV64_FIRMWARE: ArchivedPackage = {
  path: "pool/main/e/edk2/qemu-efi-riscv64_2025.02-8+deb13u1_all.deb",
  sha256: "bda367c8e798ba5e5b7c650f06e350750a35f6764b6715449edc72848ba1f997",
};

/** Firmware of machines with x86-64 that resumes downloads. Debian 12's does not. */
export const X86_64_FIRMWARE: ArchivedPackage = {
  path: "pool/main/e/edk2/ovmf_2025.02-8+deb13u1_all.deb",
  sha256: "78e0d54df11fc77406cb7a0bc9a39e5bca6d1cbe06556b91d9a73491c52decdf",
};

/** Milliseconds within which a mirror has to deliver a package. */
const DOWNLOAD_TIMEOUT = 120_000;

/** A package is not available; the message says why. */
export class ArchiveError extends Error {
  override name = "ArchiveError";
}

/**
 * Downloads a package, checks it, and unpacks it into `directory`.
 *
 * @throws {ArchiveError} if there is no mirror, no answer, or another package
 * than expected.
 */
export async function unpackFromArchive(
  { path, sha256 }: ArchivedPackage,
  directory: string,
): Promise<void> {
  const bytes = await download(path);
  const digest = encodeHex(await crypto.subtle.digest("SHA-256", bytes));
  if (digest !== sha256) {
    throw new ArchiveError(`${path} has the SHA-256 ${digest}, not ${sha256}`);
  }
  const file = await Deno.makeTempFile({ suffix: ".deb" });
  try {
    await Deno.writeFile(file, bytes);
    await output("dpkg-deb", "--extract", file, directory);
  } finally {
    await Deno.remove(file);
  }
}

async function download(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const problems: string[] = [];
  for (const mirror of await mirrors()) {
    const url = `${mirror.replace(/\/$/, "")}/${path}`;
    try {
      const signal = AbortSignal.timeout(DOWNLOAD_TIMEOUT);
      const response = await fetch(url, { signal });
      if (response.ok) return await response.bytes();
      await response.body?.cancel();
      problems.push(`${url}: status ${response.status}`);
    } catch (error) {
      problems.push(`${url}: ${(error as Error).message}`);
    }
  }
  throw new ArchiveError(
    problems.length === 0
      ? "apt names no mirror of Debian's archive on this machine"
      : problems.join("; "),
  );
}

/** The archive's roots in apt's own configuration. */
async function mirrors(): Promise<string[]> {
  const text = await output(
    "apt-get",
    "indextargets",
    "--format",
    "$(SITE)",
    "Created-By: Packages",
  );
  // Before the first `apt-get update` apt does not know whose they are.
  const sites = [...new Set(text.split("\n"))].filter((line) =>
    /^https?:.*debian/.test(line) && !line.includes("security")
  );
  return sites.toSorted((a, b) => a.length - b.length);
}

async function output(program: string, ...args: string[]): Promise<string> {
  try {
    const { success, stdout, stderr } = await new Deno.Command(program, {
      args,
      stdin: "null",
    }).output();
    if (success) return new TextDecoder().decode(stdout);
    throw new ArchiveError(
      `${program}: ${new TextDecoder().decode(stderr).trim()}`,
    );
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new ArchiveError(`${program} is not on this machine`);
    }
    throw error;
  }
}
