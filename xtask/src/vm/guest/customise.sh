#!/bin/sh
# customise.sh - make of a plain Debian tree what boots in the VM. mmdebstrap runs it on the machine
# that builds (a customize-hook), and gives it the tree; nothing outside of that and $VM_OUT is
# written to.
#
# Needs: VM_OUT (where the kernels go), VM_KERNELS (VERSION=SUITE each), VM_GUEST (the directory of
#   this script), and mmdebstrap's apt configuration, so that kernels come from where the packages do.
set -eu
root=$1
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"

# The kernels' packages themselves are not installed: an initramfs, which they ask for, is not needed
# with NVMe and ext4 built in.
mkdir -p "$root/usr/lib/modules"
for kernel in $VM_KERNELS; do
    suite=${kernel#*=} unpacked=$VM_OUT/kernel
    apt="-o APT::Sandbox::User=root"
    # Without this it is the newest of the release, its security updates among them.
    case $suite in *-*) apt="$apt -o APT::Default-Release=$suite" ;; esac
    image=$(apt-cache $apt depends linux-image-cloud-amd64 |
        awk '/Depends: linux-image/ { print $2; exit }')
    case $image in
    linux-image-"${kernel%=*}".*) ;;
    *) echo "customise.sh: $suite has $image, not ${kernel%=*}" >&2 && exit 1 ;;
    esac
    mkdir "$unpacked"
    (cd "$unpacked" && apt-get -q $apt download "$image" && dpkg-deb -x ./*.deb .)
    # Merged or not, as the suite has it.
    [ -d "$unpacked/lib/modules" ] || ln -s usr/lib "$unpacked/lib"
    version=$(ls "$unpacked/lib/modules")
    mv "$unpacked"/boot/vmlinuz-* "$VM_OUT/vmlinuz-${kernel%=*}"
    mv "$unpacked/lib/modules/$version" "$root/usr/lib/modules/"
    chroot "$root" depmod "$version"
    rm -rf "$unpacked"
done

# What would only cost time, or start containers of its own.
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
    e2scrub_reap.service fstrim.timer systemd-pstore.service getty@.service nginx.service \
    lxc.service lxc-net.service lxc-monitord.service podman-auto-update.timer \
    podman-auto-update.service podman-restart.service podman.service podman.socket \
    docker.service docker.socket containerd.service; do
    chroot "$root" systemctl -q disable "$unit" 2>/dev/null || :
done
ln -sfn /lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"

echo nsxvm >"$root/etc/hostname"
printf '127.0.0.1 localhost nsxvm\n::1 localhost\n' >"$root/etc/hosts"
rm -f "$root/etc/resolv.conf"
: >"$root/etc/resolv.conf"
: >"$root/etc/fstab"
: >"$root/etc/machine-id"

install -m 755 "$VM_GUEST/run.sh" "$root/usr/local/sbin/nsx-vm-run"
install -m 644 "$VM_GUEST/nsx-vm.service" "$root/etc/systemd/system/nsx-vm.service"
chroot "$root" systemctl -q enable nsx-vm.service

# alice has a manager of her own from the start: her containers' groups are below it.
chroot "$root" useradd -m -s /bin/bash alice
mkdir -p "$root/var/lib/systemd/linger"
: >"$root/var/lib/systemd/linger/alice"
chroot "$root" passwd -qd root

# The root file system of the containers, as a directory and as an archive that engines import.
share=$root/usr/share/nsx-vm
mkdir -p "$share/rootfs/bin" "$share/rootfs/etc" "$share/rootfs/proc" "$share/rootfs/sys" \
    "$share/rootfs/dev" "$share/rootfs/run" "$share/rootfs/tmp"
cp "$root/bin/busybox" "$share/rootfs/bin/"
for applet in $("$root/bin/busybox" --list); do
    [ "$applet" = busybox ] || ln -s busybox "$share/rootfs/bin/$applet"
done
echo 'root:x:0:0::/:/bin/sh' >"$share/rootfs/etc/passwd"
echo 'ID=nsx-vm' >"$share/rootfs/etc/os-release"
tar -C "$share/rootfs" -cf "$share/rootfs.tar" .
