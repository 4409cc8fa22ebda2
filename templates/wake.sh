# What a guest is told when it goes on from saved memory: what time it is, and randomness of the host's. Two that
# go on from the same memory would draw the same random numbers. A kernel with the vmgenid driver reseeds by
# itself before its programs run; for one without it this is the first chance.
# now and seed are set above (command/up_suspended.c).
# shellcheck disable=SC2154
date -u -s "@$now" >/dev/null || exit 1
printf '%s' "$seed" >/dev/urandom || exit 2
# RNDRESEEDCRNG (linux/random.h): what was put in counts from now on. Perl is the sooner of the two.
perl -e 'open(F, ">", "/dev/urandom") && ioctl(F, 0x5207, 0) or exit 1' 2>/dev/null ||
    python3 -c 'import fcntl; fcntl.ioctl(open("/dev/urandom", "wb"), 0x5207)' 2>/dev/null || exit 2
