/**
 * Reads a certificate and its key from files, again when the files change.
 *
 * @module
 */

import { settledVersion } from "../boot_files/file_version.ts";
import { fileWork } from "../files/file_work.ts";
import { readText } from "../files/read_file.ts";
import { fileErrorReason } from "../net/file_error.ts";
import { MAX_PEM_FILE } from "../overload/limits.ts";

/** Milliseconds between two looks at the files. */
const POLL_INTERVAL = 1000;

/** Milliseconds without a change after which unchanged files are not read. */
const SETTLING_TIME = 2500;

/** A certificate chain and its key, in PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** The paths of the two files. */
export interface KeyPairFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/**
 * Reads both files.
 *
 * @throws {Error} if one cannot be read.
 */
export async function readKeyPair(files: KeyPairFiles): Promise<KeyPair> {
  const [cert, key] = await Promise.all([
    readFile(files.certFile),
    readFile(files.keyFile),
  ]);
  return { cert, key };
}

/**
 * The text of a file.
 *
 * @throws {Error} with the path and the reason.
 */
async function readFile(path: string): Promise<string> {
  try {
    const read = () => readText(path, MAX_PEM_FILE);
    return await fileWork.runUnlimited(path, read);
  } catch (error) {
    throw new Error(`${path}: ${fileErrorReason(error)}`);
  }
}

/** Which files a {@linkcode TlsReload} reads, and what it does with them. */
export interface TlsReloadOptions {
  readonly files: KeyPairFiles;
  /** Certificate and key in use now. */
  readonly current: KeyPair;
  /** Takes another pair into use, or throws. */
  readonly replace: (keyPair: KeyPair) => void;
  /**
   * Called once for each pair that `replace` threw for, and once while files cannot
   * be read.
   */
  readonly onRefused: (error: Error) => void;
}

/** Looks in a row without one of the files, after which it is no replacement. */
const FAILURES_REPORTED = 10;

/** Replaces certificate and key when the content of their files changes. */
export class TlsReload {
  readonly #options: TlsReloadOptions;
  /** Those last read, in use or refused. */
  #last: KeyPair;
  /** The version of the files that were read last; `undefined`: read again. */
  #version: string | undefined;
  /** Looks in a row at which one of the files could not be read. */
  #failures = 0;
  /** The only read in flight. */
  #reading: Promise<KeyPair> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: TlsReloadOptions) {
    this.#options = options;
    this.#last = options.current;
  }

  /** Begins to look at the files, once a second, and reads them when they change. */
  start(): void {
    this.#timer ??= setTimeout(async () => {
      await this.#refresh();
      if (this.#timer === undefined) return;
      this.#timer = undefined;
      this.start();
    }, POLL_INTERVAL);
  }

  /** Reads the files now. Files that cannot be read count as refused. */
  async reload(): Promise<void> {
    let keyPair: KeyPair;
    try {
      keyPair = await this.#read();
    } catch (error) {
      return this.#options.onRefused(error as Error);
    }
    this.#use(keyPair);
  }

  /** Ends reading the files. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #refresh(): Promise<void> {
    const { certFile, keyFile } = this.#options.files;
    try {
      const version = await fileWork.runUnlimited(
        certFile,
        async () =>
          settledVersion(
            [await Deno.stat(certFile), await Deno.stat(keyFile)],
            SETTLING_TIME,
          ),
      );
      if (version === undefined || version !== this.#version) {
        this.#use(await this.#read());
        this.#version = version;
      }
      this.#failures = 0;
    } catch (error) {
      // One of them is being replaced: the next read gets both. Or it is gone.
      if (++this.#failures === FAILURES_REPORTED) {
        this.#options.onRefused(error as Error);
      }
    }
  }

  /** A read that does not end occupies two threads of the runtime, not more. */
  #read(): Promise<KeyPair> {
    return this.#reading ??= readKeyPair(this.#options.files).finally(() =>
      this.#reading = undefined
    );
  }

  #use(keyPair: KeyPair): void {
    const { replace, onRefused } = this.#options;
    const { cert, key } = this.#last;
    if (keyPair.cert === cert && keyPair.key === key) return;
    this.#last = keyPair;
    try {
      replace(keyPair);
    } catch (error) {
      onRefused(error as Error);
    }
  }
}
