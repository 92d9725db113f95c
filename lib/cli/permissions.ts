/**
 * What the program may do after it has started.
 *
 * @module
 */

/**
 * What no part of the program does. The runtime refuses files in `/proc` and
 * `/dev`, too, once one of these is gone.
 */
const UNUSED = ["write", "run", "ffi", "env", "import"] as const;

/**
 * Gives up all permissions but those to read files, use the network and read
 * system information, for the rest of the process. The program is started with
 * all of them, because that is the only way to open a file in `/proc`; of system
 * information it needs the interfaces only, but the runtime revokes all of it or
 * nothing.
 */
export function dropPermissions(): void {
  for (const name of UNUSED) Deno.permissions.revokeSync({ name });
}
