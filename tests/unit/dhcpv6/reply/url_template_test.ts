import { assertEquals, assertThrows } from "@std/assert";
import {
  bootPayload,
  parseTemplate,
  renderTemplate,
  TemplateError,
} from "../../../../lib/dhcpv6/reply/url_template.ts";

const VALUES = {
  MAC: "02:00:5e:00:53:01",
  BaseAddress: "2001:db8::",
  BootAddress: "2001:db8::1",
  Payload: "a+/=",
};

Deno.test("URL template", async (t) => {
  for (
    const [template, url] of [
      [
        "http://netboot.target/?mac={{.MAC}}",
        "http://netboot.target/?mac=02:00:5e:00:53:01",
      ],
      [
        "https://[{{ .BootAddress }}]:6315/mac/{{.MAC}}/boot.efi",
        "https://[2001:db8::1]:6315/mac/02:00:5e:00:53:01/boot.efi",
      ],
      ["tftp://[{{.BaseAddress}}]/x", "tftp://[2001:db8::]/x"],
      [
        "http://h/?p={{.Payload}}&m={{.MAC}}",
        "http://h/?p=a+/=&m=02:00:5e:00:53:01",
      ],
      [
        "http://h/?p={{ .Payload | urlquery }}&m={{.MAC|urlquery}}",
        "http://h/?p=a%2B%2F%3D&m=02%3A00%3A5e%3A00%3A53%3A01",
      ],
      ["http://h/{x}", "http://h/{x}"],
      // What else Go's text/template reads as a field.
      ...[
        "{{urlquery .MAC}}",
        "{{ urlquery  .MAC }}",
        "{{urlquery(.MAC)}}",
        "{{urlquery (.MAC)}}",
        "{{(.MAC) | urlquery}}",
        "{{(.MAC | urlquery)}}",
        "{{(urlquery .MAC)}}",
        "{{$.MAC | urlquery}}",
        "{{.MAC\n|\turlquery}}",
        '{{index . "MAC" | urlquery}}',
        '{{urlquery (index $ "MAC")}}',
        "{{- .MAC | urlquery -}}",
        " {{- urlquery .MAC}}",
        "{{urlquery .MAC -}} \n",
        "{{/* the client }*/}}{{urlquery .MAC}}",
        " {{- /* the client */ -}} {{urlquery .MAC}}",
      ].map((field) =>
        [
          `http://h/?m=${field}&x`,
          "http://h/?m=02%3A00%3A5e%3A00%3A53%3A01&x",
        ] as const
      ),
      ["http://h/{{$.MAC}}", "http://h/02:00:5e:00:53:01"],
      ["http://h/{{ (.MAC) }}", "http://h/02:00:5e:00:53:01"],
      [
        'http://[{{index . "BootAddress"}}]/{{ .MAC -}}\n',
        "http://[2001:db8::1]/02:00:5e:00:53:01",
      ],
    ] as const
  ) {
    await t.step(template, () => {
      assertEquals(renderTemplate(parseTemplate(template), VALUES), url);
    });
  }

  for (
    const [template, column, problem] of [
      ["http://h/{{.Mac}}", 12, "is none of"],
      ["http://h/{{MAC}}", 12, "is none of"],
      ["http://h/{{}}", 12, "is none of"],
      ["http://h/{{.MAC | html}}", 12, "unknown function html"],
      ["http://h/{{.MAC | urlquery | html}}", 12, "unknown function html"],
      [
        "http://h/{{.MAC | urlquery | urlquery}}",
        12,
        "urlquery may be used once",
      ],
      [
        "http://h/{{urlquery .MAC | urlquery}}",
        12,
        "urlquery may be used once",
      ],
      ["http://h/{{urlquery}}", 12, "is none of"],
      ["http://h/{{urlquery.MAC}}", 12, "is none of"],
      ["http://h/{{urlquery .Mac}}", 12, "is none of"],
      ["http://h/{{(.MAC}}", 12, "is none of"],
      ["http://h/{{()}}", 12, "is none of"],
      ['http://h/{{index . "Mac"}}', 12, "is none of"],
      ["http://h/{{if .MAC}}x{{end}}", 12, "is none of"],
      ["http://h/{{-.MAC}}", 12, "is none of"],
      ["http://h/{{.MAC-}}", 12, "is none of"],
      ["http://h/ {{- .Mac}}", 13, "is none of"],
      ["http://h/ {{.MAC -}} x", 10, "without spaces"],
      ["http://h/{{/* .MAC }}", 12, "is none of"],
      ["http://h/{{.MAC", 10, "without }}"],
      ["http://h/.MAC}}", 14, "without {{"],
      ["http://h/{{.MAC}}/{{if}}", 21, "is none of"],
      ["ftp://h/{{.MAC}}", 1, "not an absolute URL"],
      ["//h/{{.MAC}}", 1, "not an absolute URL"],
      ["{{.MAC}}", 1, "not an absolute URL"],
      ["http://h/{{.MAC}} x", 18, "without spaces"],
      ["http://h/{{ .MAC }} x", 20, "without spaces"],
      ["http://h/\u00e4", 10, "printable ASCII"],
      ["http://[::1/{{.MAC}}", 1, "not an absolute URL"],
      ["http:h", 1, "not an absolute URL"],
      ["HTTP://h/", 1, "not an absolute URL"],
    ] as const
  ) {
    await t.step(`refuses ${template}`, () => {
      const error = assertThrows(
        () => parseTemplate(template),
        TemplateError,
        problem,
      );
      assertEquals(error.column, column);
    });
  }

  await t.step("contains the payload that boot servers read", () => {
    assertEquals(
      bootPayload([16]),
      "eyJhcmNoaXRlY3R1cmVzIjpbIkVGSSB4ODYtNjQgYm9vdCBmcm9tIEhUVFAiXX0=",
    );
    assertEquals(
      JSON.parse(atob(bootPayload([7, 999, 1, 2, 3, 4, 5, 6, 7]))),
      {
        architectures: [
          "EFI x86-64",
          "unknown",
          "NEC/PC98",
          "EFI Itanium",
          "DEC Alpha",
          "Arc x86",
          "Intel Lean Client",
          "EFI IA32",
        ],
      },
    );
  });
});
