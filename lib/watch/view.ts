/**
 * What is shown of daemons: lines for people, or JSON for programs.
 *
 * @module
 */

import { MAX_STATE_LINES } from "../overload/limits.ts";
import { Merge } from "./merge.ts";
import { transferOf } from "./message.ts";
import type { Output } from "./output.ts";
import {
  colored,
  Columns,
  happeningWords,
  line,
  plain,
  timelineWords,
  type ViewOptions,
} from "./text.ts";
import type { Happening, News } from "./timelines.ts";

/** A daemon, as far as its lines say so. */
export interface Source {
  /** Short, and no other daemon's. */
  readonly label: string;
  /** Its URL. */
  readonly url: string;
  /** Its clock less this host's, in milliseconds. */
  readonly clock: number;
  /** What an operator calls a machine. */
  nameOf(mac: string): string | undefined;
}

/** Shows what daemons say. Settled when the next may come. */
export interface View {
  /** What a daemon knows when it is reached for the first time. */
  begin(source: Source, news: readonly News[]): Promise<void>;
  /** What happened while a daemon was away. */
  catchUp(source: Source, news: readonly News[]): Promise<void>;
  /** What happens. */
  happen(source: Source, happening: Happening): Promise<void>;
  /** Shows what is still held back. */
  flush(): Promise<void>;
}

/** All that happened to any machine, in order. */
function inOrder(news: readonly News[]): Happening[] {
  return news.flatMap(({ happenings }) => happenings).sort((a, b) =>
    a.event.timestamp < b.event.timestamp
      ? -1
      : a.event.timestamp > b.event.timestamp
      ? 1
      : 0
  );
}

/** One line of JSON for each event. */
export class JsonView implements View {
  readonly #output: Output;

  constructor(output: Output) {
    this.#output = output;
  }

  begin(source: Source, news: readonly News[]): Promise<void> {
    return this.catchUp(source, news);
  }

  catchUp(source: Source, news: readonly News[]): Promise<void> {
    function* lines() {
      for (const happening of inOrder(news)) {
        yield jsonLine(source, happening, { kept: true });
      }
    }
    return this.#output.write(lines());
  }

  happen(source: Source, happening: Happening): Promise<void> {
    return this.#output.write([jsonLine(source, happening, {})]);
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }
}

function jsonLine(
  { url }: Source,
  { mac, address, event }: Happening,
  more: { kept?: true },
): string {
  return JSON.stringify({
    daemon: url,
    mac,
    ipv6_address: address,
    event,
    ...more,
  });
}

/** How lines for people look, and where. */
export interface TextSettings {
  /** A terminal is not flooded with machines of long ago. */
  readonly isTerminal: boolean;
  readonly isColored: boolean;
  /** Whether several daemons are watched. */
  readonly labelled: boolean;
}

/** One line for each event, and at first for each machine. */
export class TextView implements View {
  readonly #output: Output;
  readonly #merge: Merge;
  readonly #options: ViewOptions;
  readonly #isTerminal: boolean;

  constructor(
    output: Output,
    { isTerminal, isColored, labelled }: TextSettings,
  ) {
    this.#output = output;
    this.#merge = new Merge((lines) => output.write(lines));
    this.#isTerminal = isTerminal;
    this.#options = {
      paint: isColored ? colored : plain,
      columns: new Columns(),
      labelled,
    };
  }

  async begin(source: Source, news: readonly News[]): Promise<void> {
    const shownNews = this.#isTerminal ? news.slice(-MAX_STATE_LINES) : news;
    const left = news.length - shownNews.length;
    const { paint, columns } = this.#options;
    for (const { timeline: { mac, address } } of shownNews) {
      columns.expect(source.nameOf(mac), address);
    }
    const render = (news: News) => this.#stateLine(source, news);
    function* lines() {
      if (left > 0) {
        yield paint(
          "faint",
          `${left} machines more, whose last event is older; all are shown where stdout is no terminal`,
        );
      }
      for (const news of shownNews) yield render(news);
    }
    await this.flush();
    await this.#output.write(lines());
  }

  async catchUp(source: Source, news: readonly News[]): Promise<void> {
    const render = (happening: Happening) =>
      this.#eventLine(source, happening, [source.label]);
    function* lines() {
      for (const happening of inOrder(news)) {
        const text = render(happening);
        if (text !== undefined) yield text;
      }
    }
    await this.flush();
    await this.#output.write(lines());
  }

  async happen(source: Source, happening: Happening): Promise<void> {
    const text = this.#eventLine(source, happening, [source.label]);
    if (text === undefined) return;
    if (!this.#options.labelled) return await this.#output.write([text]);
    const { mac, event } = happening;
    // Only one daemon sends a file, so its progress has nothing to be joined to.
    const own = transferOf(event) === undefined ? "" : source.label;
    await this.#merge.add(
      `${mac} ${event.event} ${event.repeat_event} ${own}`,
      source.label,
      (labels) => this.#eventLine(source, happening, labels)!,
    );
  }

  flush(): Promise<void> {
    return this.#merge.flush();
  }

  #stateLine(source: Source, { timeline }: News): string {
    const { mac, address, since } = timeline;
    const now = Date.now() + source.clock;
    const labels = [source.label];
    return line(
      { at: since, labels, mac, name: source.nameOf(mac), address },
      timelineWords(timeline, now, this.#options.paint),
      now,
      this.#options,
    );
  }

  #eventLine(
    source: Source,
    happening: Happening,
    labels: readonly string[],
  ): string | undefined {
    const words = happeningWords(happening, this.#options.paint);
    if (words === undefined) return undefined;
    const { at, mac, address } = happening;
    return line(
      { at, labels, mac, name: source.nameOf(mac), address },
      words,
      Date.now() + source.clock,
      this.#options,
    );
  }
}
