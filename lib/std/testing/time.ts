/**
 * `@std/testing/time`: a clock that moves only when a test says so.
 *
 * @module
 */

interface Timer {
  readonly id: number;
  due: number;
  readonly interval: number | undefined;
  readonly run: () => void;
}

let faked: FakeTime | undefined;

/**
 * Replaces `Date`, `setTimeout`, `setInterval` and their likes from the moment
 * it is made until {@linkcode FakeTime.restore}, or the end of a `using` block.
 */
export class FakeTime {
  readonly #real = {
    Date: globalThis.Date,
    setTimeout: globalThis.setTimeout,
    clearTimeout: globalThis.clearTimeout,
    setInterval: globalThis.setInterval,
    clearInterval: globalThis.clearInterval,
  };
  readonly #timers = new Map<number, Timer>();
  #nextId = 1;
  #now: number;

  /**
   * @param start Milliseconds since 1970, or a date; without it, now.
   * @throws {Error} if time is faked already.
   */
  constructor(start?: number | string | Date) {
    if (faked !== undefined) {
      throw new Error("Cannot construct FakeTime: time is already faked");
    }
    faked = this;
    this.#now = new this.#real.Date(start ?? this.#real.Date.now()).valueOf();
    const now = () => this.#now;
    const { Date } = this.#real;
    globalThis.Date = new Proxy(Date, {
      construct: (target, args) =>
        Reflect.construct(target, args.length === 0 ? [now()] : args),
      get: (target, name) => name === "now" ? now : Reflect.get(target, name),
    });
    const add = (run: () => void, delay: number, interval?: number) => {
      const id = this.#nextId++;
      this.#timers.set(id, { id, due: this.#now + delay, interval, run });
      return id;
    };
    const remove = (id?: number) => {
      if (id !== undefined) this.#timers.delete(id);
    };
    globalThis.setTimeout =
      ((run: (...args: unknown[]) => void, delay = 0, ...args: unknown[]) =>
        add(() => run(...args), delay)) as unknown as typeof setTimeout;
    globalThis.setInterval =
      ((run: (...args: unknown[]) => void, delay = 0, ...args: unknown[]) =>
        add(() => run(...args), delay, delay)) as unknown as typeof setInterval;
    globalThis.clearTimeout = remove as unknown as typeof clearTimeout;
    globalThis.clearInterval = remove as unknown as typeof clearInterval;
  }

  /** Milliseconds since 1970, as everybody sees them. */
  get now(): number {
    return this.#now;
  }

  /** Moves the clock forward by `ms` and runs what falls due on the way. */
  tick(ms = 0): void {
    const end = this.#now + ms;
    for (let timer = this.#next(end); timer; timer = this.#next(end)) {
      this.#now = timer.due;
      if (timer.interval === undefined) this.#timers.delete(timer.id);
      else timer.due += timer.interval;
      timer.run();
    }
    this.#now = end;
  }

  /** The same, with promises given their turn before. */
  async tickAsync(ms = 0): Promise<void> {
    await this.runMicrotasks();
    this.tick(ms);
  }

  /** Lets promises that are settled run on. */
  async runMicrotasks(): Promise<void> {
    const { setTimeout } = this.#real;
    await new Promise((resolve) => setTimeout(resolve, 0));
  }

  /**
   * Gives the real clock back.
   *
   * @throws {Error} if that was done already.
   */
  restore(): void {
    if (faked !== this) {
      throw new Error("Cannot restore time: time is already restored");
    }
    faked = undefined;
    Object.assign(globalThis, this.#real);
  }

  [Symbol.dispose](): void {
    this.restore();
  }

  #next(end: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers.values()) {
      if (timer.due <= end && (next === undefined || timer.due < next.due)) {
        next = timer;
      }
    }
    return next;
  }
}
