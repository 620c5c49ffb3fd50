/** What the bench has the machine do, in the words of its shell. */

/** On the root volume, which outlives a reset. */
export const STATE = '/root-volume/state';
export const DAEMON_PID = '/tmp/daemon.pid';
const FILE_BYTES = 2_097_152;
const BLOCK_BYTES = 65_536;
/** A file begins at one of so many places of the pattern, so that neighbours differ. */
const PLACES = 32;

/** In the cgroup of the tasks. A number is noted when its file was synced, and the note is synced too. */
export const writer = (): string => `echo $$ >/tmp/writer.pid
echo $$ >/sys/fs/cgroup/ecstasks.slice/cgroup.procs
cd /var/lib/docker
i=$(ls -d f[0-9]* 2>/dev/null | wc -l)
while [ ! -e /tmp/stop ]; do
  i=$((i + 1))
  if dd if=${STATE}/pattern of=f$i bs=${BLOCK_BYTES} skip=$((i % ${PLACES})) count=${FILE_BYTES / BLOCK_BYTES} conv=fsync 2>/tmp/full; then
    echo $i | dd of=${STATE}/written oflag=append conv=notrunc,fsync 2>/dev/null
  else
    echo "f$i: $(cat /tmp/full)" >>${STATE}/full
  fi
  sleep 1
done
`;

export const END_ALL = `kill -9 $(cat ${DAEMON_PID})
echo 0 >/sys/fs/cgroup/ecstasks.slice/cgroup.freeze
touch /tmp/stop
for i in $(seq 100); do kill -0 $(cat /tmp/writer.pid) || break; sleep 0.1; done
kill -9 $(cat /tmp/writer.pid) $(cat /tmp/taker.pid)
for i in $(seq 10); do kill -0 $(cat ${DAEMON_PID}) || break; sleep 0.1; done`;

/** By what is on the devices: the file system is unmounted, checked, and read again. Says what is wrong. */
export const verifying = (): string => `cd /
umount /var/lib/docker /var/lib/containerd && umount /var/lib/batchwell/data || echo 'It cannot be unmounted.'
xfs_repair -n /dev/batchwell/data >/tmp/repair 2>&1 || { echo 'xfs_repair finds damage:'; tail -n 5 /tmp/repair; }
mount -t xfs -o ro /dev/batchwell/data /var/lib/batchwell/data && cd /var/lib/batchwell/data/docker
for i in $(cat ${STATE}/written); do
  [ $(stat -c %s f$i) = ${FILE_BYTES} ] || echo "f$i is short"
  /sbin/cmp -s -n ${FILE_BYTES} -i 0:$((i % ${PLACES} * ${BLOCK_BYTES})) f$i ${STATE}/pattern || echo "f$i is damaged"
done
[ -s ${STATE}/written ] || echo 'Nothing was written.'
[ -s ${STATE}/full ] && head -n 3 ${STATE}/full
cd /
umount /var/lib/batchwell/data
true`;

/** Errors of the disk before would be those of the next one: they are pushed out of the kernel's log. */
export const FORGET_ERRORS = `line=$(head -c 900 /dev/zero | tr '\\0' x)
for i in $(seq 700); do echo "<7>$line" >/dev/kmsg; done
dmesg -c >/dev/null`;

export const CLEAN_UP = `cd /
for process in /proc/[0-9]*; do
  case $(readlink $process/cwd) in /var/lib/docker*) kill -9 \${process#/proc/} ;; esac
done
for i in $(seq 30); do
  grep -qE '/var/lib/(docker|containerd|batchwell/data) ' /proc/mounts || break
  umount /var/lib/docker /var/lib/containerd /var/lib/batchwell/data
  sleep 0.2
done
umount -l /var/lib/docker /var/lib/containerd /var/lib/batchwell/data
dmsetup remove --force --retry batchwell-data || dmsetup rename batchwell-data gone$(date +%s)
rm -rf /dev/batchwell
cd ${STATE} && rm -rf journal.json full written systemctl ballast identity.json /run/batchwell/*`;
