/**
 * What this program calls itself.
 *
 * @module
 */

import manifest from "../deno.json" with { type: "json" };

/** The version, as deno.json has it. */
export const VERSION: string = manifest.version;
