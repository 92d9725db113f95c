# Machines that the module is evaluated for, and what is wrong with some.
{
  # Where files are that a machine has, and its configuration has not.
  directory,
}:
let
  link = {
    enable = true;
    interface = "lan";
    baseAddress = "2001:db8:1:2::";
  };
  tls = link // {
    tlsCertFile = "${directory}/cert.pem";
    tlsKeyFile = "${directory}/cert.key";
  };
  ofDaemon = services: { services.dhcpv6macd = services; };
  ofPredecessor = services: { services.detsys.dhcpv6macd = services; };
in
{
  # Each has an ExecStart that the daemon accepts.
  sound = builtins.mapAttrs (_: ofDaemon) {
    minimal = link;
    disabled = { };
    unnamed = link // {
      interface = null;
    };
    mounted = link // {
      ipxeScript = "${directory}/names";
    };
    netboot = link // {
      netbootDirectory = "${directory}/netboot";
      bootPolicy = "listed";
      # what systemd would read as something else
      httpBootUrlTemplate = "http://[{{.BootAddress}}]:6315/mac/{{.MAC}}/a%20b$HOME\"c\"'d'?{{.Payload | urlquery}}";
      openFirewall = true;
    };
    relayed = link // {
      baseAddress = [
        "2001:db8:1:2::"
        "2001:db8:1:3::"
      ];
    };
    # its own rules let machines in
    ownFirewall = link // {
      openFirewall = false;
    };
    unencrypted = link // {
      httpsListenAddress = ":443";
    };
    closed = link // {
      tftpListenAddress = "off";
      httpListenAddress = "[::1]:8080";
      openFirewall = true;
    };
    several = tls // {
      httpListenAddress = [
        "[::]:6315"
        "[::]:80"
      ];
      httpsListenAddress = "off";
      openFirewall = true;
    };
    unserved = link // {
      httpListenAddress = "off";
      httpsListenAddress = "off";
      openFirewall = true;
    };
    inherit tls;
    tlsElsewhere = tls // {
      httpsListenAddress = ":8443";
      openFirewall = true;
    };
    home = link // {
      netbootDirectory = "/home/lab/netboot";
    };
    root = link // {
      httpBootRootCertificate = ./configurations.nix;
    };
    everything = tls // {
      macSources = [
        "eui64"
        "relay"
      ];
      allowMac = [
        "02:de:ad:*"
        "02:00:5e:00:53:01"
      ];
      denyMac = [ "02:de:ad:be:*" ];
      preferredLifetime = 600;
      validLifetime = 900;
      serverDuid = "00:03:00:01:02:00:5e:00:53:01";
      linkPrefix = [ "fd00:7::/64=2001:db8:1:2::" ];
      preference = 10;
      dns = [ "2001:db8::53" ];
      domainSearch = [
        "lab.example"
        "example.com"
      ];
      ntp = [ "time.example" ];
      httpBootUrlTemplate = "http://[{{.BootAddress}}]/{{.MAC}}";
      bootUrl = [ "pxe=tftp://[{{.BootAddress}}]/{{.MAC}}/boot.efi" ];
      bootAddress = "2001:db8:1:2::1";
      bootPolicy = "always";
      ipxeChain = "direct";
      netbootDirectory = directory;
      tftpListenAddress = ":6969";
      tftpSinglePort = true;
      httpListenAddress = "[2001:db8:1:2::1]:8080";
      httpsListenAddress = ":8443";
      httpAllow = [
        "2001:db8::/32"
        "any"
      ];
      httpHost = [
        "boot.lab.example"
        "boot"
      ];
      ipxeX86_64Efi = ../../../assets/ipxe/autoexec.ipxe;
      ipxeArm64Efi = ../../../assets/ipxe/autoexec.ipxe;
      ipxeRiscv64Efi = ../../../assets/ipxe/autoexec.ipxe;
      ipxeLoong64Efi = ../../../assets/ipxe/autoexec.ipxe;
      shimX86_64Efi = ../../../assets/ipxe/autoexec.ipxe;
      shimArm64Efi = ../../../assets/ipxe/autoexec.ipxe;
      ipxeScript = ../../../assets/ipxe/autoexec.ipxe;
      dhcpv6ListenPort = 1547;
      names = "${directory}/names";
      domain = "lab.example";
      maxMachines = 100;
      maxEvents = 1000;
      otlpEndpoint = "http://[::1]:4318";
      otlpMetricsEndpoint = "http://[::1]:9090/api/v1/otlp/v1/metrics";
      otlpLogsEndpoint = "http://[::1]:3100/otlp/v1/logs";
      otlpHeader = [
        "x-scope-orgid=lab"
        "authorization=@${directory}/names"
      ];
      otlpEncoding = "json";
      caFile = "${directory}/cert.pem";
      logFormat = "text";
      logLevel = "debug";
      openFirewall = true;
    };
  }
  // builtins.mapAttrs (_: ofPredecessor) {
    detsys = tls // {
      httpBootUrlTemplate = "http://[{{.BaseAddress}}]/{{.MAC}}";
      httpBootRootCertificate = ./configurations.nix;
      netbootDirectory = directory;
    };
    # The defaults of the predecessor.
    original = link;
    # Every option that it has.
    originalEverything = tls // {
      tftpListenAddress = "[2001:db8:1:2::1]:6969";
      httpListenAddress = ":8080";
      httpsListenAddress = ":8443";
      dhcpv6ListenPort = 1547;
      httpBootUrlTemplate = "https://cert/?mac={{urlquery .MAC}}&payload={{ .Payload }}";
      httpBootRootCertificate = ./configurations.nix;
      netbootDirectory = "/netboot/mac";
      ipxeX8664Efi = builtins.toFile "ipxe.efi" "its-ipxe\n";
    };
    # What its users write who set the defaults again.
    originalDefaults = link // {
      tftpListenAddress = ":69";
      httpListenAddress = ":80";
      httpsListenAddress = ":443";
      dhcpv6ListenPort = 547;
      httpBootUrlTemplate = "";
      httpBootRootCertificate = null;
      netbootDirectory = null;
      tlsCertFile = null;
      tlsKeyFile = null;
      ipxeX8664Efi = null;
    };
    originalOwnFirewall = link // {
      openFirewall = false;
    };
  }
  // {
    # On the way: one option has its new name, and others have only that.
    both = {
      services.detsys.dhcpv6macd = builtins.removeAttrs link [ "interface" ];
      services.dhcpv6macd = {
        interface = "lan";
        httpListenAddress = ":6315";
        preference = 10;
      };
    };
  };

  # Each has options that contradict, and evaluates to a sentence about them.
  contradictory = builtins.mapAttrs (_: ofDaemon) {
    noBase = link // {
      baseAddress = [ ];
    };
    sameBase = link // {
      baseAddress = [
        "2001:db8::"
        "2001:db8::"
      ];
    };
    sameSource = link // {
      macSources = [
        "duid"
        "duid"
      ];
    };
    shorter = link // {
      preferredLifetime = 100;
      validLifetime = 50;
    };
    tooShort = link // {
      validLifetime = 1199;
    };
    noList = link // {
      bootPolicy = "listed";
    };
    noKey = link // {
      tlsCertFile = "/cert";
    };
    noCert = link // {
      tlsKeyFile = "/key";
    };
    nowhere = link // {
      interface = null;
      openFirewall = true;
    };
  };

  # None of these is a value of its option, or even an option.
  refused = builtins.mapAttrs (_: services: ofDaemon (link // services)) {
    preference = { preference = 256; };
    serverDuid = { serverDuid = "00:03"; };
    validLifetime = { validLifetime = 0; };
    macSources = { macSources = [ "arp" ]; };
    noSources = { macSources = [ ]; };
    bootPolicy = { bootPolicy = "never"; };
    logLevel = { logLevel = "trace"; };
    httpListenAddress = { httpListenAddress = "6315"; };
    httpListenAddresses = { httpListenAddress = [ "off" ]; };
    tftpListenAddress = { tftpListenAddress = "on"; };
    interface = { interface = "eth 1"; };
    netbootDirectory = { netbootDirectory = "netboot"; };
    baseAddresses = { baseAddresses = "2001:db8::"; };
  };
}
