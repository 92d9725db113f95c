/**
 * The thread in which files on a file system that may not answer are opened,
 * read and closed.
 *
 * @module
 */

import { closeSync, readSync } from "node:fs";
import { type Descriptor, openDescriptor } from "./descriptors.ts";
import type {
  Failure,
  FileReply,
  FileRequest,
  FileResults,
} from "./file_requests.ts";
import { mountOf, readMounts } from "./mounts.ts";
import { NotRegularFileError } from "./opened_file.ts";

/** A path leads to another mount than that of this thread, which may not answer. */
class OtherMountError extends Error {
  constructor(readonly mountId: number) {
    super("it leads to another file system");
  }
}

/** A worker's global object, as far as it is used. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<FileRequest>) => void) | null;
  postMessage(reply: FileReply, transfer?: Transferable[]): void;
}

const scope = self as unknown as WorkerScope;
const files = new Map<number, Descriptor>();

scope.onmessage = ({ data }) => {
  try {
    const result = perform(data);
    scope.postMessage(
      { id: data.id, result },
      result instanceof Uint8Array ? [result.buffer] : [],
    );
  } catch (error) {
    scope.postMessage({ id: data.id, failure: failureOf(error as Error) });
  }
};

function perform(request: FileRequest): FileResults[keyof FileResults] {
  switch (request.kind) {
    case "open":
      return open(request);
    case "look":
      return Deno.statSync(request.path);
    case "read":
      return read(request);
    case "stat":
      return Deno.statSync(files.get(request.file)!.link);
    case "close":
      return close(request);
  }
}

function open({ file, path, mountId }: FileRequest<"open">) {
  const mounts = readMounts();
  const mount = mounts.find(({ id }) => id === mountId);
  if (mount === undefined) {
    throw new Deno.errors.NotFound(`${path}: it is no longer mounted`);
  }
  const found = mountOf(Deno.realPathSync(path), mounts);
  if (found !== undefined && !found.isLocal && found.id !== mountId) {
    throw new OtherMountError(found.id);
  }
  // Opening a device may have an effect on it.
  if (!Deno.statSync(path).isFile) throw new NotRegularFileError();
  const descriptor = openDescriptor(path, mount, mounts);
  files.set(file, descriptor);
  return { info: descriptor.info, path: descriptor.path };
}

function read({ file, position, length }: FileRequest<"read">) {
  const buffer = new Uint8Array(length);
  const { number } = files.get(file)!;
  const count = readSync(number, buffer, 0, length, position);
  return count === 0 ? undefined : buffer.subarray(0, count);
}

function close({ file }: FileRequest<"close">): undefined {
  const descriptor = files.get(file);
  files.delete(file);
  if (descriptor !== undefined) closeSync(descriptor.number);
}

function failureOf(error: Error & { code?: string }): Failure {
  const { name, code, message } = error;
  const isNotRegular = error instanceof NotRegularFileError;
  const mountId = error instanceof OtherMountError ? error.mountId : undefined;
  return { name, code, message, isNotRegular, mountId };
}
