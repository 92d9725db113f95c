/**
 * What a thread for files is asked, and what it answers.
 *
 * @module
 */

/** What each kind of request asks for. */
interface Parameters {
  open: {
    readonly path: string;
    /** The mount that the path led to just now. */
    readonly mountId: number;
  };
  look: { readonly path: string };
  read: {
    /** Of the first byte, counted from 0. */
    readonly position: number;
    readonly length: number;
  };
  stat: unknown;
  close: unknown;
}

/** What each kind of request results in. */
export interface FileResults {
  open: { readonly info: Deno.FileInfo; readonly path: string };
  look: Deno.FileInfo;
  /** `undefined` at the end of the file. */
  read: Uint8Array<ArrayBuffer> | undefined;
  stat: Deno.FileInfo;
  close: undefined;
}

/** The kinds of requests. */
export type FileOperation = keyof FileResults;

/** A request. */
export type FileRequest<Kind extends FileOperation = FileOperation> =
  Kind extends FileOperation ? {
      readonly kind: Kind;
      /** Of the request. */
      readonly id: number;
      /** Of the file; that of a new one for `open`. */
      readonly file: number;
    } & Parameters[Kind]
    : never;

/** The result of a request, or why there is none. */
export type FileReply =
  & { readonly id: number }
  & (
    | { readonly result: FileResults[FileOperation] }
    | { readonly failure: Failure }
  );

/** An error in another thread. */
export interface Failure {
  readonly name: string;
  /** Of POSIX, if it has one. */
  readonly code?: string;
  readonly message: string;
  /** Whether the path leads to no regular file. */
  readonly isNotRegular: boolean;
  /** The mount that the path leads to; `undefined` if it is that of the thread. */
  readonly mountId?: number;
}
