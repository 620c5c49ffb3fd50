#!/bin/sh
# root.sh FOLDER: a Debian root with what an ECS-optimized image has, less the agent. debootstrap cannot
# resolve the virtual packages of cloud-init, so apt in the root finishes.
# In a mount namespace of its own: what it mounts goes with it.
set -eu
root=$1
# This kernel has NVMe and ext4 in itself, so no boot unpacks an initramfs.
export DEBIAN_FRONTEND=noninteractive LC_ALL=C INITRD=No
debootstrap --variant=minbase \
  --include=systemd,systemd-sysv,udev,dbus,kmod,iproute2,procps,ca-certificates,e2fsprogs \
  bookworm "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs tmpfs "$root/tmp"
cp /etc/resolv.conf "$root/etc/resolv.conf"
# Nothing may start while it is installed.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
chroot "$root" apt-get update -qq
chroot "$root" apt-get install -y -qq --no-install-recommends \
  cloud-init cloud-guest-utils fdisk docker.io iptables curl openssl busybox-static lvm2 xfsprogs \
  linux-image-cloud-amd64
rm "$root/usr/sbin/policy-rc.d"

# S3, CloudWatch Logs, EC2 and ECS are played behind this certificate.
names='DNS:*.eu-west-1.amazonaws.com'
chroot "$root" openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
  -subj '/CN=Played AWS' -addext "subjectAltName=$names" \
  -keyout /boot/played.key -out /usr/local/share/ca-certificates/played.crt 2>/dev/null
chroot "$root" update-ca-certificates >/dev/null
mv "$root/boot/played.key" "$root.played.key"
cp "$root/usr/local/share/ca-certificates/played.crt" "$root.played.crt"
cp "$root"/boot/vmlinuz-* "$root.kernel"
chroot "$root" apt-get clean
for folder in var/lib/apt/lists usr/share/doc usr/share/locale boot; do
  find "$root/$folder" -mindepth 1 -delete
done
umount "$root/tmp" "$root/sys" "$root/proc"
