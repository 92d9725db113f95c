/**
 * Polls the interface and hands it to the parts that depend on its addresses.
 *
 * @module
 */

import type { NetworkInterface } from "../net/interface.ts";
import { InterfaceChanges } from "../net/interface_changes.ts";
import { InterfaceMonitor } from "../net/interface_monitor.ts";
import { IDLE_INTERVAL, untilNext } from "../overload/timeout.ts";
import type { Log } from "../telemetry/log.ts";
import type { Service } from "./service.ts";

/**
 * Milliseconds between two polls while the interface cannot be served: it must be
 * within a second of its link-local address being usable.
 */
const ABSENT_INTERVAL = IDLE_INTERVAL / 2;

/** What a poller works with. */
export interface InterfacePollerOptions {
  readonly interfaceName: string;
  readonly log: Log;
  /**
   * Called by `start` before anything else. The interface is `undefined` while
   * it is absent, down or without a link-local address.
   */
  readonly onStart: (iface: NetworkInterface | undefined) => Promise<void>;
  /** Called at the start, and when anything about the interface has changed. */
  readonly onChange: (iface: NetworkInterface | undefined) => void;
  /** Called at every poll, after `onChange`. */
  readonly onPoll: (iface: NetworkInterface | undefined) => void;
}

/** Polls one interface. */
export class InterfacePoller implements Service {
  readonly #options: InterfacePollerOptions;
  readonly #changes = InterfaceChanges.open();
  readonly #monitor: InterfaceMonitor;
  #last: NetworkInterface | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: InterfacePollerOptions) {
    this.#options = options;
    this.#monitor = new InterfaceMonitor(
      options.interfaceName,
      this.#changes,
    );
  }

  /** @throws whatever `onStart` throws. */
  async start(): Promise<void> {
    const { onStart, onChange, onPoll } = this.#options;
    const iface = this.#monitor.find();
    await onStart(iface);
    this.#last = iface;
    onChange(iface);
    onPoll(iface);
    this.#pollLater();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#changes?.[Symbol.dispose]();
  }

  #pollLater(): void {
    this.#timer = setTimeout(() => {
      this.#pollLater();
      this.#poll();
    }, untilNext(this.#last === undefined ? ABSENT_INTERVAL : IDLE_INTERVAL));
  }

  #poll(): void {
    const { log, onChange, onPoll } = this.#options;
    let iface: NetworkInterface | undefined;
    try {
      iface = this.#monitor.find();
    } catch (error) {
      // Usually out of file descriptors. Open sockets are not affected.
      const { message } = error as Error;
      if (log.hasChanged("interfaces", message)) {
        log.error(
          "interfaces_unreadable",
          `cannot read the network interfaces: ${message}; retrying`,
        );
      }
      return;
    }
    log.hasChanged("interfaces", undefined);
    // The monitor returns the same object until something has changed.
    if (iface !== this.#last) {
      this.#last = iface;
      onChange(iface);
    }
    onPoll(iface);
  }
}
