#!/bin/sh
# disk.sh ROOT GUEST DISK: a disk with one partition, whose file system is ROOT with the files of GUEST
# over it, and smaller than the disk: cloud-init must grow both. What left-out.txt names is time that no
# test needs.
# In a mount namespace of its own: what it mounts goes with it.
set -eu
root=$1 guest=$2 disk=$3
work=$(mktemp -d "$disk.XXXXXX")
trap 'umount "$work/root" 2>/dev/null || true; rm -rf "$work"' EXIT
mkdir "$work/guest" "$work/root"
cp -R "$guest/." "$work/guest"
chown -R 0:0 "$work/guest"
units=$work/guest/etc/systemd/system
wanted() {
  mkdir -p "$units/$2.wants"
  ln -s "$3/$1" "$units/$2.wants/$1"
}
wanted systemd-networkd.service multi-user.target /lib/systemd/system
wanted systemd-networkd-wait-online.service network-online.target /lib/systemd/system
wanted ecs.service multi-user.target /etc/systemd/system
wanted probe.service basic.target /etc/systemd/system
mkdir "$work/guest/etc/systemd/system-generators"
while read -r name; do
  ln -s /dev/null "$work/guest/etc/systemd/$name"
done <"${0%/*}/left-out.txt"
mount -t overlay overlay -o "lowerdir=$work/guest:$root" "$work/root"
rm -f "$disk"
mke2fs -q -F -t ext4 -E offset=1048576 -d "$work/root" "$disk" 2500M
# One Linux partition from 1 MiB on, as long as the file system.
printf '\200\000\000\000\203\000\000\000\000\010\000\000\000\040\116\000' |
  dd of="$disk" bs=1 seek=446 conv=notrunc status=none
printf '\125\252' | dd of="$disk" bs=1 seek=510 conv=notrunc status=none
truncate -s 30G "$disk"
