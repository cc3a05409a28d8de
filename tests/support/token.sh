#!/bin/sh
# token.sh FOLDER: an openCryptoki soft token whose files all lie in FOLDER. The caller has given this
# process a mount and IPC namespace of its own, so nothing outside sees any of it.
set -eu
dir=$1
mount --make-rprivate /
mkdir -p "$dir/lib/swtok/TOK_OBJ" "$dir/etc" "$dir/run/lock/opencryptoki/swtok"
cat > "$dir/etc/opencryptoki.conf" <<END
version opencryptoki-3.1
slot 3
{
stdll = libpkcs11_sw.so
}
END
chgrp -R pkcs11 "$dir/lib" "$dir/run/lock"
chmod -R g+rwX "$dir/lib" "$dir/run/lock"
mount -t tmpfs tmpfs /dev/shm
mount --bind "$dir/lib" /var/lib/opencryptoki
mount --bind "$dir/etc" /etc/opencryptoki
mount --bind "$dir/run" /run
/usr/sbin/pkcsslotd
i=0
while ! pkcsconf -t -c 3 > /dev/null 2>&1; do
    i=$((i + 1))
    [ $i -lt 50 ]
    sleep 0.1
done
# Both PINs start as defaults that must be changed.
printf 'claviger-test\n' | pkcsconf -I -c 3 -S 87654321
pkcsconf -P -c 3 -S 87654321 -n 76543210
pkcsconf -u -c 3 -S 76543210 -n 01234567
pkcsconf -p -c 3 -U 01234567 -n 13572468
