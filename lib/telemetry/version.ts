/**
 * What this program calls itself.
 *
 * @module
 */

import manifest from "../../deno.json" with { type: "json" };
import { COMMIT } from "./commit.ts";

/** The version, as deno.json has it. */
export const VERSION: string = manifest.version;

/** The version, with its commit where that is known: `0.2.0 (5d41402abc4b)`. */
export const FULL_VERSION: string = COMMIT === undefined
  ? VERSION
  : `${VERSION} (${COMMIT})`;
