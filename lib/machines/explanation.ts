/**
 * The boot instructions of a machine, and the reasons for them, in JSON. The page imports the types of
 * this file, so that it must not depend on Deno.
 *
 * @module
 */

import type { EventJson } from "./json.ts";

/** An address of the machine. */
export interface ExplainedAddress {
  readonly base_address: string;
  readonly address: string;
}

/** The file that a boot URL means. */
export interface ExplainedFile {
  /** Its path on the daemon's host, or what it is if it is compiled in. */
  readonly path: string;
  /** Its length in bytes; `null` if it cannot be read. */
  readonly bytes: number | null;
  /** Why it is not served; `null` if it is. */
  readonly problem: string | null;
}

/** The boot instruction of a kind of client. */
export interface ExplainedClient {
  /** Such as `pxe-x86-64`. */
  readonly kind: string;
  /** The same in words. */
  readonly client: string;
  /** The boot URL; `null` if it gets none. */
  readonly url: string | null;
  /** The option that the URL comes from, or why there is none. */
  readonly rule: string;
  /** `null` if the URL leads to another server, or there is no single file. */
  readonly file: ExplainedFile | null;
}

/** A machine's addresses and boot instructions now, and the reasons for them. */
export interface ExplanationJson {
  readonly mac: string;
  readonly name: string | null;
  readonly addresses: readonly ExplainedAddress[];
  readonly boot_policy: string;
  /** Whether it gets boot URLs now, as far as the policy decides. */
  readonly may_boot: boolean;
  readonly clients: readonly ExplainedClient[];
  /** What the machine asked, got or did last; `null` if it is not known. */
  readonly last_event: EventJson | null;
  /** When it was last heard: RFC 3339, UTC; `null` if it is not known. */
  readonly last_heard: string | null;
  /** What keeps it from its address or its files, each one sentence. */
  readonly problems: readonly string[];
}
