/** The whole handler of HTTP, over a directory with traps in it. */

import type { Router } from "../../../lib/http/router.ts";
import { BootFileHandler } from "../../../lib/http/boot_files.ts";
import { BootDirectory } from "../../../lib/boot_files/directory.ts";
import {
  ask,
  Known,
  MAC,
  MAC_TEXT,
  OTHER_MAC_TEXT,
} from "../../support/http.ts";
import { textOf } from "../mutate.ts";
import type { Random } from "../random.ts";
import { Invariant, type Target } from "../target.ts";
import { anyText, texts } from "./text.ts";

const leaksNothing = new Invariant("nothing outside the directory is sent");
const isAnswer = new Invariant(
  "an answer has a known status, and never redirects",
);
const hasLength = new Invariant(
  "an answer for firmware has a Content-Length, and keeps it",
);
const isOctets = new Invariant(
  "the bytes are those of the file, in the range",
);
const isGuarded = new Invariant(
  "hosts and sources that are not served learn nothing",
);

const SECRET = "SECRET, which nobody may see";
const OWN = "the machine's own file, 0123456789";
const SHARED = "everybody's";
const OTHERS = "another machine's";
const STATUSES = [200, 206, 304, 400, 403, 404, 405, 412, 416, 421, 503];

const FOREIGN = "2001:db8:bad::1";

const WORDS = texts(
  `/mac/${MAC_TEXT}/`,
  `/mac/${MAC_TEXT}/boot.efi`,
  `/mac/${OTHER_MAC_TEXT}/boot.efi`,
  "/mac/02-00-5E-00-53-01/sub/inner.img",
  "/mac/02:00:5e:00:53:03/secret.txt",
  "/mac/default/shared.iso",
  "boot.efi",
  "shared.iso",
  "out.efi",
  "out-directory/secret.txt",
  "inside.efi",
  "loop.efi",
  "pipe.efi",
  "device.img",
  "secret.txt",
  "..",
  "../",
  "%2e%2e",
  "%2E%2e/",
  "%2f",
  "%5c",
  "%00",
  "%25",
  "%",
  "%ff",
  "//",
  "/./",
  ";",
  "?",
  "#",
  "\\",
  "/",
  "/events",
  "/machines",
  "/machines/",
  "/names",
  "/metrics",
  "/healthz",
  "/page/page.js",
  "?mac=",
  "\nrange: bytes=0-3",
  "\nrange: bytes=-4",
  "\nrange: bytes=99-",
  "\nif-none-match: *",
  '\nif-match: "x"',
  "\nhost: evil.example",
  "\nhost: localhost",
  "\norigin: http://evil.example",
  "\nmethod: HEAD",
  "\nmethod: POST",
  `\nclient: ${FOREIGN}`,
);

/** Fuzzes the handler. */
export class HttpFilesTarget implements Target {
  readonly name = "http_files";
  readonly weight = 4;
  readonly maxLength = 400;
  readonly invariants = [
    leaksNothing,
    isAnswer,
    hasLength,
    isOctets,
    isGuarded,
  ];
  readonly seeds = [
    ...WORDS,
    ...texts(
      `/mac/${MAC_TEXT}/boot.efi\nrange: bytes=1-4`,
      `/mac/${MAC_TEXT}/boot.efi\nmethod: HEAD`,
      `/mac/${MAC_TEXT}/out-directory/secret.txt`,
      `/mac/${MAC_TEXT}/../../secret.txt`,
      `/mac/${MAC_TEXT}/../secret.txt`,
      `/mac/${MAC_TEXT}/%2e%2e/secret.txt`,
      `/mac/${MAC_TEXT}/..%2fsecret.txt`,
      "/machines\nhost: evil.example",
      "/machines\nhost: evil.example\nmethod: HEAD",
      `/\nclient: ${FOREIGN}`,
      "/\norigin: http://evil.example",
    ),
  ];
  readonly words = WORDS;

  #place: Promise<{ root: string; router: Router }> | undefined;

  make(random: Random): Uint8Array {
    return anyText(random, WORDS);
  }

  async run(input: Uint8Array): Promise<string> {
    const { router } = await (this.#place ??= makePlace());
    const [path, ...lines] = textOf(input).split("\n");
    // No request has other characters in its target.
    const target = `/${path!.replace(/[^\x21-\x7e]/g, "").replace(/^\//, "")}`;
    const asked: Record<string, string> = {};
    for (const line of lines) {
      const [, name, value] = /^([a-z-]+): ([\x20-\x7e]*)$/.exec(line) ?? [];
      if (name !== undefined) asked[name] = value!.trim();
    }
    const { method = "GET", client = "fe80::5eff:fe00:5301", ...headers } =
      asked;
    const response = await ask(router, target, {
      method,
      client,
      headers,
      host: headers.host,
    });
    return await check(response, { target, method, client, headers });
  }

  async close(): Promise<void> {
    if (this.#place === undefined) return;
    await Deno.remove((await this.#place).root, { recursive: true });
  }
}

interface AskedFor {
  readonly target: string;
  readonly method: string;
  readonly client: string;
  readonly headers: Readonly<Record<string, string>>;
}

async function check(
  response: Response,
  { target, method, client, headers }: AskedFor,
): Promise<string> {
  const { status } = response;
  const isStream = response.headers.get("content-type") === "text/event-stream";
  if (isStream) await response.body?.cancel();
  const body = isStream ? "" : await response.text();
  leaksNothing.holds(
    !body.includes(SECRET) &&
      ![...response.headers.values()].some((value) => value.includes(SECRET)),
    () => body,
  );
  isAnswer.holds(
    STATUSES.includes(status) && !response.headers.has("location"),
    () => response,
  );
  const length = response.headers.get("content-length");
  const isForFirmware = target.startsWith("/mac/");
  hasLength.holds(
    (length !== null || !isForFirmware || status === 304) &&
      (length === null || method === "HEAD" ||
        Number(length) === new TextEncoder().encode(body).length),
    () => [length, body],
  );
  isGuarded.holds(
    (client !== FOREIGN || status === 403) &&
      (headers.host !== "evil.example" || isForFirmware ||
        /^\/healthz([?#]|$)/.test(target) || status >= 400),
    () => response,
  );
  if (isForFirmware && (status === 200 || status === 206)) {
    checkOctets(response, body, target, method);
  }
  return `${status} ${response.headers.get("content-type")} ${
    ["GET", "HEAD"].indexOf(method)
  } ${length === null} ${body.length >> 3 & 7}`;
}

function checkOctets(
  response: Response,
  body: string,
  target: string,
  method: string,
): void {
  const path = target.replace(/\/{2,}/g, "/");
  const isOwn = /^\/mac\/0?2.?0?0.?5e.?0?0.?53.?0?1\//i.test(path);
  const known = isOwn ? [OWN, SHARED] : [OTHERS, SHARED];
  const range = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(
    response.headers.get("content-range") ?? "",
  );
  const length = Number(response.headers.get("content-length"));
  isOctets.holds(
    known.some((content) =>
      method === "HEAD"
        ? range === null && length === content.length
        : range === null
        ? response.status === 200 && body === content
        : response.status === 206 && Number(range[3]) === content.length &&
          body === content.slice(Number(range[1]), Number(range[2]) + 1)
    ),
    () => [target, body, response.headers],
  );
}

/** A directory of netboot files, and what surrounds it. */
async function makePlace(): Promise<{ root: string; router: Router }> {
  const root = await Deno.realPath(await Deno.makeTempDir());
  const netboot = `${root}/netboot`;
  const own = `${netboot}/${MAC_TEXT}`;
  for (
    const directory of [
      `${own}/sub`,
      `${netboot}/${OTHER_MAC_TEXT}`,
      `${netboot}/default`,
      `${root}/outside`,
      `${root}/netboot-2`,
    ]
  ) await Deno.mkdir(directory, { recursive: true });
  for (
    const [path, content] of [
      [`${root}/secret.txt`, SECRET],
      [`${netboot}/secret.txt`, SECRET],
      [`${root}/outside/secret.txt`, SECRET],
      [`${root}/netboot-2/secret.txt`, SECRET],
      [`${own}/boot.efi`, OWN],
      [`${own}/sub/inner.img`, OWN],
      [`${netboot}/${OTHER_MAC_TEXT}/boot.efi`, OTHERS],
      [`${netboot}/default/shared.iso`, SHARED],
      [`${netboot}/default/boot.efi`, SHARED],
    ] as const
  ) await Deno.writeTextFile(path, content);
  for (
    const [path, target] of [
      [`${own}/inside.efi`, "../default/shared.iso"],
      [`${own}/out.efi`, "../../secret.txt"],
      [`${own}/out-directory`, "../../outside"],
      [`${own}/out-sibling`, "../../netboot-2"],
      [`${own}/loop.efi`, "loop.efi"],
      [`${own}/device.img`, "/dev/zero"],
      [`${netboot}/02:00:5e:00:53:03`, "../outside"],
    ] as const
  ) await Deno.symlink(target, path);
  await new Deno.Command("mkfifo", { args: [`${own}/pipe.efi`] }).output();
  const known = new Known();
  known.registry.add(MAC, 0);
  // The kernel lets interfaces be called nearly anything.
  known.problem = "größe0 is absent";
  const router = known.handler(
    new BootFileHandler(new BootDirectory(netboot), () => {}),
    (client) => client !== FOREIGN,
  );
  return { root, router };
}
