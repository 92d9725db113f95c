/**
 * Which request is answered, and by whom.
 *
 * @module
 */

import type { Api } from "./api.ts";
import {
  type HostNames,
  isOneHost,
  isOwnOrigin,
  type Protocol,
} from "./hosts.ts";
import type { Netboot } from "./netboot.ts";
import type { PageAnswers } from "./page_answers.ts";
import { sentence, type Target, targetOf } from "./respond.ts";

/** What a handler works with. */
export interface HandlerOptions {
  readonly netboot: Netboot;
  readonly api: Api;
  readonly page: PageAnswers;
  /** Whether an address is answered at all. */
  readonly allows: (hostname: string) => boolean;
  /** The names under which the API answers. */
  readonly hosts: HostNames;
}

/** Answers HTTP requests. */
export class Handler {
  /** How many answers had each status. */
  readonly answered: Map<number, number> = new Map();

  readonly #options: HandlerOptions;

  constructor(options: HandlerOptions) {
    this.#options = options;
  }

  /** Answers one request from `client`. */
  async handle(
    request: Request,
    client: string,
    protocol: Protocol,
  ): Promise<Response> {
    const response = await this.#respond(request, client, protocol);
    const { status } = response;
    this.answered.set(status, (this.answered.get(status) ?? 0) + 1);
    return response;
  }

  async #respond(
    request: Request,
    client: string,
    protocol: Protocol,
  ): Promise<Response> {
    const { allows, netboot } = this.#options;
    if (!allows(client)) return sentence(403, "this address is not served");
    if (!isOneHost(request.headers.get("host") ?? "")) {
      return sentence(400, "the Host header is no host");
    }
    const target = targetOf(request.url);
    if (target === undefined) return sentence(400, "no path");
    if (request.method !== "GET" && request.method !== "HEAD") {
      return sentence(405, "only GET and HEAD", { allow: "GET, HEAD" });
    }
    if (target.path.startsWith("/mac/")) {
      return await netboot.handle(request, target.path, client, protocol);
    }
    const response = await this.#api(request.headers, target, client, protocol);
    if (request.method === "GET") return response;
    await response.body?.cancel();
    return new Response(null, response);
  }

  async #api(
    headers: Headers,
    target: Target,
    client: string,
    protocol: Protocol,
  ): Promise<Response> {
    const { api, hosts, page } = this.#options;
    if (target.path === "/healthz") return api.health();
    const host = headers.get("host") ?? target.authority;
    if (!hosts.has(host) || !hosts.has(target.authority)) {
      return sentence(
        421,
        "this host name is not served; --http-host takes further ones",
      );
    }
    const origin = headers.get("origin");
    if (origin !== null && !isOwnOrigin(origin, host, protocol)) {
      return sentence(403, "pages from elsewhere are not served");
    }
    return api.respond(target, headers, client) ??
      await page.respond(target.path, headers, client) ??
      sentence(404, "not found");
  }
}
