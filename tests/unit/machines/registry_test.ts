import { assert, assertEquals } from "@std/assert";
import { MachineRegistry } from "../../../lib/machines/registry.ts";
import { fc } from "../../support/fast_check.ts";

/** A registry without an observer. */
function registryOf(machines: number): MachineRegistry {
  return new MachineRegistry({ machines, events: 1000 }, { onEvent() {} });
}

const macs = (registry: MachineRegistry) => [...registry].map(({ mac }) => mac);

Deno.test("machine registry", async (t) => {
  await t.step("iterates machines, most recently seen first", () => {
    const registry = registryOf(3);
    assertEquals(registry.see(1), undefined);
    for (const mac of [1, 2, 3]) registry.add(mac, 0);
    assertEquals(macs(registry), [3, 2, 1]);
    assertEquals(registry.see(1)?.mac, 1);
    assertEquals(macs(registry), [1, 3, 2]);
    assertEquals(registry.see(3)?.mac, 3);
    assertEquals(macs(registry), [3, 1, 2]);
  });

  await t.step("evicts the least recently seen machine", () => {
    const registry = registryOf(2);
    for (const mac of [1, 2]) registry.add(mac, 0);
    registry.see(1);
    registry.add(3, 0);
    assertEquals(macs(registry), [3, 1]);
    assertEquals(registry.see(2), undefined);
    assertEquals(registry.size, 2);
  });

  await t.step("holds one machine at a limit of 1", () => {
    const registry = registryOf(1);
    registry.add(1, 0);
    registry.see(1);
    registry.add(2, 0);
    assertEquals(macs(registry), [2]);
  });

  await t.step("resets the slot of an evicted machine", () => {
    const registry = registryOf(1);
    const first = registry.add(1, 3, "duid");
    first.twoMacsReported = true;
    first.notedAt = 5;
    registry.reach(first, "os_init");
    registry.note(first, "address_declined");
    const second = registry.add(2, 0);
    assertEquals(
      {
        mac: second.mac,
        subnetIndex: second.subnetIndex,
        macSource: second.macSource,
        twoMacsReported: second.twoMacsReported,
        notedAt: second.notedAt,
        stage: second.stage,
        events: [...registry.eventsOf(second)].map(({ event }) => event),
      },
      {
        mac: 2,
        subnetIndex: 0,
        macSource: undefined,
        twoMacsReported: false,
        notedAt: -Infinity,
        stage: "init",
        events: ["init"],
      },
    );
    registry.note(second, "address_declined");
    assertEquals(registry.history.at(registry.history.next - 1).repeat, false);
  });

  await t.step("keeps all properties when it grows", () => {
    const registry = registryOf(5000);
    for (let mac = 1; mac <= 6000; mac++) registry.add(mac, mac % 7, "relay");
    const found = [...registry.at(6000)];
    assertEquals(
      found.map(({ mac }) => mac),
      Array.from({ length: 5000 }, (_, index) => 1001 + index),
    );
    for (const machine of found) {
      assertEquals(machine.subnetIndex, machine.mac % 7);
      assertEquals(machine.macSource, "relay");
    }
    assertEquals([...registry.at(5999)].length, 4999);
  });

  await t.step("behaves like a list", () => {
    const steps = fc.array(fc.nat({ max: 9 }), { maxLength: 60 });
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 6 }), (steps, limit) => {
        const registry = registryOf(limit);
        let model: number[] = [];
        for (const mac of steps) {
          const known = registry.see(mac) !== undefined;
          assertEquals(known, model.includes(mac));
          if (!known) registry.add(mac, 0);
          model = [mac, ...model.filter((other) => other !== mac)].slice(
            0,
            limit,
          );
          assertEquals(macs(registry), model);
          assert(registry.size <= limit);
        }
      }),
    );
  });
});
