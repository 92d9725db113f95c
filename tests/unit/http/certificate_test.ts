import { assertEquals, assertMatch } from "@std/assert";
import { examineKeyPair, isNameOf } from "../../../lib/http/certificate.ts";

/**
 * Made with openssl for boot.example, *.lab.example and 2001:db8::1, valid from
 * 2026-11-28 to 2036-11-25.
 */
const CERT = `-----BEGIN CERTIFICATE-----
MIIBvjCCAWWgAwIBAgIUc/WwdbZm/m/Ib7zRlpw9dI/tilAwCgYIKoZIzj0EAwIw
FzEVMBMGA1UEAwwMYm9vdC5leGFtcGxlMB4XDTI2MTEyODE0MzgwM1oXDTM2MTEy
NTE0MzgwM1owFzEVMBMGA1UEAwwMYm9vdC5leGFtcGxlMFkwEwYHKoZIzj0CAQYI
KoZIzj0DAQcDQgAENQ6M8Dd3spMccR/JsLfsXV5Cf5XWJ9YSQQy1y9icUIr0IBnA
ilLeiv/sfzLaw9JV5GzRJq/hVnMnXb7TYFfDOaOBjjCBizAdBgNVHQ4EFgQUlUWD
iMYZlDW3R7weCWk9Q54V1o0wHwYDVR0jBBgwFoAUlUWDiMYZlDW3R7weCWk9Q54V
1o0wDwYDVR0TAQH/BAUwAwEB/zA4BgNVHREEMTAvggxib290LmV4YW1wbGWCDSou
bGFiLmV4YW1wbGWHECABDbgAAAAAAAAAAAAAAAEwCgYIKoZIzj0EAwIDRwAwRAIg
Bxo5zWV4UxvoK1JX3/IEbPXXnZCDGlOPQbh91LgXVw0CIF94ZedVgQ7kZkDhSnKL
zXgCV20bt+geeveYpDngt0Q8
-----END CERTIFICATE-----
`;
/** A key that is not the certificate's: no private key is kept here. */
const KEY = await makeKey();

async function makeKey(): Promise<string> {
  const { privateKey } = await crypto.subtle.generateKey(
    { name: "ECDSA", namedCurve: "P-256" },
    true,
    ["sign", "verify"],
  );
  const bytes = new Uint8Array(
    await crypto.subtle.exportKey("pkcs8", privateKey),
  );
  const text = btoa(String.fromCharCode(...bytes));
  return `-----BEGIN PRIVATE KEY-----
${text}
-----END PRIVATE KEY-----
`;
}

const FILES = { certFile: "c.pem", keyFile: "k.pem" };
const THEN = Date.parse("2030-01-01T00:00:00Z");

function examine(cert: string, key: string, host?: string, now = THEN) {
  return examineKeyPair({ cert, key }, FILES, host, now);
}

Deno.test("certificate", async (t) => {
  await t.step("has no flaw", () => {
    for (
      const host of [
        undefined,
        "boot.example",
        "BOOT.example.",
        "x.lab.example",
        "2001:db8:0::1",
      ]
    ) {
      assertEquals(examine(CERT, KEY, host).flaws, []);
    }
  });

  for (
    const [what, host, now, pattern] of [
      ["another name", "other.example", THEN, /not for other\.example$/],
      ["a name too deep", "a.b.lab.example", THEN, /not for a\.b/],
      ["the domain of a wildcard", "lab.example", THEN, /not for lab/],
      ["another address", "2001:db8::2", THEN, /not for 2001:db8::2$/],
      ["too late", undefined, 4e12, /c\.pem has expired on 2036-11-25$/],
      ["too early", undefined, 0, /c\.pem is not valid before 2026-11-28$/],
    ] as const
  ) {
    await t.step(`is rejected for ${what}`, () => {
      const { flaws } = examine(CERT, KEY, host, now);
      assertEquals(flaws.length, 1);
      assertMatch(flaws[0]!, pattern);
    });
  }

  for (
    const [what, cert, key, pattern] of [
      ["files exchanged", KEY, CERT, /c\.pem holds a private key/],
      ["another key", CERT, KEY, /k\.pem does not belong to .* c\.pem$/],
      ["no certificate", "none", KEY, /c\.pem holds no certificate in PEM/],
      ["no key", CERT, "none", /k\.pem holds no private key in PEM/],
      [
        "a certificate that is none",
        CERT.replace(/MII[^-]+/, "AAAA\n"),
        KEY,
        /c\.pem holds no X\.509 certificate/,
      ],
      [
        "an encrypted key",
        CERT,
        KEY.replaceAll("PRIVATE", "ENCRYPTED PRIVATE"),
        /k\.pem is encrypted/,
      ],
      [
        "an encrypted key in the form of before 2010",
        CERT,
        `-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n`,
        /k\.pem is encrypted/,
      ],
    ] as const
  ) {
    await t.step(`cannot be used: ${what}`, () => {
      assertMatch(examine(cert, key).fault ?? "", pattern);
    });
  }

  await t.step("names", () => {
    assertEquals(isNameOf("*.example", "boot.example"), true);
    assertEquals(isNameOf("*", "boot"), false);
    assertEquals(isNameOf("10.0.0.1", "10.0.0.1"), true);
    assertEquals(isNameOf("boot.example", "10.0.0.1"), false);
  });
});
