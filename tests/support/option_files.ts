/** The files of options as they are now, without waiting for a file system. */

import type { OptionFiles } from "../../lib/cli/option_files.ts";
import { fileErrorReason } from "../../lib/net/file_error.ts";

export const presentFiles: OptionFiles = {
  info(path) {
    try {
      return Deno.statSync(path);
    } catch {
      return undefined;
    }
  },
  isAbsent(path) {
    try {
      Deno.statSync(path);
      return false;
    } catch (error) {
      return error instanceof Deno.errors.NotFound;
    }
  },
  text(path) {
    try {
      return Deno.readTextFileSync(path);
    } catch (error) {
      throw new Error(`cannot read ${path}: ${fileErrorReason(error)}`);
    }
  },
};
