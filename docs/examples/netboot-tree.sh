#!/bin/sh
# Makes a netboot directory: one image for all machines, another one for some.
#
#   netboot-tree.sh DIRECTORY IMAGE [OTHER-IMAGE MAC...]
#
# An image is an EFI program, such as a unified kernel image. A new image takes
# the place of the old one at once, also for machines that are loading it: they
# get the one that they began with.
set -eu

directory=$1 image=$2
shift 2

put() {
  mkdir -p "$2"
  cp "$1" "$2/.boot.efi.new"
  chmod 644 "$2/.boot.efi.new"
  mv "$2/.boot.efi.new" "$2/boot.efi"
}

put "$image" "$directory/default"
[ $# -gt 0 ] || exit 0
image=$1
shift
for mac in "$@"; do
  put "$image" "$directory/$mac"
done
