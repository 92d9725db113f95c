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

/** Milliseconds for a response. */
const TIMEOUT = 5000;

/** Bytes of a response that are read: an explanation has a few thousand. */
const MAX_BYTES = 1024 * 1024;

/** The daemon on this host. */
export const DEFAULT_DAEMON = "http://[::1]:6315";

/** A daemon does not answer, or not with what is asked for. */
export class DaemonError extends Error {
  override name = "DaemonError";
}

/**
 * The JSON at a path of a daemon's API.
 *
 * @param url The daemon, as `watch` takes it.
 * @param command The command, for messages.
 * @throws {UsageError} if the URL is none.
 * @throws {DaemonError} if there is no such answer.
 */
export async function askDaemon(
  url: string,
  path: string,
  command: string,
  caCerts: readonly string[],
): Promise<unknown> {
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
  try {
    return JSON.parse(text ?? "");
  } catch {
    throw new DaemonError(`${where} does not answer in JSON`);
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
