#!/bin/bash
# run.sh - in the VM, once it is up: run what came with this boot, hand back what it left, go off.
#
# NVMe namespace 2 is a tar of programs, 3 takes a tar of results, 4 is the script to run. The kernel
# names their devices in any order, so they are found by number. What the script prints goes to the
# second serial port. Of the results, the file started is there from its beginning, and rc, its exit
# code, from its end.
stty -F /dev/ttyS1 raw -echo
exec </dev/null >/dev/ttyS1 2>&1
namespace() {
    for device in /sys/block/nvme*; do
        [ "$(cat "$device/nsid")" = "$1" ] && echo "/dev/${device##*/}"
    done
}
# Where no test mounts anything over it.
mkdir -p /opt/nsx /run/results
: >/run/results/started
tar -C /run/results -cf "$(namespace 3)" .
mount -t tmpfs -o mode=755 programs /opt/nsx
tar -C /opt/nsx -xf "$(namespace 2)"
cat "$(namespace 4)" >/opt/nsx/script
export HOME=/root PATH=/opt/nsx:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export NSX_VM=1 NSX_TEST_BIN_DIR=/opt/nsx NSX_VM_RESULTS=/run/results
cd /opt/nsx || exit
# Through a pipe: what it prints is not for a terminal. Something may hold the pipe for longer.
exec 3> >(exec cat)
printer=$!
# In a scope, as in a person's session: what runs in a service is that service's.
systemd-run --quiet --scope --unit=nsx-vm-script -p Delegate=yes -p TasksMax=infinity \
    bash /opt/nsx/script >&3 2>&1
echo $? >/run/results/rc
exec 3>&-
timeout 3 tail --pid="$printer" -f /dev/null
tar -C /run/results -cf "$(namespace 3)" .
sync
systemctl poweroff --force --force >/dev/null 2>&1
