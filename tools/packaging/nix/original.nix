# services.detsys.dhcpv6macd, the options of the program that this one succeeds:
# their names, types and defaults are those that they had there, so that a
# configuration that sets or reads them stays as it is.
{
  config,
  lib,
  options,
  ...
}:

let
  inherit (lib) mkOption types;
  cfg = config.services.detsys.dhcpv6macd;
  declared = options.services.detsys.dhcpv6macd;

  # Every option here, and its name in services.dhcpv6macd.
  names = {
    enable = "enable";
    package = "package";
    openFirewall = "openFirewall";
    interface = "interface";
    baseAddress = "baseAddress";
    tftpListenAddress = "tftpListenAddress";
    httpListenAddress = "httpListenAddress";
    httpsListenAddress = "httpsListenAddress";
    dhcpv6ListenPort = "dhcpv6ListenPort";
    httpBootUrlTemplate = "httpBootUrlTemplate";
    httpBootRootCertificate = "httpBootRootCertificate";
    netbootDirectory = "netbootDirectory";
    tlsCertFile = "tlsCertFile";
    tlsKeyFile = "tlsKeyFile";
    ipxeX8664Efi = "ipxeX86_64Efi";
  };

  # Whether a configuration sets an option; a default is none.
  isSet = name: declared.${name}.highestPrio < (lib.mkOptionDefault null).priority;
  set = lib.filter isSet (lib.attrNames names);

  text =
    default: description:
    mkOption {
      type = types.str;
      inherit default description;
    };
  file =
    description:
    mkOption {
      type = types.nullOr types.path;
      default = null;
      inherit description;
    };
in
{
  options.services.detsys.dhcpv6macd = {
    enable = lib.mkEnableOption "dhcpv6macd under the name of its predecessor";
    package = mkOption {
      type = types.package;
      default = config.services.dhcpv6macd.package;
      defaultText = lib.literalMD "{option}`services.dhcpv6macd.package`";
      description = "The package to use.";
    };
    openFirewall = mkOption {
      type = types.nullOr types.bool;
      default = true;
      description = "Which ports are opened: {option}`services.dhcpv6macd.openFirewall`.";
    };
    interface = mkOption {
      type = types.str;
      description = "The link to serve.";
    };
    baseAddress = mkOption {
      type = types.str;
      description = "What every address begins with, 80 bits of it.";
    };
    tftpListenAddress = text ":69" "Where TFTP is served.";
    httpListenAddress = text ":80" "Where HTTP is served.";
    httpsListenAddress = text ":443" "Where HTTPS is served, given a certificate.";
    dhcpv6ListenPort = mkOption {
      type = types.int;
      default = 547;
      description = "The UDP port of DHCPv6.";
    };
    httpBootUrlTemplate = text "" "Where machines boot from; without it, clients get no boot instructions.";
    httpBootRootCertificate = file "Certificates in PEM that iPXE trusts as roots, and no others.";
    netbootDirectory = file "Files for machines.";
    tlsCertFile = file "Certificate chain in PEM.";
    tlsKeyFile = file "The certificate's key in PEM.";
    ipxeX8664Efi = file "iPXE for x86-64; without it, what is compiled in.";
  };

  config = {
    warnings = map (
      name:
      "The option `services.detsys.dhcpv6macd.${name}' has been renamed to `services.dhcpv6macd.${names.${name}}'."
    ) set;

    services.dhcpv6macd = lib.mkMerge (
      [
        (lib.mkIf (set != [ ]) {
          # Defaults that are others in services.dhcpv6macd.
          tftpListenAddress = lib.mkDefault ":69";
          httpListenAddress = lib.mkDefault ":80";
          openFirewall = lib.mkDefault true;
        })
      ]
      ++ lib.mapAttrsToList (name: successor: {
        ${successor} = lib.mkIf (isSet name) (lib.mkOverride declared.${name}.highestPrio cfg.${name});
      }) names
    );
  };
}
