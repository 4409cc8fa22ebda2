/*
 * The host's resolvers, as dnsmasq may ask them.
 */
#ifndef NETWORK_RESOLVER_H
#define NETWORK_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "network/policy.h"

/*
 * Number of nameserver lines with an address that can be asked from another namespace: IPv4, with
 * @ipv6 IPv6 as well. Pure.
 */
size_t resolver_count(const char *resolv_conf, bool ipv6);

/*
 * The file that names the host's resolvers: /etc/resolv.conf, or systemd-resolved's when the former
 * names a loopback stub only. EX_CONFIG (hint: network.dns) when neither names one that can be
 * used. *ret_path is a constant.
 */
MUST_CHECK int resolver_find(bool ipv6, const char **ret_path, struct error *err);

#endif
