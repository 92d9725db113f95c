import { assertEquals, assertThrows } from "@std/assert";
import { InterfaceMonitor } from "../../../lib/net/interface_monitor.ts";

/** Interfaces and UDP sockets as the runtime and the kernel have them. */
class FakeKernel implements Disposable {
  readonly #networkInterfaces = Deno.networkInterfaces;
  readonly #listenDatagram = Deno.listenDatagram;
  /** The interface of each name, altnames included. */
  readonly indexes = new Map([["eth0", 2], ["eth1", 3]]);
  /** Addresses that cannot be bound. */
  readonly tentative = new Set<string>();
  binds = 0;
  /** How often the interfaces were listed. */
  looks = 0;
  /** Whether they can be listed. */
  isReadable = true;
  names = ["eth0", "eth1"];
  readonly #bound = new Set<string>();

  constructor() {
    Deno.networkInterfaces = () => {
      if (!this.isReadable) throw new Error("too many open files");
      this.looks++;
      return this.names.flatMap((name) =>
        ["fe80::1", `2001:db8:${name.at(-1)}::1`, "2001:db8::7"].map((
          address,
        ) => ({
          family: "IPv6" as const,
          name,
          address,
          netmask: "ffff:ffff:ffff:ffff::",
          scopeid: address === "fe80::1" ? Number(name.at(-1)) + 2 : 0,
          cidr: `${address}/64`,
          mac: "02:00:5e:00:53:01",
        }))
      );
    };
    Deno.listenDatagram = ((
      { hostname, port }: { hostname: string; port: number },
    ) => {
      this.binds++;
      const zone = hostname.split("%")[1];
      const index = zone === undefined ? 0 : this.indexes.get(zone);
      if (index === undefined) throw new Error("Name or service not known");
      if (this.tentative.has(hostname)) {
        throw new Deno.errors.AddrNotAvailable();
      }
      const used = port || 40_000;
      const key = `${index} ${used}`;
      if (this.#bound.has(key)) throw new Deno.errors.AddrInUse();
      this.#bound.add(key);
      return {
        addr: { transport: "udp", hostname, port: used },
        close: () => this.#bound.delete(key),
      };
    }) as unknown as typeof Deno.listenDatagram;
  }

  [Symbol.dispose](): void {
    Deno.networkInterfaces = this.#networkInterfaces;
    Deno.listenDatagram = this.#listenDatagram;
  }
}

/** The kernel's notifications. */
class FakeChanges {
  #hasCome = false;

  notify(): void {
    this.#hasCome = true;
  }

  haveCome(): boolean {
    const hasCome = this.#hasCome;
    this.#hasCome = false;
    return hasCome;
  }
}

Deno.test("InterfaceMonitor", async (t) => {
  await t.step("finds an interface by its name", () => {
    using kernel = new FakeKernel();
    assertEquals(new InterfaceMonitor("eth1").find()?.index, 3);
    assertEquals(kernel.binds, 2, "its addresses only");
  });

  await t.step("finds it by an altname, as soon as it has one", () => {
    using kernel = new FakeKernel();
    const monitor = new InterfaceMonitor("enp2s0");
    assertEquals(monitor.find(), undefined);
    kernel.indexes.set("enp2s0", 3);
    assertEquals(monitor.find()?.name, "eth1");
    assertEquals(monitor.find(), monitor.find());
  });

  await t.step("finds no loop of names", () => {
    using kernel = new FakeKernel();
    kernel.indexes.set("other", 9);
    assertEquals(new InterfaceMonitor("other").find(), undefined);
  });

  await t.step("names the addresses that cannot be bound", () => {
    using kernel = new FakeKernel();
    kernel.tentative.add("2001:db8::7");
    const monitor = new InterfaceMonitor("eth0");
    const before = monitor.find();
    assertEquals(before?.states, ["dynamic", "unusable"]);
    assertEquals(monitor.find() === before, true);
    kernel.tentative.clear();
    const after = monitor.find();
    assertEquals(after?.states, ["dynamic", "dynamic"]);
    for (let call = 0; call < 30; call++) {
      assertEquals(monitor.find() === after, true);
    }
    // Duplicate address detection runs again when the link was interrupted.
    kernel.tentative.add("2001:db8:0::1");
    let calls = 0;
    while (monitor.find() === after && calls < 30) calls++;
    assertEquals(monitor.find()?.states, ["unusable", "dynamic"]);
  });

  await t.step("looks when the kernel reports a change", () => {
    using kernel = new FakeKernel();
    const changes = new FakeChanges();
    const monitor = new InterfaceMonitor("eth0", changes);
    const before = monitor.find();
    const { looks } = kernel;
    for (let call = 0; call < 10; call++) {
      assertEquals(monitor.find() === before, true);
    }
    assertEquals(kernel.looks, looks, "it does not look without a reason");
    kernel.tentative.add("2001:db8::7");
    changes.notify();
    assertEquals(monitor.find()?.states, ["dynamic", "unusable"]);
    // The end of duplicate address detection need not be reported.
    kernel.tentative.clear();
    assertEquals(monitor.find()?.states, ["dynamic", "dynamic"]);
  });

  await t.step("looks again when it could not look at a change", () => {
    using kernel = new FakeKernel();
    const changes = new FakeChanges();
    const monitor = new InterfaceMonitor("eth0", changes);
    monitor.find();
    kernel.isReadable = false;
    kernel.names = ["eth1"];
    changes.notify();
    assertThrows(() => monitor.find(), Error, "too many open files");
    kernel.isReadable = true;
    assertEquals(monitor.find(), undefined);
    kernel.names = ["eth0"];
    assertEquals(monitor.find()?.index, 2, "an absent one is looked for");
  });

  await t.step("looks now and then, whatever the kernel reports", () => {
    using kernel = new FakeKernel();
    const monitor = new InterfaceMonitor("eth0", new FakeChanges());
    monitor.find();
    kernel.names = [];
    let calls = 0;
    while (monitor.find() !== undefined && calls < 30) calls++;
    assertEquals(monitor.find(), undefined);
  });
});
