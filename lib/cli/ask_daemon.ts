/**
 * Asks a running daemon for what its API says.
 *
 * @module
 */

import { escapeControls } from "../../assets/shared/escape_controls.js";
import { readBoundedText } from "../net/bounded_body.ts";
import { fetchErrorReason } from "../net/fetch_error.ts";
import { TrustingFetch } from "../net/trusting_fetch.ts";
import { DaemonUrlError, parseDaemonUrl } from "../watch/daemon_url.ts";
import { UsageError } from "./usage_error.ts";

/**
 * Milliseconds for a response: the daemon waits 5 s for a file system that does not
 * answer, once for its turn and once for the file.
 */
const TIMEOUT = 12_000;

/** Bytes of a response that are read: an explanation has a few thousand. */
const MAX_BYTES = 1024 * 1024;

/** The daemon on this host. */
export const DEFAULT_DAEMON = "http://[::1]:6315";

/** A daemon does not answer, or not with what is asked for. */
export class DaemonError extends Error {
  override name = "DaemonError";
}

/** What a daemon answers. */
export interface DaemonAnswer<T> {
  readonly body: T;
  /**
   * When, in milliseconds since 1970 by the daemon's clock, to which its timestamps
   * compare: in steps of 1 s. Without a `Date` in the response, by this host's.
   */
  readonly now: number;
}

/**
 * The JSON at a path of a daemon's API.
 *
 * @param url The daemon, as `watch` takes it.
 * @param command The command, for messages.
 * @param members Those that the answer must have, and which of them are lists.
 * @throws {UsageError} if the URL is none.
 * @throws {DaemonError} if there is no such answer.
 */
export async function askDaemon<T>(
  url: string,
  path: string,
  command: string,
  caCerts: readonly string[],
  members: { [Name in keyof T]?: "list" | "object" },
): Promise<DaemonAnswer<T>> {
  const target = urlOf(url, command);
  target.pathname = path;
  target.search = "";
  const where = escapeControls(target.origin);
  let response: Response;
  let text: string | undefined;
  try {
    response = await new TrustingFetch(caCerts).fetch(target, {
      signal: AbortSignal.timeout(TIMEOUT),
      redirect: "error",
    });
    text = await readBoundedText(response, MAX_BYTES);
  } catch (error) {
    throw new DaemonError(
      `${where} does not answer: ${escapeControls(fetchErrorReason(error))}`,
    );
  }
  if (!response.ok) {
    throw new DaemonError(
      response.status === 404
        ? `${where} has no ${path}: it is no dhcpv6macd, or an older one`
        : `${where} answers with status ${response.status}: ${
          escapeControls((text ?? "").trim().slice(0, 200))
        }`,
    );
  }
  const answer = parsed(text ?? "");
  const isExpected = Object.entries(members).every(([name, kind]) => {
    const value = answer?.[name];
    return kind === "list"
      ? Array.isArray(value)
      : typeof value === "object" && value !== null;
  });
  if (isExpected) return { body: answer as T, now: timeOf(response) };
  throw unexpected(`${where} answers something else at ${path}`);
}

function timeOf({ headers }: Response): number {
  const time = Date.parse(headers.get("date") ?? "");
  // A proxy may have removed it.
  return Number.isNaN(time) ? Date.now() : time;
}

function unexpected(what: string): DaemonError {
  return new DaemonError(
    `${what}: it is no dhcpv6macd, or of another version`,
  );
}

/**
 * What is made of an answer.
 *
 * @throws {DaemonError} if the answer has something else where that is expected.
 */
export function madeOf<T>(url: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw unexpected(`${escapeControls(url)} answers something else`);
  }
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) ?? undefined;
  } catch {
    return undefined;
  }
}

function urlOf(text: string, command: string): URL {
  try {
    return new URL(parseDaemonUrl(text).events);
  } catch (error) {
    if (error instanceof DaemonUrlError) {
      throw new UsageError(`${command}: ${error.message}`);
    }
    throw error;
  }
}
