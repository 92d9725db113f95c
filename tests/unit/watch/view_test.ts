import { assertEquals } from "@std/assert";
import { Output } from "../../../lib/watch/output.ts";
import { Timelines } from "../../../lib/watch/timelines.ts";
import { TextView } from "../../../lib/watch/view.ts";
import {
  ADDRESS,
  event,
  MAC,
  OTHER_ADDRESS,
  OTHER_MAC,
} from "../../support/watch_samples.ts";

/** What is written, without what stands before the words. */
class Paper {
  #text = "";

  write(bytes: Uint8Array): Promise<number> {
    // Not all that is given is taken at once.
    const taken = bytes.subarray(0, 7);
    this.#text += new TextDecoder().decode(taken);
    return Promise.resolve(taken.length);
  }

  get words(): string[] {
    return this.#text.trimEnd().split("\n").map((line) =>
      line.slice(line.lastIndexOf("  ") + 2)
    );
  }
}

Deno.test("text of several daemons", async (t) => {
  await t.step("writes held lines before a state", async () => {
    const paper = new Paper();
    const view = new TextView(new Output(paper), {
      isTerminal: false,
      isColored: false,
      isLabeled: true,
    });
    const one = {
      label: "r1",
      url: "",
      clockOffset: 0,
      nameOf: () => undefined,
    };
    const two = { ...one, label: "r2" };
    const timelines = new Timelines(9);
    const added = (name: string, seconds: number) =>
      timelines.add(MAC, ADDRESS, event(name, seconds));
    await view.showEvent(one, added("init", 1));
    await view.showMissed(
      one,
      new Timelines(9).replace([
        {
          mac: OTHER_MAC,
          address: OTHER_ADDRESS,
          events: [event("os_init", 2)],
        },
      ]),
    );
    await view.showEvent(one, added("jump_to", 3));
    await view.showEvent(one, added("http_boot", 3));
    await view.showEvent(two, added("http_boot", 3));
    await view.showState(
      two,
      new Timelines(9).replace([
        { mac: OTHER_MAC, address: OTHER_ADDRESS, events: [] },
      ]),
    );
    assertEquals(paper.words, [
      "Seen for the first time",
      "System is up",
      "earlier steps not seen: Firmware has its boot URL (Seen lasted 2.0 s)",
    ]);
  });
});
