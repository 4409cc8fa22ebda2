# A first boot that was cut off goes on at the next one: what it had begun is done again.
if [ -e /var/lib/migrant/begun ]; then
    rm -f /var/lib/cloud/instance/sem/config_*
else
    mkdir -p /var/lib/migrant
    touch /var/lib/migrant/begun
fi
