/**
 * Why a file operation failed, in words.
 *
 * @module
 */

/**
 * The reason of an error of the runtime's file operations, without the operation
 * and the path, with which only some of them end.
 */
export function fileErrorReason(error: unknown): string {
  return (error as Error).message.replace(/: \w+ '.*'$/s, "");
}
