/**
 * Checks each request and passes it to the boot files, the API or the web page.
 *
 * @module
 */

import {
  MAX_API_RESPONSES,
  MAX_API_RESPONSES_PER_CLIENT,
} from "../overload/limits.ts";
import { ClientQuota } from "../overload/quota.ts";
import type { RefusalCause } from "../machines/boot_refusal.ts";
import { type Api, isApiPath } from "./api.ts";
import {
  hostNameOf,
  type HostNames,
  isHost,
  isMadeUp,
  isOwnOrigin,
  type Protocol,
} from "./host_check.ts";
import type { BootFileHandler } from "./boot_files.ts";
import type { WebUi } from "./web_ui/responses.ts";
import {
  headResponse,
  type Target,
  targetOf,
  textResponse,
} from "./responses.ts";

/** What a {@linkcode Router} passes requests to, and what it checks. */
export interface RouterOptions {
  readonly bootFiles: BootFileHandler;
  readonly api: Api;
  readonly page: WebUi;
  /** Whether a client's address may send requests. */
  readonly allows: (hostname: string) => boolean;
  /** The host names of API and web page. */
  readonly hosts: HostNames;
  /** The share of the file descriptors for responses in use, 0 to 1. */
  readonly load?: () => number;
  readonly observer?: RouterObserver;
}

/** Called about requests that are refused and that an option would let in. */
export interface RouterObserver {
  /**
   * @param name The host name of the request, in lower case, without a port.
   * @param client The client's address.
   */
  onHostRefused(name: string, client: string): void;
  /** A client whose address is not allowed has asked for the API. */
  onClientRefused(client: string): void;
}

/** The connection of a request. */
export interface RequestContext {
  /** The client's address. */
  readonly client: string;
  readonly protocol: Protocol;
  /** Settles when the response is sent, or the client has disconnected. */
  readonly completed: Promise<void>;
}

/** Why a request has a status, if it is for a boot file. */
const CAUSES: Readonly<Record<number, RefusalCause>> = {
  400: "malformed_request",
  403: "address_not_allowed",
  404: "not_found",
  405: "wrong_method",
  421: "host_not_served",
};

/** Answers HTTP requests. */
export class Router {
  /** Responses so far, by status. */
  readonly answered: Map<number, number> = new Map();

  /** Of responses of API and web page in progress. */
  readonly quota: ClientQuota;

  readonly #options: RouterOptions;

  constructor(options: RouterOptions) {
    this.#options = options;
    this.quota = new ClientQuota({
      total: MAX_API_RESPONSES,
      perClient: MAX_API_RESPONSES_PER_CLIENT,
      load: options.load,
    });
  }

  /** Answers one request. */
  async handle(
    request: Request,
    context: RequestContext,
  ): Promise<Response> {
    const response = await this.#respond(request, context);
    const { status } = response;
    this.answered.set(status, (this.answered.get(status) ?? 0) + 1);
    return response;
  }

  async #respond(
    request: Request,
    context: RequestContext,
  ): Promise<Response> {
    const { bootFiles, page } = this.#options;
    const { client, protocol } = context;
    const target = this.#targetOf(request, client, protocol);
    if (target instanceof Response) {
      const path = targetOf(request.url)?.path ?? "";
      bootFiles.refuse(CAUSES[target.status]!, path, client, protocol);
      return target;
    }
    // Loaders add a slash to a directory that ends in one.
    const path = target.path.replace(/\/{2,}/g, "/");
    if (path.startsWith("/mac/")) {
      return await bootFiles.handle(request, path, client, protocol);
    }
    const isOther = path === "/healthz" || isApiPath(path) ||
      await page.has(path);
    if (!isOther) {
      const file = await bootFiles.handleOwn(request, path, client, protocol);
      if (file !== undefined) return file;
    }
    const response = await this.#get(request.headers, target, context);
    const cause = CAUSES[response.status];
    if (cause !== undefined) {
      bootFiles.refuse(cause, target.path, client, protocol);
    }
    if (request.method === "GET") return response;
    await response.body?.cancel();
    return headResponse(response);
  }

  /** The target of a request, or the response that refuses the request. */
  #targetOf(
    request: Request,
    client: string,
    protocol: Protocol,
  ): Target | Response {
    const { allows, observer } = this.#options;
    if (!allows(client)) {
      // Not for every path: a port scan is no client that lacks an option.
      const path = targetOf(request.url)?.path;
      if (path !== undefined && isApiPath(path)) {
        observer?.onClientRefused(client);
      }
      return textResponse(
        403,
        "forbidden: client address not allowed, see --http-allow",
      );
    }
    const host = request.headers.get("host");
    if (host !== null && !isHost(host)) {
      return textResponse(400, "bad request: malformed Host header");
    }
    const target = targetOf(request.url);
    if (target === undefined) {
      return textResponse(400, "bad request: the request target has no path");
    }
    if (host === null && protocol === "http" && isMadeUp(target.authority)) {
      return textResponse(400, "bad request: no Host header");
    }
    if (!isHost(target.authority)) {
      return textResponse(400, "bad request: the request target has no host");
    }
    if (request.method !== "GET" && request.method !== "HEAD") {
      return textResponse(405, "method not allowed: only GET and HEAD", {
        allow: "GET, HEAD",
      });
    }
    return target;
  }

  /** Answers GET of anything but boot files. */
  async #get(
    headers: Headers,
    target: Target,
    context: RequestContext,
  ): Promise<Response> {
    const { client, completed } = context;
    const { api, page } = this.#options;
    if (target.path === "/healthz") return api.health();
    const refusal = this.#checkHost(headers, target, context);
    if (refusal !== undefined) return refusal;
    if (target.path === "/events") return api.events(target, headers, client);
    const unit = this.quota.acquire(client);
    if (unit === undefined) {
      return textResponse(
        503,
        "service unavailable: too many responses in progress",
        { "retry-after": "10" },
      );
    }
    const release = () => unit[Symbol.dispose]();
    completed.then(release, release);
    return await api.respond(target, client) ??
      await page.respond(target.path, headers) ??
      textResponse(404, "not found");
  }

  /**
   * Refuses requests of foreign web pages, directly or by DNS rebinding;
   * `undefined` if the request is accepted.
   */
  #checkHost(
    headers: Headers,
    { authority }: Target,
    { client, protocol }: RequestContext,
  ): Response | undefined {
    const { hosts, observer } = this.#options;
    const host = headers.get("host") ?? authority;
    const refused = [host, authority].find((one) => !hosts.has(one));
    if (refused !== undefined) {
      const name = hostNameOf(refused);
      if (name !== undefined) observer?.onHostRefused(name, client);
      return textResponse(
        421,
        "misdirected request: host name not served, see --http-host",
      );
    }
    const origin = headers.get("origin");
    if (origin !== null && !isOwnOrigin(origin, host, protocol)) {
      return textResponse(403, "forbidden: cross-origin request");
    }
    return undefined;
  }
}
