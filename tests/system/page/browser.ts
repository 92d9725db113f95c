/** A browser on a host of the lab, and pages that must have no errors. */

import { assertEquals } from "@std/assert";
import { axe } from "../../support/axe.ts";
import type { Host } from "../../support/lab.ts";
import { type Browser, chromium, type Page } from "../../support/playwright.ts";

/** The directory for screenshots; without it there are none. */
const SCREENSHOTS = Deno.env.get("PAGE_SCREENSHOTS");

/** What Chromium reports about an unreachable server, which is no error of the page. */
const SERVER_IS_AWAY =
  /^Failed to load resource: (net::ERR_|the server responded with a status of 503)/;

/** Milliseconds that the browser gets for what a person would wait for. */
const TIMEOUT = 120_000;

/** The browser's settings for a page. */
export interface Look {
  readonly width?: number;
  readonly height?: number;
  readonly isDark?: boolean;
  readonly isStill?: boolean;
  readonly hasScripts?: boolean;
  /** Milliseconds by which the browser's clock is wrong. */
  readonly clockError?: number;
  /** Lets the page hear no more events by {@linkcode Opened.deafen}. */
  readonly canBeDeafened?: boolean;
  /** The path of a file that cannot be loaded. */
  readonly lost?: string;
}

/** An open page with its errors. */
export class Opened implements AsyncDisposable {
  readonly #problems: string[] = [];
  /** Whether the server may be unreachable. */
  mayBeAway = false;

  constructor(readonly page: Page, readonly origin: string) {
    page.on("console", (message) => {
      const isAway = SERVER_IS_AWAY.test(message.text());
      if (isAway && this.mayBeAway) return;
      if (message.type() !== "error" && message.type() !== "warning") return;
      this.#problems.push(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => this.#problems.push(`error: ${error}`));
    page.on("request", (request) => {
      if (request.url().startsWith(origin)) return;
      this.#problems.push(`request to another host: ${request.url()}`);
    });
  }

  /** Evaluates an expression in the page. */
  async ask<T>(expression: string): Promise<T> {
    return await this.page.evaluate(expression) as T;
  }

  /** Ends the page's event streams without a word to it. */
  async deafen(): Promise<void> {
    await this.ask("sources.forEach((source) => source.close())");
  }

  /** Writes a screenshot if PAGE_SCREENSHOTS is set. */
  async shoot(name: string): Promise<void> {
    if (SCREENSHOTS === undefined) return;
    await Deno.mkdir(SCREENSHOTS, { recursive: true });
    await this.page.screenshot({ path: `${SCREENSHOTS}/${name}.png` });
  }

  /** Fails if axe finds a violation. */
  async isAccessible(): Promise<void> {
    await this.page.evaluate(axe.source);
    const violations = await this.ask<string[]>(
      `axe.run().then(({violations}) => violations.flatMap(({id, nodes}) =>
        nodes.map(({html, failureSummary}) => id + ": " + html + " " + failureSummary)))`,
    );
    assertEquals(violations, []);
  }

  /** Fails if the page scrolls horizontally. */
  async fits(): Promise<void> {
    const [content, window] = await this.ask<[number, number]>(
      "[document.documentElement.scrollWidth, innerWidth]",
    );
    assertEquals(content, window);
  }

  /** Closes the page; fails if it had errors. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.context().close();
    assertEquals(this.#problems, []);
  }
}

/** Chromium in a host's network. */
export class LabBrowser implements AsyncDisposable {
  readonly #browser: Browser;

  constructor(browser: Browser) {
    this.#browser = browser;
  }

  /** Starts one. */
  static async start(host: Host): Promise<LabBrowser> {
    const executablePath = await host.lab.file(
      "chromium",
      `#!/bin/sh\nexec ip netns exec ${host.namespace} chromium "$@"\n`,
      0o755,
    );
    // Its sandbox does not work for root.
    const args = ["--no-sandbox"];
    return new LabBrowser(
      await chromium.launch({ executablePath, args, timeout: TIMEOUT }),
    );
  }

  /** Opens a page. */
  async open(
    origin: string,
    {
      width = 1280,
      height = 900,
      isDark = false,
      isStill = false,
      hasScripts = true,
      clockError = 0,
      canBeDeafened = false,
      lost,
    }: Look = {},
    hash = "",
  ): Promise<Opened> {
    const context = await this.#browser.newContext({
      viewport: { width, height },
      deviceScaleFactor: width < 600 ? 2 : 1,
      colorScheme: isDark ? "dark" : "light",
      reducedMotion: isStill ? "reduce" : "no-preference",
      javaScriptEnabled: hasScripts,
    });
    if (clockError !== 0) {
      await context.addInitScript({
        content:
          `{ const now = Date.now; Date.now = () => now() + ${clockError}; }`,
      });
    }
    if (canBeDeafened) {
      await context.addInitScript({
        content: `{
          globalThis.sources = [];
          globalThis.EventSource = class extends EventSource {
            constructor(...args) {
              super(...args);
              sources.push(this);
            }
          };
        }`,
      });
    }
    context.setDefaultTimeout(TIMEOUT);
    const opened = new Opened(await context.newPage(), origin);
    if (lost !== undefined) {
      opened.mayBeAway = true;
      await opened.page.route(origin + lost, (route) => route.abort());
    }
    await opened.page.goto(`${origin}/${hash}`);
    return opened;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}
