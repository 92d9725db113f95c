/**
 * A certificate and its key in two files, read again when they change.
 *
 * @module
 */

import type { KeyPair } from "./listener.ts";

/** Milliseconds between two looks at the files. */
const POLL_INTERVAL = 1000;

/** Where the files are. */
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

/** The text of a file; why it cannot be read is said with its name. */
async function readFile(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    // The runtime names the path at the end of some of its errors only.
    const reason = (error as Error).message.replace(/: \w+ '.*'$/s, "");
    throw new Error(`${path}: ${reason}`);
  }
}

/** Tells when the content of the files has become another one. */
export class KeyPairWatch {
  readonly #files: KeyPairFiles;
  readonly #use: (keyPair: KeyPair) => void;
  readonly #onRefused: (error: Error) => void;
  #last: KeyPair;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param current What is in use.
   * @param use Takes another pair into use, or throws.
   * @param onRefused Told once about each pair that could not be used.
   */
  constructor(
    files: KeyPairFiles,
    current: KeyPair,
    use: (keyPair: KeyPair) => void,
    onRefused: (error: Error) => void,
  ) {
    this.#files = files;
    this.#last = current;
    this.#use = use;
    this.#onRefused = onRefused;
    this.#plan();
  }

  /** Looks no more. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #plan(): void {
    this.#timer = setTimeout(async () => {
      await this.#refresh();
      if (this.#timer !== undefined) this.#plan();
    }, POLL_INTERVAL);
  }

  async #refresh(): Promise<void> {
    let keyPair: KeyPair;
    try {
      keyPair = await readKeyPair(this.#files);
    } catch {
      return; // Half replaced: the next look sees the rest.
    }
    if (keyPair.cert === this.#last.cert && keyPair.key === this.#last.key) {
      return;
    }
    this.#last = keyPair;
    try {
      this.#use(keyPair);
    } catch (error) {
      this.#onRefused(error as Error);
    }
  }
}
