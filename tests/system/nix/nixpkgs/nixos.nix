# What the module sees of NixOS: the options that it defines, by their types,
# and a place for everything else that a test's machines are configured with.
{
  lib,
  pkgs,
  modules,
}:
let
  inherit (lib) mkOption types;
  ports = mkOption {
    type = types.listOf types.port;
    default = [ ];
  };
  texts = mkOption {
    type = types.listOf types.str;
    default = [ ];
  };
  anything = mkOption {
    type = types.attrsOf types.unspecified;
    default = { };
  };
  base = {
    options = {
      assertions = mkOption {
        type = types.listOf types.unspecified;
        default = [ ];
      };
      warnings = texts;
      networking = {
        firewall.interfaces = mkOption {
          type = types.attrsOf (
            types.submodule {
              options = {
                allowedTCPPorts = ports;
                allowedUDPPorts = ports;
              };
            }
          );
          default = { };
        };
        useNetworkd = mkOption {
          type = types.bool;
          default = false;
        };
        useDHCP = mkOption {
          type = types.bool;
          default = true;
        };
      };
      boot.kernel.sysctl = anything;
      environment.systemPackages = mkOption {
        type = types.listOf types.package;
        default = [ ];
      };
      virtualisation = {
        vlans = mkOption {
          type = types.listOf types.int;
          default = [ 1 ];
        };
        interfaces = anything;
      };
      systemd = {
        tmpfiles.rules = texts;
        network.networks = anything;
        services = mkOption {
          type = types.attrsOf (
            types.submodule {
              options = {
                description = mkOption {
                  type = types.str;
                  default = "";
                };
                after = texts;
                wantedBy = texts;
                unitConfig = anything;
                serviceConfig = anything;
              };
            }
          );
          default = { };
        };
      };
    };
  };

  # As NixOS writes words that systemd must not read as anything else.
  utils.escapeSystemdExecArgs =
    words:
    lib.concatStringsSep " " (
      map (
        word:
        builtins.replaceStrings [ "%" "$" ] [ "%%" "$$" ] (
          builtins.toJSON (
            if builtins.isString word || builtins.isPath word || word ? outPath then
              "${word}"
            else
              throw "escapeSystemdExecArgs takes strings, paths and packages"
          )
        )
      ) words
    );
in
(lib.evalModules {
  modules = [ base ] ++ modules;
  specialArgs = { inherit pkgs utils; };
}).config
