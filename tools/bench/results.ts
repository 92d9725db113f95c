/**
 * What was measured, of which server, in each round.
 *
 * @module
 */

/** The server that is compared with the others. */
export const OWN = "dhcpv6macd";

/** The bare runtime: a reference, not a competitor. */
export const BARE = "bare Deno";

/** What a target compares with, beside the name of a server. */
export const BEST = "the best peer";

/** What one of the daemon's figures must be. */
export interface Target {
  /** A factor of the figure of this server; else `value` is the figure itself. */
  readonly against?: string;
  readonly value: number;
}

/** Something that is measured. */
export interface Quantity {
  /** The group that it is measured with, as `--only` names it. */
  readonly group: string;
  readonly words: string;
  readonly unit: string;
  /** Which of two figures is the better one. */
  readonly better: "more" | "less";
  readonly targets?: readonly Target[];
}

/** The middle one; of an even number, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? sorted[middle]!
    : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Figures, by quantity and server. */
export class Results {
  readonly #values = new Map<Quantity, Map<string, number[]>>();

  /** Adds the figure of one round. */
  add(quantity: Quantity, server: string, value: number): void {
    let servers = this.#values.get(quantity);
    if (servers === undefined) {
      this.#values.set(quantity, servers = new Map());
    }
    const values = servers.get(server);
    if (values === undefined) servers.set(server, [value]);
    else values.push(value);
  }

  /** What was measured, in the order in which it was. */
  get quantities(): Quantity[] {
    return [...this.#values.keys()];
  }

  /** The servers of which a quantity was measured. */
  serversOf(quantity: Quantity): string[] {
    return [...this.#values.get(quantity)?.keys() ?? []];
  }

  /** The figures of all rounds. */
  valuesOf(quantity: Quantity, server: string): readonly number[] {
    return this.#values.get(quantity)?.get(server) ?? [];
  }

  /** The median of all rounds; `undefined` if it was not measured. */
  figure(quantity: Quantity, server: string): number | undefined {
    const values = this.valuesOf(quantity, server);
    return values.length === 0 ? undefined : median(values);
  }

  /**
   * How many times the figure of `server` that of the daemon is: the median of
   * the rounds, for what disturbs a round disturbs all of its servers. `undefined`
   * if one was not measured, or both are 0.
   */
  ratio(quantity: Quantity, server: string): number | undefined {
    const own = this.valuesOf(quantity, OWN);
    const other = this.valuesOf(quantity, server);
    if (own.length === 0 || other.length === 0) return undefined;
    const ratio = own.length === other.length
      ? median(own.map((value, round) => value / other[round]!))
      : median(own) / median(other);
    return Number.isNaN(ratio) ? undefined : ratio;
  }

  /** What a target compares: the ratio to a server, or the figure itself. */
  compared(quantity: Quantity, { against }: Target): number | undefined {
    if (against === undefined) return this.figure(quantity, OWN);
    if (against !== BEST) return this.ratio(quantity, against);
    const ratios = this.serversOf(quantity)
      .filter((server) => server !== OWN && server !== BARE)
      .map((server) => this.ratio(quantity, server))
      .filter((ratio) => ratio !== undefined);
    if (ratios.length === 0) return undefined;
    return quantity.better === "more"
      ? Math.min(...ratios)
      : Math.max(...ratios);
  }
}

/**
 * Whether a target is met; `undefined` if nothing was measured to tell.
 *
 * @param slack How many times worse is still good enough.
 */
export function meets(
  results: Results,
  quantity: Quantity,
  target: Target,
  slack = 1,
): boolean | undefined {
  const value = results.compared(quantity, target);
  if (value === undefined) return undefined;
  return quantity.better === "more"
    ? value >= target.value / slack
    : value <= target.value * slack;
}
