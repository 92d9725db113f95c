import { assertEquals } from "@std/assert";
import { canonicalMac, Machines } from "../../../../assets/page/machines.js";
import { transferIn } from "../../../../assets/shared/format.js";

const START = Date.parse("2025-10-13T20:08:24Z");

function event(name: string, second: number) {
  return {
    event: name,
    timestamp: new Date(START + 1000 * second).toISOString(),
    repeat_event: false,
    detail: null,
  };
}

Deno.test("machines of the page", async (t) => {
  const mac = (index: number) =>
    `02:00:5e:00:53:${String(index).padStart(2, "0")}`;
  const state = (index: number, ...events: ReturnType<typeof event>[]) => ({
    Mac: mac(index),
    IPv6Address: `2001:db8::${index}`,
    Events: events,
  });
  const eventOf = (index: number, name: string, second: number, more = {}) => ({
    mac: mac(index),
    ipv6_address: `2001:db8::${index}`,
    event: { ...event(name, second), ...more },
  });
  const orderOf = (machines: Machines) =>
    [...machines].map(({ mac }) => Number(mac.slice(-2)));

  function known(): Machines {
    const machines = new Machines();
    machines.replace({
      a: state(1, event("init", 1)),
      b: state(2, event("init", 3)),
      c: state(3, event("init", 2)),
    }, START);
    return machines;
  }

  await t.step("are sorted by their last event", () => {
    const machines = known();
    assertEquals(orderOf(machines), [2, 3, 1]);
    machines.add(eventOf(1, "http_boot", 4));
    assertEquals(orderOf(machines), [1, 2, 3]);
    machines.add(eventOf(3, "init", 5, { repeat_event: true }));
    assertEquals(orderOf(machines), [1, 2, 3], "a repetition is no news");
    machines.add(eventOf(4, "init", 6));
    assertEquals(orderOf(machines), [4, 1, 2, 3]);
  });

  await t.step("are replaced by a state", () => {
    const machines = known();
    machines.replace({ b: state(2, event("init", 9)) }, START);
    assertEquals(orderOf(machines), [2]);
  });

  await t.step(
    "have the latest detail of a repeated event",
    () => {
      const machines = known();
      const detail = (sent_bytes: number) => ({
        detail: { state: "sending", sent_bytes },
      });
      machines.add(eventOf(1, "http_fetch_uki", 4, detail(1)));
      machines.add(
        eventOf(1, "http_fetch_uki", 9, { ...detail(2), repeat_event: true }),
      );
      machines.add(eventOf(1, "http_fetch_uki", 9, { repeat_event: true }));
      const machine = machines.get(mac(1))!;
      assertEquals(machine.events.length, 2);
      assertEquals(transferIn(machine.events[1]!.detail)?.sent_bytes, 2);
      assertEquals(machine.stage.at, START + 4000);
    },
  );

  await t.step("keep their last 50 events", () => {
    const machines = known();
    for (let second = 0; second < 100; second++) {
      machines.add(eventOf(1, "http_boot", second));
    }
    assertEquals(machines.get(mac(1))!.events.length, 50);
  });

  await t.step(
    "know the usual duration of a stage from three samples on",
    () => {
      const machines = known();
      const usual = () => machines.usual.of("http_boot");
      for (const [index, seconds] of [[1, 4], [2, 60]] as const) {
        machines.add(eventOf(index, "http_boot", 100));
        machines.add(eventOf(index, "http_fetch_uki", 100 + seconds));
      }
      assertEquals(usual(), undefined);
      // A new boot does not measure the stage before it.
      machines.add(eventOf(3, "http_boot", 100));
      machines.add(eventOf(3, "jump_to", 900));
      machines.add(eventOf(3, "http_boot", 900));
      assertEquals(usual(), undefined);
      machines.add(eventOf(3, "http_fetch_uki", 905));
      assertEquals(usual(), 5000);
      const events = [...machines].map(({ events }) => events);
      machines.replace(
        Object.fromEntries(
          events.map((events, index) => [index, {
            ...state(index),
            Events: events,
          }]),
        ),
        START,
      );
      assertEquals(usual(), 5000, "the state says the same");
    },
  );

  await t.step("have names that may change", () => {
    const machines = known();
    machines.setNames({ [mac(1)]: "one", [mac(9)]: "nine" });
    machines.add(eventOf(9, "init", 5));
    assertEquals(machines.get(mac(1))!.name, "one");
    assertEquals(machines.get(mac(9))!.name, "nine");
    machines.setNames({});
    assertEquals(machines.get(mac(1))!.name, "");
  });

  await t.step("are sorted by their names, as people count", () => {
    const machines = known();
    const names = (texts: Record<number, string>) =>
      machines.setNames(
        Object.fromEntries(
          Object.entries(texts).map(([index, name]) => [
            mac(Number(index)),
            name,
          ]),
        ),
      );
    const order = () =>
      [...machines.in("name")].map(({ mac }) => mac.slice(-1));
    assertEquals(order(), ["1", "2", "3"], "by MAC without names");
    names({ 3: "rack-2", 2: "rack-10" });
    assertEquals(order(), ["3", "2", "1"]);
    machines.add(eventOf(4, "init", 6));
    assertEquals(order(), ["3", "2", "1", "4"]);
    names({ 3: "rack-2", 2: "rack-10", 4: "Rack-3", 1: "rack-2" });
    assertEquals(order(), ["1", "3", "4", "2"]);
    machines.replace({ b: state(2, event("init", 9)) }, START);
    assertEquals(order(), ["2"]);
    assertEquals([...machines.in("change")], [...machines]);
  });

  await t.step("are linked by a MAC in any notation", () => {
    for (
      const text of [
        "02:00:5E:00:53:01",
        "02-00-5e-00-53-01",
        "0200.5e00.5301",
        "02005e005301",
      ]
    ) assertEquals(canonicalMac(text), "02:00:5e:00:53:01");
    for (const text of ["", "02:00:5e:00:53", "02005e00530x"]) {
      assertEquals(canonicalMac(text), undefined);
    }
  });
});

Deno.test("a machine ages", async (t) => {
  const at = (second: number) =>
    Date.parse("2026-01-01T00:00:00Z") + 1000 * second;
  const time = (second: number) => new Date(at(second)).toISOString();
  const mac = "02:00:5e:00:53:01";
  const event = (name: string, second: number, repeat_event = false) => ({
    mac,
    ipv6_address: "2001:db8::1",
    event: { event: name, timestamp: time(second), repeat_event, detail: null },
  });
  const machines = new Machines();
  machines.replace({
    [mac]: {
      Mac: mac,
      IPv6Address: "2001:db8::1",
      Events: [event("os_init", 0).event],
      LastHeard: time(10),
      ValidUntil: time(70),
      State: "online",
    },
  }, at(10));
  const kind = (second: number) =>
    machines.get(mac)!.progress(at(second), machines.usual);

  await t.step("offline after its lifetime, until it is heard", () => {
    assertEquals(kind(70).kind, "up");
    assertEquals(kind(71).kind, "offline");
    assertEquals(kind(71).words, "Offline");
    machines.add(event("os_init", 80, true));
    assertEquals(kind(90).kind, "up");
  });

  await t.step("released, until it is heard", () => {
    machines.add(event("released", 91));
    assertEquals(kind(92).words, "Released its address");
    machines.add(event("os_init", 93, true));
    assertEquals(kind(94).kind, "up");
  });

  await t.step("by events alone, for machines that come later", () => {
    const other = { ...event("os_init", 100), mac: "02:00:5e:00:53:02" };
    machines.add(other);
    const later = machines.get(other.mac)!;
    assertEquals(later.progress(at(101), machines.usual).kind, "up");
    assertEquals(later.progress(at(161), machines.usual).kind, "offline");
  });
});
