# Made by `deno task docs`.
_dhcpv6macd() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
  # bash takes an equals sign for a word of its own.
  if [ "$current" = "=" ]; then
    current=
  elif [ "$previous" = "=" ]; then
    previous=${COMP_WORDS[COMP_CWORD-2]}
  fi
  COMPREPLY=()
  case $previous in
    --interface) COMPREPLY=($(compgen -W "$(ls /sys/class/net 2>/dev/null)" -- "$current")); return ;;
    --base-address) return ;;
    --link-prefix) return ;;
    --mac-sources) return ;;
    --allow-mac) return ;;
    --deny-mac) return ;;
    --preferred-lifetime) return ;;
    --valid-lifetime) return ;;
    --server-duid) return ;;
    --preference) return ;;
    --dns) return ;;
    --domain-search) return ;;
    --ntp) return ;;
    --http-boot-url-template) return ;;
    --boot-url) return ;;
    --ipxe-chain) COMPREPLY=($(compgen -W "script direct" -- "$current")); return ;;
    --boot-address) return ;;
    --boot-policy) COMPREPLY=($(compgen -W "always listed once" -- "$current")); return ;;
    --netboot-dir) COMPREPLY=($(compgen -d -- "$current")); return ;;
    --netboot-follow) COMPREPLY=($(compgen -d -- "$current")); return ;;
    --tftp-listen-addr) return ;;
    --http-listen-addr) return ;;
    --https-listen-addr) return ;;
    --tls-cert-file) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --tls-key-file) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --http-allow) return ;;
    --http-host) return ;;
    --ipxe-x86-64-efi) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --ipxe-arm64-efi) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --ipxe-riscv64-efi) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --ipxe-loong64-efi) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --shim-x86-64-efi) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --shim-arm64-efi) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --ipxe-script) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --dhcpv6-listen-port) return ;;
    --max-machines) return ;;
    --max-events) return ;;
    --max-open-files) return ;;
    --names) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --otlp-endpoint) return ;;
    --otlp-metrics-endpoint) return ;;
    --otlp-logs-endpoint) return ;;
    --otlp-header) return ;;
    --otlp-encoding) COMPREPLY=($(compgen -W "protobuf json" -- "$current")); return ;;
    --ca-file) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --log-format) COMPREPLY=($(compgen -W "text json" -- "$current")); return ;;
    --log-level) COMPREPLY=($(compgen -W "error warning info debug" -- "$current")); return ;;
    --domain) return ;;
    --mac) return ;;
    --format) COMPREPLY=($(compgen -W "hosts dnsmasq unbound zone reverse-zone json" -- "$current")); return ;;
    --all-from) COMPREPLY=($(compgen -d -- "$current")); return ;;
  esac
  case $current in
    -*) COMPREPLY=($(compgen -W "--interface --base-address --link-prefix --mac-sources --allow-mac --deny-mac --preferred-lifetime --valid-lifetime --server-duid --preference --dns --domain-search --ntp --http-boot-url-template --boot-url --ipxe-chain --boot-address --boot-policy --netboot-dir --netboot-follow --tftp-listen-addr --tftp-single-port --http-listen-addr --https-listen-addr --tls-cert-file --tls-key-file --http-allow --http-host --ipxe-x86-64-efi --ipxe-arm64-efi --ipxe-riscv64-efi --ipxe-loong64-efi --shim-x86-64-efi --shim-arm64-efi --ipxe-script --dhcpv6-listen-port --max-machines --max-events --max-open-files --names --otlp-endpoint --otlp-metrics-endpoint --otlp-logs-endpoint --otlp-header --otlp-encoding --ca-file --log-format --log-level --domain --check --help --version --json --mac --format --all-from" -- "$current")) ;;
    *)
      if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "check address records watch status explain help version" -- "$current"))
      fi
      ;;
  esac
}
complete -F _dhcpv6macd dhcpv6macd
