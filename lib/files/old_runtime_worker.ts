/**
 * The thread in which {@linkcode openWithOldRuntime} opens files that may make it
 * wait.
 *
 * @module
 */

import {
  openDescriptor,
  type OpenReply,
  type OpenRequest,
} from "./old_runtime_descriptor.ts";
import { NotRegularFileError } from "./opened_file.ts";

/** A worker's global object, as far as it is used. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<OpenRequest>) => void) | null;
  postMessage(reply: OpenReply): void;
}

const scope = self as unknown as WorkerScope;
const closeById = new Map<number, () => void>();

scope.onmessage = ({ data: { id, path } }) => {
  if (path === undefined) {
    closeById.get(id)?.();
    closeById.delete(id);
    return;
  }
  try {
    const [descriptor, close] = openDescriptor(path);
    closeById.set(id, close);
    scope.postMessage({ id, descriptor });
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    const isNotRegular = error instanceof NotRegularFileError;
    scope.postMessage({ id, code, message, isNotRegular });
  }
};
