/** Certificates for the daemon, of authorities that machines trust or not. */

import { command } from "./lab.ts";

/** Days that certificates are valid: more than any test takes. */
const DAYS = "7";

function openssl(...args: string[]) {
  return command(["openssl", ...args]);
}

/** Makes a key; its path. */
export async function makeKey(path: string): Promise<string> {
  await openssl("genrsa", "-out", path, "2048");
  return path;
}

/** One who signs certificates. */
export class Authority {
  constructor(readonly certFile: string, readonly keyFile: string) {}

  /** Makes one that nobody trusts yet. */
  static async create(directory: string, name: string): Promise<Authority> {
    const path = `${directory}/${name}`;
    const keyFile = await makeKey(`${path}.key`);
    await openssl(
      ...["req", "-x509", "-key", keyFile, "-subj", `/CN=${name}`],
      ...["-addext", "keyUsage=critical,keyCertSign,cRLSign"],
      ...["-days", DAYS, "-out", `${path}.pem`],
    );
    return new Authority(`${path}.pem`, keyFile);
  }

  /** Makes, or replaces at once, the certificate of a server's key. */
  async certify(
    { address, name, keyFile, certFile }: {
      readonly address: string;
      readonly name: string;
      readonly keyFile: string;
      readonly certFile: string;
    },
  ): Promise<void> {
    const request = `${certFile}.csr`;
    const extensions = `${certFile}.ext`;
    const made = `${certFile}.new`;
    await Deno.writeTextFile(
      extensions,
      `subjectAltName=IP:${address},DNS:${name}
basicConstraints=CA:FALSE
`,
    );
    await openssl(
      ...["req", "-new", "-key", keyFile, "-subj", `/CN=${name}`],
      ...["-out", request],
    );
    await openssl(
      ...["x509", "-req", "-in", request, "-days", DAYS],
      ...["-CA", this.certFile, "-CAkey", this.keyFile],
      // Else it would count in a file beside the authority's own.
      ...["-set_serial", String(Date.now())],
      ...["-extfile", extensions, "-out", made],
    );
    await Deno.rename(made, certFile);
  }
}
