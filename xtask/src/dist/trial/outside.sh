# outside.sh CLEAN PLACE PACKED - in namespaces of the trial's own: inside.sh with what is in PACKED,
# on the Debian CLEAN, to which nothing is written.
set -eu
clean=$1 place=$2 packed=$3

layers=$place/layers root=$place/root
mkdir "$layers" "$root"
mount -t tmpfs -o mode=755 trial "$layers"
mkdir "$layers/upper" "$layers/work"
mount -t overlay -o "lowerdir=$clean,upperdir=$layers/upper,workdir=$layers/work" trial "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs -o mode=755 dev "$root/dev"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs packed "$root/mnt"
cp "$packed"/* "$place/inside.sh" "$root/mnt"

# As older releases make them: whoever unpacks must not take them for himself.
chgrp staff "$root/usr/local/bin" "$root/usr/local/share"
chmod 2775 "$root/usr/local/bin" "$root/usr/local/share"


# Not by chroot, in which the kernel makes no user namespaces.
cd "$root"
pivot_root . media
umount --lazy /media
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb \
    LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive bash /mnt/inside.sh
