/**
 * Which request is answered, and by whom.
 *
 * @module
 */

import {
  MAX_API_RESPONSES,
  MAX_API_RESPONSES_PER_CLIENT,
} from "../overload/limits.ts";
import { ClientQuota } from "../overload/quota.ts";
import type { Api } from "./api.ts";
import {
  type HostNames,
  isOneHost,
  isOwnOrigin,
  type Protocol,
} from "./host_check.ts";
import type { BootFileHandler } from "./boot_files.ts";
import type { WebUi } from "./web_ui/responses.ts";
import { type Target, targetOf, textResponse } from "./responses.ts";

/** What a handler works with. */
export interface RouterOptions {
  readonly bootFiles: BootFileHandler;
  readonly api: Api;
  readonly page: WebUi;
  /** Whether an address is answered at all. */
  readonly allows: (hostname: string) => boolean;
  /** The names under which the API answers. */
  readonly hosts: HostNames;
  /** Whether one more answer can be written now. */
  readonly hasCapacity?: () => boolean;
}

/** What is known of a request besides what it says. */
export interface RequestContext {
  /** The client's address. */
  readonly client: string;
  readonly protocol: Protocol;
  /** Settles when its response is over. */
  readonly completed: Promise<void>;
}

/** Answers HTTP requests. */
export class Router {
  /** How many answers had each status. */
  readonly answered: Map<number, number> = new Map();

  /** Of those to whom the API or the page is being written. */
  readonly quota: ClientQuota;

  readonly #options: RouterOptions;

  constructor(options: RouterOptions) {
    this.#options = options;
    this.quota = new ClientQuota({
      total: MAX_API_RESPONSES,
      perClient: MAX_API_RESPONSES_PER_CLIENT,
      hasCapacity: options.hasCapacity,
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
    const { allows, bootFiles } = this.#options;
    const { client, protocol } = context;
    if (!allows(client)) return textResponse(403, "this address is not served");
    if (!isOneHost(request.headers.get("host") ?? "")) {
      return textResponse(400, "the Host header is no host");
    }
    const target = targetOf(request.url);
    if (target === undefined) return textResponse(400, "no path");
    if (request.method !== "GET" && request.method !== "HEAD") {
      return textResponse(405, "only GET and HEAD", { allow: "GET, HEAD" });
    }
    if (target.path.startsWith("/mac/")) {
      return await bootFiles.handle(request, target.path, client, protocol);
    }
    const response = await this.#api(request.headers, target, context);
    if (request.method === "GET") return response;
    await response.body?.cancel();
    return new Response(null, response);
  }

  async #api(
    headers: Headers,
    target: Target,
    { client, protocol, completed }: RequestContext,
  ): Promise<Response> {
    const { api, hosts, page } = this.#options;
    if (target.path === "/healthz") return api.health();
    const host = headers.get("host") ?? target.authority;
    if (!hosts.has(host) || !hosts.has(target.authority)) {
      return textResponse(
        421,
        "this host name is not served; --http-host takes further ones",
      );
    }
    const origin = headers.get("origin");
    if (origin !== null && !isOwnOrigin(origin, host, protocol)) {
      return textResponse(403, "pages from elsewhere are not served");
    }
    if (target.path === "/events") return api.events(target, headers, client);
    const unit = this.quota.acquire(client);
    if (unit === undefined) {
      return textResponse(503, "too many are being answered already", {
        "retry-after": "10",
      });
    }
    const release = () => unit[Symbol.dispose]();
    completed.then(release, release);
    return api.respond(target) ??
      await page.respond(target.path, headers) ??
      textResponse(404, "not found");
  }
}
