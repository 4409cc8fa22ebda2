#!/bin/sh
# The first boot from a layer: the guest is who its own migrant says, before anything of it speaks to
# anybody. What to do stands on the seed, which is no file system here but the script itself.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
seed=/dev/vdb
tries=0
until [ -b $seed ]; do
    [ $tries -lt 600 ] || exit 1
    tries=$((tries + 1))
    sleep 0.1
done
read -r first <$seed
[ "$first" = '# migrant identity 1' ] || exit 1
exec sh $seed
