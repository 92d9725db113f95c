# The NixOS module services.dhcpv6macd. Each option of the command line has its
# counterpart here; tests/unit/cli/nixos_test.ts compares the two.
{
  config,
  lib,
  pkgs,
  utils,
  ...
}:

let
  inherit (lib) mkOption types;
  cfg = config.services.dhcpv6macd;
  hasTls = cfg.tlsCertFile != null && cfg.tlsKeyFile != null;

  # Every option here, and what the command line calls it.
  argumentNames = {
    interface = "interface";
    baseAddress = "base-address";
    linkPrefix = "link-prefix";
    macSources = "mac-sources";
    allowMac = "allow-mac";
    denyMac = "deny-mac";
    preferredLifetime = "preferred-lifetime";
    validLifetime = "valid-lifetime";
    serverDuid = "server-duid";
    preference = "preference";
    dns = "dns";
    domainSearch = "domain-search";
    ntp = "ntp";
    httpBootUrlTemplate = "http-boot-url-template";
    bootUrl = "boot-url";
    bootAddress = "boot-address";
    bootPolicy = "boot-policy";
    ipxeChain = "ipxe-chain";
    netbootDirectory = "netboot-dir";
    netbootFollow = "netboot-follow";
    tftpListenAddress = "tftp-listen-addr";
    tftpSinglePort = "tftp-single-port";
    httpListenAddress = "http-listen-addr";
    httpsListenAddress = "https-listen-addr";
    tlsCertFile = "tls-cert-file";
    tlsKeyFile = "tls-key-file";
    httpAllow = "http-allow";
    httpHost = "http-host";
    ipxeX86_64Efi = "ipxe-x86-64-efi";
    ipxeArm64Efi = "ipxe-arm64-efi";
    ipxeRiscv64Efi = "ipxe-riscv64-efi";
    ipxeLoong64Efi = "ipxe-loong64-efi";
    shimX86_64Efi = "shim-x86-64-efi";
    shimArm64Efi = "shim-arm64-efi";
    ipxeScript = "ipxe-script";
    dhcpv6ListenPort = "dhcpv6-listen-port";
    names = "names";
    domain = "domain";
    maxMachines = "max-machines";
    maxEvents = "max-events";
    maxOpenFiles = "max-open-files";
    otlpEndpoint = "otlp-endpoint";
    otlpMetricsEndpoint = "otlp-metrics-endpoint";
    otlpLogsEndpoint = "otlp-logs-endpoint";
    otlpHeader = "otlp-header";
    otlpEncoding = "otlp-encoding";
    caFile = "ca-file";
    logFormat = "log-format";
    logLevel = "log-level";
  };

  # What is given otherwise than as it was set: the list of sources is one
  # value, links matter in a netboot directory only, a switch is given or not,
  # and the key pair is where systemd has put it.
  given = cfg // {
    macSources = if cfg.macSources == null then null else lib.concatStringsSep "," cfg.macSources;
    netbootFollow = lib.optionals (cfg.netbootDirectory != null) cfg.netbootFollow;
    tftpSinglePort = if cfg.tftpSinglePort then "true" else null;
    tlsCertFile = null;
    tlsKeyFile = null;
  };

  arguments = lib.concatLists (
    lib.mapAttrsToList (
      name: argument:
      map (value: "--${argument}=${value}") (
        # "${path}", and not toString: a path of the configuration's own comes
        # along into the store
        map (value: if builtins.isInt value then toString value else "${value}") (
          lib.remove null (lib.toList given.${name})
        )
      )
    ) argumentNames
  );

  credentials = {
    tls-cert = cfg.tlsCertFile;
    tls-key = cfg.tlsKeyFile;
  };

  # systemd's own %, that must not be escaped
  credentialArguments = lib.optionals hasTls [
    "--tls-cert-file=%d/tls-cert"
    "--tls-key-file=%d/tls-key"
  ];

  package =
    if cfg.httpBootRootCertificate == null then
      cfg.package
    else
      cfg.package.override {
        ipxe = cfg.package.ipxe.override { certBundle = "${cfg.httpBootRootCertificate}"; };
      };

  # One address, several, or "off".
  listenAddresses = types.either (types.enum [ "off" ]) (
    types.either listenAddress (types.listOf listenAddress)
  );
  portsOf =
    addresses: default:
    if addresses == null then [ default ] else map portOf (lib.remove "off" (lib.toList addresses));

  # "[2001:db8::1]:80", "host:80" or ":80"
  portOf = address: lib.toInt (lib.last (lib.splitString ":" address));

  isHome =
    path:
    lib.any (directory: lib.hasPrefix "${directory}/" "${path}/") [
      "/home"
      "/root"
      "/run/user"
    ];

  ipxeFiles = lib.remove null [
    cfg.ipxeX86_64Efi
    cfg.ipxeArm64Efi
    cfg.ipxeRiscv64Efi
    cfg.ipxeLoong64Efi
    cfg.ipxeScript
  ];

  files =
    ipxeFiles
    ++ lib.remove null [
      cfg.netbootDirectory
      cfg.names
    ]
    ++ cfg.netbootFollow;

  # The daemon exits with 2 when it rejects the command line, and also when an
  # iPXE file is absent, which may pass.
  isUsageErrorFinal = lib.all (file: lib.hasPrefix "${builtins.storeDir}/" "${file}") ipxeFiles;

  # What options mean, as the command line's own help has it.
  descriptions = import ./descriptions.nix;

  # The same without the default, where that of the module is another one.
  meaning = argument: lib.head (lib.splitString " Default: " descriptions.${argument});

  optional =
    type: argument:
    mkOption {
      type = types.nullOr type;
      default = null;
      description = descriptions.${argument};
    };

  optionalWith =
    type: argument: more:
    optional type argument // { description = "${descriptions.${argument}} ${more}"; };

  list =
    example: argument:
    mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ example ];
      description = descriptions.${argument};
    };

  lifetime = types.ints.between 1 4294967295;
  duid = types.strMatching "([0-9a-fA-F]{2}){3,130}|[0-9a-fA-F]{1,2}([:-][0-9a-fA-F]{1,2}){2,129}";
  listenAddress = types.strMatching "(\\[[0-9a-fA-F:.]+]|[^] :[]+)?:[0-9]{1,5}";
in
{
  imports = [ ./original.nix ];

  options.services.dhcpv6macd = {
    enable = lib.mkEnableOption "dhcpv6macd, which gives every machine on a link the IPv6 address that its MAC says";

    package = mkOption {
      type = types.package;
      default = pkgs.callPackage ./package.nix { ipxe = pkgs.callPackage ./ipxe.nix { }; };
      defaultText = lib.literalMD "dhcpv6macd, compiled from the tree that this module is in";
      description = "The package to use.";
    };

    openFirewall = mkOption {
      type = types.nullOr types.bool;
      default = null;
      description = ''
        Which ports to open for machines, on {option}`interface` and no other.
        `null`: the UDP port of DHCPv6. `true`: those of TFTP, HTTP and HTTPS as
        well, as far as they are in use. `false`: none. TFTP transfers need no
        more: the daemon sends their first packet, so that NixOS' firewall knows
        the connection.
      '';
    };

    httpBootRootCertificate = mkOption {
      type = types.nullOr types.path;
      default = null;
      example = lib.literalExpression "./ca.pem";
      description = ''
        Certificates in PEM that iPXE trusts as roots, and no others. iPXE for
        x86-64 and arm64 is built anew with them inside, and the daemon with
        that iPXE inside. Without it, iPXE trusts its own authors' root.
      '';
    };

    interface = optional (types.strMatching "[^[:space:]/%]{1,15}") "interface";

    baseAddress = mkOption {
      type = with types; coercedTo str lib.singleton (listOf str);
      default = [ ];
      example = "2001:db8:123:4567::";
      description = descriptions.base-address;
    };

    linkPrefix = list "fd00:1::/64=2001:db8:123:4568::" "link-prefix";

    macSources = optional (
      with types;
      nonEmptyListOf (enum [
        "relay"
        "duid"
        "eui64"
      ])
    ) "mac-sources";

    allowMac = list "02:de:ad:*" "allow-mac";
    denyMac = list "02:de:ad:*" "deny-mac";

    preferredLifetime = optional lifetime "preferred-lifetime";
    validLifetime = optional lifetime "valid-lifetime";
    serverDuid = optional duid "server-duid";
    preference = optional types.ints.u8 "preference";

    dns = list "2001:db8::53" "dns";
    domainSearch = list "lab.example" "domain-search";
    ntp = list "2001:db8::123" "ntp";

    httpBootUrlTemplate = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "http://[{{.BootAddress}}]:6315/mac/{{.MAC}}/boot.efi";
      description = descriptions.http-boot-url-template;
    };
    bootUrl = list "pxe=tftp://[{{.BootAddress}}]/{{.MAC}}/boot.efi" "boot-url";
    ipxeChain = optional (types.enum [
      "script"
      "direct"
    ]) "ipxe-chain";
    bootAddress = optional types.str "boot-address";
    bootPolicy = optional (types.enum [
      "always"
      "listed"
      "once"
    ]) "boot-policy";
    netbootDirectory =
      optionalWith types.path "netboot-dir"
        "The daemon's dynamic user must be able to read the files.";

    netbootFollow = mkOption {
      type = types.listOf types.str;
      default = [ builtins.storeDir ];
      defaultText = lib.literalExpression "[ builtins.storeDir ]";
      example = [
        "/nix/store"
        "/boot"
      ];
      description = "${meaning "netboot-follow"} With the store among them, what `linkFarm` and tmpfiles rules put into {option}`netbootDirectory` is served.";
    };

    tftpListenAddress = optional (types.either (types.enum [ "off" ]) listenAddress) "tftp-listen-addr";

    tftpSinglePort = mkOption {
      type = types.bool;
      default = false;
      description = meaning "tftp-single-port";
    };
    httpListenAddress = optional listenAddresses "http-listen-addr";
    httpsListenAddress = optional listenAddresses "https-listen-addr";

    tlsCertFile = optionalWith types.path "tls-cert-file" ''
      systemd reads it and {option}`tlsKeyFile` as root when the service starts,
      and passes copies that only the daemon can read. So a renewed certificate is
      used after `systemctl restart dhcpv6macd`; with `security.acme`, name
      `dhcpv6macd.service` in `reloadServices` of the certificate.
    '';
    tlsKeyFile =
      optionalWith types.path "tls-key-file"
        "Give a string, not a path of your configuration: that would be copied into the store, which everybody can read.";

    httpAllow = list "2001:db8::/32" "http-allow";
    httpHost = list "boot.lab.example" "http-host";

    ipxeX86_64Efi = optional types.path "ipxe-x86-64-efi";
    ipxeArm64Efi = optional types.path "ipxe-arm64-efi";
    ipxeRiscv64Efi = optional types.path "ipxe-riscv64-efi";
    ipxeLoong64Efi = optional types.path "ipxe-loong64-efi";
    shimX86_64Efi = optional types.path "shim-x86-64-efi";
    shimArm64Efi = optional types.path "shim-arm64-efi";
    ipxeScript = optional types.path "ipxe-script";

    dhcpv6ListenPort = optional types.port "dhcpv6-listen-port";
    names = optional types.path "names";
    domain = optional types.str "domain";
    maxMachines = optional (types.ints.between 1 16777216) "max-machines";
    maxEvents = optional types.ints.positive "max-events";
    maxOpenFiles = lib.mkOption {
      type = types.ints.between 24 16777216;
      default = 65536;
      description = "${meaning "max-open-files"} It is systemd's limit for the service as well.";
    };
    otlpEndpoint = optional types.str "otlp-endpoint";
    otlpMetricsEndpoint = optional types.str "otlp-metrics-endpoint";
    otlpLogsEndpoint = optional types.str "otlp-logs-endpoint";
    otlpHeader = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "authorization=@/run/credentials/dhcpv6macd.service/token" ];
      description = "${descriptions.otlp-header} Everybody can read a `NAME=VALUE` in the store; `NAME=@FILE` may be a file of `LoadCredential`.";
    };
    otlpEncoding = optional (types.enum [
      "protobuf"
      "json"
    ]) "otlp-encoding";
    caFile = optional types.path "ca-file";
    logFormat = optional (types.enum [
      "text"
      "json"
    ]) "log-format";
    logLevel = optional (types.enum [
      "error"
      "warning"
      "info"
      "debug"
    ]) "log-level";
  };

  config = lib.mkIf cfg.enable {
    # What the daemon would refuse when it starts is refused before there is a
    # system that holds it.
    assertions = [
      {
        assertion = cfg.baseAddress != [ ];
        message = "services.dhcpv6macd.baseAddress must be set: what every machine's address begins with, such as 2001:db8:123:4567::";
      }
      {
        assertion = lib.allUnique cfg.baseAddress;
        message = "services.dhcpv6macd.baseAddress names a link twice: each needs a /64 of its own";
      }
      {
        assertion = cfg.macSources == null || lib.allUnique cfg.macSources;
        message = "services.dhcpv6macd.macSources names a source twice: name each at most once";
      }
      {
        assertion =
          cfg.preferredLifetime == null
          || cfg.validLifetime == null
          || cfg.validLifetime >= cfg.preferredLifetime;
        message = "services.dhcpv6macd.validLifetime is shorter than preferredLifetime; it must not be";
      }
      {
        # The daemon lengthens a valid lifetime that is not given, but it
        # shortens no preferred one.
        assertion = cfg.preferredLifetime != null || cfg.validLifetime == null || cfg.validLifetime >= 1200;
        message = "services.dhcpv6macd.validLifetime is shorter than the preferred lifetime of 1200 seconds: set preferredLifetime as well";
      }
      {
        assertion = !(lib.elem cfg.bootPolicy [ "listed" "once" ]) || cfg.netbootDirectory != null;
        message = "services.dhcpv6macd.bootPolicy is \"${toString cfg.bootPolicy}\", which needs netbootDirectory: it depends on the directories there";
      }
      {
        assertion = (cfg.tlsCertFile == null) == (cfg.tlsKeyFile == null);
        message = "services.dhcpv6macd.tlsCertFile and tlsKeyFile need each other: one alone makes no HTTPS";
      }
      {
        assertion = cfg.openFirewall == true -> cfg.interface != null;
        message = "services.dhcpv6macd.openFirewall needs interface: the ports are opened there, and nowhere else";
      }
    ];

    warnings =
      lib.optional
        (
          cfg.httpBootRootCertificate != null && (cfg.ipxeX86_64Efi != null || cfg.ipxeArm64Efi != null)
        )
        "services.dhcpv6macd.ipxeX86_64Efi and ipxeArm64Efi are served as they are: httpBootRootCertificate does not count in them"
      ++ lib.optional (
        cfg.tlsKeyFile != null && lib.hasPrefix builtins.storeDir (toString cfg.tlsKeyFile)
      ) "services.dhcpv6macd.tlsKeyFile is in the Nix store, which everybody can read: keep the key elsewhere"
      ++ lib.optional (
        cfg.httpsListenAddress != null && portsOf cfg.httpsListenAddress 443 != [ ] && !hasTls
      ) "services.dhcpv6macd.httpsListenAddress: HTTPS is not served without tlsCertFile and tlsKeyFile"
      ++ lib.optional (
        cfg.openFirewall == null && cfg.interface == null
      ) "services.dhcpv6macd opens no port for DHCPv6 without interface: set it, or set openFirewall = false and let UDP port 547 in yourself";

    networking.firewall.interfaces = lib.mkIf (cfg.openFirewall != false && cfg.interface != null) {
      ${cfg.interface} = {
        allowedUDPPorts = [
          (if cfg.dhcpv6ListenPort == null then 547 else cfg.dhcpv6ListenPort)
        ]
        ++ lib.optional (cfg.openFirewall == true && cfg.tftpListenAddress != "off") (
          if cfg.tftpListenAddress == null then 69 else portOf cfg.tftpListenAddress
        );
        allowedTCPPorts = lib.optionals (cfg.openFirewall == true) (
          portsOf cfg.httpListenAddress 6315
          ++ lib.optionals hasTls (portsOf cfg.httpsListenAddress 443)
        );
      };
    };

    systemd.services.dhcpv6macd = {
      description = "DHCPv6 and IPv6 netboot by MAC";
      wantedBy = [ "multi-user.target" ];
      # The daemon itself waits for its interface and for addresses on it.
      after = [ "network.target" ];
      # However often it fails, the daemon is started again.
      unitConfig.StartLimitIntervalSec = 0;

      serviceConfig = {
        ExecStart = lib.concatStringsSep " " (
          [ (utils.escapeSystemdExecArgs ([ (lib.getExe package) ] ++ arguments)) ] ++ credentialArguments
        );
        Type = "exec";
        Restart = "always";
        RestartSec = 2;
        RestartPreventExitStatus = lib.mkIf isUsageErrorFinal 2;
        # Transfers get 5 seconds to end.
        TimeoutStopSec = 15;
        LimitNOFILE = cfg.maxOpenFiles;

        LoadCredential = lib.mkIf hasTls (
          lib.mapAttrsToList (name: file: "${name}:${lib.replaceStrings [ "%" ] [ "%%" ] "${file}"}") credentials
        );

        # Port 547, 69 and 443; no user namespace of its own (PrivateUsers), in
        # which that capability would count for nothing.
        AmbientCapabilities = [ "CAP_NET_BIND_SERVICE" ];
        CapabilityBoundingSet = [ "CAP_NET_BIND_SERVICE" ];

        # DynamicUser implies NoNewPrivileges, PrivateTmp, RemoveIPC,
        # RestrictSUIDSGID and ProtectSystem=strict. They are set all the same, as
        # in tools/packaging/systemd: tests/system/nix/units_test.ts compares the two.
        DynamicUser = true;
        NoNewPrivileges = true;
        UMask = "0077";
        ProtectSystem = "strict";
        ProtectHome = if lib.any isHome files then "read-only" else true;
        PrivateTmp = true;
        PrivateDevices = true;
        DevicePolicy = "closed";
        PrivateIPC = true;
        PrivateMounts = true;
        RemoveIPC = true;
        KeyringMode = "private";
        NoExecPaths = [ "/" ];
        ExecPaths = [ builtins.storeDir ];
        ProtectClock = true;
        ProtectControlGroups = true;
        ProtectHostname = true;
        ProtectKernelLogs = true;
        ProtectKernelModules = true;
        ProtectKernelTunables = true;
        ProtectProc = "invisible";
        ProcSubset = "pid";
        LockPersonality = true;
        # No MemoryDenyWriteExecute: V8 writes the code that it runs.
        RestrictNamespaces = true;
        RestrictRealtime = true;
        RestrictSUIDSGID = true;
        # Netlink lists the interfaces. No AF_UNIX: where glibc tries it
        # (if_nametoindex, nscd), it goes on without.
        RestrictAddressFamilies = [
          "AF_INET"
          "AF_INET6"
          "AF_NETLINK"
        ];
        SystemCallArchitectures = "native";
        SystemCallFilter = [
          "@system-service"
          # V8 guards the code that it writes with memory protection keys
          "@pkey"
          "~@privileged"
          "~@resources"
        ];
        # A library's attempt at something else is no reason to end.
        SystemCallErrorNumber = "EPERM";
      };
    };
  };
}
