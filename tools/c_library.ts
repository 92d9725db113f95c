/**
 * The C library that a program brings along, for systems that have another one.
 *
 * @module
 */

/** Where the program looks for it on such systems, and nowhere else. */
export const LIBRARIES = "/usr/lib/dhcpv6macd";

/** A library file of this machine. */
export interface Library {
  /** By which programs ask for it. */
  readonly name: string;
  readonly path: string;
}

/** The C library or a tool is missing; the message says why. */
export class LibraryError extends Error {
  override name = "LibraryError";
}

/**
 * Makes a program look for its libraries, and for what loads them, in a directory.
 *
 * @throws {LibraryError} if patchelf is missing or fails.
 */
export async function redirect(
  program: string,
  directory: string,
): Promise<void> {
  const interpreter = await text("patchelf", "--print-interpreter", program);
  await text(
    "patchelf",
    ...["--set-interpreter", `${directory}/${interpreter.replace(/.*\//, "")}`],
    ...["--set-rpath", directory],
    program,
  );
}

/**
 * The libraries of a program, as this machine has them.
 *
 * @throws {LibraryError} if one is missing.
 */
export async function librariesOf(program: string): Promise<Library[]> {
  const names = (await text("patchelf", "--print-needed", program)).split("\n");
  const cache = await text("/sbin/ldconfig", "--print-cache");
  return names.map((name) => {
    const path = cache.split("\n")
      .find((line) => line.trim().startsWith(`${name} (libc6,`))
      ?.split(" => ")[1];
    if (path === undefined) {
      throw new LibraryError(`${name} is missing on this machine`);
    }
    return { name, path };
  });
}

async function text(command: string, ...args: string[]): Promise<string> {
  try {
    const { success, stdout, stderr } = await new Deno.Command(command, {
      args,
    })
      .output();
    const decoder = new TextDecoder();
    if (success) return decoder.decode(stdout).trim();
    throw new Error(decoder.decode(stderr).trim());
  } catch (error) {
    throw new LibraryError(`${command}: ${(error as Error).message}`);
  }
}
