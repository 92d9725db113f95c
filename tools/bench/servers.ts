/**
 * The servers that are measured, each set up to be as fast as it can be.
 *
 * @module
 */

import type { Program } from "../../tests/support/lab.ts";
import { type ArchivedPackage, unpackFromArchive } from "../debian.ts";
import { BASE, CLIENTS, POOL, SERVER, type Testbed } from "./testbed.ts";
import { BARE, OWN } from "./results.ts";

/** A server. */
export interface Server {
  readonly name: string;
  /** The program that it needs, and Debian's package of that. */
  readonly needs?: { readonly program: string; readonly package: string };
  /** Starts it; it answers some time later. */
  start(testbed: Testbed): Promise<Program> | Program;
}

const ROOT = `${import.meta.dirname}/../..`;

/** The directory of the testbed whose files are served over HTTP. */
export const FILES = "files";

/** The directory of the testbed with the iPXE that TFTP serves. */
const IPXE_FILES = "ipxe";

/** The path of that iPXE, below its directory. */
export const TFTP_PATH = "02:00:5e:00:53:01/ipxe-x86-64.efi";
const TFTP_URL = `tftp://[${SERVER}]/${TFTP_PATH}`;

/** The path of the file that HTTP clients fetch. */
export const HTTP_FILE = "02:00:5e:00:53:01/disk.img";

/** Bytes of those files: about those of an iPXE, and of a system's image. */
export const TFTP_SIZE = 1024 * 1024;
export const HTTP_SIZE = 500 * 1000 * 1000;

/** The ports that HTTP and HTTPS are served on. */
export const PORTS = { http: 6315, https: 6316 } as const;

/** How files are served to machines that boot. */
export type Scheme = keyof typeof PORTS;

/** Where a server serves files. */
export function originOf(scheme: Scheme): string {
  return `${scheme}://[${SERVER}]:${PORTS[scheme]}`;
}

/** The file that machines boot, which is in the directory for all of them. */
export const SYSTEM_FILE = "default/system.img";
export const SYSTEM_SIZE = 30 * 1000 * 1000;

function servedFile(testbed: Testbed, name: string): string {
  const directory = name === TFTP_PATH ? IPXE_FILES : FILES;
  return `${testbed.path(directory)}/${name}`;
}

/** Makes a file to be served, if it is not there yet. */
export async function provide(
  testbed: Testbed,
  name: string,
  size: number,
): Promise<string> {
  const path = servedFile(testbed, name);
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  using file = await Deno.open(path, { create: true, write: true });
  let written = (await file.stat()).size;
  const part = new Uint8Array(1024 * 1024).fill(0x5a);
  while (written < size) {
    written += await file.write(part.subarray(0, size - written));
  }
  return path;
}

/** What `deno task build` has made. */
export const BINARY = `${ROOT}/dist/dhcpv6macd`;

function daemon(
  optionsFor: (testbed: Testbed) => readonly string[] | Promise<string[]>,
): Server {
  return {
    name: OWN,
    start: async (testbed) =>
      testbed.serve([
        BINARY,
        "--interface=lan",
        "--max-open-files=16384",
        `--base-address=${BASE}`,
        `--http-allow=${CLIENTS}/64`,
        `--netboot-dir=${testbed.path(FILES)}`,
        `--ipxe-x86-64-efi=${await provide(testbed, TFTP_PATH, TFTP_SIZE)}`,
        ...await optionsFor(testbed),
      ]),
  };
}

/** The daemon, serving everything. */
export const DAEMON: Server = daemon(() => [
  `--http-boot-url-template=${originOf("http")}/mac/{{.MAC}}/disk.img`,
]);

/** The daemon as machines of a storm are served by it. */
export function stormDaemon(scheme: Scheme): Server {
  return daemon(async (testbed) => [
    `--http-boot-url-template=${originOf(scheme)}/mac/{{.MAC}}/system.img`,
    // Its own script would be one file more than the peers' clients load.
    "--ipxe-chain=direct",
    ...await tlsOptions(testbed, scheme),
  ]);
}

/** The daemon with HTTPS. */
export const DAEMON_HTTPS: Server = daemon((testbed) =>
  tlsOptions(testbed, "https")
);

async function tlsOptions(
  testbed: Testbed,
  scheme: Scheme,
): Promise<string[]> {
  if (scheme === "http") return [];
  const { certFile, keyFile } = await testbed.keyPair();
  return [
    `--tls-cert-file=${certFile}`,
    `--tls-key-file=${keyFile}`,
    `--https-listen-addr=:${PORTS.https}`,
  ];
}

/** What Deno is given to run a program of this project. */
function denoArguments(): string[] {
  const isLocal = import.meta.resolve("@std/assert").startsWith("file:");
  return [
    "run",
    "--quiet",
    "--allow-all",
    "--config",
    `${ROOT}/deno.json`,
    ...(isLocal ? ["--import-map", `${ROOT}/lib/std/import_map.json`] : []),
  ];
}

/** A program of this folder in Deno: how far the runtime itself gets. */
function bareDeno(
  name: string,
  program: string,
  argumentsFor: (testbed: Testbed) => string[] | Promise<string[]>,
): Server {
  return {
    name,
    start: async (testbed) =>
      testbed.serve([
        Deno.execPath(),
        ...denoArguments(),
        `${import.meta.dirname}/${program}`,
        ...await argumentsFor(testbed),
      ]),
  };
}

export const DENO_ECHO: Server = bareDeno("Deno echo", "echo.ts", () => [
  "lan",
]);
/** Both in one process. */
export const DENO_ECHO_HTTP: Server = bareDeno(BARE, "echo.ts", (testbed) => [
  "lan",
  String(PORTS.http),
  servedFile(testbed, HTTP_FILE),
]);
export const DENO_TFTP: Server = bareDeno(
  BARE,
  "bare_tftp.ts",
  (testbed) => [SERVER, servedFile(testbed, TFTP_PATH)],
);
export const DENO_HTTP: Server = bareHttp("http", HTTP_FILE);
export const DENO_HTTPS: Server = bareHttp("https", HTTP_FILE);

/** @param path Of the only file that it serves, as in a URL. */
function bareHttp(scheme: Scheme, path: string): Server {
  return bareDeno(BARE, "bare_http.ts", async (testbed) => {
    const args = [String(PORTS[scheme]), servedFile(testbed, path)];
    if (scheme === "http") return args;
    const { certFile, keyFile } = await testbed.keyPair();
    return [...args, certFile, keyFile];
  });
}

/** The bare loop in C: how far the program that asks gets. */
export const C_ECHO: Server = {
  name: "C echo",
  start: (testbed) => testbed.serve(testbed.bareLoop),
};

/** @param boots What its configuration has for machines that boot. */
function keaWith(boots: Readonly<Record<string, unknown>> = {}): Server {
  return {
    name: "Kea",
    needs: { program: "kea-dhcp6", package: "kea-dhcp6-server" },
    start: async (testbed) => {
      const file = await testbed.lab.file(
        "kea.json",
        JSON.stringify({
          Dhcp6: {
            "interfaces-config": { interfaces: ["lan", `lan/${SERVER}`] },
            "lease-database": { type: "memfile", persist: false },
            "multi-threading": {
              "enable-multi-threading": true,
              "thread-pool-size": 2,
            },
            "preferred-lifetime": 1200,
            "valid-lifetime": 1200,
            subnet6: [{
              subnet: `${BASE}/64`,
              interface: "lan",
              pools: [{ pool: `${POOL}/96` }],
            }],
            loggers: [{ name: "kea-dhcp6", severity: "ERROR" }],
            ...boots,
          },
        }),
      );
      return testbed.serve(["kea-dhcp6", "-c", file], [
        "/run/kea",
        "/var/lib/kea",
      ]);
    },
  };
}

const KEA = keaWith();

/** The boot URLs of a storm, for Kea. */
function keaBoot(bootUrl: string): Readonly<Record<string, unknown>> {
  const url = (data: string) => [{ name: "bootfile-url", data }];
  return {
    // It sends what clients request, and they do not request this.
    "option-data": [{ name: "preference", data: "255", "always-send": true }],
    "client-classes": [
      {
        name: "iPXE",
        test: "option[15].exists",
        "option-data": url(bootUrl),
      },
      {
        name: "PXE",
        test: "option[61].exists and not member('iPXE')",
        "option-data": url(TFTP_URL),
      },
    ],
  };
}

const DNSMASQ_NEEDS = { program: "dnsmasq", package: "dnsmasq-base" };
const DNSMASQ = [
  "dnsmasq",
  "--keep-in-foreground",
  "--conf-file=/dev/null",
  "--port=0",
  "--user=root",
  "--pid-file",
  "--interface=lan",
];

const DNSMASQ_LEASES = [
  `--dhcp-range=${POOL},${BASE}1:ffff:ffff,64,20m`,
  "--dhcp-lease-max=1000000",
  "--leasefile-ro",
  "--dhcp-authoritative",
  "--quiet-dhcp6",
];

const DNSMASQ_DHCPV6: Server = {
  name: "dnsmasq",
  needs: DNSMASQ_NEEDS,
  start: (testbed) => testbed.serve([...DNSMASQ, ...DNSMASQ_LEASES]),
};

const DHCPD: Server = {
  name: "ISC dhcpd",
  needs: { program: "dhcpd", package: "isc-dhcp-server" },
  start: async (testbed) => {
    const file = await testbed.lab.file(
      "dhcpd.conf",
      `default-lease-time 1200;
preferred-lifetime 1200;
authoritative;
subnet6 ${BASE}/64 { range6 ${BASE}1:0:0 ${BASE}1:ffff:ffff; }
`,
    );
    // It writes each lease and waits for the disk: it gets one in memory.
    return testbed.serve([
      "sh",
      "-c",
      'touch /var/lib/dhcp/leases && exec "$@"',
      "sh",
      ..."dhcpd -6 -f -q --no-pid -lf /var/lib/dhcp/leases -cf".split(" "),
      file,
      "lan",
    ], ["/var/lib/dhcp"]);
  },
};

/** Those that answer DHCPv6. */
export const DHCPV6_PEERS: readonly Server[] = [KEA, DNSMASQ_DHCPV6, DHCPD];

function dnsmasqTftp(testbed: Testbed): string[] {
  return [
    "--enable-tftp",
    `--tftp-root=${testbed.path(IPXE_FILES)}`,
    "--tftp-max=1000",
  ];
}

const DNSMASQ_TFTP: Server = {
  name: "dnsmasq",
  needs: DNSMASQ_NEEDS,
  start: (testbed) => testbed.serve([...DNSMASQ, ...dnsmasqTftp(testbed)]),
};

/** DHCPv6 and TFTP of a storm; authoritative, its preference is 255. */
function dnsmasqStorm(bootUrl: string): Server {
  return {
    name: "dnsmasq",
    needs: DNSMASQ_NEEDS,
    start: (testbed) =>
      testbed.serve([
        ...DNSMASQ,
        ...DNSMASQ_LEASES,
        ...dnsmasqTftp(testbed),
        "--dhcp-userclass=set:ipxe,iPXE",
        `--dhcp-option=tag:ipxe,option6:59,${bootUrl}`,
        `--dhcp-option=tag:!ipxe,option6:59,${TFTP_URL}`,
      ]),
  };
}

const TFTPD_HPA: Server = {
  name: "tftpd-hpa",
  needs: { program: "in.tftpd", package: "tftpd-hpa" },
  start: (testbed) =>
    testbed.serve([
      ..."in.tftpd --foreground --user root --secure --address".split(" "),
      "[::]:69",
      testbed.path(IPXE_FILES),
    ]),
};

/** Debian lets it not be installed beside tftpd-hpa. */
const ATFTPD_PACKAGE: ArchivedPackage = {
  path: "pool/main/a/atftp/atftpd_0.8.0-3_amd64.deb",
  sha256: "7758cd64a4ec404c1f195b4c5dc3867b8f13f7ff36c617cc8dfaa157fd901858",
};

const ATFTPD: Server = {
  name: "atftpd",
  start: async (testbed) => {
    const directory = testbed.path("atftpd");
    try {
      await Deno.stat(directory);
    } catch {
      await unpackFromArchive(ATFTPD_PACKAGE, directory);
    }
    // By itself it has IPv4 only.
    return testbed.serve([
      testbed.path("inetd"),
      SERVER,
      "69",
      `${directory}/usr/sbin/atftpd`,
      ..."--user root.root --group root --maxthread 1000".split(" "),
      ..."--verbose=0 --no-multicast --logfile /dev/null".split(" "),
      testbed.path(IPXE_FILES),
    ]);
  },
};

/** Those that serve files over TFTP. */
export const TFTP_PEERS: readonly Server[] = [DNSMASQ_TFTP, TFTPD_HPA, ATFTPD];

const NGINX_NEEDS = { program: "nginx", package: "nginx-light" };

/** What nginx listens with, in its own words. */
async function nginxListens(
  testbed: Testbed,
  scheme: Scheme,
): Promise<string> {
  if (scheme === "http") return `listen [::]:${PORTS.http};`;
  const { certFile, keyFile } = await testbed.keyPair();
  return `listen [::]:${PORTS.https} ssl http2;
    ssl_protocols TLSv1.3;
    ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
    ssl_certificate ${certFile};
    ssl_certificate_key ${keyFile};`;
}

function nginx(scheme: Scheme): Server {
  return {
    name: "nginx",
    needs: NGINX_NEEDS,
    start: async (testbed) => {
      const file = await testbed.lab.file(
        "nginx.conf",
        `user root;
daemon off;
worker_processes 1;
pid ${testbed.path("nginx.pid")};
error_log stderr;
events { worker_connections 4096; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  server {
    ${await nginxListens(testbed, scheme)}
    location /mac/ { alias ${testbed.path(FILES)}/; }
  }
}
`,
      );
      return testbed.serve(["nginx", "-c", file], ["/var/lib/nginx"]);
    },
  };
}

/** Those that serve files over HTTP, and over HTTPS. */
export const HTTP_PEERS: readonly Server[] = [nginx("http")];
export const HTTPS_PEERS: readonly Server[] = [nginx("https")];

/** Servers that do the whole job together. */
export interface Composite {
  readonly name: string;
  readonly parts: readonly Server[];
}

/**
 * What would be used instead: one server for each protocol. In that of bare Deno
 * it has HTTP, and dnsmasq the rest.
 */
export function composites(scheme: Scheme): Composite[] {
  const http = nginx(scheme);
  const bootUrl = `${originOf(scheme)}/mac/${SYSTEM_FILE}`;
  return [
    {
      name: BARE,
      parts: [dnsmasqStorm(bootUrl), bareHttp(scheme, SYSTEM_FILE)],
    },
    { name: "dnsmasq, nginx", parts: [dnsmasqStorm(bootUrl), http] },
    {
      name: "Kea, tftpd-hpa, nginx",
      parts: [keaWith(keaBoot(bootUrl)), TFTPD_HPA, http],
    },
  ];
}

/** Says loudly which servers are left out, and returns the others. */
export function present(servers: readonly Server[]): Server[] {
  return servers.filter(({ name, needs }) => {
    if (needs === undefined || isInstalled(needs.program)) return true;
    leaveOut(
      name,
      `it is measured when Debian's package ${needs.package} is installed`,
    );
    return false;
  });
}

/** Says loudly that a server has no figures. */
export function leaveOut(name: string, why: string): void {
  console.error(`\n*** LEFT OUT: ${name}; ${why} ***\n`);
}

/** Whether a program can be started here. */
export function isInstalled(program: string): boolean {
  return new Deno.Command("which", {
    args: [program],
    stdout: "null",
    stderr: "null",
    env: { PATH: `${Deno.env.get("PATH")}:/usr/sbin:/sbin` },
  }).outputSync().success;
}
