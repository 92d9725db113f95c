/** The files of options as they are now, without waiting for a file system. */

import { type OptionFiles, statusOfError } from "../../lib/cli/option_files.ts";
import { fileErrorReason } from "../../lib/net/file_error.ts";

export const presentFiles: OptionFiles = {
  status(path) {
    try {
      return Deno.statSync(path);
    } catch (error) {
      return statusOfError(error);
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
