/** HTTPS boot of firmware whose TLS is too old for the daemon. */

import { assertEquals } from "@std/assert";
import { Authority, makeKey } from "../../support/certificates.ts";
import { command, missing } from "../../support/lab.ts";
import { PROXY_PORT, startTlsProxy } from "../../support/tls_proxy.ts";
import { buildLinux, COMMAND_LINE, OS_ADDRESS, OS_STARTED } from "./linux.ts";
import { lacksFirmware, Machine } from "./machine.ts";
import { BootNetwork, ROUTER, ROUTER_NAME } from "./network.ts";
import {
  assertConsole,
  assertStages,
  assertSystem,
  variablesForHttp,
} from "./observation.ts";
import { signatureList } from "./variables.ts";

const lacks = missing(
  "HTTPS boot of firmware",
  "qemu-system-x86_64",
  "radvd",
  "tcpdump",
  "tshark",
  "apt-get",
  "xz",
  "openssl",
  "dnsmasq",
  "nginx",
);
const ignore = lacksFirmware("HTTPS boot of firmware", "x86-64") ||
  lacks.length > 0;

Deno.test("HTTPS boot, behind a TLS proxy", { ignore }, async () => {
  await using network = await BootNetwork.create();
  const { router, lab: { directory } } = network;
  await Deno.chmod(directory, 0o755);
  const { uki } = await buildLinux(directory);
  const mac = "52:54:00:12:34:24";
  await network.serve(mac, uki);
  const authority = await Authority.create(directory, "authority");
  await authority.certify({
    address: ROUTER,
    name: ROUTER_NAME,
    keyFile: await makeKey(`${directory}/router.key`),
    certFile: `${directory}/router.pem`,
  });
  await command([
    ...["openssl", "x509", "-outform", "DER"],
    ...["-in", authority.certFile, "-out", `${directory}/authority.der`],
  ]);
  const trusted = `${directory}/trusted`;
  await Deno.writeFile(
    trusted,
    signatureList(await Deno.readFile(`${directory}/authority.der`)),
  );
  const settings = {
    architecture: "x86-64",
    mac,
    tap: await network.tap("tap0"),
    megabytes: 1024,
  } as const;
  const variables = await variablesForHttp(router, settings);
  await network.advertise();
  await network.nameServer();
  const nginx = await startTlsProxy(router, directory, ROUTER);
  const daemon = await network.daemon(
    "--tftp-listen-addr=off",
    `--dns=${ROUTER}`,
    `--boot-url=http=https://${ROUTER_NAME}:${PROXY_PORT}/mac/{{.MAC}}/boot.efi`,
  );
  const machine = await Machine.start(router, {
    ...settings,
    trusted,
    variables,
  });
  await assertSystem("x86-64 by HTTPS boot", network, daemon, machine);
  assertConsole(
    machine,
    `URI: https://${ROUTER_NAME}:${PROXY_PORT}/mac/${mac}/boot.efi`,
    `${OS_STARTED} ${COMMAND_LINE}`,
    OS_ADDRESS,
  );
  assertStages(daemon, machine, [
    "http_boot",
    "http_fetch_uki init",
    "http_fetch_uki complete",
    "os_init",
  ], ["unsupported_architecture"]);
  assertEquals(nginx.exitCode, undefined, nginx.output);
});
