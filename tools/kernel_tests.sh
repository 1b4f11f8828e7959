#!/usr/bin/env bash
# Tests that need modules of the kernel (hci_vhci, dummy_hcd, and gpio-sim where the kernel has it), run in an emulated machine that sees
# this one's files read-only. On Debian, x86-64, with
#   apt-get install qemu-system-x86 busybox-static kmod cpio
# The kernel is Debian's package, unpacked under build/ and not installed. Words after the command go to pytest.
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
work="$root/build/kernel"
for tool in qemu-system-x86_64 busybox depmod modprobe cpio dpkg; do
  command -v "$tool" >/dev/null || PATH="$PATH:/sbin:/usr/sbin" command -v "$tool" >/dev/null || {
    echo "kernel_tests: needs $tool; apt-get install qemu-system-x86 busybox-static kmod cpio"
    exit 2
  }
done
export PATH="$PATH:/sbin:/usr/sbin"
mkdir -p "$work" && cd "$work"

if [ ! -d kernel ]; then
  package="$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: //p' | head -1)"
  echo "Fetching $package"
  apt-get download -qq "$package"
  rm -rf unpacked && dpkg -x "$package"_*.deb unpacked
  rm -f "$package"_*.deb
  mv unpacked kernel
fi
version="$(ls kernel/lib/modules)"
depmod -b kernel "$version"

echo "Making the machine"
rm -rf first && mkdir -p first/{bin,proc,sys,dev,low,up,new,lib/modules/"$version"}
cp "$(command -v busybox)" first/bin/
for name in sh mount modprobe switch_root mkdir; do ln -s busybox "first/bin/$name"; done
cp kernel/lib/modules/"$version"/modules.* "first/lib/modules/$version/"
for module in virtio_pci 9pnet_virtio 9p overlay; do
  modprobe -d "$work/kernel" -S "$version" --show-depends "$module" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
done | sort -u | while read -r file; do
  install -D "$file" "first/${file#"$work"/kernel/}"
done
cat >first/init <<END
#!/bin/sh
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for module in virtio_pci 9pnet_virtio 9p overlay; do modprobe \$module; done
mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=262144,cache=loose host /low
mount -t tmpfs up /up; mkdir /up/upper /up/work
mount -t overlay -o lowerdir=/low,upperdir=/up/upper,workdir=/up/work over /new
for each in proc sys dev; do mount --move /\$each /new/\$each; done
exec switch_root /new /bin/bash "$work/guest.sh"
END
chmod +x first/init
(cd first && find . | cpio --quiet -o -H newc | gzip -1 >../first.gz)

words="$([ $# = 0 ] || printf '%q ' "$@")"
cat >guest.sh <<END
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root PYTHONDONTWRITEBYTECODE=1
mkdir -p /dev/pts /dev/shm; mount -t devpts none /dev/pts; mount -t tmpfs none /dev/shm; mount -t tmpfs none /run
ip link set lo up
mkdir -p /lib/modules; mount --bind "$work/kernel/lib/modules" /lib/modules
for module in gpio-sim hci_vhci dummy_hcd libcomposite usb_f_fs; do modprobe \$module; done
mount -t configfs none /sys/kernel/config
cd "$root"
.venv/bin/pytest -q --color=no -p no:cacheprovider -p no:xdist tests/terminal/test_gpio_kernel.py \
  tests/bluetooth/test_ble_standing.py $words
echo "RESULT \$?"
echo o >/proc/sysrq-trigger; read -r -t 10 _ </dev/console
END

timeout 1800 qemu-system-x86_64 -cpu max -m 3000 -smp 2 -nographic -no-reboot -nic none \
  -kernel kernel/boot/vmlinuz-"$version" -initrd first.gz -append "console=ttyS0 quiet loglevel=3 panic=1" \
  -virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap </dev/null | tee told.txt
grep -q "^RESULT 0" told.txt
